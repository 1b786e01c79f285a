//! `with_broadcast`.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::broadcast::{Table, in_one_order, to_all};
use crate::error::RunError;
use crate::flow::{StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::keyed::local_edge_as;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, Exchange, Flush, Head, HeadLogic, HeadPlan, Inlet, Next,
    Operator, Outlet, Outputs, Plan, Scales, StreamTime,
};
use crate::state::{State, StepSchema};

impl<T: Send + 'static> Stream<T> {
    /// Turns each item into any number of items with a table that every worker has and that changes while the
    /// flow runs: rules, settings, prices.
    ///
    /// The table starts as `S::default()`. On every worker, `update` applies each item of `updates` to it.
    /// Items stay on their worker and read its table, which contains all updates of earlier epochs, and those
    /// of the item's own epoch that have arrived. All workers apply updates in the same order.
    ///
    /// The table is built from the whole stream of updates, so it should be small. For a large table, key
    /// both streams and use [`join_running`](Stream::join_running): each worker then stores a part of it. To keep a
    /// state for each key too, use [`stateful_with_broadcast`](Stream::stateful_with_broadcast).
    ///
    /// # Examples
    ///
    /// Payments above a limit that may change:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("payments", |flow| {
    ///     // A negative number sets the limit.
    ///     let numbers = flow.input(TestingSource::new([-100, 120, 80, -50, 80])).named("numbers");
    ///     let limits = numbers.clone().filter(|n| *n < 0);
    ///     let payments = numbers.filter(|n| *n > 0);
    ///     let large = payments.with_broadcast(
    ///         limits,
    ///         |limit: &mut i64, n| *limit = -n,
    ///         |limit, n| (n > *limit).then_some(n),
    ///     );
    ///     large.named("large").output(out.clone()).named("out");
    /// });
    /// // Each number is an epoch, so a limit holds for all payments behind it.
    /// let config = RunConfig::new().workers(3).epoch_interval(Duration::ZERO);
    /// cluster_main(flow, config).unwrap();
    /// assert_eq!(out.take(), [120, 80]);
    /// ```
    ///
    /// # State
    ///
    /// The table, once on each worker. At the end of each epoch in which it changed, the whole table is saved
    /// once; a resume with any number of workers restores it.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn with_broadcast<R, S, I, U, F>(
        self,
        updates: Stream<R>,
        update: U,
        f: F,
    ) -> Stream<I::Item>
    where
        R: Exchange + Clone,
        S: State + Default,
        I: IntoIterator<Item: 'static>,
        U: Fn(&mut S, R) + Send + Sync + 'static,
        F: Fn(&S, T) -> I + Send + Sync + 'static,
    {
        let flow = self.flow();
        updates.assert_same_flow(&flow);
        let ordered = in_one_order(updates);
        let plan = BroadcastPlan {
            update: Arc::new(update),
            f: Arc::new(f),
            types: PhantomData::<fn(T, R, S)>,
        };
        let plan = Plan::Head(Arc::new(plan));
        let inputs = vec![self.port(), ordered.port()];
        Stream::join_step(&flow, "with_broadcast", StepKind::Stateful, inputs, plan)
    }
}

/// The input of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "R: Serialize", deserialize = "R: Deserialize<'de>"))]
enum Side<T, R> {
    /// It never leaves its worker.
    #[serde(skip)]
    Item(T),
    Update(R),
}

struct BroadcastPlan<T, R, S, U, F> {
    update: Arc<U>,
    f: Arc<F>,
    types: PhantomData<fn(T, R, S)>,
}

impl<T, R, S, I, U, F> HeadPlan for BroadcastPlan<T, R, S, U, F>
where
    T: Send + 'static,
    R: Exchange + Clone,
    S: State + Default,
    I: IntoIterator<Item: 'static>,
    U: Fn(&mut S, R) + Send + Sync + 'static,
    F: Fn(&S, T) -> I + Send + Sync + 'static,
{
    fn step_schema(&self) -> Option<StepSchema> {
        Some(StepSchema::of::<S>())
    }

    fn stream_time(&self) -> StreamTime {
        StreamTime::PassesFirst
    }

    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<Side<T, R>>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        input: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        if input == 0 {
            return local_edge_as::<T, Side<T, R>>(step, outlet, Side::Item);
        }
        to_all::<R, Side<T, R>>(step, outlet, Side::Update)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let logic = WithBroadcast {
            table: Table::new(build, &self.update, |saved: S| saved)?,
            f: Arc::clone(&self.f),
            next: outputs.next(0),
            items: PhantomData::<fn(T, R)>,
        };
        Ok(Box::new(Head::new(build, inputs, logic)))
    }
}

struct WithBroadcast<T, R, S, O: 'static, U, F> {
    table: Table<S, U>,
    f: Arc<F>,
    next: Next<O>,
    items: PhantomData<fn(T, R)>,
}

impl<T, R, S, I, U, F> HeadLogic<Side<T, R>> for WithBroadcast<T, R, S, I::Item, U, F>
where
    T: 'static,
    R: 'static,
    S: State + Default,
    I: IntoIterator<Item: 'static>,
    U: Fn(&mut S, R) + 'static,
    F: Fn(&S, T) -> I + 'static,
{
    fn batch(&mut self, items: &mut Vec<Side<T, R>>, cx: &mut Cx) -> Result<(), RunError> {
        let numbers = cx.numbers(items.len());
        for (index, item) in items.drain(..).enumerate() {
            match item {
                Side::Item(item) => {
                    let (buffer, table) = (&mut self.next.buffer, self.table.get());
                    numbers.at(index, || buffer.extend((self.f)(table, item)));
                    self.next.send_if_full(cx)?;
                }
                Side::Update(item) => {
                    numbers.at(index, || self.table.update(item));
                }
            }
        }
        self.next.send(cx)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.table.end_epoch(cx, |table| table, |table| table)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}
