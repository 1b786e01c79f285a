//! Sinks that report the items that an external system rejects.

use crate::delivery::{Append, SinkPromise};
use crate::error::StepError;
use crate::ids::{Epoch, StepId, WorkerIndex};

/// A sink with one instance on every worker that can reject single items; see
/// [`try_output`](crate::flow::Stream::try_output). It saves no position: after a crash, items of incomplete
/// epochs are written again; see [`delivery`](crate::delivery).
pub trait RejectingSink<T, P: SinkPromise = Append>: Send + Sync + 'static {
    /// The instance of one worker.
    type Writer: RejectingWriter<T>;

    /// Creates the instance of one of `workers` workers.
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
    /// Writes items. The list is never empty. The results may arrive later.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// Called when all items of an epoch are written. When it returns, the results of all of them are known.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError>;

    /// Returns the items rejected since the last call, each with the reason. Called after each of the other
    /// methods.
    fn take_rejected(&mut self) -> Vec<(T, StepError)>;
}
