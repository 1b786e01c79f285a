//! `PartitionClock`.

mod send;

use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;

use self::send::TimedRoute;
use super::{
    Clock, EventClock, Getter, OfAllKeys, TimeOf, Timing, forget_fault, idle_fault, lead_fault,
    wait_fault,
};
use crate::ids::{StepIndex, StepKind};
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::{AnyPush, BuildCx, Exchange, SharedWatermark, StreamTime};
use crate::windowing::fault::Fault;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::{FIRST, Time, Timestamp, span};

/// Reads the event time from each value; all keys share the watermark of the partitions of the source.
/// Created by [`EventClock::per_partition`].
///
/// The watermark of each partition trails its newest value by `wait`; the watermark of the step is the lowest
/// of them. A value before the watermark is late, whatever its key. If there are other than stateless steps
/// between the source and the windows, the watermark is that of the stream, as for a
/// [`StreamClock`](super::StreamClock).
///
/// One watermark for all keys costs less than one per key, and a key closes its windows when others advance.
/// In return, a slow partition holds all others back, and the watermark does not advance with the system
/// time:
///
/// - a partition without new values holds back the others until its input ends, or until
///   [`idle_after`](Self::idle_after) has passed. It is then idle: the watermark ignores it, and its later
///   values may be late. If all partitions are idle, the watermark stands still;
/// - values from partitions that are ahead are buffered in the meantime, unless [`max_lead`](Self::max_lead)
///   bounds them.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
/// use chrono::{DateTime, TimeDelta};
///
/// let ms = TimeDelta::milliseconds;
/// let out = run_keyed([('a', 1), ('b', 12), ('a', 4), ('a', 11)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), ms(2));
///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
///     times.count_window(clock, windower).named("counts").down
/// });
/// // When 4 came, the watermark was at 10.
/// let (w0, w1) = (WindowId(0), WindowId(1));
/// assert_eq!(out, [('a', (w0, 1)), ('a', (w1, 1)), ('b', (w1, 1))]);
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
pub struct PartitionClock<G> {
    pub(crate) getter: G,
    pub(crate) wait: i64,
    pub(crate) idle_after: Option<i64>,
    pub(crate) max_lead: Option<i64>,
    pub(crate) forget_after: i64,
    pub(crate) keep_open: bool,
    pub(crate) probe: Option<WindowProbe>,
}

impl<F> EventClock<TimeOf<F>> {
    /// Creates a clock that gets the time of each value from `timestamp_of`. All keys share one watermark,
    /// which trails the newest value of the slowest partition by `wait`.
    pub fn per_partition<V, T>(timestamp_of: F, wait: TimeDelta) -> PartitionClock<TimeOf<F>>
    where
        F: Fn(&V) -> T + Send + Sync + 'static,
        T: Timestamp,
    {
        PartitionClock {
            getter: TimeOf::new(timestamp_of),
            wait: span(wait),
            idle_after: None,
            max_lead: None,
            forget_after: super::FORGET_AFTER,
            keep_open: false,
            probe: None,
        }
    }
}

impl<G> PartitionClock<G> {
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

    /// Sets how long the watermark waits for a partition without new values, by the system clock. The default
    /// is forever.
    pub fn idle_after(mut self, time: TimeDelta) -> Self {
        self.idle_after = Some(span(time));
        self
    }

    /// Sets how far a partition may be ahead of the watermark, beyond the wait, before it is paused until the
    /// others catch up. By default there is no bound.
    ///
    /// It bounds the buffered values of partitions that are ahead. A partition that never catches up pauses
    /// them forever: set [`idle_after`](Self::idle_after) too.
    pub fn max_lead(mut self, time: TimeDelta) -> Self {
        self.max_lead = Some(span(time));
        self
    }

    /// Sets how far the watermark advances after the last window of a key before the number of the key's next
    /// session is dropped. The default is an hour.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time);
        self
    }
}

impl<V: 'static, G: Getter<V>> Clock<V> for PartitionClock<G> {}

impl<V: 'static, G: Getter<V>> Timing<V> for PartitionClock<G> {
    type Mark = OfAllKeys;

    const NAME: &'static str = super::OF_PARTITIONS;
    const STREAM_TIME: StreamTime = StreamTime::Declares;
    const REMEMBERS: bool = false;

    fn faults(&self) -> Vec<Fault> {
        let all = [
            wait_fault(self.wait),
            self.idle_after.and_then(idle_fault),
            self.max_lead.and_then(lead_fault),
            forget_fault(self.forget_after),
        ];
        all.into_iter().flatten().collect()
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
        Some(SharedWatermark::resume(build, FIRST))
    }

    fn sender<K: Key>(
        self: &Arc<Self>,
        step: StepIndex,
        out: KeyedOut<K, V>,
        enter: impl FnOnce(KeyedOut<K, V>) -> AnyPush,
    ) -> AnyPush
    where
        V: Exchange,
    {
        let steps = &out.worker().steps;
        let mut roots = steps.get(step).roots.iter();
        if roots.any(|root| steps.get(*root).kind != StepKind::Source) {
            // Partitions are unknown there: the watermark is that of the stream.
            return enter(out);
        }
        let route = TimedRoute::new(step, Arc::clone(self), out);
        AnyPush::before::<(K, V)>(step, route)
    }
}

impl<G> fmt::Debug for PartitionClock<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionClock")
            .field("wait", &TimeDelta::microseconds(self.wait))
            .finish_non_exhaustive()
    }
}
