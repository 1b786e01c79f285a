//! `redistribute`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::merge::Pass;
use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, Exchange, Flush, Head, HeadPlan, Inlet, Operator, Outlet,
    Outputs, Plan, Push, RoundRobin, Scales,
};

impl<T: 'static> Stream<T> {
    /// Distributes the items evenly over all workers, for expensive stateless work.
    ///
    /// Items stay on the worker that read them until a keyed step or a partitioned sink sends them to
    /// another; this step sends them without a key. It sends whole batches in turn, so a source should return
    /// more than one; batches of large items are split. With several workers, the order of items is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("squares", |flow| {
    ///     flow.input(TestingSource::new(1..=5))
    ///         .named("numbers")
    ///         .redistribute()
    ///         .map(|n| n * n)
    ///         .output(out.clone())
    ///         .named("out");
    /// });
    /// cluster_main(flow, RunConfig::new().workers(3)).unwrap();
    /// assert_eq!(out.sorted(), [1, 4, 9, 16, 25]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn redistribute(self) -> Stream<T>
    where
        T: Exchange,
    {
        let plan = Plan::Head(Arc::new(RedistributePlan::<T>(PhantomData)));
        let kind = StepKind::Stateless;
        let (flow, step) = self.then("redistribute", kind, vec![OutputSpec::DOWN], plan);
        Stream::from_port(&flow, step, 0)
    }
}

struct RedistributePlan<T>(PhantomData<fn() -> T>);

/// Sends batches to all workers in turn.
struct Spread<T> {
    step: StepIndex,
    workers: RoundRobin<T>,
}

impl<T: Exchange> Push<T> for Spread<T> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.workers.send_batch(batch, cx);
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.workers.flush(cx);
        Ok(())
    }
}

impl<T: Exchange> HeadPlan for RedistributePlan<T> {
    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<T>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        _: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        let (edge, inlet) = outlet.exchange::<T>();
        let workers = RoundRobin::new(edge);
        (AnyPush::before::<T>(step, Spread { step, workers }), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        Ok(Box::new(Head::new(
            build,
            inputs,
            Pass(outputs.next::<T>(0)),
        )))
    }
}
