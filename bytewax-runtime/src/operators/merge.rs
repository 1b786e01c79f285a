//! `merge`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{Flow, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::keyed::local_edge;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, Flush, Head, HeadLogic, HeadPlan, Inlet, Next, Operator,
    Outlet, Outputs, Plan,
};

impl<T: 'static> Stream<T> {
    /// Merges this stream with another.
    ///
    /// Items of one stream keep their order; the order between the two is undefined. To merge several streams
    /// at once, use [`Flow::merge`].
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items([1, 2], |numbers| {
    ///     let tens = numbers.clone().map(|n| n * 10);
    ///     numbers.merge(tens)
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, [1, 2, 10, 20]);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn merge(self, other: Stream<T>) -> Stream<T> {
        let flow = self.flow();
        flow.merge([self, other])
    }
}

impl Flow {
    /// Merges several streams.
    ///
    /// Items of one stream keep their order; the order between streams is undefined. Without streams, the
    /// result ends immediately.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("regions", |flow| {
    ///     let orders = ["eu", "us", "asia"].map(|region| {
    ///         flow.scope(region, || flow.input(TestingSource::new([region])).named("orders"))
    ///     });
    ///     flow.merge(orders).output(out.clone()).named("out");
    /// });
    /// run_main(flow).unwrap();
    /// assert_eq!(out.sorted(), ["asia", "eu", "us"]);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if a stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn merge<T: 'static>(&self, streams: impl IntoIterator<Item = Stream<T>>) -> Stream<T> {
        let inputs = streams.into_iter().map(|stream| {
            stream.assert_same_flow(self);
            stream.port()
        });
        let inputs = inputs.collect();
        let plan = Plan::Head(Arc::new(MergePlan::<T>(PhantomData)));
        Stream::join_step(self, "merge", StepKind::Stateless, inputs, plan)
    }
}

struct MergePlan<T>(PhantomData<fn() -> T>);

impl<T: 'static> HeadPlan for MergePlan<T> {
    fn connect<'s>(
        &self,
        step: StepIndex,
        _: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        local_edge::<T>(step, outlet)
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

/// Passes items on unchanged.
pub(crate) struct Pass<T>(pub(crate) Next<T>);

impl<T: 'static> HeadLogic<T> for Pass<T> {
    fn batch(&mut self, items: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        self.0.pass(items, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.0.flush(what, cx)
    }
}
