//! `count_window`.

use super::{Step, combining};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::windowing::clock::Clock;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::Count;
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Counts the values of each key in each window.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', 0), ('a', 4), ('a', 12), ('a', 8), ('a', 23)], |times| {
    ///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), ms(2));
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     let counts = times.count_window(clock, windower).named("counts");
    ///     // 8 came when the watermark was at 10: too late for window 0.
    ///     let late = counts.late.map_value(|(window, _)| (window, 0));
    ///     counts.down.merge(late)
    /// });
    /// let mut counts: Vec<_> = out.into_iter().map(|(_, count)| count).collect();
    /// counts.sort_unstable();
    /// let [w0, w1, w2] = [0, 1, 2].map(WindowId);
    /// assert_eq!(counts, [(w0, 0), (w0, 2), (w1, 1), (w2, 1)]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: a count per open window, or per slice of sliding windows; and the data of its
    /// [clock](crate::windowing#state).
    ///
    /// # Windows over all keys
    ///
    /// Each worker counts its own values of the key `()` before it sends the counts, as
    /// [`max_window`](Stream::max_window) compares them.
    #[track_caller]
    pub fn count_window<C, W>(
        self,
        clock: C,
        windower: W,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, u64>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
    {
        let step = Step::new("count_window", clock, windower);
        combining::<_, _, _, _, _, (), ()>(&self.pairs(), step, || Count)
    }
}
