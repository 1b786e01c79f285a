//! The plumbing of stateless steps: a stage that turns one batch into another.

use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

/// A stage with one output, which a function from batch to batch fills.
struct Stage<T, U, F> {
    step: StepIndex,
    apply: Arc<F>,
    next: Next<U>,
    items: std::marker::PhantomData<fn(T)>,
}

impl<T, U, F> Push<T> for Stage<T, U, F>
where
    T: 'static,
    U: 'static,
    F: Fn(&mut Vec<T>, &mut Next<U>, &mut Cx) -> Result<(), RunError> + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        (self.apply)(batch, &mut self.next, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<T: 'static> Stream<T> {
    /// Adds a stateless step. `apply` takes all items of a batch and passes its results on.
    #[track_caller]
    pub(crate) fn stage<U: 'static>(
        self,
        operator: &'static str,
        apply: impl Fn(&mut Vec<T>, &mut Next<U>, &mut Cx) -> Result<(), RunError>
        + Send
        + Sync
        + 'static,
    ) -> Stream<U> {
        self.stage_of_kind(operator, StepKind::Stateless, apply)
    }

    #[track_caller]
    pub(crate) fn stage_of_kind<U: 'static>(
        self,
        operator: &'static str,
        kind: StepKind,
        apply: impl Fn(&mut Vec<T>, &mut Next<U>, &mut Cx) -> Result<(), RunError>
        + Send
        + Sync
        + 'static,
    ) -> Stream<U> {
        let apply = Arc::new(apply);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            Ok(Stage {
                step: build.step,
                apply: Arc::clone(&apply),
                next: outputs.next(0),
                items: std::marker::PhantomData,
            })
        });
        let (flow, step) = self.then(operator, kind, vec![OutputSpec::DOWN], Plan::Stage(plan));
        Stream::from_port(&flow, step, 0)
    }
}
