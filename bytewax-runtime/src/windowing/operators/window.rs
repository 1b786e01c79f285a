//! `window`.

use std::sync::Arc;

use super::{Step, inputs};
use crate::flow::{KeyOf, Keyed, Stream, ValueOf};
use crate::key::Key;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::engine::Queue;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::{Own, WindowLogic};
use crate::windowing::windowed::WindowOut;

impl<T: 'static> Stream<T> {
    /// Keeps a logic for each window of each key, which can emit at any value of the window, and when the
    /// window is over.
    ///
    /// Values are processed in the order of their times, once the watermark reaches them, unless the windower
    /// is [`in_arrival_order`]. A window processes each of its values, even if it overlaps with others.
    ///
    /// # Examples
    ///
    /// Reports immediately when a user fails to log in three times within a minute:
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId, WindowLogic};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// #[derive(Default)]
    /// struct Failures(u32);
    ///
    /// impl WindowLogic for Failures {
    ///     type In = i64;
    ///     type Out = &'static str;
    ///
    ///     fn on_value(&mut self, _: i64, out: &mut Emit<&'static str>) {
    ///         self.0 += 1;
    ///         if self.0 == 3 {
    ///             out.emit("locked");
    ///         }
    ///     }
    ///
    ///     fn on_close(&mut self, _: &mut Emit<&'static str>) {}
    /// }
    ///
    /// let failures = [0, 20_000, 40_000, 61_000];
    /// let out = run_keyed(failures.map(|ms| ("ada".to_owned(), ms)), |failures| {
    ///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::seconds(5));
    ///     let minutes = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH);
    ///     failures.window(clock, minutes, Failures::default).named("failures").down
    /// });
    /// assert_eq!(out, [("ada".to_owned(), (WindowId(0), "locked"))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the logic of each open window; the values that wait for the watermark, unless they are
    /// processed in order of arrival; and the data of its [clock](crate::windowing#state).
    ///
    /// [`in_arrival_order`]: crate::windowing::TumblingWindower::in_arrival_order
    #[track_caller]
    pub fn window<C, W, L, F>(
        self,
        clock: C,
        windower: W,
        make: F,
    ) -> WindowOut<KeyOf<Self>, Emitted<W, L::Out>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        C: Clock<ValueOf<Self>>,
        W: Windowing,
        L: WindowLogic<In = ValueOf<Self>>,
        F: Fn() -> L + Send + Sync + 'static,
    {
        let stream = self.pairs();
        let step = Step::<_, _, Queue<_>, _, _>::new("window", clock, windower);
        let inputs = inputs::<_, _, Emitted<W, L::Out>>(&stream);
        let make = Arc::new(make);
        WindowOut::of(step.each(inputs, move || {
            let make = Arc::clone(&make);
            Own::new(move || make())
        }))
    }
}
