//! Sources: the inputs of a flow.
//!
//! There are two kinds. A [`FixedPartitionedSource`] has named partitions, each with a position that can be
//! saved and resumed; one of the workers that can reach a partition reads it. A [`DynamicSource`] has one
//! instance on every worker and saves no position.
//!
//! Workers poll both and never block on them: see [`Poll`]. A source that receives items from elsewhere is
//! polled when it is woken: see [`Waker`].

#[cfg(feature = "async")]
mod async_batches;
mod discovery;
mod function;
mod lag;
mod opening;
mod poll;
mod waker;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

#[cfg(feature = "async")]
pub use async_batches::AsyncBatches;
pub use discovery::Discovery;
#[doc(hidden)]
pub use function::{ByDisplay, ByPath, NotShown, Shown, partition_of, settings_of, source_fn};
pub use lag::Lag;
pub(crate) use opening::opening;
pub use opening::positions_are_saved;
pub use poll::Poll;
pub(crate) use poll::{Answer, Wake};
pub use waker::Waker;
pub(crate) use waker::Woken;

use crate::delivery::{Replayable, SourcePromise};
use crate::error::StepError;
use crate::ids::{Epoch, StepId, WorkerIndex};
use crate::state::State;

/// A source of named partitions, each with a position that is saved and resumed.
///
/// It is [`Replayable`]: a resumed partition emits again everything after its position. A source that cannot
/// is a `FixedPartitionedSource<NotReplayable>`; see [`delivery`](crate::delivery).
///
/// # Examples
///
/// A bank of counters, each with its own partition:
///
/// ```
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
///
/// struct Counters {
///     limit: u64,
/// }
///
/// struct Counter {
///     next: u64,
///     limit: u64,
/// }
///
/// impl FixedPartitionedSource for Counters {
///     type Item = u64;
///     type Position = u64;
///     type Partition = Counter;
///
///     fn partitions(&self) -> Result<Vec<String>, StepError> {
///         Ok(vec!["even".to_owned(), "odd".to_owned()])
///     }
///
///     fn open(&self, partition: &str, resume: Option<u64>) -> Result<Counter, StepError> {
///         let first = u64::from(partition == "odd");
///         Ok(Counter { next: resume.unwrap_or(first), limit: self.limit })
///     }
/// }
///
/// impl StatefulSourcePartition for Counter {
///     type Item = u64;
///     type Position = u64;
///
///     fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
///         if self.next > self.limit {
///             return Ok(Poll::end());
///         }
///         self.next += 2;
///         Ok(Poll::item(self.next - 2))
///     }
///
///     fn snapshot(&self) -> u64 {
///         self.next
///     }
/// }
///
/// let mut odd = Counters { limit: 4 }.open("odd", None).unwrap();
/// assert_eq!(odd.next_batch().unwrap().items(), [1]);
/// assert_eq!(odd.snapshot(), 3);
/// ```
pub trait FixedPartitionedSource<P: SourcePromise = Replayable>: Send + Sync + 'static {
    /// The items of the source.
    type Item: 'static;
    /// The saved position of a partition, from which it resumes.
    type Position: State;
    /// An opened partition.
    type Partition: StatefulSourcePartition<Item = Self::Item, Position = Self::Position>;

    /// Returns the names of the partitions that this process can reach.
    ///
    /// Called once on each worker. The source has all partitions that any worker names; one of the workers
    /// that named a partition opens it.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partitions(&self) -> Result<Vec<String>, StepError>;

    /// Opens a partition at `resume`, or else at its beginning.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(
        &self,
        partition: &str,
        resume: Option<Self::Position>,
    ) -> Result<Self::Partition, StepError>;

    /// Matches saved positions with the current partitions. A resumed run calls it once on each worker, with
    /// the names of all partitions of the cluster and all saved positions.
    ///
    /// By default, a partition resumes at the position saved under its name, and a run is refused if a saved
    /// name has no partition, because items may be lost. [`Reconciled`] describes the alternatives. The
    /// result must be the same on all workers that can reach a partition.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn reconcile(
        &self,
        partitions: &[&str],
        saved: &BTreeMap<String, Self::Position>,
    ) -> Result<Reconciled, StepError> {
        let _ = (partitions, saved);
        Ok(Reconciled::default())
    }

    /// Returns the settings that do not select the input, in one line without secret values.
    #[doc(hidden)]
    fn settings(&self) -> Option<String> {
        None
    }

    /// Returns a discovery, which finds partitions that appear while the flow runs. The default finds none.
    ///
    /// Called once on each worker, after the initial partitions are opened, with the [waker](Waker) of the
    /// discovery as the current one.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn discover(&self) -> Result<Option<Discovery>, StepError> {
        Ok(None)
    }
}

/// The match of saved positions with the current partitions; see [`FixedPartitionedSource::reconcile`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Partitions whose positions were saved under another name, such as renamed files, and that name. `None`
    /// is for a new partition under a name that another one had.
    pub renamed: BTreeMap<String, Option<String>>,
    /// The names of missing partitions that were read completely.
    pub gone: BTreeSet<String>,
}

/// An open partition of a [`FixedPartitionedSource`]. It is dropped when it has ended and its last epoch is
/// complete.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a partition of a source",
    label = "this type has no `next_batch` and `snapshot`",
    note = "put `#[source(partition)]` on an `impl` block of `{Self}` with these two"
)]
pub trait StatefulSourcePartition: 'static {
    /// The items of the source.
    type Item: 'static;
    /// The saved position.
    type Position: State;

    /// Returns the next items, without blocking.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn next_batch(&mut self) -> Result<Poll<Self::Item>, StepError>;

    /// Returns the position after the last returned item.
    fn snapshot(&self) -> Self::Position;

    /// Returns the earliest time of the next poll. `None` means immediately after items, and a millisecond
    /// later after an empty batch. The request of a [`Poll`] takes precedence. The time is a date; a span,
    /// such as that of [`Poll::wait`], does not depend on changes of the system clock.
    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// Returns the remaining input, from local information only; `None` if it is unknown. Called about once a
    /// second, and reported as the lag of the source.
    fn lag(&self) -> Option<Lag> {
        None
    }

    /// Called when all items of an epoch are returned; later calls return items of a later epoch. Called
    /// before [`snapshot`](Self::snapshot), with and without a recovery store.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// Called when an epoch is complete on the whole cluster: all operators have processed its items, all
    /// sinks have written it, and with a recovery store all of it is saved, so no resume repeats it.
    /// Acknowledge items to their origin here.
    ///
    /// Called for each epoch since the partition was opened, in order, on the worker of the partition; at the
    /// end of input and after a clean stop also for the last epoch. Items of the next epoch may already be
    /// returned; [`end_epoch`](Self::end_epoch) separates them.
    ///
    /// A killed run may miss this call for a complete epoch. The next run does not repeat it. If a partition
    /// is opened at a position, everything before that position is complete.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }
}

/// A source with one instance on every worker. It saves no position: after a crash it starts again, so items
/// can be lost. It is [not replayable](crate::delivery::NotReplayable).
pub trait DynamicSource: Send + Sync + 'static {
    /// The items of the source.
    type Item: 'static;
    /// The instance of one worker.
    type Partition: StatelessSourcePartition<Item = Self::Item>;

    /// Creates the instance of one of `workers` workers. Each must return different items.
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

/// The instance of a [`DynamicSource`] on one worker. It is dropped to close it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the part of a source on one worker",
    label = "this type has no `next_batch`, or a `snapshot` beside it",
    note = "put `#[source(partition)]` on an `impl` block of `{Self}` with `next_batch` alone"
)]
pub trait StatelessSourcePartition: 'static {
    /// The items of the source.
    type Item: 'static;

    /// Returns the next items, without blocking.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn next_batch(&mut self) -> Result<Poll<Self::Item>, StepError>;

    /// Returns the earliest time of the next poll; see [`StatefulSourcePartition::next_awake`].
    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// Returns the remaining input, from local information only; `None` if it is unknown. Called about once a
    /// second, and reported as the lag of the source.
    fn lag(&self) -> Option<Lag> {
        None
    }

    /// Called when all items of an epoch are returned; later calls return items of a later epoch.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// Called when an epoch is complete on the whole cluster: all operators have processed its items, all
    /// sinks have written it, and with a recovery store all of it is saved, so no resume repeats it.
    /// Acknowledge items to their origin here.
    ///
    /// Called for each epoch of the run, in order, on each worker; at the end of input and after a clean stop
    /// also for the last epoch. Items of the next epoch may already be returned;
    /// [`end_epoch`](Self::end_epoch) separates them.
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
