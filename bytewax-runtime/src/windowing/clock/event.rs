//! `EventClock`.

use std::fmt;

use chrono::TimeDelta;

use super::{Clock, JoinClock, KeyMark, Timing, Watermark, bound, forget_fault, wait_fault};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, LAST, Time, Timestamp, span};

/// A value happened when it says so.
///
/// The *watermark* of a key is how far its time has got: `wait` behind the newest value of the key, and
/// on from there with the system's time. A value that is before the watermark is late. Keys do not
/// influence each other: a key to which nothing comes closes its windows by the passing of time.
///
/// A long `wait` lets more values be on time and has results come later; the longest,
/// [`TimeDelta::MAX`], has all come at the end of input. With a `wait` of zero, a value with the time of
/// the newest one is late already if the smallest time has passed between them: use a short one.
/// A value from the future moves the watermark as any other, and has all that follows be late.
///
/// The watermark goes on with the system's time also while nothing runs. So after a stop that is longer than
/// the wait, and in a replay that is slower than the events were, values that are in order may be late.
/// [`per_partition`](Self::per_partition) makes a clock that goes by the values alone.
///
/// # Examples
///
/// Logins a minute and user, when messages may be late by ten seconds:
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
/// The watermark of each key, which outlives the key's last window by [`forget_after`]: an older value
/// that comes meanwhile is late, and cannot open a window again that was closed. It goes on while nothing
/// runs, and never goes back, even if the system's clock does.
///
/// [`forget_after`]: EventClock::forget_after
#[derive(Clone)]
#[must_use]
pub struct EventClock<G> {
    getter: G,
    wait: i64,
    forget_after: i64,
    probe: Option<WindowProbe>,
}

/// Asks a function for the time of a value.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct TimeOf<F>(F);

/// Asks, for a join, the function of the stream that a value comes from.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct TimeOfSides<F>(pub(crate) F);

impl<F> TimeOf<F> {
    pub(crate) fn new(timestamp_of: F) -> Self {
        Self(timestamp_of)
    }
}

impl<F> EventClock<TimeOf<F>> {
    /// A clock that asks `timestamp_of` for the time of each value and is `wait` behind the newest.
    pub fn new<V, T>(timestamp_of: F, wait: TimeDelta) -> Self
    where
        F: Fn(&V) -> T + Send + Sync + 'static,
        T: Timestamp,
    {
        Self::with(TimeOf(timestamp_of), wait)
    }
}

impl<F> EventClock<TimeOfSides<F>> {
    /// A clock for a join of several streams, whose values have times of their own: a tuple of functions,
    /// one for each stream.
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
            probe: None,
        }
    }

    /// Has a probe see what is open in the step of this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// How long the watermark of a key, and the number of its next session, are remembered after its last
    /// window was closed; an hour unless set.
    ///
    /// It is the system's time that counts. What is remembered takes some hundred bytes a key.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

/// What a function says of a value, as a time that there is.
#[inline]
pub(crate) fn event_time<V, T: Timestamp>(timestamp_of: &impl Fn(&V) -> T, value: &V) -> Time {
    timestamp_of(value).micros().clamp(FIRST, LAST)
}

/// Gives the time of values.
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
    fn observe(&self, mark: &mut Watermark, time: Time, now: Time) -> (Time, Time) {
        mark.begin(FIRST, now);
        mark.pass(now);
        (time, mark.raise(bound(time, self.wait)))
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
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
