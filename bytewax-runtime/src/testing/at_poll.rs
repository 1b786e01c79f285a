//! Sources with an action at one of their polls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::{DateTime, Utc};

use crate::delivery::SourcePromise;
use crate::error::StepError;
use crate::ids::{Epoch, StepId, WorkerIndex};
use crate::source::{
    Discovery, DynamicSource, FixedPartitionedSource, Poll, Reconciled, StatefulSourcePartition,
    StatelessSourcePartition,
};

/// A source with an action at one of its polls: its input changes, or its run is killed.
///
/// Polls of all its partitions on all workers count. A test that tries each number covers every point of the
/// flow.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{AtPoll, TestingSink, TestingSource, run_main};
///
/// let out = TestingSink::new();
/// let run = |poll| {
///     let source = AtPoll::killed(TestingSource::new([1, 2, 3]), poll);
///     let came = source.came();
///     let flow = Dataflow::build("numbers", |flow| {
///         flow.input(source).named("numbers").output(out.clone()).named("out");
///     });
///     run_main(flow).unwrap();
///     came.get()
/// };
/// // Killed instead of the third poll, which gives the third number.
/// assert!(run(2));
/// assert_eq!(out.take(), [1, 2]);
/// // The fourth poll is the last: it says that the input has ended.
/// assert!(run(3) && !run(4));
/// ```
pub struct AtPoll<S> {
    source: S,
    polls: Arc<Polls>,
}

/// Whether the poll of an [`AtPoll`] was reached.
#[derive(Clone, Debug)]
pub struct Came(Arc<Polls>);

/// The number of polls, and the action at one of them.
struct Polls {
    poll: usize,
    count: AtomicUsize,
    is_killed: AtomicBool,
    act: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polls")
            .field("poll", &self.poll)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Polls {
    /// Polls, unless the run is killed.
    fn poll<T>(
        &self,
        poll: impl FnOnce() -> Result<Poll<T>, StepError>,
    ) -> Result<Poll<T>, StepError> {
        if self.count.fetch_add(1, Ordering::Relaxed) == self.poll && (self.act)() {
            self.is_killed.store(true, Ordering::Relaxed);
        }
        match self.is_killed.load(Ordering::Relaxed) {
            true => Ok(Poll::abort()),
            false => poll(),
        }
    }
}

impl Came {
    /// Whether the poll was reached.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > self.0.poll
    }
}

impl<S> AtPoll<S> {
    /// Creates a source that calls `act` before a poll; the first is number 0. If `act` returns true, the run
    /// is killed instead of that poll.
    pub fn new(source: S, poll: usize, act: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let polls = Polls {
            poll,
            count: AtomicUsize::new(0),
            is_killed: AtomicBool::new(false),
            act: Box::new(act),
        };
        Self {
            source,
            polls: Arc::new(polls),
        }
    }

    /// Creates a source whose run is killed instead of a poll; the first is number 0.
    pub fn killed(source: S, poll: usize) -> Self {
        Self::new(source, poll, || true)
    }

    /// Returns a handle that shows after the run whether the poll was reached.
    #[must_use]
    pub fn came(&self) -> Came {
        Came(Arc::clone(&self.polls))
    }
}

impl<S> fmt::Debug for AtPoll<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtPoll")
            .field("polls", &self.polls)
            .finish_non_exhaustive()
    }
}

/// A partition of an [`AtPoll`].
#[derive(Debug)]
pub struct AtPollPartition<P> {
    partition: P,
    polls: Arc<Polls>,
}

impl<P: SourcePromise, S: FixedPartitionedSource<P>> FixedPartitionedSource<P> for AtPoll<S> {
    type Item = S::Item;
    type Position = S::Position;
    type Partition = AtPollPartition<S::Partition>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.source.partitions()
    }

    fn open(
        &self,
        partition: &str,
        resume: Option<S::Position>,
    ) -> Result<Self::Partition, StepError> {
        Ok(AtPollPartition {
            partition: self.source.open(partition, resume)?,
            polls: Arc::clone(&self.polls),
        })
    }

    fn reconcile(
        &self,
        partitions: &[&str],
        saved: &BTreeMap<String, S::Position>,
    ) -> Result<Reconciled, StepError> {
        self.source.reconcile(partitions, saved)
    }

    fn discover(&self) -> Result<Option<Discovery>, StepError> {
        self.source.discover()
    }
}

impl<P: StatefulSourcePartition> StatefulSourcePartition for AtPollPartition<P> {
    type Item = P::Item;
    type Position = P::Position;

    fn next_batch(&mut self) -> Result<Poll<P::Item>, StepError> {
        self.polls.poll(|| self.partition.next_batch())
    }

    fn snapshot(&self) -> P::Position {
        self.partition.snapshot()
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.partition.next_awake()
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.end_epoch(epoch)
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.completed(epoch)
    }
}

impl<S: DynamicSource> DynamicSource for AtPoll<S> {
    type Item = S::Item;
    type Partition = AtPollPartition<S::Partition>;

    fn build(
        &self,
        step: &StepId,
        worker: WorkerIndex,
        workers: usize,
    ) -> Result<Self::Partition, StepError> {
        Ok(AtPollPartition {
            partition: self.source.build(step, worker, workers)?,
            polls: Arc::clone(&self.polls),
        })
    }
}

impl<P: StatelessSourcePartition> StatelessSourcePartition for AtPollPartition<P> {
    type Item = P::Item;

    fn next_batch(&mut self) -> Result<Poll<P::Item>, StepError> {
        self.polls.poll(|| self.partition.next_batch())
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.partition.next_awake()
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.end_epoch(epoch)
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.completed(epoch)
    }
}
