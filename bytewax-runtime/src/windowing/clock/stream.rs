//! `StreamClock`.

use std::fmt;

use super::{
    Clock, Getter, JoinClock, OfAllKeys, TimeOf, TimeOfSides, Timing, forget_fault, idle_fault,
};
use crate::kit::{BuildCx, SharedWatermark, StreamTime};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, Time, Timestamp, span};

use chrono::TimeDelta;

/// Reads the event time from each value; the watermark is that of the stream.
///
/// [`event_time`](crate::flow::Stream::event_time) declares the time of the stream once, near its source. The
/// watermark passes through all steps in between: a step with several inputs has the lowest of them, and a
/// step on several workers the lowest of all. Windows can therefore follow joins, stateful steps and other
/// windows, with any number of workers.
///
/// A result of a window step carries the end of its window as its time: see
/// [`Windowed`](crate::windowing::Windowed).
///
/// A value before the watermark is late, whatever its key. `event_time` removes the values that are late for
/// their partition, so later steps see none, except from a partition that was idle, or after a step that
/// delays values or changes their times.
///
/// The watermark advances batch by batch. The order between a result that one window of a key emits for a
/// value and the end of another window is therefore undefined; the results of each window, and the order in
/// which windows close, are defined.
///
/// # Examples
///
/// The page with the most hits in each ten seconds. The first window step counts the hits of each page:
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
/// The watermark, which never moves back, even across a resume. Of a key, only its windows; a key with
/// sessions or count windows is kept until the watermark has advanced by
/// [`forget_after`](Self::forget_after), so that their ids continue. A resumed run reads all keys with
/// windows at once.
#[derive(Clone)]
#[must_use]
pub struct StreamClock<G> {
    getter: G,
    forget_after: i64,
    idle_after: Option<i64>,
    keep_open: bool,
    probe: Option<WindowProbe>,
}

impl<F> StreamClock<TimeOf<F>> {
    /// Creates a clock that gets the time of each value from `timestamp_of`.
    pub fn new<V, T>(timestamp_of: F) -> Self
    where
        F: Fn(&V) -> T + Send + Sync + 'static,
        T: Timestamp,
    {
        Self::with(TimeOf::new(timestamp_of))
    }
}

impl<F> StreamClock<TimeOfSides<F>> {
    /// Creates a clock for a join of several streams: a tuple of functions, one per stream, returns the times
    /// of their values.
    pub fn of_sides(timestamps_of: F) -> Self {
        Self::with(TimeOfSides(timestamps_of))
    }
}

impl<G> StreamClock<G> {
    fn with(getter: G) -> Self {
        Self {
            getter,
            forget_after: super::FORGET_AFTER,
            idle_after: None,
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

    /// Lets the watermark of the step advance with the system time while all partitions of the stream are idle, once
    /// they have been for `time`. By default it stands still.
    ///
    /// Windows then close by the clock when the stream dries up. In return, the values of a partition that wakes up may
    /// be late, and the result depends on when the flow runs. A partition is idle as [`event_time`] defines:
    /// see [`Lateness::idle_after`].
    ///
    /// [`event_time`]: crate::flow::Stream::event_time
    /// [`Lateness::idle_after`]: crate::windowing::Lateness::idle_after
    pub fn advance_when_idle(mut self, time: TimeDelta) -> Self {
        self.idle_after = Some(span(time));
        self
    }

    /// Sets how far the watermark advances after the last window of a key before the number of the key's next
    /// session is dropped. The default is an hour.
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
        let forget = forget_fault(self.forget_after).into_iter();
        forget.chain(self.idle_after.and_then(idle_fault)).collect()
    }

    #[inline]
    fn time(&self, value: &V, _: Time) -> Time {
        self.getter.time(value)
    }

    #[inline]
    fn observe(&self, _: &mut OfAllKeys, (time, _): (Time, &V), now: Time) -> (Time, Time) {
        (time, now)
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

    fn shared(&self, build: &BuildCx) -> Option<SharedWatermark> {
        let idle_after = self.idle_after.map(TimeDelta::microseconds);
        Some(SharedWatermark::resume(build, FIRST).advancing(idle_after))
    }
}

impl<G> fmt::Debug for StreamClock<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClock").finish_non_exhaustive()
    }
}
