//! `StreamClock`.

use std::fmt;

use super::{Clock, Getter, JoinClock, OfAllKeys, TimeOf, TimeOfSides, Timing, forget_fault};
use crate::kit::{BuildCx, SharedWatermark, StreamTime};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, Time, Timestamp, span};

use chrono::TimeDelta;

/// A value happened when it says so, and the watermark is that of the stream.
///
/// The time of the stream is declared once, near its source, by
/// [`event_time`](crate::flow::Stream::event_time). It passes through all steps in between: a step with
/// several inputs has the least of them, and a step on several workers the least of all. So windows can stand
/// behind joins, behind steps with state and behind other windows, with any number of workers.
///
/// What comes of a window step is stamped with the end of its window: see
/// [`Windowed`](crate::windowing::Windowed).
///
/// A value before the watermark is late, whatever its key. As `event_time` takes out what is late for its
/// partition, there are none behind it; but for a partition that was idle, or a step in between that keeps
/// values back or gives them other times.
///
/// The watermark moves batch by batch. So it is not fixed whether what one window of a key emits for a value comes
/// before or after another window closes; what each window emits, and the order in which windows close, is.
///
/// # Examples
///
/// The page with the most hits in each ten seconds: the hits of each page are counted first.
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{Lateness, Micros, StreamClock, TumblingWindower, Windowed};
/// use chrono::{DateTime, TimeDelta};
///
/// let second = |second: &i64| Micros(second * 1_000_000);
/// let tens = TumblingWindower::new(TimeDelta::seconds(10), DateTime::UNIX_EPOCH);
/// let mut out = run_keyed([('a', 1), ('b', 2), ('b', 4), ('a', 11)], |hits| {
///     let wait = Lateness::bounded(TimeDelta::seconds(5));
///     let hits = hits.event_time(move |(_, at)| second(at), wait).named("hits").down;
///     let counts = hits.count_window(StreamClock::new(second), tens.with_times()).named("counts").down;
///     let counts = counts.map(|(page, (_, hits))| ((), (page, hits)));
///     let clock = StreamClock::new(|(_, hits): &(char, Windowed<u64>)| hits.time());
///     let most = counts.max_window(clock, tens, |(_, hits)| hits.value).named("most").down;
///     most.map(|(_, (window, (page, hits)))| (page, (window.0, hits.value)))
/// });
/// out.sort_unstable();
/// assert_eq!(out, [('a', (1, 1)), ('b', (0, 2))]);
/// ```
///
/// # State
///
/// The watermark, which never goes back, also across a resume. Of a key, nothing but its windows; a key
/// with sessions or windows of a number of values is remembered until the watermark has gone on by
/// [`forget_after`](Self::forget_after), so that they are counted on. When a run is resumed, all keys with
/// windows are read at once.
#[derive(Clone)]
#[must_use]
pub struct StreamClock<G> {
    getter: G,
    forget_after: i64,
    probe: Option<WindowProbe>,
}

impl<F> StreamClock<TimeOf<F>> {
    /// A clock that asks `timestamp_of` for the time of each value.
    pub fn new<V, T>(timestamp_of: F) -> Self
    where
        F: Fn(&V) -> T + Send + Sync + 'static,
        T: Timestamp,
    {
        Self::with(TimeOf::new(timestamp_of))
    }
}

impl<F> StreamClock<TimeOfSides<F>> {
    /// A clock for a join of several streams, whose values have times of their own: a tuple of functions,
    /// one for each stream.
    pub fn of_sides(timestamps_of: F) -> Self {
        Self::with(TimeOfSides(timestamps_of))
    }
}

impl<G> StreamClock<G> {
    fn with(getter: G) -> Self {
        Self {
            getter,
            forget_after: super::FORGET_AFTER,
            probe: None,
        }
    }

    /// Has a probe see what is open in the step of this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// How far the watermark goes on, behind the last window of a key, before the number of the key's next
    /// session is forgotten; an hour unless set.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

impl<V: 'static, G: Getter<V>> Clock<V> for StreamClock<G> {}
impl<V: 'static, G: Getter<V>> JoinClock<V> for StreamClock<G> {}

impl<V: 'static, G: Getter<V>> Timing<V> for StreamClock<G> {
    type Mark = OfAllKeys;

    const NAME: &'static str = super::OF_STREAM;
    const STREAM_TIME: StreamTime = StreamTime::Reads;
    const REMEMBERS: bool = false;

    fn faults(&self) -> Vec<Fault> {
        forget_fault(self.forget_after).into_iter().collect()
    }

    #[inline]
    fn time(&self, value: &V, _: Time) -> Time {
        self.getter.time(value)
    }

    #[inline]
    fn observe(&self, _: &mut OfAllKeys, time: Time, now: Time) -> (Time, Time) {
        (time, now)
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
    }

    fn probe(&self) -> Option<&WindowProbe> {
        self.probe.as_ref()
    }

    fn shared(&self, build: &BuildCx) -> Option<SharedWatermark> {
        Some(SharedWatermark::resume(build, FIRST))
    }
}

impl<G> fmt::Debug for StreamClock<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClock").finish_non_exhaustive()
    }
}
