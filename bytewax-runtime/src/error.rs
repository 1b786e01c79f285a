//! The errors of a run and their messages.

use std::error::Error;
use std::fmt;

use crate::brief::brief_text;
use crate::ids::{StepId, WorkerIndex};

/// An error of a user's source, sink or closure.
///
/// Any error converts into it, so `?` works in the methods of connector traits.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::StepError;
///
/// fn parse(text: &str) -> Result<u64, StepError> {
///     if text.is_empty() {
///         return Err(StepError::msg("the field `count` is empty"));
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("12").unwrap(), 12);
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct StepError(pub(crate) Box<dyn Error + Send + Sync>);

impl StepError {
    /// Creates an error from a text.
    #[must_use]
    pub fn msg(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Stops the whole run immediately, without an error and without saving anything more. Use it for a sink
    /// whose reader has gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_macros::sink;
    /// use bytewax_runtime::StepError;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSource, run_main};
    ///
    /// #[sink(crate = "bytewax_runtime")]
    /// fn first(_items: Vec<u64>) -> Result<(), StepError> {
    ///     Err(StepError::abort()) // One batch is enough.
    /// }
    ///
    /// let flow = Dataflow::build("one", |flow| {
    ///     let numbers = flow.input(TestingSource::new(0..1000)).named("numbers");
    ///     numbers.output(first()).named("first");
    /// });
    /// run_main(flow).unwrap();
    /// ```
    #[must_use]
    pub fn abort() -> Self {
        Self(Box::new(Aborted))
    }
}

/// The cause of an abort, which is no error.
#[derive(Debug, thiserror::Error)]
#[error("the run is to stop")]
struct Aborted;

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The reason why a run of a flow ended before its input did.
///
/// The text states what happened and where; [`source`](Error::source) returns the cause. To print the whole
/// chain on several lines, use [`report`](RunError::report).
pub struct RunError(Box<Inner>);

struct Inner {
    kind: RunErrorKind,
    step: Option<StepId>,
    partition: Option<String>,
    key: Option<String>,
    worker: Option<WorkerIndex>,
    /// The number of the item, from 1, and the number of items in its batch.
    item: Option<(usize, usize)>,
    text: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of cause that ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunErrorKind {
    /// The description of the flow has defects; the flow did not run.
    Flow,
    /// A source, a sink or a closure of the user returned an error.
    Step,
    /// A closure of the user, or the runtime, panicked.
    Panic,
    /// The settings of the run contradict each other.
    Config,
    /// The processes of the cluster could not connect, or lost each other.
    Network,
    /// The recovery store cannot be used or written.
    Recovery,
    /// Another process of the cluster failed; its own output reports the cause.
    Peer,
    /// The run was stopped by SIGINT (Ctrl-C).
    Interrupted,
    /// The run was stopped by SIGTERM.
    Terminated,
    /// The run was stopped by a request: `POST /stop`, or [`Run::stop`](crate::Run::stop).
    Requested,
}

impl RunError {
    pub(crate) fn new(kind: RunErrorKind, text: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            step: None,
            partition: None,
            key: None,
            worker: None,
            item: None,
            text: text.into(),
            cause: None,
        }))
    }

    pub(crate) fn step(doing: impl Into<String>, cause: StepError) -> Self {
        Self::new(RunErrorKind::Step, doing).caused_by(cause.0)
    }

    #[cfg(feature = "recovery")]
    pub(crate) fn recovery(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(RunErrorKind::Recovery, "the recovery store cannot be used").caused_by(cause)
    }

    pub(crate) fn at(mut self, step: &StepId, worker: WorkerIndex) -> Self {
        self.0.step.get_or_insert_with(|| step.clone());
        self.0.worker.get_or_insert(worker);
        self
    }

    pub(crate) fn in_partition(mut self, partition: &str) -> Self {
        self.0.partition = Some(partition.to_owned());
        self
    }

    /// Adds the debug form of the key.
    pub(crate) fn at_key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    pub(crate) fn at_item(mut self, number: usize, all: usize) -> Self {
        self.0.item = Some((number, all));
        self
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Whether the run should stop without an error.
    pub(crate) fn is_abort(&self) -> bool {
        let cause = self.0.cause.as_ref();
        cause.is_some_and(|cause| cause.is::<Aborted>())
    }

    /// Whether a signal stopped the run.
    pub(crate) fn is_stop(&self) -> bool {
        let kind = self.kind();
        use RunErrorKind::{Interrupted, Requested, Terminated};
        matches!(kind, Interrupted | Terminated | Requested)
    }

    /// Returns the kind of cause.
    #[must_use]
    pub fn kind(&self) -> RunErrorKind {
        self.0.kind
    }

    /// Returns the step that failed, if it was a step.
    #[must_use]
    pub fn step_id(&self) -> Option<&StepId> {
        self.0.step.as_ref()
    }

    /// Returns the worker of the failure, if it was on a worker.
    #[must_use]
    pub fn worker(&self) -> Option<WorkerIndex> {
        self.0.worker
    }

    /// Returns the debug form of the current key, if the step keeps state per key. A long one is truncated,
    /// with its length.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let flow = Dataflow::build("stock", |flow| {
    ///     let moves = flow.input(TestingSource::new([("nuts", 2_u32), ("tea", 1)])).named("moves");
    ///     let moves = moves.map(|(good, n)| (good.to_owned(), n));
    ///     let left = moves.stateful_map(|sold: &mut u32, n| {
    ///         *sold += n;
    ///         1_u32.checked_sub(*sold).expect("sold out")
    ///     });
    ///     left.named("left").output(TestingSink::new()).named("out");
    /// });
    /// let error = run_main(flow).unwrap_err();
    /// assert_eq!(error.key(), Some("\"nuts\""));
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns the location of the failure, as far as it is known.
    pub(crate) fn place(&self) -> Option<String> {
        let inner = &*self.0;
        let parts = [
            Some(format!("step `{}`", inner.step.as_ref()?)),
            inner
                .partition
                .as_ref()
                .map(|name| format!("partition `{name}`")),
            inner.key.as_ref().map(|key| format!("key `{key}`")),
            inner.worker.map(|worker| format!("worker {worker}")),
            inner
                .item
                .map(|(number, all)| format!("item {number} of a batch of {all}")),
        ];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// Returns the error and its causes on one line, without the location.
    pub(crate) fn summary(&self) -> String {
        let mut text = self.0.text.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&brief_text(&error.to_string()));
            cause = error.source();
        }
        text
    }

    /// Returns the error and its causes, one per line. A very long cause is truncated, with its length.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str("\n  caused by: ");
            text.push_str(&brief_text(&error.to_string()));
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunError")
            .field("kind", &self.0.kind)
            .field("step", &self.0.step)
            .field("text", &self.0.text)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
