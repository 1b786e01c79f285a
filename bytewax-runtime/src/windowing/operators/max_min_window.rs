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
    /// Keeps the greatest value of each key in each window, as `by` sees it.
    ///
    /// Of values that are equal to `by`, the first to arrive stays; of sessions that become one, and of the
    /// slices of sliding windows, that of the earlier in time. A value that cannot be compared, such as
    /// one for which `by` gives a NaN, gives way to any that can.
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
    /// For each key: a value for each open window, or for each slice of sliding windows; and what its
    /// [clock](crate::windowing#state) remembers.
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

    /// Keeps the least value of each key in each window, as `by` sees it.
    ///
    /// Of values that are equal to `by`, the first to arrive stays; of sessions that become one, and of the
    /// slices of sliding windows, that of the earlier in time. A value that cannot be compared, such as
    /// one for which `by` gives a NaN, gives way to any that can.
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
    /// As [`max_window`](Stream::max_window).
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
