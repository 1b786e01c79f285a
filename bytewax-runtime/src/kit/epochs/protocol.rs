//! The protocol of epochs for one worker. It uses no clock, no thread and no dataflow.
//!
//! An epoch *begins* on the first worker of the cluster that has finished the previous one, and the sources
//! of all others *join* it. Each source *ends* its part of an epoch before it advances to the next. Once all
//! operators of the cluster have *left* an epoch, each worker *saves* its data of it. Once all have saved it,
//! it is *complete*.
//!
//! A run that stops ends its current epoch, and no other begins: its sources advance to [`STOPPED`], a time
//! after all epochs, to which no items belong. The frontier of an operator alone thus shows whether its input
//! has ended or the run stops, and all workers see the same.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::clock::Monotonic;
use crate::ids::Epoch;

/// The time of the sources of a stopping run, after its last epoch.
pub(crate) const STOPPED: Epoch = Epoch(u64::MAX);

/// The end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// After this time. Two epochs may be in progress, so that sources do not wait for the slowest operator.
    Every(TimeDelta),
    /// When each source of the cluster with items was polled once. One epoch is in progress.
    EachPoll,
}

impl Pace {
    pub(crate) fn of(interval: TimeDelta) -> Self {
        if interval > TimeDelta::zero() {
            Self::Every(interval)
        } else {
            Self::EachPoll
        }
    }
}

/// The progress of operators: the first epoch that may still arrive from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frontier {
    At(Epoch),
    /// The run stops, and everything of its epochs has arrived.
    Stopped,
    /// The input has ended, and everything has arrived.
    Ended,
}

impl From<Option<Epoch>> for Frontier {
    fn from(first: Option<Epoch>) -> Self {
        match first {
            None => Self::Ended,
            Some(STOPPED) => Self::Stopped,
            Some(epoch) => Self::At(epoch),
        }
    }
}

/// The state of a source in its current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It could not be polled yet.
    Awaited,
    /// It had no items.
    Idle,
    Polled,
}

/// The epochs of a worker with sources named `S`.
#[derive(Debug)]
pub(crate) struct Protocol<S> {
    pace: Pace,
    /// Whether each worker saves an epoch before it is complete.
    saves: bool,
    first: Epoch,
    /// The epoch of the sources of this worker, or the one that they join when they run next.
    current: Epoch,
    began: Monotonic,
    /// The last epoch that has begun on a worker of the cluster.
    latest: Epoch,
    stops: bool,
    /// The sources of this worker that have not ended.
    sources: BTreeMap<S, Turn>,
    /// The last epoch with which a source of the cluster has ended, or stopped.
    last: Epoch,
    /// The first epoch that this worker was not asked to save.
    unsaved: Epoch,
    /// Every epoch before this one is complete on the whole cluster.
    complete_before: Epoch,
}

impl<S: Copy + Ord> Protocol<S> {
    pub(crate) fn new(pace: Pace, saves: bool, first: Epoch, now: Monotonic) -> Self {
        Self {
            pace,
            saves,
            first,
            current: first,
            began: now,
            latest: first,
            stops: false,
            sources: BTreeMap::new(),
            last: Epoch(0),
            unsaved: first,
            complete_before: first,
        }
    }

    /// Returns the epoch in which the execution begins.
    pub(crate) fn first(&self) -> Epoch {
        self.first
    }

    /// The epoch of the sources of this worker, or the one that they join when they run next.
    pub(crate) fn current(&self) -> Epoch {
        self.current
    }

    pub(crate) fn add_source(&mut self, source: S) {
        self.sources.insert(source, Turn::Awaited);
    }

    pub(crate) fn remove_source(&mut self, source: S) {
        self.sources.remove(&source);
    }

    /// The sources of this worker that have not ended.
    pub(crate) fn sources(&self) -> impl Iterator<Item = S> + '_ {
        self.sources.keys().copied()
    }

    // Begin and join.

    /// Records that a worker of the cluster has begun an epoch. Returns whether the sources of this one join
    /// it now.
    pub(crate) fn join(&mut self, latest: Epoch, now: Monotonic) -> bool {
        self.latest = self.latest.max(latest);
        let may_join = match self.pace {
            Pace::Every(_) => true,
            // Each source is polled first, or those of other workers would be polled repeatedly.
            Pace::EachPoll => self.all_had_a_turn(),
        };
        let joins = self.current < self.latest && may_join;
        if joins {
            self.enter(self.latest, now);
        }
        joins
    }

    /// Starts the next epoch, if this one is over.
    pub(crate) fn begin(&mut self, now: Monotonic) -> Option<Epoch> {
        let is_over = match self.pace {
            Pace::Every(_) => self.ends_at().is_some_and(|end| end <= now),
            Pace::EachPoll => {
                let polled = self.sources.values().any(|turn| *turn == Turn::Polled);
                polled && self.all_had_a_turn()
            }
        };
        (is_over && !self.stops).then(|| {
            self.enter(self.current.next(), now);
            self.current
        })
    }

    fn enter(&mut self, epoch: Epoch, now: Monotonic) {
        self.current = epoch;
        self.latest = self.latest.max(epoch);
        self.began = now;
        for turn in self.sources.values_mut() {
            *turn = Turn::Awaited;
        }
    }

    /// Whether sources have turns, so that a poll can let its worker join an epoch.
    pub(crate) fn has_turns(&self) -> bool {
        self.pace == Pace::EachPoll
    }

    fn all_had_a_turn(&self) -> bool {
        !self.sources.values().any(|turn| *turn == Turn::Awaited)
    }

    /// Returns when the current epoch is over, if a time ends it and it may end: while the previous one is
    /// being saved, this one continues.
    pub(crate) fn ends_at(&self) -> Option<Monotonic> {
        match self.pace {
            Pace::Every(interval) => {
                let may_end = !self.stops
                    && self.may_work()
                    && (!self.saves || self.complete_before >= self.current);
                may_end.then(|| self.began.after(interval))
            }
            Pace::EachPoll => None,
        }
    }

    /// Prevents further epochs.
    pub(crate) fn stop(&mut self) {
        self.stops = true;
    }

    /// Returns the next epoch of a source, after it has ended this one.
    pub(crate) fn next_of(&self, epoch: Epoch) -> Option<Epoch> {
        if epoch < self.current {
            Some(self.current)
        } else {
            (self.stops && epoch < STOPPED).then_some(STOPPED)
        }
    }

    /// Every epoch before this one is complete on the whole cluster.
    pub(crate) fn complete_before(&self) -> Epoch {
        self.complete_before
    }

    // Polls.

    /// Whether sources may work in the current epoch, or must wait until earlier ones are complete: a slow
    /// epoch pauses sources, so it does not fill the memory.
    fn may_work(&self) -> bool {
        let under_way = match self.pace {
            Pace::Every(_) => 1,
            Pace::EachPoll => 0,
        };
        self.complete_before.0 >= self.current.0.saturating_sub(under_way)
    }

    /// Whether a source in the current epoch may be polled.
    pub(crate) fn may_poll(&self, source: S) -> bool {
        let has_turn = match self.pace {
            Pace::Every(_) => true,
            Pace::EachPoll => self.sources.get(&source) != Some(&Turn::Polled),
        };
        !self.stops && self.may_work() && has_turn
    }

    /// Records that a source was polled, or had no items.
    pub(crate) fn had_a_turn(&mut self, source: S, polled: bool) {
        if !self.may_work() {
            return;
        }
        if let Some(turn) = self.sources.get_mut(&source)
            && *turn != Turn::Polled
        {
            *turn = if polled { Turn::Polled } else { Turn::Idle };
        }
    }

    // End, save and complete.

    /// Records that a source of the cluster has ended its last epoch.
    pub(crate) fn ended(&mut self, epoch: Epoch) {
        self.last = self.last.max(epoch);
    }

    /// Records the progress of all operators of the cluster. Returns the epoch up to which this worker must
    /// save now.
    pub(crate) fn left(&mut self, frontier: Frontier) -> Option<Epoch> {
        let end = self.end(frontier);
        (end > self.unsaved).then(|| {
            self.unsaved = end;
            Epoch(end.0 - 1)
        })
    }

    /// Returns the progress of this worker, which has saved everything up to an epoch, at this progress of
    /// all operators.
    pub(crate) fn saved(&self, up_to: Epoch, frontier: Frontier) -> Frontier {
        let is_over = frontier == Frontier::Stopped || frontier == Frontier::Ended;
        if is_over && up_to.next() >= self.end(frontier) {
            frontier
        } else {
            Frontier::At(up_to.next())
        }
    }

    /// Records that all workers have saved everything before this, or that all operators have left it if
    /// nothing is saved. Returns the epochs that this completes.
    pub(crate) fn complete(&mut self, frontier: Frontier) -> std::ops::Range<u64> {
        let before = self.end(frontier).max(self.complete_before);
        let complete = self.complete_before.0..before.0;
        self.complete_before = before;
        complete
    }

    #[cfg(test)]
    pub(super) fn last(&self) -> Epoch {
        self.last
    }

    /// Returns the first epoch that is not behind a frontier.
    fn end(&self, frontier: Frontier) -> Epoch {
        match frontier {
            Frontier::At(epoch) => epoch,
            Frontier::Stopped | Frontier::Ended => self.last.next(),
        }
    }
}
