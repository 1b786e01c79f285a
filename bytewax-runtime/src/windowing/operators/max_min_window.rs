//! `max_window`, `min_window`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::reduce_window::{Reduced, reduce_step};
use super::{Step, inputs_by};
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Route};
use crate::kit::{AnyPush, Exchange};
use crate::operators::max_min_final::further;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Emits the greatest value of each key in each window by `by`.
    ///
    /// Of equal values, the first to arrive is kept; when sessions or slices of sliding windows merge, the
    /// earlier one. A value that cannot be compared, for example if `by` returns NaN, loses against any
    /// comparable value.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', (0, 5)), ('a', (3, 7)), ('a', (12, 1))], |values| {
    ///     let clock = EventClock::per_partition(|value: &(i64, u32)| Millis(value.0), ms(0));
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     values.max_window(clock, windower, |value| value.1).named("max").down
    /// });
    /// assert_eq!(out, [('a', (WindowId(0), (3, 7))), ('a', (WindowId(1), (12, 1)))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: a value per open window, or per slice of sliding windows; and the data of its
    /// [clock](crate::windowing#state).
    ///
    /// # Windows over all keys
    ///
    /// All values of the key `()` go to one worker. With a [`StreamClock`](crate::windowing::StreamClock), each worker
    /// first compares its own values, and sends only the greatest of each window, or of each slice, that it has
    /// processed together. It sends each value if it may be late, if windows emit [after a number of
    /// values](crate::windowing::TumblingWindower::fire_every), and once the partitions of the worker were idle.
    #[track_caller]
    pub fn max_window<C, W, B, F>(
        self,
        clock: C,
        windower: W,
        by: F,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, ValueOf<Self>>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        B: PartialOrd,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let reduce = move |a, b| further(a, b, &by, Ordering::Greater);
        best_step("max_window", &self.pairs(), clock, windower, reduce)
    }

    /// Emits the least value of each key in each window by `by`.
    ///
    /// Of equal values, the first to arrive is kept; when sessions or slices of sliding windows merge, the
    /// earlier one. A value that cannot be compared, for example if `by` returns NaN, loses against any
    /// comparable value.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', (0, 5)), ('a', (3, 7)), ('a', (12, 1))], |values| {
    ///     let clock = EventClock::per_partition(|value: &(i64, u32)| Millis(value.0), ms(0));
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     values.min_window(clock, windower, |value| value.1).named("min").down
    /// });
    /// assert_eq!(out, [('a', (WindowId(0), (0, 5))), ('a', (WindowId(1), (12, 1)))]);
    /// ```
    ///
    /// # State
    ///
    /// Like [`max_window`](Stream::max_window).
    #[track_caller]
    pub fn min_window<C, W, B, F>(
        self,
        clock: C,
        windower: W,
        by: F,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, ValueOf<Self>>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        B: PartialOrd,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let reduce = move |a, b| further(a, b, &by, Ordering::Less);
        best_step("min_window", &self.pairs(), clock, windower, reduce)
    }
}

#[track_caller]
fn best_step<K: Key, V: State + Exchange + Clone, C: Clock<V>, W: Windowing>(
    operator: &'static str,
    stream: &KeyedStream<K, V>,
    clock: C,
    windower: W,
    better: impl Fn(V, V) -> V + Send + Sync + 'static,
) -> Reduced<K, V, W> {
    let step = Step::<_, _, (), _, _>::new(operator, clock, windower);
    let better = Arc::new(better);
    // The better of two values is one of them, so its time is in their windows.
    let ahead = step.ahead::<K, V, _>(&better);
    let enter = move |step, _, out: KeyedOut<K, V>| match &ahead {
        Some(ahead) => ahead.stage(step, out),
        None => AnyPush::before(step, Route::new(step, out)),
    };
    let inputs = inputs_by::<_, _, Emitted<W, V>, _>(stream, enter);
    reduce_step(step, inputs, better)
}
