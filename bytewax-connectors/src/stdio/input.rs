//! Standard input as a source.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use bytewax_runtime::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax_runtime::{StepError, StepId, WorkerIndex};

use crate::files::{Answer, FilePosition, InvalidUtf8, Results, Strict, TooLong};
use crate::records::{Beside, Place, Reading, Records, Text, Unended};

/// Reads the lines of standard input.
///
/// The items are `String`s, split like those of a [`FileSource`](crate::files::FileSource). The end of
/// standard input ends the source. One worker of the whole run reads it on its own thread: while it is
/// silent, nothing waits for it, neither timers nor a stop. A line is emitted as soon as it arrives.
///
/// # Examples
///
/// ```no_run
/// use bytewax_connectors::stdio::{StdInSource, StdOutSink};
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::run_main;
///
/// let flow = Dataflow::build("shout", |flow| {
///     let lines = flow.input(StdInSource::new()).named("lines");
///     lines.map(|line| line.to_uppercase()).output(StdOutSink::new()).named("out");
/// });
/// run_main(flow).unwrap(); // Until standard input ends.
/// ```
///
/// # Guarantee
///
/// Each line is read at most once: a kill loses lines that were read and not written.
///
/// # Limits
///
/// A line has at most 64 MiB ([`max_line_bytes`](Self::max_line_bytes)). One worker reads; to distribute the
/// lines over all workers, add [`redistribute`](bytewax_runtime::flow::Stream::redistribute) after it.
///
/// # Errors
///
/// A line that is not UTF-8, or [too long](Self::max_line_bytes), stops the run, unless you request
/// [`results`](Self::results).
///
/// # State
///
/// None, because standard input cannot be read again: a kill loses lines that were read and not finished.
#[must_use]
pub struct StdInSource<A = Strict> {
    place: Place,
    reading: Reading,
    answer: PhantomData<fn() -> A>,
}

impl StdInSource {
    /// Creates a source of the lines of standard input.
    pub fn new() -> Self {
        Self::of(Place::stream("standard input", io::stdin))
    }

    fn of(place: Place) -> Self {
        let reading = Reading {
            unended: Some(Unended::Emit),
            ..Reading::USUAL
        };
        Self {
            place,
            reading,
            answer: PhantomData,
        }
    }

    /// Emits a `Result` for each line, so that an unreadable line does not stop the run: see
    /// [`BadRecord`](crate::files::BadRecord).
    pub fn results(self) -> StdInSource<Results> {
        StdInSource {
            place: self.place,
            reading: self.reading,
            answer: PhantomData,
        }
    }
}

impl Default for StdInSource {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> StdInSource<A> {
    /// Sets the maximum length of a line, without its line end. The default is 64 MiB.
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.reading.max_record_bytes = bytes;
        self
    }

    /// Sets the treatment of a line that is [too long](Self::max_line_bytes). By default, it is an error.
    pub fn too_long(mut self, too_long: TooLong) -> Self {
        self.reading.too_long = too_long;
        self
    }

    /// Sets the treatment of bytes that are not UTF-8. By default, a line with such bytes is an error.
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.reading.invalid_utf8 = invalid;
        self
    }
}

impl<A> Clone for StdInSource<A> {
    fn clone(&self) -> Self {
        Self {
            place: self.place.clone(),
            reading: self.reading,
            answer: PhantomData,
        }
    }
}

impl<A> fmt::Debug for StdInSource<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StdInSource")
    }
}

impl<A: Answer<String>> DynamicSource for StdInSource<A> {
    type Item = A::Item;
    type Partition = StdInPartition<A::Item>;

    fn build(
        &self,
        _: &StepId,
        worker: WorkerIndex,
        _: usize,
    ) -> Result<StdInPartition<A::Item>, StepError> {
        if worker != WorkerIndex(0) {
            return Ok(StdInPartition(None));
        }
        let (place, reading) = (self.place.clone(), self.reading);
        let begun = Beside::start(FilePosition::default(), move || {
            let records = Records::<_, A>::new(place, &Text, reading, None, None);
            Ok::<_, StepError>(records.eager())
        });
        Ok(StdInPartition(Some(begun?)))
    }
}

/// The instance of a [`StdInSource`] on one worker; only the first one reads.
#[derive(Debug)]
pub struct StdInPartition<T>(Option<Beside<T, FilePosition>>);

impl<T: Send + 'static> StatelessSourcePartition for StdInPartition<T> {
    type Item = T;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        match &mut self.0 {
            Some(lines) => lines.next_batch(),
            None => Ok(Poll::end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytewax_runtime::prelude::*;
    use bytewax_runtime::testing::connector::check_dynamic_source;
    use bytewax_runtime::testing::{TestingSink, run_main};

    use super::*;

    /// Standard input with something in it.
    fn input(bytes: &'static [u8]) -> StdInSource {
        StdInSource::of(Place::stream("standard input", move || Cursor::new(bytes)))
    }

    #[test]
    fn standard_input_keeps_its_promises() {
        let lines = check_dynamic_source(|| input(b"one\r\n\ntwo\rthree")).unwrap();
        assert_eq!(lines, [r#""one""#, r#""""#, r#""two""#, r#""three""#]);
        assert!(check_dynamic_source(|| input(b"")).unwrap().is_empty());
    }

    #[test]
    fn lines_that_cannot_be_read() {
        let bytes = b"one\ncaf\xe9\nseventeen\ntwo\n";
        let source = || input(bytes).max_line_bytes(5).results();
        let lines = check_dynamic_source(source).unwrap();
        assert!(
            lines[1].contains("line: 2") && lines[2].contains("line: 3"),
            "{lines:?}"
        );
        assert_eq!([&lines[0], &lines[3]], [r#"Ok("one")"#, r#"Ok("two")"#]);

        let source = || input(bytes).max_line_bytes(5).too_long(TooLong::Truncate);
        let lines = check_dynamic_source(|| source().invalid_utf8(InvalidUtf8::Replace)).unwrap();
        assert_eq!(lines[1..3], ["\"caf\u{fffd}\"", "\"seven…\""]);

        let out = TestingSink::new();
        let flow = Dataflow::build("lines", |flow| {
            let lines = flow.input(source()).named("lines");
            lines.output(out.clone()).named("out");
        });
        let error = run_main(flow).unwrap_err().report();
        assert!(
            error.contains("line 2 of the file `standard input`"),
            "{error}"
        );
        assert_eq!(out.take(), ["one"]);
    }
}
