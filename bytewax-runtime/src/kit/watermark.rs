//! The progress of time in the partitions of a source, and in a step with one watermark for all keys.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono::TimeDelta;

use super::context::Cx;
use super::edge::EventMark;
use super::marks::Marks;
use super::plan::BuildCx;
use super::timers::{Alarm, Timers};
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::ids::{StepIndex, WorkerIndex};
use crate::state;

/// The partitions of a source on one worker, as its later stages see them. Any other operator has a single
/// one for its whole output.
pub(crate) struct Partitions {
    /// The partition of the present items.
    pub(crate) current: usize,
    ended: Vec<bool>,
    /// The partitions that a stage wants to pause, and the paused ones.
    to_hold: Vec<bool>,
    held: Vec<bool>,
    /// The idle partitions, as far as they were polled.
    quiet: Vec<bool>,
    /// The names of the last partitions, which were added while the operator was running.
    added: Vec<String>,
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
            quiet: vec![true; count],
            added: Vec::new(),
        }
    }

    /// Adds a partition. Returns its number.
    pub(crate) fn add(&mut self, name: &str) -> usize {
        self.added.push(name.to_owned());
        self.ended.push(false);
        for flags in [&mut self.to_hold, &mut self.held, &mut self.quiet] {
            flags.push(false);
        }
        self.len() - 1
    }

    /// The names of the partitions from this number on, which were added after the others.
    pub(crate) fn added_from(&self, number: usize) -> &[String] {
        let first = self.len() - self.added.len();
        self.added
            .get(number.saturating_sub(first)..)
            .unwrap_or_default()
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

    /// Records whether a poll of a partition returned nothing.
    pub(crate) fn answered(&mut self, partition: usize, nothing: bool) {
        self.quiet[partition] = nothing;
    }

    /// Records that partitions may have items: none was polled.
    pub(crate) fn not_polled(&mut self) {
        self.quiet.fill(false);
    }

    /// Whether a partition is idle; false if it was not polled.
    pub(crate) fn is_quiet(&self, partition: usize) -> bool {
        self.quiet[partition]
    }

    /// Pauses a partition until the operator runs again.
    pub(crate) fn hold(&mut self, partition: usize) {
        self.to_hold[partition] = true;
    }

    /// Whether a partition is paused.
    pub(crate) fn is_held(&self, partition: usize) -> bool {
        self.held[partition]
    }

    /// All stages have chosen the partitions to pause.
    pub(crate) fn hold_asked(&mut self) {
        std::mem::swap(&mut self.held, &mut self.to_hold);
        self.to_hold.fill(false);
    }
}

/// The progress of time in a step on one worker, and the operators that wait for it.
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

    /// Wakes an operator when time advances.
    pub(crate) fn wait(&self, alarm: Alarm) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&alarm) {
            waiting.push(alarm);
        }
    }
}

/// The watermark of a step with one for all keys: the minimum over all senders of all inputs.
pub(crate) struct SharedWatermark {
    step: StepIndex,
    at: i64,
    /// The worker that holds the watermark back.
    slowest: Option<WorkerIndex>,
    /// The watermark when it was last saved.
    saved: i64,
    known: Rc<Watermark>,
    /// How long all senders are idle before it advances with time.
    idle_after: Option<TimeDelta>,
    /// Where it starts before any item.
    start: i64,
    /// Whether no sender is waited for.
    is_idle: bool,
    /// When the last sender became idle, and where the watermark was.
    idle_since: Option<(Monotonic, i64)>,
}

impl SharedWatermark {
    /// Starts from the watermark of an earlier execution, or at `start`.
    pub(crate) fn resume(build: &BuildCx, start: i64) -> Self {
        // The saved value of each worker; they may have stopped at different times.
        let store = build.worker.store.get();
        let names = store.map_or_else(Vec::new, |store| store.positions_of(build.id()));
        let saved = names.into_iter().filter_map(|name| {
            build.position::<i64>(name).unwrap_or_else(|error| {
                build.fail(error);
                None
            })
        });
        let at = saved.max().unwrap_or(start);
        let known = build.worker.watermark(build.step);
        known.set(at, &build.worker.timers);
        Self {
            step: build.step,
            at,
            slowest: None,
            saved: at,
            known,
            idle_after: None,
            start,
            is_idle: false,
            idle_since: None,
        }
    }

    /// Makes it advance with time while all senders are idle, once they have been for this time.
    pub(crate) fn advancing(mut self, idle_after: Option<TimeDelta>) -> Self {
        self.idle_after = idle_after;
        self
    }

    /// Advances by the time that has passed, if all senders are idle.
    pub(crate) fn pass(&mut self, now: impl FnOnce() -> Monotonic, timers: &Timers) {
        let Some(idle_after) = self.idle_after else {
            return;
        };
        if !self.is_idle || self.at <= self.start {
            self.idle_since = None;
            return;
        }
        let now = now();
        let (since, from) = *self.idle_since.get_or_insert((now, self.at));
        let passed = now.since(since);
        let at = from.saturating_add(passed.num_microseconds().unwrap_or(i64::MAX));
        if passed >= idle_after && at > self.at {
            self.at = at;
            self.known.set(at, timers);
        }
    }

    /// When it gets to a time, if all senders stay idle.
    pub(crate) fn reaches(&self, time: i64) -> Option<Monotonic> {
        let (since, from) = self.idle_since?;
        let by = TimeDelta::microseconds(time.saturating_sub(from).max(0));
        Some(since.after(by.max(self.idle_after?)))
    }

    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// Applies the senders' bounds.
    pub(crate) fn update(&mut self, marks: &Marks, timers: &Timers) {
        self.slowest = marks.slowest();
        let EventMark(least) = marks.least();
        self.is_idle = least >= EventMark::IDLE.0;
        // Without any active sender, the watermark does not advance.
        if !self.is_idle && least > self.at {
            self.at = least;
            self.known.set(least, timers);
        }
    }

    /// Whether it stands still until an idle sender wakes up.
    pub(crate) fn rests(&self) -> bool {
        self.is_idle && (self.idle_after.is_none() || self.at <= self.start)
    }

    /// Advances to a time, if it is behind.
    pub(crate) fn raise(&mut self, to: i64, timers: &Timers) {
        if to > self.at {
            self.at = to;
            self.known.set(to, timers);
        }
    }

    /// The active worker that is furthest behind.
    pub(crate) fn slowest(&self) -> Option<WorkerIndex> {
        self.slowest
    }

    /// Saves the watermark with the present epoch, if it has advanced.
    pub(crate) fn save(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.store.get().is_none() || self.at == self.saved {
            return Ok(());
        }
        let mut bytes = Vec::new();
        state::seal(&self.at, &mut bytes)
            .map_err(|error| RunError::step("the watermark cannot be saved", error.into()))?;
        let worker = cx.worker.index.0.to_string();
        cx.save_position(self.step, &worker, bytes);
        self.saved = self.at;
        Ok(())
    }
}
