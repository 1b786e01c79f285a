//! `SystemClock`.

use chrono::TimeDelta;

use super::{Clock, JoinClock, KeyMark, Timing, Watermark, forget_fault};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{Time, span};

/// Uses the time at which a value arrives as its time.
///
/// No value is ever late. Values that a worker processes together have the same time. If the system clock
/// moves back, the time stands still until the clock catches up.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{SessionWindower, SystemClock};
/// use chrono::TimeDelta;
///
/// let out = run_keyed([('a', 1), ('a', 2)], |values| {
///     let sessions = SessionWindower::new(TimeDelta::hours(1));
///     values.collect_window::<Vec<_>, _, _>(SystemClock::new(), sessions).named("lists").down
/// });
/// assert_eq!(out[0].1.1, [1, 2]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SystemClock {
    forget_after: i64,
    probe: Option<WindowProbe>,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemClock {
    /// Creates a clock that uses the time at which values arrive.
    pub fn new() -> Self {
        Self {
            forget_after: super::FORGET_AFTER,
            probe: None,
        }
    }

    /// Attaches a probe, which reports the open windows of the step with this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// Sets how long the ids of a key's sessions are kept after the last of them closes. The default is an
    /// hour. Later sessions count from 0 again.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

impl<V: 'static> Clock<V> for SystemClock {}
impl<V: 'static> JoinClock<V> for SystemClock {}

impl<V: 'static> Timing<V> for SystemClock {
    type Mark = Watermark;

    const NAME: &'static str = super::OF_SYSTEM;
    // It is the system's time again with the next value.
    const REMEMBERS: bool = false;

    fn faults(&self) -> Vec<Fault> {
        forget_fault(self.forget_after).into_iter().collect()
    }

    #[inline]
    fn time(&self, _: &V, now: Time) -> Time {
        now
    }

    #[inline]
    fn observe(&self, mark: &mut Watermark, _: (Time, &V), now: Time) -> (Time, Time) {
        mark.begin(now, now);
        let now = mark.pass(now);
        (now, now)
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
    }

    fn probe(&self) -> Option<&WindowProbe> {
        self.probe.as_ref()
    }
}
