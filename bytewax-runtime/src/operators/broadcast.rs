//! Tables that every worker has, built from a stream of updates: `with_broadcast`, `stateful_with_broadcast`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::merge::Pass;
use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EventMark, Exchange, Flush, Head, HeadPlan, Inlet, Operator,
    Outlet, Outputs, Plan, Push, Router, Scales,
};
use crate::state::{self, State};

/// The worker that receives all updates first.
const FIRST: usize = 0;

/// The name under which a table is saved.
const TABLE: &str = "table";

/// Sends all updates by one worker, so that they arrive in the same order everywhere.
#[track_caller]
pub(super) fn in_one_order<R: Exchange>(updates: Stream<R>) -> Stream<R> {
    let gather = Plan::Head(Arc::new(GatherPlan::<R>(PhantomData)));
    let outputs = vec![OutputSpec::DOWN];
    let (flow, gather) = updates.then("redistribute", StepKind::Stateless, outputs, gather);
    Stream::from_port(&flow, gather, 0)
}

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

/// Sends each update to all workers, as an item of the step.
struct ToAll<R, I> {
    step: StepIndex,
    router: Router<I>,
    wrap: fn(R) -> I,
}

/// Both ends of the edge of updates.
pub(super) fn to_all<'s, R, I>(
    step: StepIndex,
    outlet: &mut Outlet<'_, 's>,
    wrap: fn(R) -> I,
) -> (AnyPush, Inlet<'s>)
where
    R: Exchange + Clone,
    I: Exchange,
{
    let (edge, inlet) = outlet.exchange::<I>();
    let router = Router::new(edge);
    let stage = ToAll { step, router, wrap };
    (AnyPush::before::<R>(step, stage), inlet)
}

impl<R: Exchange + Clone, I: Exchange> Push<R> for ToAll<R, I> {
    fn push(&mut self, batch: &mut Vec<R>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        for item in batch.drain(..) {
            for target in 1..self.router.targets() {
                self.router.put(target, (self.wrap)(item.clone()), cx);
            }
            self.router.put(FIRST, (self.wrap)(item), cx);
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

/// The table of a worker.
pub(super) struct Table<S, U> {
    step: StepIndex,
    value: S,
    /// Whether it has changed since it was saved.
    has_changed: bool,
    update: Arc<U>,
}

impl<S: Default + 'static, U> Table<S, U> {
    /// Restores the table, or starts with an empty one. `of_saved` is the table of the saved form.
    pub(super) fn new<P: State>(
        build: &BuildCx,
        update: &Arc<U>,
        of_saved: impl FnOnce(P) -> S,
    ) -> Result<Self, RunError> {
        let saved = build.position::<P>(TABLE)?;
        Ok(Self {
            step: build.step,
            value: saved.map_or_else(S::default, of_saved),
            has_changed: false,
            update: Arc::clone(update),
        })
    }

    #[inline]
    pub(super) fn get(&self) -> &S {
        &self.value
    }

    pub(super) fn update<R>(&mut self, item: R)
    where
        U: Fn(&mut S, R),
    {
        (self.update)(&mut self.value, item);
        self.has_changed = true;
    }

    /// Saves a table that has changed, on one worker. Its saved form may be another type.
    pub(super) fn end_epoch<P: State>(
        &mut self,
        cx: &mut Cx,
        to_saved: impl FnOnce(S) -> P,
        of_saved: impl FnOnce(P) -> S,
    ) -> Result<(), RunError> {
        if !std::mem::take(&mut self.has_changed) {
            return Ok(());
        }
        if cx.worker.index.0 == FIRST && cx.worker.store.get().is_some() {
            cx.enter(self.step);
            let mut bytes = Vec::new();
            let saved = to_saved(std::mem::take(&mut self.value));
            let sealed = state::seal(&saved, &mut bytes);
            self.value = of_saved(saved);
            sealed.map_err(|error| RunError::step("the table cannot be saved", error.into()))?;
            cx.save_position(self.step, TABLE, bytes);
        }
        Ok(())
    }
}
