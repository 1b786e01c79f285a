//! `EventClock`.

use std::fmt;

use chrono::TimeDelta;

use super::{Clock, JoinClock, KeyMark, Timing, Watermark, bound, forget_fault, wait_fault};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, LAST, Time, Timestamp, span};

/// Reads the event time from each value; each key has its own watermark.
///
/// The *watermark* of a key trails the newest value of the key by `wait`, and advances from there with the
/// system time. A value before the watermark is late. Keys do not influence each other: a key without new
/// values closes its windows as time passes.
///
/// A longer `wait` makes fewer values late and delays results; the longest, [`TimeDelta::MAX`], delays all
/// results to the end of input. With a `wait` of zero, a value with the time of the newest one is late if any
/// time has passed between them: use a short one. A value from the future advances the watermark like any
/// other, and makes all later values late.
///
/// The watermark also advances with the system time while the program is stopped. After a stop that is longer
/// than the wait, and in a replay that is slower than the events were, values in order may therefore be late.
/// [`per_partition`](Self::per_partition) creates a clock that depends on the values alone.
///
/// # Examples
///
/// Logins per minute and user, with messages up to ten seconds late:
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, TumblingWindower, WindowId};
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// let at = |second| DateTime::from_timestamp(second, 0).unwrap();
/// let logins = [("ada", at(5)), ("ada", at(55)), ("ada", at(61))];
/// let out = run_keyed(logins.map(|(user, at)| (user.to_owned(), at)), |logins| {
///     let clock = EventClock::new(|at: &DateTime<Utc>| *at, TimeDelta::seconds(10));
///     let minutes = TumblingWindower::new(TimeDelta::minutes(1), at(0));
///     logins.count_window(clock, minutes).named("logins").down
/// });
/// let ada = "ada".to_owned();
/// assert_eq!(out, [(ada.clone(), (WindowId(0), 2)), (ada, (WindowId(1), 1))]);
/// ```
///
/// # State
///
/// The watermark of each key, which outlives the key's last window by [`forget_after`]. During this time, an
/// older value is late and cannot reopen a closed window. The watermark advances while the program is
/// stopped, and never moves back, even if the system clock does.
///
/// [`forget_after`]: EventClock::forget_after
#[derive(Clone)]
#[must_use]
pub struct EventClock<G> {
    getter: G,
    wait: i64,
    forget_after: i64,
    keep_open: bool,
    probe: Option<WindowProbe>,
}

/// Gets the time of a value from a function.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct TimeOf<F>(F);

/// Gets the time of a value in a join from the function of its stream.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct TimeOfSides<F>(pub(crate) F);

impl<F> TimeOf<F> {
    pub(crate) fn new(timestamp_of: F) -> Self {
        Self(timestamp_of)
    }
}

impl<F> EventClock<TimeOf<F>> {
    /// Creates a clock that gets the time of each value from `timestamp_of` and trails the newest by `wait`.
    pub fn new<V, T>(timestamp_of: F, wait: TimeDelta) -> Self
    where
        F: Fn(&V) -> T + Send + Sync + 'static,
        T: Timestamp,
    {
        Self::with(TimeOf(timestamp_of), wait)
    }
}

impl<F> EventClock<TimeOfSides<F>> {
    /// Creates a clock for a join of several streams: a tuple of functions, one per stream, returns the times
    /// of their values.
    pub fn of_sides(timestamps_of: F, wait: TimeDelta) -> Self {
        Self::with(TimeOfSides(timestamps_of), wait)
    }
}

impl<G> EventClock<G> {
    fn with(getter: G, wait: TimeDelta) -> Self {
        Self {
            getter,
            wait: span(wait),
            forget_after: super::FORGET_AFTER,
            keep_open: false,
            probe: None,
        }
    }

    /// Leaves open at the end of input what the watermark has not reached: windows, values that wait for their turn,
    /// incomplete patterns, and values that wait for a match. By default, the end of input is the end of all times.
    ///
    /// Use it with a recovery store, if the next run continues the input, such as a file that grows. The results of
    /// all runs are then those of one run without ends between. For windows, `keep_open` of the windower does the same.
    pub fn keep_open(mut self) -> Self {
        self.keep_open = true;
        self
    }

    /// Attaches a probe, which reports the open windows of the step with this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// Sets how long the watermark of a key, and the number of its next session, are kept after its last
    /// window closes. The default is an hour.
    ///
    /// The time is system time. A kept key takes some hundred bytes.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

/// Returns the time of a value from a function, clamped to the supported range.
#[inline]
pub(crate) fn event_time<V, T: Timestamp>(timestamp_of: &impl Fn(&V) -> T, value: &V) -> Time {
    timestamp_of(value).micros().clamp(FIRST, LAST)
}

/// Returns the time of values.
pub(crate) trait Getter<V>: Send + Sync + 'static {
    fn time(&self, value: &V) -> Time;
}

impl<V, T, F> Getter<V> for TimeOf<F>
where
    F: Fn(&V) -> T + Send + Sync + 'static,
    T: Timestamp,
{
    #[inline]
    fn time(&self, value: &V) -> Time {
        event_time(&self.0, value)
    }
}

impl<V: 'static, G: Getter<V>> Clock<V> for EventClock<G> {}
impl<V: 'static, G: Getter<V>> JoinClock<V> for EventClock<G> {}

impl<V: 'static, G: Getter<V>> Timing<V> for EventClock<G> {
    type Mark = Watermark;

    const NAME: &'static str = super::OF_KEYS;
    const REMEMBERS: bool = true;

    fn faults(&self) -> Vec<Fault> {
        let faults = wait_fault(self.wait).into_iter();
        faults.chain(forget_fault(self.forget_after)).collect()
    }

    #[inline]
    fn time(&self, value: &V, _: Time) -> Time {
        self.getter.time(value)
    }

    #[inline]
    fn observe(&self, mark: &mut Watermark, (time, _): (Time, &V), now: Time) -> (Time, Time) {
        mark.begin(FIRST, now);
        mark.pass(now);
        (time, mark.raise(bound(time, self.wait)))
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
    }

    fn keeps_open(&self) -> bool {
        self.keep_open
    }

    fn probe(&self) -> Option<&WindowProbe> {
        self.probe.as_ref()
    }
}

impl<G> fmt::Debug for EventClock<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventClock")
            .field("wait", &TimeDelta::microseconds(self.wait))
            .finish_non_exhaustive()
    }
}
