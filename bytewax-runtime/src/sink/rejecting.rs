//! Sinks that know which items the outside refuses.

use crate::delivery::{Append, SinkPromise};
use crate::error::StepError;
use crate::ids::{Epoch, StepId, WorkerIndex};

/// A sink with one instance on every worker that may write some items and not others; see
/// [`try_output`](crate::flow::Stream::try_output). Nothing of it is saved: after a crash, items of epochs that were not complete are
/// written again; see [`delivery`](crate::delivery).
pub trait RejectingSink<T, P: SinkPromise = Append>: Send + Sync + 'static {
    /// The instance of one worker.
    type Writer: RejectingWriter<T>;

    /// Makes the instance of one of `workers` workers.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn build(
        &self,
        step: &StepId,
        worker: WorkerIndex,
        workers: usize,
    ) -> Result<Self::Writer, StepError>;
}

/// The instance of a [`RejectingSink`] on one worker.
pub trait RejectingWriter<T>: 'static {
    /// Writes items, which are never none. What becomes of them may be known later.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// All items of an epoch were written. When this returns, it is known what has become of all of them.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError>;

    /// Takes the items that were refused since this was last called, each with the reason. Called after each of the other methods.
    fn take_rejected(&mut self) -> Vec<(T, StepError)>;
}
