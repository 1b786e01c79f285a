//! `sort_by_time`.

use super::TimedLogic;
use super::out::{TimedOut, TimedStep};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::time::Time;

impl<T: 'static> Stream<T> {
    /// Emits the values of each key in the order of their times.
    ///
    /// A value waits until the watermark of `clock` reaches its time. Values with equal times keep their
    /// order of arrival. A value before the watermark is late. At the end of input, the waiting values are
    /// emitted in order, and the watermark moves to the last of them: with a recovery store, an older value of the
    /// next run is late. If the next run continues the input, let the clock
    /// [`keep_open`](crate::windowing::StreamClock::keep_open) what waits. The order between keys is undefined.
    ///
    /// [`stateful_by_time`](Stream::stateful_by_time) and window steps sort values themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Millis, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// let out = run_keyed([('a', 3), ('a', 1), ('b', 2), ('a', 2)], |times| {
    ///     let lateness = Lateness::bounded(TimeDelta::milliseconds(5));
    ///     let times = times.event_time(|(_, ms)| Millis(*ms), lateness).named("times").down;
    ///     times.sort_by_time(StreamClock::new(|ms: &i64| Millis(*ms))).named("sorted").down
    /// });
    /// assert_eq!(out, [('a', 1), ('a', 2), ('a', 3), ('b', 2)]);
    /// ```
    ///
    /// # State
    ///
    /// The values of each key that wait for the watermark. A key without values is dropped.
    #[track_caller]
    pub fn sort_by_time<C>(self, clock: C) -> TimedOut<KeyOf<Self>, ValueOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
    {
        let step = TimedStep {
            operator: "sort_by_time",
            clock,
            held_back: 0,
            facts: Vec::new(),
            faults: Vec::new(),
        };
        step.ordered(&self.pairs(), || Sorted)
    }
}

/// Keeps no state: values arrive in order.
struct Sorted;

impl<V: 'static> TimedLogic<V> for Sorted {
    type State = ();
    type Out = V;

    fn on_value(&self, _: &mut Option<()>, _: Time, value: V, emit: &mut impl FnMut(V)) {
        emit(value);
    }
}
