//! `top_n_window`.

use std::sync::Arc;

use super::{Step, combining};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::operators::Top;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::engine::{PartQueue, Queue};
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::FoldWith;
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Keeps the `n` greatest values of each key in each window by `by`, and emits them when the window is
    /// over, the greatest first.
    ///
    /// Of values that are equal by `by`, the earlier one comes first; of values with equal times, the one
    /// that arrived first. A value that cannot be compared, such as one for which `by` returns a NaN, comes
    /// after all others. With an `n` of 0, lists are empty. Values are processed in the order of their times,
    /// once the watermark reaches them, unless the windower is
    /// [`in_arrival_order`](crate::windowing::TumblingWindower::in_arrival_order).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', (0, 5)), ('a', (3, 7)), ('a', (4, 6)), ('a', (12, 1))], |values| {
    ///     let clock = EventClock::per_partition(|value: &(i64, u32)| Millis(value.0), ms(0));
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     let best = values.top_n_window(clock, windower, 2, |value| value.1);
    ///     best.named("best").down
    /// });
    /// assert_eq!(out[0], ('a', (WindowId(0), vec![(3, 7), (4, 6)])));
    /// assert_eq!(out[1], ('a', (WindowId(1), vec![(12, 1)])));
    /// ```
    ///
    /// # State
    ///
    /// For each key: at most `n` values for each open window, or for each slice of sliding windows; the
    /// values that wait for the watermark, unless they are processed in order of arrival; and the data of its
    /// [clock](crate::windowing#state). `n` may change between runs: a greater one fills up with later
    /// values.
    ///
    /// # Windows over all keys
    ///
    /// With [`in_arrival_order`](crate::windowing::TumblingWindower::in_arrival_order), each worker sends only the `n`
    /// greatest of its own values of the key `()`, as [`max_window`](Stream::max_window) compares them. Without it, all
    /// values are sent, because those of all workers are processed in the order of their times.
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what is emitted")]
    pub fn top_n_window<C, W, B, F>(
        self,
        clock: C,
        windower: W,
        n: usize,
        by: F,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, Vec<ValueOf<Self>>>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        B: PartialOrd + 'static,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let stream = self.pairs();
        let step = Step::<_, _, Queue<_>, _, _>::new("top_n_window", clock, windower);
        let by = Arc::new(by);
        combining::<_, _, _, _, _, _, PartQueue<_>>(&stream, step, move || {
            let top = || Top {
                n,
                by: Arc::clone(&by),
            };
            let (adding, merging) = (top(), top());
            FoldWith {
                init: Vec::new,
                add: move |list: &mut Vec<ValueOf<Self>>, value| {
                    adding.insert(list, value);
                },
                merge: move |list: &mut Vec<ValueOf<Self>>, later: Vec<ValueOf<Self>>| {
                    for value in later {
                        merging.insert(list, value);
                    }
                },
            }
        })
    }
}
