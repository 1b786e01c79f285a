//! `stateful_with_broadcast`.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::broadcast::{Table, in_one_order, to_all};
use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, StepKind, Stream, ValueOf};
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::{Key, SlotOwners};
use crate::kit::keyed::Routed;
use crate::kit::saving::{KeyedLogic, Saving};
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EdgeId, EventMark, Exchange, Flush, Head, HeadLogic, HeadPlan,
    Inlet, Marks, Next, Operator, Outlet, Outputs, Plan, Push, Router, Scales, StreamTime,
};
use crate::state::{Field, KeyTable, Schema, State, StepSchema};

impl<T: 'static> Stream<T> {
    /// Keeps an optional state for each key, and turns each value into any number of values, with a table that every
    /// worker has and that changes while the flow runs: rules, settings, prices.
    ///
    /// The table starts as `B::default()`. On every worker, `update` applies each item of `updates` to it, in the same
    /// order. A value is processed with the table of the worker of its key, which contains all updates of earlier
    /// epochs, and those of the value's own epoch that have arrived.
    ///
    /// A new key starts with the state `None`. If the state is `None` after the call, the key is dropped; the results
    /// of the call are still emitted. Values of a key from one worker are processed in order. The step emits nothing
    /// at the end of input. To use a table without a state per key, use [`with_broadcast`](Stream::with_broadcast).
    ///
    /// # Examples
    ///
    /// Counts the payments of each user above a limit that may change:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
    ///
    /// // A negative number sets the limit.
    /// let numbers = [("-", -100), ("ada", 120), ("bob", 80), ("-", -50), ("bob", 80), ("ada", 60)];
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("payments", |flow| {
    ///     let numbers = flow.input(TestingSource::new(numbers)).named("numbers");
    ///     let limits = numbers.clone().filter_map(|(_, n)| (n < 0).then_some(-n));
    ///     let payments = numbers.filter(|(_, n)| *n > 0).map(|(user, n)| (user.to_owned(), n));
    ///     let large = payments.stateful_with_broadcast(
    ///         limits,
    ///         |limit: &mut i64, n| *limit = n,
    ///         |limit, count: &mut Option<u32>, n| {
    ///             if n <= *limit {
    ///                 return None;
    ///             }
    ///             let count = count.get_or_insert_default();
    ///             *count += 1;
    ///             Some(*count)
    ///         },
    ///     );
    ///     large.named("large").output(out.clone()).named("out");
    /// });
    /// // Each number is an epoch, so a limit holds for all payments behind it.
    /// let config = RunConfig::new().workers(3).epoch_interval(Duration::ZERO);
    /// cluster_main(flow, config).unwrap();
    /// let [ada, bob] = ["ada", "bob"].map(str::to_owned);
    /// assert_eq!(out.sorted(), [(ada.clone(), 1), (ada, 2), (bob, 1)]);
    /// ```
    ///
    /// # State
    ///
    /// One `S` for each key whose state is not `None`; setting it to `None` drops the key. And the table, once on each
    /// worker: at the end of each epoch in which it changed, the whole table is saved once, so it should be small. A
    /// resume with any number of workers restores it.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn stateful_with_broadcast<R, B, S, I, U, F>(
        self,
        updates: Stream<R>,
        update: U,
        f: F,
    ) -> KeyedStream<KeyOf<Self>, I::Item>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        R: Exchange + Clone,
        B: State + Default,
        S: State,
        I: IntoIterator<Item: 'static>,
        U: Fn(&mut B, R) + Send + Sync + 'static,
        F: Fn(&B, &mut Option<S>, ValueOf<Self>) -> I + Send + Sync + 'static,
    {
        let stream = self.pairs();
        let flow = stream.flow();
        updates.assert_same_flow(&flow);
        flow.add_keys::<KeyOf<Self>, ValueOf<Self>>();
        let ordered = in_one_order(updates);
        let plan = BroadcastPlan {
            update: Arc::new(update),
            f: Arc::new(f),
            types: PhantomData::<fn(KeyOf<Self>, ValueOf<Self>, R, B, S)>,
        };
        let plan = Plan::Head(Arc::new(plan));
        let inputs = vec![stream.port(), ordered.port()];
        Stream::join_step(
            &flow,
            "stateful_with_broadcast",
            StepKind::Stateful,
            inputs,
            plan,
        )
    }
}

/// What the step saves: the state of a key, or the table. One type describes both in the store and in the lock file.
#[derive(Debug, Serialize, Deserialize)]
enum Kept<S, B> {
    /// It is present whenever it is saved.
    State(Option<S>),
    /// In a box, so that it does not make the states of keys larger.
    Table(Box<B>),
}

impl<S: State, B: State> State for Kept<S, B> {
    const SCHEMA: Schema = Schema::of_library(
        "Kept",
        1,
        &[
            Field::variant("State"),
            Field::of::<Option<S>>("0"),
            Field::variant("Table"),
            Field::of::<B>("0"),
        ],
    );
}

impl<S, B> Kept<S, B> {
    const NEW: Self = Self::State(None);

    #[inline]
    fn state(&mut self) -> &mut Option<S> {
        match self {
            Self::State(state) => state,
            Self::Table(_) => unreachable!("the table is not saved under a key"),
        }
    }

    fn of_table(table: B) -> Self {
        Self::Table(Box::new(table))
    }

    fn into_table(self) -> B {
        match self {
            Self::Table(table) => *table,
            Self::State(_) => unreachable!("a state is saved under its key"),
        }
    }
}

/// The input of a worker.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize, R: Serialize",
    deserialize = "K: Deserialize<'de>, V: Deserialize<'de>, R: Deserialize<'de>"
))]
enum Item<K, V, R> {
    /// With the hash of its key.
    Value(u64, K, V),
    Update(R),
}

struct BroadcastPlan<U, F, X> {
    update: Arc<U>,
    f: Arc<F>,
    types: PhantomData<X>,
}

/// Sends values to the workers of their keys.
struct ToOwners<K, V, R> {
    step: StepIndex,
    owners: Rc<SlotOwners>,
    router: Router<Item<K, V, R>>,
}

impl<K: Key, V: Exchange, R: Exchange> Push<(K, V)> for ToOwners<K, V, R> {
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let is_alone = self.router.targets() == 1;
        for (key, value) in batch.drain(..) {
            let hash = key.stable_hash();
            let target = if is_alone { 0 } else { self.owners.owner(hash) };
            self.router.put(target, Item::Value(hash, key, value), cx);
        }
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.router.flush(cx.mark, cx);
        Ok(())
    }
}

impl<K, V, R, B, S, I, U, F> HeadPlan for BroadcastPlan<U, F, fn(K, V, R, B, S)>
where
    K: Key,
    V: Exchange,
    R: Exchange + Clone,
    B: State + Default,
    S: State,
    I: IntoIterator<Item: 'static>,
    U: Fn(&mut B, R) + Send + Sync + 'static,
    F: Fn(&B, &mut Option<S>, V) -> I + Send + Sync + 'static,
{
    fn step_schema(&self) -> Option<StepSchema> {
        Some(StepSchema::of::<Kept<S, B>>().by_key::<K>())
    }

    fn stream_time(&self) -> StreamTime {
        StreamTime::PassesFirst
    }

    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<Item<K, V, R>>();
        scales.add::<(K, V)>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        input: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        if input > 0 {
            return to_all::<R, Item<K, V, R>>(step, outlet, Item::Update);
        }
        let (edge, inlet) = outlet.exchange::<Item<K, V, R>>();
        let stage = ToOwners {
            step,
            owners: Rc::clone(edge.worker().owners()),
            router: Router::new(edge),
        };
        (AnyPush::before::<(K, V)>(step, stage), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let logic = StatefulWithBroadcast {
            table: Table::new(build, &self.update, Kept::<S, B>::into_table)?,
            keys: KeyTable::<K, Kept<S, B>>::new(),
            f: Arc::clone(&self.f),
            next: outputs.next(0),
            values: PhantomData::<fn(V, R)>,
        };
        let both = ValuesAndUpdates {
            values: Vec::new(),
            saving: Saving::new(build, logic)?,
            updates: PhantomData::<fn(R)>,
        };
        Ok(Box::new(Head::new(build, inputs, both)))
    }
}

/// A logic with a table.
trait WithTable<R> {
    fn update(&mut self, item: R);
}

/// Passes values to a keyed logic, and updates to its table.
struct ValuesAndUpdates<K: Key, V, R, L: KeyedLogic<K, V>> {
    /// A buffer for the values of a batch.
    values: Vec<Routed<K, V>>,
    saving: Saving<K, V, L>,
    updates: PhantomData<fn(R)>,
}

impl<K, V, R, L> ValuesAndUpdates<K, V, R, L>
where
    K: Key,
    V: 'static,
    L: KeyedLogic<K, V>,
{
    fn take_values(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.values.is_empty() {
            return Ok(());
        }
        self.saving.batch(&mut self.values, cx)
    }
}

impl<K, V, R, L> HeadLogic<Item<K, V, R>> for ValuesAndUpdates<K, V, R, L>
where
    K: Key,
    V: 'static,
    R: 'static,
    L: KeyedLogic<K, V> + WithTable<R>,
{
    fn batch(&mut self, items: &mut Vec<Item<K, V, R>>, cx: &mut Cx) -> Result<(), RunError> {
        self.values.reserve(items.len());
        let numbers = cx.numbers(items.len());
        for (index, item) in items.drain(..).enumerate() {
            match item {
                Item::Value(hash, key, value) => self.values.push((hash, key, value)),
                Item::Update(item) => {
                    self.take_values(cx)?;
                    numbers.at(index, || self.saving.logic().update(item));
                }
            }
        }
        self.take_values(cx)
    }

    fn mark(&mut self, marks: &Marks, cx: &mut Cx) -> Result<(), RunError> {
        self.saving.mark(marks, cx)
    }

    fn output_mark(&self, least: EventMark) -> EventMark {
        self.saving.output_mark(least)
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.saving.settle(edges, cx)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.saving.end_epoch(cx)
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.saving.end_input(cx)
    }

    fn stop(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.saving.stop(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.saving.flush(what, cx)
    }
}

struct StatefulWithBroadcast<K, V, R, B, S, O: 'static, U, F> {
    table: Table<B, U>,
    keys: KeyTable<K, Kept<S, B>>,
    f: Arc<F>,
    next: Next<(K, O)>,
    values: PhantomData<fn(V, R)>,
}

impl<K, V, R, B, S, O, U, F> WithTable<R> for StatefulWithBroadcast<K, V, R, B, S, O, U, F>
where
    B: Default + 'static,
    U: Fn(&mut B, R),
{
    fn update(&mut self, item: R) {
        self.table.update(item);
    }
}

impl<K, V, R, B, S, I, U, F> HeadLogic<Routed<K, V>>
    for StatefulWithBroadcast<K, V, R, B, S, I::Item, U, F>
where
    K: Key,
    V: 'static,
    R: 'static,
    B: State + Default,
    S: State,
    I: IntoIterator<Item: 'static>,
    U: 'static,
    F: Fn(&B, &mut Option<S>, V) -> I + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        let numbers = cx.numbers(items.len());
        let table = self.table.get();
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            let state = self.keys.touch(hash, &key, || Kept::NEW).state();
            let call = || with_key(&key, || (self.f)(table, state, value).into_iter());
            let results = numbers.at(index, call);
            if state.is_none() {
                self.keys.remove(hash, &key);
            }
            let buffer = &mut self.next.buffer;
            let results = results.map(|result| (key.clone(), result));
            numbers.at(index, || with_key(&key, || buffer.extend(results)));
            self.next.send_if_full(cx)?;
        }
        self.next.send(cx)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.table
            .end_epoch(cx, Kept::<S, B>::of_table, Kept::into_table)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<K, V, R, B, S, I, U, F> KeyedLogic<K, V>
    for StatefulWithBroadcast<K, V, R, B, S, I::Item, U, F>
where
    K: Key,
    V: 'static,
    R: 'static,
    B: State + Default,
    S: State,
    I: IntoIterator<Item: 'static>,
    U: 'static,
    F: Fn(&B, &mut Option<S>, V) -> I + 'static,
{
    type Cell = Kept<S, B>;

    fn table(&mut self) -> &mut KeyTable<K, Kept<S, B>> {
        &mut self.keys
    }
}
