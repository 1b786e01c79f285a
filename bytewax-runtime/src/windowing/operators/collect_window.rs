//! `collect_window`.

use super::{Step, inputs};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::engine::Queue;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::{Collect, Collection};
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Collects the values of each key in each window into a list, a set or a map.
    ///
    /// Lists are in the order of times, then of arrival. A map contains the last value of each field. With
    /// [`in_arrival_order`], the order of arrival applies; with sliding windows, the order of slices first.
    /// When sessions merge, the values of the earlier session come first.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', 5), ('a', 3), ('a', 12)], |times| {
    ///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), ms(5));
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     times.collect_window::<Vec<_>, _, _>(clock, windower).named("lists").down
    /// });
    /// assert_eq!(out, [('a', (WindowId(0), vec![3, 5])), ('a', (WindowId(1), vec![12]))]);
    /// ```
    ///
    /// # State
    ///
    /// All values of each open window, which sliding windows share; the values that wait for the watermark;
    /// and the data of each key's [clock](crate::windowing#state).
    ///
    /// # Windows over all keys
    ///
    /// Each window needs all of its values, so nothing is combined before the exchange: all values of the key `()` go to one
    /// worker.
    ///
    /// [`in_arrival_order`]: crate::windowing::TumblingWindower::in_arrival_order
    #[track_caller]
    pub fn collect_window<L, C, W>(
        self,
        clock: C,
        windower: W,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, L>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        L: Collection<ValueOf<Self>>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
    {
        let stream = self.pairs();
        let step = Step::<_, _, Queue<_>, _, _>::new("collect_window", clock, windower);
        let inputs = inputs::<_, _, Emitted<W, L>>(&stream);
        WindowOut::of(step.sliced(inputs, Collect::<L>::new))
    }
}
