//! Sources: where items come from.
//!
//! There are two kinds. A [`FixedPartitionedSource`] has named partitions, each with a position
//! that can be saved and resumed; each partition is read by one worker, among the workers that can
//! reach it. A [`DynamicSource`] has one instance on every worker and saves nothing.
//!
//! Both are polled, never waited for: see [`Poll`]. One that hears of its items from elsewhere is polled when it is woken:
//! see [`Waker`].

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
/// It is [`Replayable`]: when a run resumes, a partition emits again what is behind its position. One that cannot is a
/// `FixedPartitionedSource<NotReplayable>`; see [`delivery`](crate::delivery).
///
/// # Examples
///
/// A bank of counters, each a partition of its own:
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
    /// What the source gives.
    type Item: 'static;
    /// Where a partition stands: what is saved, and what it is opened with to go on.
    type Position: State;
    /// An opened partition.
    type Partition: StatefulSourcePartition<Item = Self::Item, Position = Self::Position>;

    /// The names of the partitions that can be reached from this process.
    ///
    /// Called once on each worker. The source has all partitions that any worker names; each is
    /// opened on one of the workers that named it.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn partitions(&self) -> Result<Vec<String>, StepError>;

    /// Opens a partition, at `resume` if it is given, else at its beginning.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(
        &self,
        partition: &str,
        resume: Option<Self::Position>,
    ) -> Result<Self::Partition, StepError>;

    /// What has become of the partitions of which positions were saved. A run that goes on asks it once on each
    /// worker, with the names of all partitions of the cluster and all positions that were saved.
    ///
    /// Unless overridden, a partition begins at the position that was saved under its name, and a run is refused
    /// if there is none of a name with a position, since items may be lost. See [`Reconciled`] for what can be
    /// said instead. The answer has to be the same on all workers that can reach a partition.
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

    /// The settings that choose nothing of what is read, in one line without values that may be secret.
    #[doc(hidden)]
    fn settings(&self) -> Option<String> {
        None
    }

    /// What finds partitions that are added while the flow runs. Unless overridden, none are.
    ///
    /// Called once on each worker, after the partitions of the start were opened, with the [waker](Waker) of the
    /// discovery at hand.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn discover(&self) -> Result<Option<Discovery>, StepError> {
        Ok(None)
    }
}

/// What has become of the partitions of which positions were saved; see
/// [`FixedPartitionedSource::reconcile`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The partitions that had another name when their positions were saved, such as files that were renamed, and
    /// that name. `None` is for those that are new, under a name that another one had.
    pub renamed: BTreeMap<String, Option<String>>,
    /// The names of partitions that are not there any more, and need not be: all of them was read.
    pub gone: BTreeSet<String>,
}

/// An opened partition of a [`FixedPartitionedSource`]. It is closed by being dropped, when it has ended and its last
/// epoch is complete.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a partition of a source",
    label = "this type has no `next_batch` and `snapshot`",
    note = "put `#[source(partition)]` on an `impl` block of `{Self}` with these two"
)]
pub trait StatefulSourcePartition: 'static {
    /// What the source gives.
    type Item: 'static;
    /// What is saved.
    type Position: State;

    /// Gives the next items, without blocking.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn next_batch(&mut self) -> Result<Poll<Self::Item>, StepError>;

    /// The position after the last item given.
    fn snapshot(&self) -> Self::Position;

    /// The earliest time of the next poll; `None` is at once after items, and a millisecond later
    /// after an empty batch. What a [`Poll`] itself asks for goes before it. It is a date: a span, such as
    /// that of [`Poll::wait`], does not depend on the system's clock being set.
    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// How much it has still to give, by what it knows without asking anybody; `None` if it does not know. It is
    /// called about once a second, and shown as the lag of the source.
    fn lag(&self) -> Option<Lag> {
        None
    }

    /// All items of an epoch have been given: what comes now belongs to a later one. Called before
    /// [`snapshot`](Self::snapshot), with and without a recovery store.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// An epoch is complete on the whole cluster: all operators have done what follows from its items, all sinks have
    /// written it, and with a recovery store all of it is saved, so that no resume goes back behind it. The place to
    /// acknowledge items to where they come from.
    ///
    /// Called for each epoch since the partition was opened, in order, on the worker that has the partition; at the end of
    /// input and after a clean stop also for the last. Items of the next epoch may have been given by then:
    /// [`end_epoch`](Self::end_epoch) tells them apart.
    ///
    /// A run that is killed may be gone before it has called this for an epoch that was complete. The next run
    /// does not call it again; what it resumes from says it: when a partition is opened at a
    /// position, all before that position is complete.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete.
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }
}

/// A source with one instance on every worker. Nothing of it is saved: after a crash it starts
/// anew, so items can be lost. It is [not replayable](crate::delivery::NotReplayable).
pub trait DynamicSource: Send + Sync + 'static {
    /// What the source gives.
    type Item: 'static;
    /// The instance of one worker.
    type Partition: StatelessSourcePartition<Item = Self::Item>;

    /// Makes the instance of one of `workers` workers. Each must give items of its own.
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

/// The instance of a [`DynamicSource`] on one worker. It is closed by being dropped.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the part of a source on one worker",
    label = "this type has no `next_batch`, or a `snapshot` beside it",
    note = "put `#[source(partition)]` on an `impl` block of `{Self}` with `next_batch` alone"
)]
pub trait StatelessSourcePartition: 'static {
    /// What the source gives.
    type Item: 'static;

    /// Gives the next items, without blocking.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn next_batch(&mut self) -> Result<Poll<Self::Item>, StepError>;

    /// The earliest time of the next poll; see [`StatefulSourcePartition::next_awake`].
    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// How much it has still to give, by what it knows without asking anybody; `None` if it does not know. It is
    /// called about once a second, and shown as the lag of the source.
    fn lag(&self) -> Option<Lag> {
        None
    }

    /// All items of an epoch have been given: what comes now belongs to a later one.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let _ = epoch;
        Ok(())
    }

    /// An epoch is complete on the whole cluster: all operators have done what follows from its items, all sinks have
    /// written it, and with a recovery store all of it is saved, so that no resume goes back behind it. The place to
    /// acknowledge items to where they come from.
    ///
    /// Called for each epoch of the run, in order, on each worker; at the end of
    /// input and after a clean stop also for the last. Items of the next epoch may have been given by then:
    /// [`end_epoch`](Self::end_epoch) tells them apart.
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
