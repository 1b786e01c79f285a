//! Sinks: the outputs of a flow.
//!
//! There are four kinds. A [`DynamicSink`] has one instance on every worker, which writes the items of that
//! worker. A [`FixedPartitionedSink`] has named partitions, each with a position that can be saved and
//! resumed; one worker writes each partition, and a key always goes to the same partition. A
//! [`SinglePartitionSink`] has a single partition and needs no keys. A [`TransactionalSink`] writes to a
//! system with transactions, one per epoch.

mod function;
mod rejecting;
mod transactional;

#[doc(hidden)]
pub use function::sink_fn;
pub use rejecting::{RejectingSink, RejectingWriter};
pub use transactional::{Marker, TransactionalSink, TransactionalWriter, WriterPlace};

use crate::delivery::{Append, SinkPromise};
use crate::error::StepError;
use crate::ids::{Epoch, StepId, WorkerIndex};
use crate::key::Key;
use crate::state::State;

/// A sink with one instance on every worker. It saves no position.
///
/// After a crash, items of incomplete epochs are written again. A sink in which this has no effect, such as a
/// table with keys, is a `DynamicSink<T, Idempotent>`; see [`delivery`](crate::delivery).
pub trait DynamicSink<T, P: SinkPromise = Append>: Send + Sync + 'static {
    /// The instance of one worker.
    type Partition: StatelessSinkPartition<T>;

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
    ) -> Result<Self::Partition, StepError>;
}

/// The instance of a [`DynamicSink`] on one worker.
pub trait StatelessSinkPartition<T>: 'static {
    /// Writes items. The list is never empty.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// Ends the output. Called once after the last item, but not if the run stops before.
    ///
    /// # Errors
    ///
    /// An error fails the run.
    fn close(&mut self) -> Result<(), StepError> {
        Ok(())
    }

    /// Called when all items of an epoch are written; later calls write items of a later epoch. Epochs
    /// without items may be skipped.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// Called when an epoch is complete on the whole cluster: all sinks have written it, and with a recovery
    /// store all of it is saved, so no resume repeats it. Commit writes here.
    ///
    /// Called for each epoch of the run, in order, on each worker. At the end of input, also for the last
    /// epoch, after [`close`](Self::close); after a clean stop, without a `close`. Items of the next epoch
    /// may already be written; [`end_epoch`](Self::end_epoch) separates them.
    ///
    /// A killed run may miss this call for a complete epoch. The next run does not repeat it.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }
}

/// A sink of named partitions, each with a position that is saved and resumed.
///
/// It accepts keyed streams. The key selects the partition, and only the value is written.
///
/// A sink that truncates its output to the position that it is opened at, such as a file, is a
/// `FixedPartitionedSink<K, V, Transactional>`; see [`delivery`](crate::delivery).
pub trait FixedPartitionedSink<K: Key, V, P: SinkPromise = Append>: Send + Sync + 'static {
    /// The saved position of a partition, from which it resumes.
    type Position: State;
    /// An opened partition.
    type Partition: StatefulSinkPartition<V, Position = Self::Position>;

    /// Returns the names of the partitions that this process can reach. Called once on each worker. All
    /// workers that name partitions must name them in the same order.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partitions(&self) -> Result<Vec<String>, StepError>;

    /// Selects the partition of a key: an index into the list of partitions, modulo its length. The default
    /// distributes keys evenly, the same on every platform and in every release.
    fn assign(&self, key: &K, _partitions: usize) -> usize {
        // The upper half: the lower bits already choose the slot.
        (key.stable_hash() >> 32) as usize
    }

    /// Opens a partition at its first item, or immediately if it continues from `resume`.
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

/// A sink of a single partition with a position that is saved and resumed. It accepts any stream.
///
/// One worker writes the items of all workers, in no fixed order.
///
/// A sink that truncates its output to the position that it is opened at is a
/// `SinglePartitionSink<T, Transactional>`; see [`delivery`](crate::delivery).
///
/// # Examples
///
/// A list that is truncated to a saved length:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::delivery::Transactional;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::sink::{SinglePartitionSink, StatefulSinkPartition};
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// #[derive(Clone, Default)]
/// struct List(Arc<Mutex<Vec<u64>>>);
///
/// impl SinglePartitionSink<u64, Transactional> for List {
///     type Position = u64;
///     type Partition = Self;
///
///     fn partition(&self) -> Result<String, StepError> {
///         Ok("list".to_owned())
///     }
///
///     fn open(&self, resume: Option<u64>) -> Result<Self, StepError> {
///         self.0.lock().unwrap().truncate(resume.unwrap_or(0) as usize);
///         Ok(self.clone())
///     }
/// }
///
/// impl StatefulSinkPartition<u64> for List {
///     type Position = u64;
///
///     fn write_batch(&mut self, values: Vec<u64>) -> Result<(), StepError> {
///         self.0.lock().unwrap().extend(values);
///         Ok(())
///     }
///
///     fn snapshot(&mut self) -> Result<u64, StepError> {
///         Ok(self.0.lock().unwrap().len() as u64)
///     }
/// }
///
/// let list = List::default();
/// let flow = Dataflow::build("numbers", |flow| {
///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
///     numbers.output(list.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(*list.0.lock().unwrap(), [1, 2, 3]);
/// ```
pub trait SinglePartitionSink<T, P: SinkPromise = Append>: Send + Sync + 'static {
    /// The saved position of the partition, from which it resumes.
    type Position: State;
    /// The opened partition.
    type Partition: StatefulSinkPartition<T, Position = Self::Position>;

    /// Returns the name of the partition, under which its position is saved.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partition(&self) -> Result<String, StepError>;

    /// Opens the partition at its first item, or immediately if it continues from `resume`.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(&self, resume: Option<Self::Position>) -> Result<Self::Partition, StepError>;
}

/// An opened partition of a [`FixedPartitionedSink`] or a [`SinglePartitionSink`].
pub trait StatefulSinkPartition<V>: 'static {
    /// The saved position.
    type Position: State;

    /// Writes values of one epoch. The list is never empty; epochs are in order.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, values: Vec<V>) -> Result<(), StepError>;

    /// Returns the position after the last written value. Called at the end of each epoch in which values
    /// were written, if the flow has a recovery store.
    ///
    /// Everything before the position must survive a crash, because it is not written again.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn snapshot(&mut self) -> Result<Self::Position, StepError>;

    /// Ends the output. Called once after the last item, but not if the run stops before.
    ///
    /// # Errors
    ///
    /// An error fails the run.
    fn close(&mut self) -> Result<(), StepError> {
        Ok(())
    }

    /// Called when all values of an epoch are written; later calls write values of a later epoch. Called
    /// before [`snapshot`](Self::snapshot), with and without a recovery store. Epochs without values may be
    /// skipped.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// Called when an epoch is complete on the whole cluster: all sinks have written it, and with a recovery
    /// store all of it is saved, so no resume repeats it. Commit writes here.
    ///
    /// Called for each epoch since the partition was opened, in order, on the worker of the partition. At the
    /// end of input, also for the last epoch, after [`close`](Self::close); after a clean stop, without a
    /// `close`. Items of the next epoch may already be written; [`end_epoch`](Self::end_epoch) separates
    /// them.
    ///
    /// A killed run may miss this call for a complete epoch. The next run does not repeat it. If a partition
    /// is opened at a position, the epoch of that position is complete; commit what was prepared for it then.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }
}
