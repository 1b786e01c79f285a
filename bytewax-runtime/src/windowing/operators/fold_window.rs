//! `fold_window`.

use std::sync::Arc;

use super::{Step, combining};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::engine::{PartQueue, Queue};
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::FoldWith;
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Folds the values of each key in each window into a state, which is emitted when the window is over.
    ///
    /// `init` creates the state of a window, `fold` adds a value to it, and `merge` adds the state of later
    /// values. Values are processed in the order of their times, once the watermark reaches them, unless the
    /// windower is [`in_arrival_order`].
    ///
    /// `merge` combines sessions, and the slices of sliding windows: a value of overlapping windows is folded
    /// into one slice, and the state of a window is merged from its slices. The result must therefore not
    /// depend on whether values are folded into one state, or into two that are merged. With
    /// [`in_arrival_order`], values are then in the order of slices first, and windows that are over together
    /// emit in the order of their ids.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, SessionWindower, WindowId};
    /// use chrono::TimeDelta;
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let visits = [('a', (0, "home")), ('a', (7, "shop")), ('a', (30, "home"))];
    /// let out = run_keyed(visits, |visits| {
    ///     let pages = visits
    ///         .map_value(|(at, page)| (at, page.to_owned()))
    ///         .fold_window(
    ///             EventClock::per_partition(|visit: &(i64, String)| Millis(visit.0), ms(5)),
    ///             SessionWindower::new(ms(10)),
    ///             String::new,
    ///             |pages, (_, page)| pages.push_str(&page),
    ///             |pages, later| pages.push_str(&later),
    ///         );
    ///     pages.named("pages").down
    /// });
    /// let (first, second) = ("homeshop".to_owned(), "home".to_owned());
    /// assert_eq!(out, [('a', (WindowId(0), first)), ('a', (WindowId(1), second))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the state of each open window, or of each slice of sliding windows; the values that wait
    /// for the watermark, unless they are processed in order of arrival; and the data of its
    /// [clock](crate::windowing#state).
    ///
    /// # Windows over all keys
    ///
    /// With [`in_arrival_order`], each worker folds its own values of the key `()` before it sends the states, as
    /// [`max_window`](Stream::max_window) compares them, and `merge` combines them in the order in which they arrive. A state
    /// should therefore take no more bytes than the values in it. Without `in_arrival_order`, all values are sent, because
    /// those of all workers are processed in the order of their times.
    ///
    /// [`in_arrival_order`]: crate::windowing::TumblingWindower::in_arrival_order
    #[track_caller]
    pub fn fold_window<C, W, S, I, F, M>(
        self,
        clock: C,
        windower: W,
        init: I,
        fold: F,
        merge: M,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, S>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        S: State + Clone,
        I: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, ValueOf<Self>) + Send + Sync + 'static,
        M: Fn(&mut S, S) + Send + Sync + 'static,
    {
        let stream = self.pairs();
        let step = Step::<_, _, Queue<_>, _, _>::new("fold_window", clock, windower);
        let (init, fold, merge) = (Arc::new(init), Arc::new(fold), Arc::new(merge));
        combining::<_, _, _, _, _, _, PartQueue<_>>(&stream, step, move || {
            let (init, fold, merge) = (Arc::clone(&init), Arc::clone(&fold), Arc::clone(&merge));
            FoldWith {
                init: move || init(),
                add: move |state: &mut S, value| fold(state, value),
                merge: move |state: &mut S, other| merge(state, other),
            }
        })
    }
}
