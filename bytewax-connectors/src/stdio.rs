//! Standard input as a source, standard output and standard error as sinks.

#[cfg(feature = "files")]
mod input;

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::marker::PhantomData;

use bytewax_runtime::delivery::Append;
use bytewax_runtime::sink::{DynamicSink, StatelessSinkPartition};
use bytewax_runtime::{StepError, StepId, WorkerIndex};
#[cfg(feature = "files")]
pub use input::{StdInPartition, StdInSource};

/// Writes each item as a line to standard output.
///
/// [`new`](StdOutSink::new) writes items in their [`Display`](fmt::Display) form, and
/// [`debug`](StdOutSink::debug) in their [`Debug`](fmt::Debug) form. Each worker writes its own items. It
/// writes and flushes a whole batch at once, so lines from workers of one process do not mix; the order of
/// batches from several workers is undefined.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::stdio::StdOutSink;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// let flow = Dataflow::build("hello", |flow| {
///     let words = flow.input(TestingSource::new(["a", "b"])).named("words");
///     words.output(StdOutSink::new()).named("out");
/// });
/// run_main(flow).unwrap(); // Writes `a` and `b`.
/// ```
///
/// # Guarantee
///
/// Each item is written at least once: with a recovery store, items of an incomplete epoch are written again
/// after a kill.
///
/// # Limits
///
/// Lines of several processes of a run may mix if they share a terminal or a file. A worker blocks while
/// standard output accepts no data.
///
/// # Errors
///
/// The run stops if standard output cannot be written. If its reader has exited, as in `program | head`, the
/// run ends quietly: immediately, without an error, and without saving anything more.
///
/// # State
///
/// None. After a crash, items of incomplete epochs are written again.
pub struct StdOutSink<Form> {
    form: PhantomData<fn() -> Form>,
}

/// Marks a [`StdOutSink`] that writes items in their [`Display`](fmt::Display) form.
#[derive(Debug)]
pub enum Displayed {}

/// Marks a [`StdOutSink`] that writes items in their [`Debug`](fmt::Debug) form.
#[derive(Debug)]
pub enum Debugged {}

impl StdOutSink<Displayed> {
    /// Creates a sink that writes items in their [`Display`](fmt::Display) form.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bytewax_connectors::stdio::StdOutSink;
    /// # use bytewax_runtime::prelude::*;
    /// # use bytewax_runtime::testing::{TestingSource, run_main};
    /// let flow = Dataflow::build("words", |flow| {
    ///     let words = flow.input(TestingSource::new(["a", "b"])).named("words");
    ///     words.output(StdOutSink::new()).named("out");
    /// });
    /// run_main(flow).unwrap(); // Writes `a` and `b`.
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { form: PhantomData }
    }
}

impl StdOutSink<Debugged> {
    /// Creates a sink that writes items in their [`Debug`](fmt::Debug) form.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bytewax_connectors::stdio::StdOutSink;
    /// # use bytewax_runtime::prelude::*;
    /// # use bytewax_runtime::testing::{TestingSource, run_main};
    /// let flow = Dataflow::build("counts", |flow| {
    ///     let counts = flow.input(TestingSource::new([("a", 1), ("b", 2)])).named("counts");
    ///     counts.output(StdOutSink::debug()).named("out");
    /// });
    /// run_main(flow).unwrap(); // Writes `("a", 1)` and `("b", 2)`.
    /// ```
    #[must_use]
    pub fn debug() -> Self {
        Self { form: PhantomData }
    }
}

impl Default for StdOutSink<Displayed> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Form> Clone for StdOutSink<Form> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Form> Copy for StdOutSink<Form> {}

impl<Form> fmt::Debug for StdOutSink<Form> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StdOutSink")
    }
}

impl<T: fmt::Display> DynamicSink<T, Append> for StdOutSink<Displayed> {
    type Partition = StdPartition<Displayed>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self::Partition, StepError> {
        Ok(StdPartition::new(Stream::Out))
    }
}

impl<T: fmt::Debug> DynamicSink<T, Append> for StdOutSink<Debugged> {
    type Partition = StdPartition<Debugged>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self::Partition, StepError> {
        Ok(StdPartition::new(Stream::Out))
    }
}

/// Writes each item as a line to standard error, in its [`Display`](fmt::Display) form.
///
/// Guarantee, errors and limits are those of a [`StdOutSink`], and it saves no state.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::stdio::StdErrSink;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// let flow = Dataflow::build("words", |flow| {
///     let words = flow.input(TestingSource::new(["a", "b"])).named("words");
///     words.output(StdErrSink::new()).named("out");
/// });
/// run_main(flow).unwrap(); // Writes `a` and `b` to standard error.
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StdErrSink;

impl StdErrSink {
    /// Creates a sink that writes to standard error.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<T: fmt::Display> DynamicSink<T, Append> for StdErrSink {
    type Partition = StdPartition<Displayed>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self::Partition, StepError> {
        Ok(StdPartition::new(Stream::Err))
    }
}

/// One of the standard streams that are written.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Out,
    Err,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Out => "standard output",
            Self::Err => "standard error",
        }
    }

    /// Writes all of a text at once, and flushes it.
    fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Out => write(io::stdout().lock(), text),
            Self::Err => write(io::stderr().lock(), text),
        }
    }
}

fn write(mut out: impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// The instance of a [`StdOutSink`] or a [`StdErrSink`] on one worker.
#[derive(Debug)]
pub struct StdPartition<Form> {
    stream: Stream,
    /// The lines of a batch; kept for the next.
    buffer: String,
    form: PhantomData<fn() -> Form>,
}

impl<Form> StdPartition<Form> {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: String::new(),
            form: PhantomData,
        }
    }

    /// Writes lines by `write`, all at once.
    fn write(
        &mut self,
        lines: impl IntoIterator<Item: fmt::Display>,
        write: impl FnOnce(&str) -> io::Result<()>,
    ) -> Result<(), StepError> {
        self.buffer.clear();
        for line in lines {
            writeln!(self.buffer, "{line}").map_err(|_| Error::Format)?;
        }
        write(&self.buffer).map_err(|error| from_write(self.stream.name(), error))
    }
}

impl<T: fmt::Display> StatelessSinkPartition<T> for StdPartition<Displayed> {
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        let stream = self.stream;
        self.write(items, |text| stream.write(text))
    }
}

impl<T: fmt::Debug> StatelessSinkPartition<T> for StdPartition<Debugged> {
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        let stream = self.stream;
        self.write(items.iter().map(AsDebug), |text| stream.write(text))
    }
}

/// Displays an item as its `Debug` does.
struct AsDebug<'a, T>(&'a T);

impl<T: fmt::Debug> fmt::Display for AsDebug<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An error of a standard stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream cannot be written, although its reader has not exited.
    #[error("cannot write to {stream}")]
    Write {
        /// Which of the standard streams.
        stream: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The `Display` or `Debug` of an item returned an error.
    #[error("an item cannot be written as text; its `Display` or `Debug` returned an error")]
    Format,
}

/// Converts a failed write: if the reader has exited, the run ends quietly.
fn from_write(stream: &'static str, source: io::Error) -> StepError {
    match source.kind() {
        io::ErrorKind::BrokenPipe => StepError::abort(),
        _ => Error::Write { stream, source }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that keeps each write, and fails when it is told to.
    #[derive(Default)]
    struct Output {
        writes: Vec<String>,
        flushes: usize,
        fails: Option<io::ErrorKind>,
    }

    impl Write for &mut Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.fails {
                return Err(kind.into());
            }
            self.writes.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            Ok(())
        }
    }

    #[test]
    fn one_write_and_one_flush_a_batch() {
        let mut out = Output::default();
        let mut partition = StdPartition::<Displayed>::new(Stream::Out);
        partition
            .write(["a", "b"], |text| write(&mut out, text))
            .unwrap();
        partition.write([1], |text| write(&mut out, text)).unwrap();
        assert_eq!(out.writes, ["a\nb\n", "1\n"]);
        assert_eq!(out.flushes, 2);
    }

    #[test]
    fn debugged() {
        let mut out = Output::default();
        let mut partition = StdPartition::<Debugged>::new(Stream::Out);
        partition
            .write([("a", 1)].iter().map(AsDebug), |text| write(&mut out, text))
            .unwrap();
        assert_eq!(out.writes, ["(\"a\", 1)\n"]);
    }

    #[test]
    fn closed() {
        let check = |fails, expect| {
            let mut out = Output {
                fails: Some(fails),
                ..Output::default()
            };
            let mut partition = StdPartition::<Displayed>::new(Stream::Err);
            let written = partition.write(["a"], |text| write(&mut out, text));
            assert!(written.unwrap_err().to_string().starts_with(expect));
        };
        check(io::ErrorKind::BrokenPipe, "the run is to stop");
        check(io::ErrorKind::StorageFull, "cannot write to standard error");
    }

    #[test]
    fn an_item_that_cannot_be_formatted() {
        struct Mute;
        impl fmt::Display for Mute {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let mut out = Output::default();
        let mut partition = StdPartition::<Displayed>::new(Stream::Out);
        let written = partition.write([Mute], |text| write(&mut out, text));
        assert!(
            written
                .unwrap_err()
                .to_string()
                .contains("cannot be written as text")
        );
        assert!(out.writes.is_empty());
    }
}
