//! The requirements of joins in windows on tuples of streams.

use std::sync::Arc;

use super::join_window::{JoinWindowOut, WindowedSides, WindowedStreams, complete_in, partial_in};
use crate::error::RunError;
use crate::flow::{Flow, KeyedStream, OutputSpec, Stream};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::{Cx, Flush, Outputs};
use crate::operators::{JoinInsert, Of1, Of2, Of3, Of4, Of5, Of6, Of7, Of8};
use crate::state::State;
use crate::windowing::clock::{Getter, JoinClock, TimeOfSides, event_time};
use crate::windowing::engine::{LATE, LateOut, LateWay, Lost};
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::time::Timestamp;
use crate::windowing::window::WindowId;

macro_rules! joins {
    ($($item:ident: $($V:ident $n:tt $f:ident $t:ident),+;)+) => { $(
        impl<$($V, $f, $t),+> Getter<$item<$($V),+>> for TimeOfSides<($($f,)+)>
        where
            $($f: Fn(&$V) -> $t + Send + Sync + 'static, $t: Timestamp,)+
        {
            #[inline]
            fn time(&self, item: &$item<$($V),+>) -> i64 {
                match item { $($item::$V(value) => event_time(&self.0.$n, value),)+ }
            }
        }

        impl<K: 'static, $($V: 'static),+> LateWay<K, $item<$($V),+>>
            for ($(LateOut<K, $V>,)+)
        {
            fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self {
                ($(LateOut::new(outputs, LATE + $n, lost),)+)
            }

            fn put(&mut self, key: K, label: (WindowId, bool), item: $item<$($V),+>) {
                match item { $($item::$V(value) => LateWay::put(&mut self.$n, key, label, value),)+ }
            }

            fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
                $(self.$n.send(cx)?;)+
                Ok(())
            }

            fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
                $(self.$n.flush(what, cx)?;)+
                Ok(())
            }
        }

        impl<K: Key, $($V: State + Clone),+> WindowedSides for ($(KeyedStream<K, $V>,)+) {
            type Late = ($(KeyedStream<K, (WindowId, $V)>,)+);
            type LateWay = ($(LateOut<K, $V>,)+);

            fn late(flow: &Flow, step: StepIndex) -> Self::Late {
                ($(Stream::from_port(flow, step, (LATE + $n) as u16),)+)
            }

            fn late_outputs() -> Vec<OutputSpec> {
                vec![$(OutputSpec::field(concat!("late.", $n))),+]
            }
        }

        impl<K: Key, $($V: State + Clone),+> WindowedStreams for ($(KeyedStream<K, $V>,)+) {
            type Item = $item<$($V),+>;
            type Late = ($(KeyedStream<K, (WindowId, $V)>,)+);

            #[track_caller]
            fn complete_in<Time: JoinClock<Self::Item>, W: Windowing>(
                self,
                clock: Time,
                windower: W,
                insert: JoinInsert,
            ) -> JoinWindowOut<K, Emitted<W, Self::Row>, Self::Late> {
                complete_in(&self, clock, windower, insert)
            }

            #[track_caller]
            fn partial_in<Time: JoinClock<Self::Item>, W: Windowing>(
                self,
                operator: &'static str,
                clock: Time,
                windower: W,
                insert: JoinInsert,
            ) -> JoinWindowOut<K, Emitted<W, Self::PartialRow>, Self::Late> {
                partial_in(&self, operator, clock, windower, insert)
            }
        }
    )+ };
}

joins! {
    Of1: A 0 FA TA;
    Of2: A 0 FA TA, B 1 FB TB;
    Of3: A 0 FA TA, B 1 FB TB, C 2 FC TC;
    Of4: A 0 FA TA, B 1 FB TB, C 2 FC TC, D 3 FD TD;
    Of5: A 0 FA TA, B 1 FB TB, C 2 FC TC, D 3 FD TD, F 4 FF TF;
    Of6: A 0 FA TA, B 1 FB TB, C 2 FC TC, D 3 FD TD, F 4 FF TF, G 5 FG TG;
    Of7: A 0 FA TA, B 1 FB TB, C 2 FC TC, D 3 FD TD, F 4 FF TF, G 5 FG TG, H 6 FH TH;
    Of8: A 0 FA TA, B 1 FB TB, C 2 FC TC, D 3 FD TD, F 4 FF TF, G 5 FG TG, H 6 FH TH, I 7 FI TI;
}
