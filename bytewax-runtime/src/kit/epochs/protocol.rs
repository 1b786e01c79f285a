//! The protocol of epochs, as one worker follows it. It knows no clock, no thread and no dataflow.
//!
//! An epoch *begins* on the first worker of the cluster that is through with the one before, and the sources of all
//! others *join* it. Each source *ends* its part of an epoch before it goes on to the next. Once all operators of the
//! cluster have *left* an epoch, each worker *saves* what it has of it, and once all have, it is *complete*.
//!
//! A run that stops ends the epoch that it is in, and no other begins: its sources move to [`STOPPED`], a time behind all
//! epochs, to which no items belong. So an operator tells by its frontier alone whether its input has ended or the run
//! stops, and all workers see the same.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::clock::Monotonic;
use crate::ids::Epoch;

/// Where the sources of a run that stops are, behind its last epoch.
pub(crate) const STOPPED: Epoch = Epoch(u64::MAX);

/// When an epoch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// When it has lasted so long. Two may be under way, so that sources do not wait for the slowest operator.
    Every(TimeDelta),
    /// When each source of the cluster that has anything was polled once. One is under way.
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

/// How far operators are: the first epoch that may still come from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frontier {
    At(Epoch),
    /// The run stops, and all that belongs to its epochs has come.
    Stopped,
    /// The input has ended, and all has come.
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

/// What a source has done in the epoch that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It could not be polled yet.
    Awaited,
    /// It had nothing.
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
    /// The epoch that the sources of this worker are in, or go to when they run next.
    current: Epoch,
    began: Monotonic,
    /// The last epoch that is known to have begun on a worker of the cluster.
    latest: Epoch,
    stops: bool,
    /// The sources of this worker that have not ended.
    sources: BTreeMap<S, Turn>,
    /// The last epoch with which a source of the cluster has ended, or stopped.
    last: Epoch,
    /// The first epoch that this worker was not told to save.
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

    /// The epoch in which the execution begins.
    pub(crate) fn first(&self) -> Epoch {
        self.first
    }

    /// The epoch that the sources of this worker are in, or go to when they run next.
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

    /// A worker of the cluster has begun an epoch. Gives whether the sources of this one go there now.
    pub(crate) fn join(&mut self, latest: Epoch, now: Monotonic) -> bool {
        self.latest = self.latest.max(latest);
        let may_join = match self.pace {
            Pace::Every(_) => true,
            // Each source has its turn first, or those of other workers would be polled again and again.
            Pace::EachPoll => self.all_had_a_turn(),
        };
        let joins = self.current < self.latest && may_join;
        if joins {
            self.enter(self.latest, now);
        }
        joins
    }

    /// Begins the next epoch, if this one is over.
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

    /// Whether sources have turns, so that what one does lets its worker join an epoch.
    pub(crate) fn has_turns(&self) -> bool {
        self.pace == Pace::EachPoll
    }

    fn all_had_a_turn(&self) -> bool {
        !self.sources.values().any(|turn| *turn == Turn::Awaited)
    }

    /// When the present epoch is over, if a time ends it and it may end: while that before is being saved, this one
    /// lasts.
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

    /// No epoch begins any more.
    pub(crate) fn stop(&mut self) {
        self.stops = true;
    }

    /// Where a source in an epoch has to go, after it has ended that.
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

    /// Whether sources may work in the present epoch, or have to wait until earlier ones are complete: a slow epoch
    /// holds sources back, and does not fill the memory.
    fn may_work(&self) -> bool {
        let under_way = match self.pace {
            Pace::Every(_) => 1,
            Pace::EachPoll => 0,
        };
        self.complete_before.0 >= self.current.0.saturating_sub(under_way)
    }

    /// Whether a source that is in the present epoch may be polled.
    pub(crate) fn may_poll(&self, source: S) -> bool {
        let has_turn = match self.pace {
            Pace::Every(_) => true,
            Pace::EachPoll => self.sources.get(&source) != Some(&Turn::Polled),
        };
        !self.stops && self.may_work() && has_turn
    }

    /// A source that might be polled was polled, or had nothing.
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

    /// A source of the cluster has ended its last epoch.
    pub(crate) fn ended(&mut self, epoch: Epoch) {
        self.last = self.last.max(epoch);
    }

    /// All operators of the cluster are so far. Gives the epoch up to which this worker has to save now.
    pub(crate) fn left(&mut self, frontier: Frontier) -> Option<Epoch> {
        let end = self.end(frontier);
        (end > self.unsaved).then(|| {
            self.unsaved = end;
            Epoch(end.0 - 1)
        })
    }

    /// How far this worker is, which has saved all up to an epoch while all operators of the cluster are so far.
    pub(crate) fn saved(&self, up_to: Epoch, frontier: Frontier) -> Frontier {
        let is_over = frontier == Frontier::Stopped || frontier == Frontier::Ended;
        if is_over && up_to.next() >= self.end(frontier) {
            frontier
        } else {
            Frontier::At(up_to.next())
        }
    }

    /// All workers have saved what is before this, or all operators have left it if nothing is saved. Gives the epochs
    /// that are complete by that.
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

    /// The first epoch that is not behind a frontier.
    fn end(&self, frontier: Frontier) -> Epoch {
        match frontier {
            Frontier::At(epoch) => epoch,
            Frontier::Stopped | Frontier::Ended => self.last.next(),
        }
    }
}
