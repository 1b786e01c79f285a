//! Counts the open windows of a worker for the report: once a second, and a part of the keys at a time.

use std::sync::Arc;

use super::{Waiters, WindowEngine, WindowHead};
use crate::clock::Monotonic;
use crate::key::Key;
use crate::kit::meter::{SeenWindows, StepMeter};
use crate::kit::{Cx, SharedWatermark};
use crate::report::HeldBy;
use crate::state::TablePlace;
use crate::windowing::clock::{OF_SYSTEM, Timing};
use crate::windowing::probe::{Status, Tally};
use crate::windowing::time::{FIRST, LAST, Time};

/// The least time from one count to the next, in microseconds.
const EVERY: i64 = 1_000_000;

/// A count takes at most one part of so many of a worker's time.
const SHARE: i64 = 100;

/// The places of a table that are visited at once: about a millisecond.
const PART: usize = 1 << 14;

/// The pause between two parts while the worker is idle, in microseconds.
const PAUSE: i64 = 10_000;

/// The count of one step on one worker.
pub(super) struct Census<K> {
    meter: Arc<StepMeter>,
    /// The first key that is not counted yet.
    place: TablePlace,
    tally: Tally<K>,
    /// The time of the present count so far, in microseconds.
    took: i64,
    /// When the next part is due, in microseconds of monotonic time.
    due: i64,
}

/// The time of all keys of a step.
#[derive(Clone, Copy)]
struct Held {
    by: HeldBy,
    /// The watermark, if all keys share one.
    watermark: Option<Time>,
}

impl<K: Clone + std::fmt::Debug> Census<K> {
    pub(super) fn new(meter: &Arc<StepMeter>) -> Self {
        Self {
            meter: Arc::clone(meter),
            place: TablePlace::default(),
            tally: Tally::new(),
            took: 0,
            due: i64::MIN,
        }
    }

    /// Whether a part of the keys is to be counted at this time.
    fn is_due(&self, now: Monotonic) -> bool {
        now.micros() >= self.due
    }

    /// When the next part is due.
    fn due(&self) -> Monotonic {
        Monotonic::of_micros(self.due)
    }

    /// Begins a new count at once.
    fn restart(&mut self) {
        self.place = TablePlace::default();
        self.tally = Tally::new();
        self.due = i64::MIN;
    }

    /// Counts a part of the keys. `visit` visits as many as it is told from a place on, and returns whether there
    /// are more. Returns whether more is to be done soon.
    fn count(
        &mut self,
        held: Held,
        clock: impl Fn() -> Monotonic,
        visit: impl FnOnce(&mut TablePlace, usize, &mut dyn FnMut(&K, Status, Time)) -> bool,
    ) -> bool {
        let began = clock().micros();
        let tally = &mut self.tally;
        let has_more = visit(&mut self.place, PART, &mut |key, status, mark| {
            tally.add(key, status, mark);
        });
        let now = clock().micros();
        self.took += now - began;
        if has_more {
            self.due = now + PAUSE.min(self.took);
            return true;
        }
        self.publish(held);
        self.due = now + EVERY.max(self.took.saturating_mul(SHARE));
        self.took = 0;
        false
    }

    /// Publishes the count, and begins another.
    fn publish(&mut self, held: Held) {
        self.place = TablePlace::default();
        let tally = std::mem::replace(&mut self.tally, Tally::new());
        let first = tally.first();
        let mark = held.watermark.or(first.map(|first| first.mark));
        let known = |time: &Time| (FIRST + 1..=LAST).contains(time);
        self.meter.windows.set(SeenWindows {
            open: tally.windows,
            waiting: tally.waiting,
            oldest: tally.oldest_start().filter(known),
            closes_at: tally.closes_at().filter(known),
            watermark: mark.filter(known),
            held_by: match first {
                Some(_) => held.by,
                None => HeldBy::Nothing,
            },
            key: first.map(|first| crate::brief::brief(&first.key)),
        });
    }
}

impl<K, V, C, B, Q> WindowHead<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: Timing<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    /// Counts a part of the open windows, if that is due.
    pub(super) fn count_windows(&mut self, cx: &Cx) {
        let Some(census) = &mut self.census else {
            return;
        };
        if !census.is_due(self.clock.monotonic()) {
            // What changes until then is counted, even if nothing happens later.
            return cx.worker.timers.wake_by(cx.alarm, census.due());
        }
        if self.count_some_windows() == Some(true) {
            let due = self.census.as_ref().map(|census| census.due());
            due.into_iter()
                .for_each(|due| cx.worker.timers.wake_by(cx.alarm, due));
        }
    }

    /// Counts all open windows at the end of input.
    pub(super) fn count_all_windows(&mut self) {
        if let Some(census) = &mut self.census {
            census.restart();
        }
        while self.count_some_windows() == Some(true) {}
    }

    /// Counts a part of the open windows. Returns whether there are more; `None` if they are not counted.
    fn count_some_windows(&mut self) -> Option<bool> {
        let held = held(&*self.keeper.clock, self.shared.as_ref());
        let (table, keeper, now) = (&self.table, &self.keeper, self.now.step);
        let visit = |place: &mut TablePlace, most, note: &mut dyn FnMut(&K, Status, Time)| {
            table.visit(place, most, |key, live| {
                let (status, mark) = keeper.status(live, now);
                note(key, status, mark);
            })
        };
        let clock = || self.clock.monotonic();
        Some(self.census.as_mut()?.count(held, clock, visit))
    }
}

/// What holds the watermark of a step back.
fn held<V, C: Timing<V>>(_: &C, shared: Option<&SharedWatermark>) -> Held {
    let by = match shared {
        Some(shared) if shared.slowest().is_some() => HeldBy::Partition,
        Some(_) => HeldBy::Nothing,
        None if C::NAME == OF_SYSTEM => HeldBy::Clock,
        None => HeldBy::Key,
    };
    Held {
        by,
        watermark: shared.map(SharedWatermark::at),
    }
}
