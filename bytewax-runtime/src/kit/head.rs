//! Operators behind edges: they process batches epoch by epoch, in order.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::budget::Portion;
use super::context::Cx;
use super::edge::{AnyInput, Arrived, EventMark, Inlet, Input, Outlet};
use super::epochs::Frontier;
use super::marks::Marks;
use super::meter::StepMeter;
use super::plan::{BuildCx, Outputs, StreamTime};
use super::push::{AnyPush, Flush};
use super::shared::EdgeId;
use crate::delivery::Promise;
use crate::error::{RunError, StepError};
use crate::ids::{Epoch, StepIndex};
use crate::state::StepSchema;
use crate::weight::Scales;

/// The plan to build a step behind edges on a worker.
pub(crate) trait HeadPlan: Send + Sync {
    /// Returns the partitions that this worker can reach, if the step has partitions.
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>> {
        None
    }

    /// Returns the type of the saved state, if the step saves anything.
    fn step_schema(&self) -> Option<StepSchema> {
        None
    }

    /// Returns the declared promise, if the step is a sink.
    fn promise(&self) -> Option<Promise> {
        None
    }

    /// Returns the effect of the step on the event time of its streams.
    fn stream_time(&self) -> StreamTime {
        StreamTime::Passes
    }

    /// Adds the item types that it can weigh.
    fn add_scales(&self, _scales: &mut Scales) {}

    /// Creates the end of an upstream tree that feeds input `input` of this step.
    fn connect<'s>(
        &self,
        step: StepIndex,
        input: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>);

    /// Creates the operator, which reads the edges of [`connect`](Self::connect).
    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError>;
}

/// The code inside a timely operator.
pub(crate) trait Operator: 'static {
    /// Does all possible work. `frontier` is the first epoch that may still arrive.
    fn run(
        &mut self,
        frontier: Option<Epoch>,
        edges: &[EdgeId],
        cx: &mut Cx,
    ) -> Result<Progress, RunError>;
}

/// Whether an operator has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for input, room on its edges, or a time.
    Waiting,
    /// It has seen the end of its input and is closed.
    Finished,
}

/// The processing of items by an operator; [`Head`] controls epochs, order and flow.
pub(crate) trait HeadLogic<I>: 'static {
    /// Whether it can accept more items of the current epoch now. If not, it wakes the operator when it can.
    fn accepts_more(&mut self, _cx: &mut Cx) -> Result<bool, RunError> {
        Ok(true)
    }

    /// Processes items of the current epoch, leaving `items` empty.
    fn batch(&mut self, items: &mut Vec<I>, cx: &mut Cx) -> Result<(), RunError>;

    /// Called when the watermarks of senders have changed: no later item is before the least of them.
    fn mark(&mut self, _marks: &Marks, _cx: &mut Cx) -> Result<(), RunError> {
        Ok(())
    }

    /// Returns the output watermark, when no later item is before `least` and all due work is done.
    fn output_mark(&self, least: EventMark) -> EventMark {
        least
    }

    /// Does the work that is due by the clock, after all arrived items of the current epoch.
    ///
    /// A logic that waits for a time sets its alarm (`Cx::alarm`) here. Returns `Ok(false)` if the epoch
    /// cannot end yet: because one of `edges` is full, in which case it is called again when there is room,
    /// or because work of the epoch is unfinished.
    fn settle(&mut self, _edges: &[EdgeId], _cx: &mut Cx) -> Result<bool, RunError> {
        Ok(true)
    }

    /// Called when no more items of the current epoch will arrive. Take snapshots here.
    fn end_epoch(&mut self, _cx: &mut Cx) -> Result<(), RunError> {
        Ok(())
    }

    /// Called when no more items will arrive; output now belongs to the last epoch.
    fn end_input(&mut self, _cx: &mut Cx) -> Result<(), RunError> {
        Ok(())
    }

    /// Called when the run stops: no more items will arrive in it, although the input has not ended. The last
    /// epoch ends after this.
    fn stop(&mut self, _cx: &mut Cx) -> Result<(), RunError> {
        Ok(())
    }

    /// Flushes the tree after it.
    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

/// Feeds the items of all inputs to a logic, one epoch at a time, in order.
pub(crate) struct Head<I, L> {
    step: StepIndex,
    meter: Arc<StepMeter>,
    inputs: Vec<Input<I>>,
    arrived: BTreeMap<Epoch, VecDeque<Arrived<I>>>,
    /// The maximum number of items that are passed to the logic together.
    portion: Portion,
    marks: Marks,
    logic: L,
}

impl<I: 'static, L: HeadLogic<I>> Head<I, L> {
    #[cfg(test)]
    pub(crate) fn logic(&self) -> &L {
        &self.logic
    }

    pub(crate) fn new(build: &BuildCx, inputs: Vec<AnyInput>, logic: L) -> Self {
        let inputs: Vec<Input<I>> = inputs.into_iter().map(AnyInput::downcast).collect();
        Self {
            step: build.step,
            meter: Arc::clone(build.meter()),
            marks: Marks::new(build, inputs.iter().map(Input::is_local)),
            inputs,
            arrived: BTreeMap::new(),
            portion: Portion::default(),
            logic,
        }
    }

    /// Lets the logic do its due work; before the first epoch there is none.
    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        if cx.epoch < cx.worker.epochs.first() {
            return Ok(true);
        }
        cx.enter(self.step);
        let worker = Rc::clone(&cx.worker);
        let settle = || self.logic.settle(edges, cx);
        let settled = worker.timing.measure(&self.meter.notify, settle)?;
        if settled {
            cx.mark = self.logic.output_mark(self.marks.least());
        }
        Ok(settled)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        // Before the first epoch there is nothing to end.
        if cx.epoch >= cx.worker.epochs.first() {
            self.logic.flush(Flush::Epoch, cx)?;
            self.logic.end_epoch(cx)?;
        }
        Ok(())
    }

    /// Passes items to the logic.
    fn batch(&mut self, items: &mut Vec<I>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if items.is_empty() {
            return Ok(());
        }
        let (count, sent) = (items.len(), cx.worker.sent());
        self.meter.took(count);
        let worker = Rc::clone(&cx.worker);
        let batch = || self.logic.batch(items, cx);
        worker.timing.measure(&self.meter.batch, batch)?;
        cx.note_portion(&mut self.portion, count, sent);
        Ok(())
    }

    /// Processes batches of epochs up to `frontier`; returns false if it had to stop before the last.
    fn take_batches(
        &mut self,
        frontier: Option<Epoch>,
        edges: &[EdgeId],
        cx: &mut Cx,
    ) -> Result<bool, RunError> {
        while let Some(entry) = self.arrived.first_entry() {
            let epoch = *entry.key();
            if frontier.is_some_and(|frontier| epoch > frontier) {
                break;
            }
            if cx.worker.any_full(edges) {
                return Ok(false);
            }
            if epoch > cx.epoch {
                if !self.settle(edges, cx)? {
                    return Ok(false);
                }
                self.end_epoch(cx)?;
                let begins = cx.epoch < cx.worker.epochs.first();
                cx.advance(epoch);
                // Work that became due between two runs precedes the items of the second.
                if begins && !self.settle(edges, cx)? {
                    return Ok(false);
                }
                continue;
            }
            if !self.logic.accepts_more(cx)? {
                return Ok(false);
            }
            let mut entry = entry;
            let Some(batch) = entry.get_mut().front_mut() else {
                entry.remove();
                continue;
            };
            let most = cx.items_of(&self.portion);
            let mark = if batch.len() > most {
                let mut items = batch.take(most, &cx.worker);
                self.batch(&mut items, cx)?;
                None
            } else {
                let mark = batch.mark();
                let batch = entry.get_mut().pop_front();
                let mut items = batch.map(|batch| batch.take_all(&cx.worker));
                self.batch(items.get_or_insert_default(), cx)?;
                mark
            };
            if let Some(new) = mark
                && self.marks.update(new.input, new.sender, new.mark)
            {
                self.meter.mark(self.marks.least(), self.marks.slowest());
                self.logic.mark(&self.marks, cx)?;
            }
        }
        Ok(true)
    }
}

impl<I: 'static, L: HeadLogic<I>> Operator for Head<I, L> {
    fn run(
        &mut self,
        frontier: Option<Epoch>,
        edges: &[EdgeId],
        cx: &mut Cx,
    ) -> Result<Progress, RunError> {
        cx.enter(self.step);
        for (number, input) in self.inputs.iter_mut().enumerate() {
            input.pull(number, |epoch, batch| {
                self.arrived
                    .entry(Epoch(epoch))
                    .or_default()
                    .push_back(batch);
            });
        }
        let all_taken = self.take_batches(frontier, edges, cx)?;
        let settled = self.settle(edges, cx)?;
        cx.enter(self.step);
        if all_taken && settled {
            match Frontier::from(frontier) {
                Frontier::At(frontier) if frontier > cx.epoch => {
                    self.end_epoch(cx)?;
                    cx.advance(frontier);
                    self.settle(edges, cx)?;
                }
                Frontier::At(_) => {}
                Frontier::Stopped => {
                    self.logic.stop(cx)?;
                    self.end_epoch(cx)?;
                    return Ok(Progress::Finished);
                }
                Frontier::Ended => {
                    // Without items it may not know the first epoch yet.
                    if cx.epoch < cx.worker.epochs.first() {
                        cx.advance(cx.worker.epochs.first());
                        // What came due between two runs comes before the end of the second.
                        if !self.settle(edges, cx)? {
                            self.logic.flush(Flush::Activation, cx)?;
                            return Ok(Progress::Waiting);
                        }
                    }
                    let worker = Rc::clone(&cx.worker);
                    let end = || self.logic.end_input(cx);
                    worker.timing.measured(&self.meter.end, 1, end)?;
                    self.end_epoch(cx)?;
                    cx.mark = EventMark::END;
                    self.logic.flush(Flush::End, cx)?;
                    return Ok(Progress::Finished);
                }
            }
        }
        self.logic.flush(Flush::Activation, cx)?;
        Ok(Progress::Waiting)
    }
}
