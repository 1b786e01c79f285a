//! Sinks: where items go.
//!
//! There are two kinds. A [`DynamicSink`] has one instance on every worker and writes what is
//! there. A [`FixedPartitionedSink`] has named partitions, each with a position that can be saved
//! and resumed; each partition is written by one worker, and a key always goes to one partition.

mod function;

#[doc(hidden)]
pub use function::sink_fn;

use crate::error::StepError;
use crate::ids::{StepId, WorkerIndex};
use crate::key::Key;
use crate::state::State;

/// A sink with one instance on every worker. Nothing of it is saved.
///
/// After a crash, items of epochs that were not complete are written again.
pub trait DynamicSink<T>: Send + Sync + 'static {
    /// The instance of one worker.
    type Partition: StatelessSinkPartition<T>;

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
    ) -> Result<Self::Partition, StepError>;
}

/// The instance of a [`DynamicSink`] on one worker.
pub trait StatelessSinkPartition<T>: 'static {
    /// Writes items, which are never none.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// Ends the output: called once after the last item, and not when the run is stopped before.
    ///
    /// # Errors
    ///
    /// An error fails the run.
    fn close(&mut self) -> Result<(), StepError> {
        Ok(())
    }
}

/// A sink of named partitions, each with a position that is saved and resumed.
///
/// It takes keyed streams. The key decides the partition, and only the value is written.
pub trait FixedPartitionedSink<K: Key, V>: Send + Sync + 'static {
    /// Where a partition stands: what is saved, and what it is opened with to go on.
    type Position: State;
    /// An opened partition.
    type Partition: StatefulSinkPartition<V, Position = Self::Position>;

    /// The names of the partitions that can be reached from this process, called once on each
    /// worker. All workers that name partitions must name them in the same order.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partitions(&self) -> Result<Vec<String>, StepError>;

    /// Chooses the partition of a key: an index into the list of partitions, taken modulo its
    /// length. The default spreads keys evenly, the same on every platform and in every release.
    fn assign(&self, key: &K, _partitions: usize) -> usize {
        // The upper half: the lower bits already choose the slot.
        (key.stable_hash() >> 32) as usize
    }

    /// Opens a partition when it gets its first item, or at once to go on from `resume`.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(
        &self,
        partition: &str,
        resume: Option<Self::Position>,
    ) -> Result<Self::Partition, StepError>;
}

/// An opened partition of a [`FixedPartitionedSink`].
pub trait StatefulSinkPartition<V>: 'static {
    /// What is saved.
    type Position: State;

    /// Writes values of one epoch, which are never none; epochs come in order.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, values: Vec<V>) -> Result<(), StepError>;

    /// The position after the last value written; asked for at the end of each epoch in which values
    /// were written, if the flow has a recovery store.
    ///
    /// All that is before the position has to outlive a crash: it is not written again.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn snapshot(&mut self) -> Result<Self::Position, StepError>;

    /// Ends the output: called once after the last item, and not when the run is stopped before.
    ///
    /// # Errors
    ///
    /// An error fails the run.
    fn close(&mut self) -> Result<(), StepError> {
        Ok(())
    }
}
