//! How far time has got in the partitions of a source, and in a step that has one watermark for all keys.

use std::cell::{Cell, RefCell};

use super::timers::{Alarm, Timers};

/// The partitions of a source on one worker, as the stages behind it see them. Behind any other operator
/// there is one, which is all that the operator sends.
pub(crate) struct Partitions {
    /// The one whose items are under way.
    pub(crate) current: usize,
    ended: Vec<bool>,
    /// Those that a stage wants to be left alone, and those that are.
    to_hold: Vec<bool>,
    held: Vec<bool>,
}

impl Default for Partitions {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Partitions {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            current: 0,
            ended: vec![false; count],
            to_hold: vec![false; count],
            held: vec![false; count],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ended.len()
    }

    pub(crate) fn end(&mut self, partition: usize) {
        self.ended[partition] = true;
    }

    pub(crate) fn has_ended(&self, partition: usize) -> bool {
        self.ended[partition]
    }

    /// Asks for a partition not to be polled before the operator runs again.
    pub(crate) fn hold(&mut self, partition: usize) {
        self.to_hold[partition] = true;
    }

    /// Whether a partition is not to be polled now.
    pub(crate) fn is_held(&self, partition: usize) -> bool {
        self.held[partition]
    }

    /// All stages have been asked which partitions are not to be polled.
    pub(crate) fn hold_asked(&mut self) {
        std::mem::swap(&mut self.held, &mut self.to_hold);
        self.to_hold.fill(false);
    }
}

/// How far time has got in a step on one worker, and who waits for it to go on.
pub(crate) struct Watermark {
    at: Cell<i64>,
    waiting: RefCell<Vec<Alarm>>,
}

impl Default for Watermark {
    fn default() -> Self {
        Self {
            at: Cell::new(i64::MIN),
            waiting: RefCell::default(),
        }
    }
}

impl Watermark {
    pub(crate) fn get(&self) -> i64 {
        self.at.get()
    }

    pub(crate) fn set(&self, at: i64, timers: &Timers) {
        self.at.set(at);
        for alarm in self.waiting.borrow_mut().drain(..) {
            timers.wake(alarm);
        }
    }

    /// Has an operator woken when time goes on.
    pub(crate) fn wait(&self, alarm: Alarm) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&alarm) {
            waiting.push(alarm);
        }
    }
}
