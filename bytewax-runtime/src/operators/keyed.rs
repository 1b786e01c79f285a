//! Adds stateful steps per key to a flow.

use crate::flow::{Flow, KeyedStream, StepKind, Stream};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Route, keyed_plan};
use crate::kit::logic::{ItemHead, ItemLogic};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, BuildCx, Exchange, Outputs, StreamTime};

impl<K: Key, T: 'static> Stream<(K, T)> {
    /// Adds a step that keeps state per key. `enter` creates the stage before the exchange.
    #[track_caller]
    pub(crate) fn keyed_step<V, U, L>(
        self,
        operator: &'static str,
        enter: impl Fn(StepIndex, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
        make: impl Fn(&BuildCx, &mut Outputs) -> L + Send + Sync + 'static,
    ) -> Stream<U>
    where
        V: Exchange,
        U: 'static,
        L: KeyedLogic<K, V>,
    {
        self.flow().add_keys::<K, T>();
        let enter = move |step, _, out| enter(step, out);
        keyed_step_of(&self.flow(), operator, vec![self.port()], enter, make)
    }
}

impl<K: Key, V: Exchange> Stream<(K, V)> {
    /// Adds a step whose logic processes the values of each key one by one. Each worker creates its own
    /// logic.
    #[track_caller]
    pub(crate) fn item_step<L: ItemLogic<K, V>>(
        self,
        operator: &'static str,
        make: impl Fn() -> L + Send + Sync + 'static,
    ) -> KeyedStream<K, L::Out> {
        self.keyed_step(
            operator,
            |step, out: KeyedOut<K, V>| AnyPush::before(step, Route::new(step, out)),
            move |build, outputs| ItemHead::new(build, outputs, make()),
        )
        .with_pairs()
    }
}

/// Adds a step that keeps state per key and reads several keyed streams, whose items become items of one
/// type. `enter` creates the stage before the exchange of an input.
#[track_caller]
pub(crate) fn keyed_step_of<K, V, U, L>(
    flow: &Flow,
    operator: &'static str,
    inputs: Vec<Port>,
    enter: impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    make: impl Fn(&BuildCx, &mut Outputs) -> L + Send + Sync + 'static,
) -> Stream<U>
where
    K: Key,
    V: Exchange,
    U: 'static,
    L: KeyedLogic<K, V>,
{
    let plan = keyed_plan(Vec::new(), StreamTime::Passes, enter, make);
    Stream::join_step(flow, operator, StepKind::Stateful, inputs, plan)
}
