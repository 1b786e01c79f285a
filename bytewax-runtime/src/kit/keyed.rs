//! The plumbing of keyed steps: items go to the worker that keeps the state of their key.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::saving::{KeyedLogic, Saving};
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::key::{Key, SlotOwners};
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EdgeOut, EventMark, Exchange, Flush, Head, HeadPlan, Inlet,
    Operator, Outlet, Outputs, Plan, Push, Router, Scales, StreamTime, WorkerCx,
};
use crate::state::{Cell, Fact, StepSchema};

/// An item with the hash of its key, which routes it and finds its state.
pub(crate) type Routed<K, V> = (u64, K, V);

/// The sender to the workers of the keys of one step.
pub(crate) struct KeyedOut<K, V> {
    router: Router<Routed<K, V>>,
    owners: Rc<SlotOwners>,
}

impl<K: Key, V: Exchange> KeyedOut<K, V> {
    pub(crate) fn new(edge: EdgeOut<Routed<K, V>>) -> Self {
        Self {
            owners: Rc::clone(edge.worker().owners()),
            router: Router::new(edge),
        }
    }

    /// Puts an item into the batch for its worker.
    #[inline]
    pub(crate) fn send(&mut self, hash: u64, key: K, value: V, cx: &Cx) {
        self.put(self.target(hash), hash, key, value, cx);
    }

    /// Returns the worker of a key.
    #[inline]
    pub(crate) fn target(&self, hash: u64) -> usize {
        match self.router.targets() {
            1 => 0,
            _ => self.owners.owner(hash),
        }
    }

    /// Puts an item into the batch for a worker.
    #[inline]
    pub(crate) fn put(&mut self, target: usize, hash: u64, key: K, value: V, cx: &Cx) {
        self.router.put(target, (hash, key, value), cx);
    }

    /// Returns the number of workers.
    pub(crate) fn targets(&self) -> usize {
        self.router.targets()
    }

    pub(crate) fn worker(&self) -> &Rc<WorkerCx> {
        self.router.worker()
    }

    /// Sends the batch for a worker, with `mark` as the watermark of all later items.
    pub(crate) fn give_marked(&mut self, target: usize, mark: EventMark, cx: &Cx) {
        self.router.send(target, mark, cx);
    }

    /// Sends a batch of a keyed stream, each value wrapped with `wrap`.
    #[inline]
    fn send_all<T>(&mut self, batch: &mut Vec<(K, T)>, wrap: impl Fn(T) -> V, cx: &Cx) {
        for (key, value) in batch.drain(..) {
            self.send(key.stable_hash(), key, wrap(value), cx);
        }
    }

    /// Sends all batches, with the watermark of all later items.
    pub(crate) fn flush(&mut self, cx: &Cx) {
        self.router.flush(cx.mark, cx);
    }

    /// Sends all batches. The caller sends the watermark.
    pub(crate) fn flush_unmarked(&mut self, cx: &Cx) {
        self.router.flush(EventMark::NONE, cx);
    }
}

/// Sends the items of a keyed stream unchanged.
pub(crate) struct Route<K, V> {
    step: StepIndex,
    out: KeyedOut<K, V>,
}

impl<K, V> Route<K, V> {
    pub(crate) fn new(step: StepIndex, out: KeyedOut<K, V>) -> Self {
        Self { step, out }
    }
}

impl<K: Key, V: Exchange> Push<(K, V)> for Route<K, V> {
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.out.send_all(batch, |value| value, cx);
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.out.flush(cx);
        Ok(())
    }
}

/// Sends the items of one of several keyed streams, each wrapped to identify the stream.
pub(crate) struct RouteSide<K, V, W> {
    step: StepIndex,
    out: KeyedOut<K, V>,
    wrap: W,
}

impl<K, V, W> RouteSide<K, V, W> {
    pub(crate) fn new(step: StepIndex, out: KeyedOut<K, V>, wrap: W) -> Self {
        Self { step, out, wrap }
    }
}

impl<K: Key, V: Exchange, T: 'static, W: Fn(T) -> V + 'static> Push<(K, T)> for RouteSide<K, V, W> {
    fn push(&mut self, batch: &mut Vec<(K, T)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.out.send_all(batch, &self.wrap, cx);
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.out.flush(cx);
        Ok(())
    }
}

/// A keyed step: the stage before the exchange of each input, and the logic after them.
struct KeyedPlan<K, V, E, M> {
    /// The properties of states beyond their type.
    facts: Vec<Fact>,
    time: StreamTime,
    enter: E,
    make: M,
    items: PhantomData<fn(K, V)>,
}

impl<K, V, E, M, L> HeadPlan for KeyedPlan<K, V, E, M>
where
    K: Key,
    V: Exchange,
    E: Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync,
    M: Fn(&BuildCx, &mut Outputs) -> L + Send + Sync,
    L: KeyedLogic<K, V>,
{
    fn step_schema(&self) -> Option<StepSchema> {
        let schema = StepSchema::of::<<L::Cell as Cell>::Saved>().by_key::<K>();
        // They are watermarks.
        let schema = schema.with_positions(|_, _| Ok(None));
        Some(schema.with_facts(&self.facts))
    }

    fn stream_time(&self) -> StreamTime {
        self.time
    }

    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<V>();
        scales.add::<(K, V)>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        input: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        let (edge, inlet) = outlet.exchange::<Routed<K, V>>();
        ((self.enter)(step, input, KeyedOut::new(edge)), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let logic = (self.make)(build, outputs);
        Ok(Box::new(Head::new(
            build,
            inputs,
            Saving::new(build, logic)?,
        )))
    }
}

/// Creates the plan of a step that keeps state per key, with these `facts`, and this effect on the event
/// `time` of its streams. `enter` creates the stage before the exchange of an input.
pub(crate) fn keyed_plan<K: Key, V: Exchange, L: KeyedLogic<K, V>>(
    facts: Vec<Fact>,
    time: StreamTime,
    enter: impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
    make: impl Fn(&BuildCx, &mut Outputs) -> L + Send + Sync + 'static,
) -> Plan {
    Plan::Head(Arc::new(KeyedPlan {
        facts,
        time,
        enter,
        make,
        items: PhantomData,
    }))
}

/// Sends whole batches to a step on the same worker.
struct Stay<T> {
    step: StepIndex,
    edge: EdgeOut<T>,
}

/// Creates both ends of an edge that stays on the worker.
pub(crate) fn local_edge<'s, T: 'static>(
    step: StepIndex,
    outlet: &mut Outlet<'_, 's>,
) -> (AnyPush, Inlet<'s>) {
    let (edge, inlet) = outlet.local::<T>();
    (AnyPush::before::<T>(step, Stay { step, edge }), inlet)
}

impl<T: 'static> Stay<T> {
    fn flush_edge(&mut self, cx: &Cx) {
        cx.enter(self.step);
        let news = self.edge.news(cx.mark);
        self.edge.say(cx.worker.index, news, cx);
        self.edge.done();
    }
}

impl<T: 'static> Push<T> for Stay<T> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.edge.send_all(cx.worker.index, batch, cx);
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.flush_edge(cx);
        Ok(())
    }
}

/// Sends whole batches to a step on the same worker, and converts their items.
struct StayAs<T, I> {
    stay: Stay<I>,
    wrap: fn(T) -> I,
}

/// Both ends of an edge that stays on the worker, for a step with inputs of several types.
pub(crate) fn local_edge_as<'s, T: 'static, I: 'static>(
    step: StepIndex,
    outlet: &mut Outlet<'_, 's>,
    wrap: fn(T) -> I,
) -> (AnyPush, Inlet<'s>) {
    let (edge, inlet) = outlet.local::<I>();
    let stay = Stay { step, edge };
    (AnyPush::before::<T>(step, StayAs { stay, wrap }), inlet)
}

impl<T: 'static, I: 'static> Push<T> for StayAs<T, I> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        let mut items = batch.drain(..).map(self.wrap).collect();
        self.stay.push(&mut items, cx)
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.stay.flush_edge(cx);
        Ok(())
    }
}
