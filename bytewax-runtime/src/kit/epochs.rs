//! The epochs of a worker: when they begin, and how far they are complete.

use std::cell::{Cell, RefCell};

use chrono::{DateTime, Utc};

use super::timers::{Alarm, Timers};
use crate::ids::Epoch;

/// The epochs of a worker: all its sources move on together.
pub(crate) struct Epochs {
    /// The epoch in which the execution begins.
    first: Cell<Epoch>,
    current: Cell<Epoch>,
    began: Cell<DateTime<Utc>>,
    /// Every epoch before this one is complete on the whole cluster.
    complete_before: Cell<Epoch>,
    waiting: RefCell<Vec<Alarm>>,
    sources: RefCell<Vec<Alarm>>,
    /// The sources that have had their turn in this epoch.
    turns: RefCell<Vec<Alarm>>,
    /// Whether one of them was polled in this epoch.
    had_a_poll: Cell<bool>,
}

impl Epochs {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            first: Cell::new(Epoch::FIRST),
            current: Cell::new(Epoch::FIRST),
            began: Cell::new(now),
            complete_before: Cell::new(Epoch(0)),
            waiting: RefCell::default(),
            sources: RefCell::default(),
            turns: RefCell::default(),
            had_a_poll: Cell::new(false),
        }
    }

    /// Begins an execution.
    pub(crate) fn start(&self, first: Epoch) {
        self.first.set(first);
        self.current.set(first);
    }

    /// The epoch in which the execution begins.
    pub(crate) fn first(&self) -> Epoch {
        self.first.get()
    }

    pub(crate) fn current(&self) -> Epoch {
        self.current.get()
    }

    pub(crate) fn began(&self) -> DateTime<Utc> {
        self.began.get()
    }

    pub(crate) fn add_source(&self, alarm: Alarm) {
        self.sources.borrow_mut().push(alarm);
    }

    pub(crate) fn remove_source(&self, alarm: Alarm) {
        self.sources.borrow_mut().retain(|source| *source != alarm);
    }

    /// Begins an epoch; all sources of the worker are woken to join it.
    pub(crate) fn begin(&self, epoch: Epoch, now: DateTime<Utc>, timers: &Timers) {
        self.current.set(epoch);
        self.began.set(now);
        self.turns.borrow_mut().clear();
        self.had_a_poll.set(false);
        for alarm in self.sources.borrow().iter() {
            timers.wake(*alarm);
        }
    }

    pub(crate) fn note_poll(&self) {
        self.had_a_poll.set(true);
    }

    pub(crate) fn had_a_poll(&self) -> bool {
        self.had_a_poll.get()
    }

    /// Notes that a source could be polled in this epoch; gives whether all sources could.
    ///
    /// When every poll ends an epoch, this keeps one source from ending all of them before
    /// another is polled.
    pub(crate) fn take_turn(&self, alarm: Alarm) -> bool {
        let mut turns = self.turns.borrow_mut();
        if !turns.contains(&alarm) {
            turns.push(alarm);
        }
        self.sources
            .borrow()
            .iter()
            .all(|source| turns.contains(source))
    }

    pub(crate) fn complete_before(&self) -> Epoch {
        self.complete_before.get()
    }

    /// Wakes `alarm` when the next epoch is complete.
    pub(crate) fn wait(&self, alarm: Alarm) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&alarm) {
            waiting.push(alarm);
        }
    }

    /// Notes that all epochs before `epoch` are complete on the whole cluster.
    pub(crate) fn complete(&self, epoch: Epoch, timers: &Timers) {
        if epoch > self.complete_before.get() {
            self.complete_before.set(epoch);
            for alarm in self.waiting.borrow_mut().drain(..) {
                timers.wake(alarm);
            }
        }
    }
}
