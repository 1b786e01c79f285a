//! The entry of a stage: all its items pass here, one batch at a time.

use std::sync::Arc;

use super::super::context::Cx;
use super::super::plan::BuildCx;
use super::super::push::{Flush, Push};
use super::StepMeter;
use crate::error::RunError;
use crate::ids::StepIndex;

/// A stage that counts its input, and measures the time for a batch when the activation is timed.
pub(in crate::kit) struct Metered<P> {
    meter: Arc<StepMeter>,
    stage: Timed<P>,
}

impl<P> Metered<P> {
    pub(in crate::kit) fn new(build: &BuildCx, push: P) -> Self {
        Self {
            meter: Arc::clone(build.meter()),
            stage: Timed::new(build.step, push),
        }
    }
}

impl<T: 'static, P: Push<T>> Push<T> for Metered<P> {
    #[inline]
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        self.meter.took(batch.len());
        if !cx.worker.timing.is_on() {
            return self.stage.push.push(batch, cx);
        }
        let (before, weight) = (self.meter.timed.get(), cx.worker.timing.weight());
        let pushed = self.stage.push(batch, cx);
        let took = self.meter.timed.get().wrapping_sub(before);
        self.meter.batch.observe(took, weight);
        pushed
    }

    #[inline]
    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.stage.flush(what, cx)
    }
}

/// A stage whose time counts for its step when the activation is timed.
pub(in crate::kit) struct Timed<P> {
    step: StepIndex,
    push: P,
}

impl<P> Timed<P> {
    pub(in crate::kit) fn new(step: StepIndex, push: P) -> Self {
        Self { step, push }
    }

    #[inline(never)]
    fn timed(
        &mut self,
        cx: &mut Cx,
        call: impl FnOnce(&mut P, &mut Cx) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let outer = cx.worker.timing.switch(self.step, &cx.worker.meter);
        let done = call(&mut self.push, cx);
        cx.worker.timing.switch(outer, &cx.worker.meter);
        done
    }
}

impl<T: 'static, P: Push<T>> Push<T> for Timed<P> {
    #[inline]
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.timing.is_on() {
            self.timed(cx, |push, cx| push.push(batch, cx))
        } else {
            self.push.push(batch, cx)
        }
    }

    #[inline]
    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if cx.worker.timing.is_on() {
            self.timed(cx, |push, cx| push.flush(what, cx))
        } else {
            self.push.flush(what, cx)
        }
    }
}
