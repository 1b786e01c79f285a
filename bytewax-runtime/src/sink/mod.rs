//! Sinks: where items go.
//!
//! There are three kinds. A [`DynamicSink`] has one instance on every worker and writes what is
//! there. A [`FixedPartitionedSink`] has named partitions, each with a position that can be saved
//! and resumed; each partition is written by one worker, and a key always goes to one partition. A
//! [`SinglePartitionSink`] is one with a single partition, which needs no keys. A [`TransactionalSink`] writes to a system with
//! transactions, one for each epoch.

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

/// A sink with one instance on every worker. Nothing of it is saved.
///
/// After a crash, items of epochs that were not complete are written again. A sink in which this changes nothing, such as a
/// table by key, is a `DynamicSink<T, Idempotent>`; see [`delivery`](crate::delivery).
pub trait DynamicSink<T, P: SinkPromise = Append>: Send + Sync + 'static {
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

    /// All items of an epoch have been written: what comes now belongs to a later one. Epochs without items
    /// may be left out.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// An epoch is complete on the whole cluster: all sinks have written it, and with a recovery store all of it is
    /// saved, so that no resume goes back behind it. The place to commit what was written.
    ///
    /// Called for each epoch of the run, in order, on each worker; at the end of
    /// input also for the last, after [`close`](Self::close), and after a clean stop, when nothing is closed. Items of the
    /// next epoch may have been written by then: [`end_epoch`](Self::end_epoch) tells them apart.
    ///
    /// A run that is killed may be gone before it has called this for an epoch that was complete. The next run
    /// does not call it again.
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
/// It takes keyed streams. The key decides the partition, and only the value is written.
///
/// A sink that goes back to the position it is opened at, as files that are cut off there, is a
/// `FixedPartitionedSink<K, V, Transactional>`; see [`delivery`](crate::delivery).
pub trait FixedPartitionedSink<K: Key, V, P: SinkPromise = Append>: Send + Sync + 'static {
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

/// A sink of a single partition, whose position is saved and resumed. It takes any stream.
///
/// The items of all workers are written by one of them, in no fixed order.
///
/// A sink that goes back to the position it is opened at is a `SinglePartitionSink<T, Transactional>`; see
/// [`delivery`](crate::delivery).
///
/// # Examples
///
/// A list that is cut back to a saved length:
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
    /// Where the partition stands: what is saved, and what it is opened with to go on.
    type Position: State;
    /// The opened partition.
    type Partition: StatefulSinkPartition<T, Position = Self::Position>;

    /// The name of the partition, under which its position is saved.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partition(&self) -> Result<String, StepError>;

    /// Opens the partition when it gets its first item, or at once to go on from `resume`.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(&self, resume: Option<Self::Position>) -> Result<Self::Partition, StepError>;
}

/// An opened partition of a [`FixedPartitionedSink`] or a [`SinglePartitionSink`].
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

    /// All values of an epoch have been written: what comes now belongs to a later one. Called before
    /// [`snapshot`](Self::snapshot), with and without a recovery store. Epochs without values may be left out.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// An epoch is complete on the whole cluster: all sinks have written it, and with a recovery store all of it is
    /// saved, so that no resume goes back behind it. The place to commit what was written.
    ///
    /// Called for each epoch since the partition was opened, in order, on the worker that has the partition; at the end of
    /// input also for the last, after [`close`](Self::close), and after a clean stop, when nothing is closed. Items of the
    /// next epoch may have been written by then: [`end_epoch`](Self::end_epoch) tells them apart.
    ///
    /// A run that is killed may be gone before it has called this for an epoch that was complete. The next run
    /// does not call it again; what it resumes from says it: when a partition is opened at a position, the epoch in which that
    /// position was given is complete, so what was prepared for it is to be committed then.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }
}
