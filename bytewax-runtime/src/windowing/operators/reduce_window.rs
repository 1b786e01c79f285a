//! `reduce_window`.

use std::sync::Arc;

use super::{Step, combining};
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::Reduce;
use crate::windowing::windowed::WindowOut;

/// The streams of a reducing window step.
pub(super) type Reduced<K, V, W> = WindowOut<K, Emitted<W, V>, V>;

impl<T: 'static> Stream<T> {
    /// Combines the values of each key in each window into one, two at a time.
    ///
    /// Values are processed in order of arrival. When sessions merge, the value of the earlier session comes
    /// first. Sliding windows are merged from slices, the earlier first. `reduce` must therefore be
    /// associative; with sliding windows, it must also be commutative.
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
    ///     let sums = values.reduce_window(clock, windower, |a, b| (b.0, a.1 + b.1));
    ///     sums.named("sums").down
    /// });
    /// assert_eq!(out, [('a', (WindowId(0), (3, 12))), ('a', (WindowId(1), (12, 1)))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: a value per open window, or per slice of sliding windows; and the data of its
    /// [clock](crate::windowing#state).
    ///
    /// # Windows over all keys
    ///
    /// Each worker reduces its own values of the key `()` before it sends the results, as
    /// [`max_window`](Stream::max_window) compares them.
    #[track_caller]
    pub fn reduce_window<C, W, R>(
        self,
        clock: C,
        windower: W,
        reduce: R,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, ValueOf<Self>>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        R: Fn(ValueOf<Self>, ValueOf<Self>) -> ValueOf<Self> + Send + Sync + 'static,
    {
        reduce_step("reduce_window", &self.pairs(), clock, windower, reduce)
    }
}

#[track_caller]
pub(super) fn reduce_step<K, V, C, W, R>(
    operator: &'static str,
    stream: &KeyedStream<K, V>,
    clock: C,
    windower: W,
    reduce: R,
) -> Reduced<K, V, W>
where
    K: Key,
    V: State + Clone,
    C: Clock<V>,
    W: Windowing,
    R: Fn(V, V) -> V + Send + Sync + 'static,
{
    let (step, reduce) = (Step::new(operator, clock, windower), Arc::new(reduce));
    combining::<_, _, _, _, _, (), ()>(stream, step, move || {
        let reduce = Arc::clone(&reduce);
        Reduce(move |a, b| reduce(a, b))
    })
}
