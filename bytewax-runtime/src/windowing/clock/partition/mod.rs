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

/// A value happened when it says so, and all keys have one time: that of the partitions of the source.
/// Made by [`EventClock::per_partition`].
///
/// Each partition is `wait` behind its newest value, and the watermark is that of the partition that is
/// furthest behind. A value before the watermark is late, whatever its key. Where there are other than
/// stateless steps between the source and the windows, the watermark is that of the stream, as for a
/// [`StreamClock`](super::StreamClock).
///
/// With one watermark for all keys, windows cost less than with one a key, and a key closes its windows
/// when others move on. In return, a partition that is slow holds all others back, and the watermark does
/// not go on with the system's time:
///
/// - a partition to which nothing comes holds back the others until its input ends, or until
///   [`idle_after`](Self::idle_after) has passed. Then it is not waited for, and what comes of it later may be
///   late. If none is waited for, time stands still;
/// - what the partitions that are ahead send in the meantime is kept, unless
///   [`max_lead`](Self::max_lead) bounds it.
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
/// The watermark, which never goes back, also across a resume. Of a key, nothing but its windows; a key
/// with sessions or windows of a number of values is remembered until the watermark has gone on by
/// [`forget_after`](Self::forget_after), so that they are counted on. When a run is resumed, all keys with
/// windows are read at once.
#[derive(Clone)]
#[must_use]
pub struct PartitionClock<G> {
    pub(crate) getter: G,
    pub(crate) wait: i64,
    pub(crate) idle_after: Option<i64>,
    pub(crate) max_lead: Option<i64>,
    pub(crate) forget_after: i64,
    pub(crate) probe: Option<WindowProbe>,
}

impl<F> EventClock<TimeOf<F>> {
    /// A clock that asks `timestamp_of` for the time of each value; it has one watermark for all keys,
    /// which is `wait` behind the newest value of the partition that is furthest behind.
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
            probe: None,
        }
    }
}

impl<G> PartitionClock<G> {
    /// Has a probe see what is open in the step of this clock.
    pub fn probe(mut self, probe: &WindowProbe) -> Self {
        self.probe = Some(probe.clone());
        self
    }

    /// How long a partition to which nothing comes is waited for, by the system's clock; for ever unless
    /// set.
    pub fn idle_after(mut self, time: TimeDelta) -> Self {
        self.idle_after = Some(span(time));
        self
    }

    /// How far a partition may be ahead of the watermark, beyond the wait, before it is not polled until
    /// the others have come nearer; no bound unless set.
    ///
    /// It bounds what is kept of partitions that are ahead. A partition that stays behind for ever holds
    /// them for ever: say [`idle_after`](Self::idle_after) too.
    pub fn max_lead(mut self, time: TimeDelta) -> Self {
        self.max_lead = Some(span(time));
        self
    }

    /// How far the watermark goes on, behind the last window of a key, before the number of the key's next
    /// session is forgotten; an hour unless set.
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
            // Partitions are not known there: the stream says how far its time has got.
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
