//! `with_broadcast`.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::merge::Pass;
use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::keyed::local_edge_as;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EventMark, Exchange, Flush, Head, HeadLogic, HeadPlan, Inlet,
    Next, Operator, Outlet, Outputs, Plan, Push, Router, Scales, StreamTime,
};
use crate::state::{self, State, StepSchema};

impl<T: Send + 'static> Stream<T> {
    /// Turns each item into any number of items with a table that every worker has and that changes while the
    /// flow runs: rules, settings, prices.
    ///
    /// The table starts as `S::default()`. On every worker, `update` applies each item of `updates` to it.
    /// Items stay on their worker and read its table, which contains all updates of earlier epochs, and those
    /// of the item's own epoch that have arrived. All workers apply updates in the same order.
    ///
    /// The table is built from the whole stream of updates, so it should be small. For a large table, key
    /// both streams and use [`join_running`](Stream::join_running): each worker then stores a part of it.
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
        // One worker sends all updates, so that they arrive in the same order everywhere.
        let gather = Plan::Head(Arc::new(GatherPlan::<R>(PhantomData)));
        let outputs = vec![OutputSpec::DOWN];
        let (_, gather) = updates.then("redistribute", StepKind::Stateless, outputs, gather);
        let ordered = Stream::<R>::from_port(&flow, gather, 0);
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

/// The worker that receives all updates first.
const FIRST: usize = 0;

struct GatherPlan<R>(PhantomData<fn() -> R>);

/// Sends all items to one worker.
struct Gather<R> {
    step: StepIndex,
    router: Router<R>,
}

impl<R: Exchange> Push<R> for Gather<R> {
    fn push(&mut self, batch: &mut Vec<R>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        for item in batch.drain(..) {
            self.router.put(FIRST, item, cx);
        }
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.router.flush(cx.mark, cx);
        Ok(())
    }
}

impl<R: Exchange> HeadPlan for GatherPlan<R> {
    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<R>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        _: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        let (edge, inlet) = outlet.exchange::<R>();
        let router = Router::new(edge);
        (AnyPush::before::<R>(step, Gather { step, router }), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let pass = Pass(outputs.next::<R>(0));
        Ok(Box::new(Head::new(build, inputs, pass)))
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

/// Sends each item to all workers.
struct ToAll<T, R> {
    step: StepIndex,
    router: Router<Side<T, R>>,
}

impl<T: Send + 'static, R: Exchange + Clone> Push<R> for ToAll<T, R> {
    fn push(&mut self, batch: &mut Vec<R>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        for item in batch.drain(..) {
            for target in 1..self.router.targets() {
                self.router.put(target, Side::Update(item.clone()), cx);
            }
            self.router.put(FIRST, Side::Update(item), cx);
        }
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        // The items' watermark does not apply to the updates.
        self.router.flush(EventMark::END, cx);
        Ok(())
    }
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
        let (edge, inlet) = outlet.exchange::<Side<T, R>>();
        let router = Router::new(edge);
        (AnyPush::before::<R>(step, ToAll { step, router }), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let logic = WithBroadcast {
            step: build.step,
            table: build.position::<S>(TABLE)?.unwrap_or_default(),
            has_changed: false,
            update: Arc::clone(&self.update),
            f: Arc::clone(&self.f),
            next: outputs.next(0),
            items: PhantomData::<fn(T, R)>,
        };
        Ok(Box::new(Head::new(build, inputs, logic)))
    }
}

/// The name under which the table is saved.
const TABLE: &str = "table";

struct WithBroadcast<T, R, S, O: 'static, U, F> {
    step: StepIndex,
    table: S,
    /// Whether it has changed since it was saved.
    has_changed: bool,
    update: Arc<U>,
    f: Arc<F>,
    next: Next<O>,
    items: PhantomData<fn(T, R)>,
}

impl<T, R, S, I, U, F> HeadLogic<Side<T, R>> for WithBroadcast<T, R, S, I::Item, U, F>
where
    T: 'static,
    R: 'static,
    S: State,
    I: IntoIterator<Item: 'static>,
    U: Fn(&mut S, R) + 'static,
    F: Fn(&S, T) -> I + 'static,
{
    fn batch(&mut self, items: &mut Vec<Side<T, R>>, cx: &mut Cx) -> Result<(), RunError> {
        let numbers = cx.numbers(items.len());
        for (index, item) in items.drain(..).enumerate() {
            match item {
                Side::Item(item) => {
                    let (buffer, table) = (&mut self.next.buffer, &self.table);
                    numbers.at(index, || buffer.extend((self.f)(table, item)));
                    self.next.send_if_full(cx)?;
                }
                Side::Update(item) => {
                    numbers.at(index, || (self.update)(&mut self.table, item));
                    self.has_changed = true;
                }
            }
        }
        self.next.send(cx)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if !std::mem::take(&mut self.has_changed) {
            return Ok(());
        }
        if cx.worker.index.0 == FIRST && cx.worker.store.get().is_some() {
            cx.enter(self.step);
            let mut bytes = Vec::new();
            state::seal(&self.table, &mut bytes)
                .map_err(|error| RunError::step("the table cannot be saved", error.into()))?;
            cx.save_position(self.step, TABLE, bytes);
        }
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}
