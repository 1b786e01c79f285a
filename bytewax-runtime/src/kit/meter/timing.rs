//! Estimates the time in steps from a sample of their operators' activations.
//!
//! Reading the clock costs about as much as a small step for a few items. Therefore only some activations are
//! timed, and each represents those since the previous one. The cost of timing determines how many are
//! skipped: where activations take long, all of them are timed.

use std::cell::Cell;

use chrono::TimeDelta;

use super::super::context::WorkerCx;
use super::{Histogram, WorkerMeter};
use crate::clock::{Monotonic, WorkerClock};
use crate::ids::StepIndex;

/// The cost of reading the clock in nanoseconds, 40 to 80, times 512: timing then takes at most 0.2 %.
const READ_AND_REST: u64 = 80 * 512;

/// The most activations that are skipped.
const MOST: u64 = 1 << 10;

/// The time after which no more are skipped, because they have become longer or rarer.
const RARELY: TimeDelta = TimeDelta::milliseconds(100);

/// The state for timing the steps of a worker.
#[derive(Debug)]
pub(crate) struct Timing {
    clock: WorkerClock,
    /// The last time read.
    now: Cell<Monotonic>,
    /// The number of activations that the present one represents; zero when it is not timed.
    weight: Cell<u64>,
    /// The step whose code is running, and since when.
    step: Cell<StepIndex>,
    since: Cell<Monotonic>,
    began: Cell<Monotonic>,
    /// How much more than the measured time can be attributed to the present activation: the skipped ones were not
    /// longer than the time since the last timed one.
    skipped: Cell<u64>,
    reads: Cell<u64>,
    /// The time measured within the call that is being measured, in nanoseconds.
    within: Cell<u64>,
}

impl Timing {
    pub(crate) fn new(clock: WorkerClock) -> Self {
        Self {
            clock,
            now: Cell::default(),
            weight: Cell::new(0),
            step: Cell::new(StepIndex(0)),
            since: Cell::default(),
            began: Cell::default(),
            skipped: Cell::new(0),
            reads: Cell::new(0),
            within: Cell::new(0),
        }
    }

    /// Whether the present activation is timed.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.weight.get() != 0
    }

    /// The last time read.
    #[inline]
    pub(crate) fn recent(&self) -> Monotonic {
        self.now.get()
    }

    /// Records a time that was read for another purpose.
    #[inline]
    pub(crate) fn note(&self, now: Monotonic) {
        self.now.set(now);
    }

    pub(crate) fn read(&self) -> Monotonic {
        let now = self.clock.monotonic();
        self.reads.set(self.reads.get() + 1);
        self.now.set(now);
        now
    }

    /// Begins an activation that also represents those since `ended`.
    fn begin(&self, step: StepIndex, weight: u64, ended: Monotonic) {
        self.reads.set(0);
        let now = self.read();
        self.weight.set(weight);
        self.skipped.set(now.nanos_since(ended));
        self.step.set(step);
        self.since.set(now);
        self.began.set(now);
    }

    /// Adds the elapsed time to the running step, and switches to another. Returns the previous one.
    pub(super) fn switch(&self, to: StepIndex, meter: &WorkerMeter) -> StepIndex {
        let now = self.read();
        let from = self.step.replace(to);
        let passed = now.nanos_since(self.since.replace(now));
        let step = meter.step(from);
        step.timed.add(passed);
        step.busy.add(self.weigh(passed));
        from
    }

    /// The measured time with that of the skipped activations.
    fn weigh(&self, passed: u64) -> u64 {
        let others = passed.saturating_mul(self.weight.get().saturating_sub(1));
        let others = others.min(self.skipped.get());
        self.skipped.set(self.skipped.get() - others);
        passed.saturating_add(others)
    }

    /// Ends an activation. Returns when it began and ended, and how often the clock was read.
    fn end(&self, meter: &WorkerMeter) -> (Monotonic, Monotonic, u64) {
        let step = self.step.get();
        self.switch(step, meter);
        self.weight.set(0);
        // Tests time every activation.
        let reads = match self.clock.is_by_hand() {
            true => 0,
            false => self.reads.get(),
        };
        (self.began.get(), self.since.get(), reads)
    }

    /// Measures a call, if the activation is timed, without nested measured calls.
    #[inline]
    pub(crate) fn measure<R>(&self, histogram: &Histogram, call: impl FnOnce() -> R) -> R {
        if self.is_on() {
            self.measured(histogram, self.weight.get(), call)
        } else {
            call()
        }
    }

    /// Measures a call.
    #[inline(never)]
    pub(crate) fn measured<R>(
        &self,
        histogram: &Histogram,
        weight: u64,
        call: impl FnOnce() -> R,
    ) -> R {
        let outer = self.within.replace(0);
        let began = self.read();
        let result = call();
        let took = self.read().nanos_since(began);
        histogram.observe(took.saturating_sub(self.within.get()), weight);
        self.within.set(outer.saturating_add(took));
        result
    }

    /// The number of activations that the present one represents.
    pub(super) fn weight(&self) -> u64 {
        self.weight.get()
    }
}

/// Chooses the timed activations of an operator.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// The number of activations to skip, and of those skipped.
    skips: u64,
    skipped: u64,
    /// When the last timed one ended, and until when others are skipped.
    ended: Monotonic,
    until: Monotonic,
    /// How long activations take, in nanoseconds. A short one among long ones counts for little.
    typical: u64,
}

impl Sampler {
    /// Whether the activation is timed that begins at about the time `now`.
    #[inline]
    fn times_next(&mut self, now: Monotonic) -> bool {
        if self.skipped < self.skips && now < self.until {
            self.skipped += 1;
            return false;
        }
        true
    }

    /// Chooses how many are skipped after a timed activation.
    fn has_timed(&mut self, began: Monotonic, now: Monotonic, reads: u64) {
        let took = match self.skipped < self.skips {
            // The skipped ones may have been long.
            true => now.nanos_since(self.ended) / (self.skipped + 1),
            false => now.nanos_since(began),
        };
        self.typical = took.max(self.typical / 2).max(1);
        self.skips = (reads * READ_AND_REST / self.typical).min(MOST);
        self.skipped = 0;
        self.ended = now;
        self.until = now.after(RARELY);
    }

    /// Begins an activation of the operator of a step. Returns whether it is timed.
    #[inline]
    pub(crate) fn begin(&mut self, step: StepIndex, worker: &WorkerCx) -> bool {
        if !self.times_next(worker.timing.recent()) {
            return false;
        }
        worker.timing.begin(step, self.skipped + 1, self.ended);
        true
    }

    /// Ends a timed activation.
    pub(crate) fn end(&mut self, worker: &WorkerCx) {
        let (began, now, reads) = worker.timing.end(&worker.meter);
        self.has_timed(began, now, reads);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn ms(ms: i64) -> Monotonic {
        Monotonic::of_micros(1000 * ms)
    }

    #[test]
    fn an_activation_is_timed_when_the_last_was_long_ago() {
        let mut sampler = Sampler {
            skips: 3,
            until: ms(100),
            ..Sampler::default()
        };
        let timed = [1, 2, 3, 4].map(|now| sampler.times_next(ms(now)));
        assert_eq!(timed, [false, false, false, true]);
        sampler.skipped = 0;
        let timed = [1, 99, 100].map(|now| sampler.times_next(ms(now)));
        assert_eq!(timed, [false, false, true]);
    }

    #[test]
    fn a_short_activation_between_long_ones_changes_little() {
        let mut sampler = Sampler::default();
        let mut now = 0;
        let mut pass = |sampler: &mut Sampler, waits: i64, micros: i64| {
            let began = Monotonic::of_micros(now + waits);
            now += waits + micros;
            sampler.has_timed(began, Monotonic::of_micros(now), 2);
        };
        for _ in 0..3 {
            pass(&mut sampler, 0, 1_000_000);
            assert_eq!(sampler.skips, 0);
            pass(&mut sampler, 0, 1);
            assert_eq!(sampler.skips, 0);
        }
        for _ in 0..30 {
            sampler.skipped = sampler.skips;
            pass(&mut sampler, 0, 1);
        }
        assert_eq!(sampler.skips, 81);
        // A long time has passed, and only one was skipped.
        sampler.skipped = 1;
        pass(&mut sampler, 1_000_000, 1);
        assert_eq!(sampler.skips, 0);
    }

    #[test]
    fn no_more_time_is_attributed_than_has_passed() {
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let timing = Timing::new(clock);
        hand.advance(TimeDelta::milliseconds(10));
        timing.begin(StepIndex(0), 500, ms(0));
        // 499 others cannot have taken as long in ten milliseconds.
        assert_eq!(timing.weigh(2_000_000_000), 2_010_000_000);
        assert_eq!(timing.weigh(1000), 1000);
        hand.advance(TimeDelta::milliseconds(10));
        timing.begin(StepIndex(0), 5, ms(0));
        assert_eq!(timing.weigh(1000), 5000);
    }
}
