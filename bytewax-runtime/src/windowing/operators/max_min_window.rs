//! `max_window`, `min_window`.

use std::cmp::Ordering;

use super::reduce_window::reduce_step;
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
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
    /// processed together. Windows must be those of a windower that derives their ids from times, such as tumbling, sliding,
    /// cumulating or calendar windows. It sends each value if it may be late, if windows emit [after a number of
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
        reduce_step("max_window", &self.pairs(), clock, windower, reduce)
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
        reduce_step("min_window", &self.pairs(), clock, windower, reduce)
    }
}
