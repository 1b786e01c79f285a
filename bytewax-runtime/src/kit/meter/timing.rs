//! Estimates the time in steps from a sample of their operators' activations.
//!
//! Reading the clock costs about as much as a small step for a few items. Therefore only some activations are
//! timed, and each represents those since the previous one. The cost of timing determines how many are
//! skipped: where activations take long, all of them are timed.

use std::cell::Cell;

use super::super::context::WorkerCx;
use super::{Histogram, WorkerMeter};
use crate::clock::{Monotonic, WorkerClock};
use crate::ids::StepIndex;

/// The cost of reading the clock in nanoseconds, 40 to 80, times 512: timing then takes at most 0.2 %.
const READ_AND_REST: u64 = 80 * 512;

/// The most activations that are skipped.
const MOST: u64 = 1 << 10;

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

    fn begin(&self, step: StepIndex, weight: u64) {
        self.reads.set(0);
        let now = self.read();
        self.weight.set(weight);
        self.step.set(step);
        self.since.set(now);
        self.began.set(now);
    }

    /// Adds the elapsed time to the running step, and switches to another. Returns the previous one.
    pub(super) fn switch(&self, to: StepIndex, meter: &WorkerMeter) -> StepIndex {
        let now = self.read();
        let from = self.step.replace(to);
        let passed = now.nanos_since(self.since.replace(now));
        meter
            .step(from)
            .busy
            .add(passed.saturating_mul(self.weight.get()));
        from
    }

    /// Ends an activation. Returns how many to skip before the next timed one.
    fn end(&self, meter: &WorkerMeter) -> u64 {
        let step = self.step.get();
        self.switch(step, meter);
        self.weight.set(0);
        if self.clock.is_by_hand() {
            // Tests time every activation.
            return 0;
        }
        let took = self.since.get().nanos_since(self.began.get());
        (self.reads.get() * READ_AND_REST / took.max(1)).min(MOST)
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
}

impl Sampler {
    /// Begins an activation of the operator of a step. Returns whether it is timed.
    #[inline]
    pub(crate) fn begin(&mut self, step: StepIndex, worker: &WorkerCx) -> bool {
        if self.skipped < self.skips {
            self.skipped += 1;
            return false;
        }
        worker.timing.begin(step, self.skipped + 1);
        self.skipped = 0;
        true
    }

    /// Ends a timed activation.
    pub(crate) fn end(&mut self, worker: &WorkerCx) {
        self.skips = worker.timing.end(&worker.meter);
    }
}
