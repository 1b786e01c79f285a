//! The context of code on a worker: the worker, its clock, its timers, and the current epoch.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::assignment::Assignment;
use super::budget::Portion;
use super::dates::Dates;
use super::edge::{Edges, EventMark};
use super::epochs::Epochs;
use super::link::Link;
use super::meter::{SeenError, Timing, WorkerMeter};
use super::shared::{EdgeId, Shared};
use super::steps::Steps;
use super::store::Store;
use super::timers::{Alarm, Timers};
use super::watermark::{Partitions, Watermark};
use crate::brief::brief_text;
use crate::clock::WorkerClock;
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex, WorkerIndex};
use crate::key::SlotOwners;

/// One worker of a run.
pub(crate) struct WorkerCx {
    pub(crate) index: WorkerIndex,
    pub(crate) count: usize,
    pub(crate) clock: WorkerClock,
    pub(crate) dates: Dates,
    pub(crate) steps: Rc<Steps>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timers: Timers,
    pub(crate) epochs: Epochs,
    /// The workers of keys.
    pub(crate) owners: OnceCell<Rc<SlotOwners>>,
    /// The recovery store, when state is saved.
    pub(crate) store: OnceCell<Rc<dyn Store>>,
    /// The workers of the partitions of each step.
    pub(crate) assignments: OnceCell<HashMap<StepIndex, Assignment>>,
    /// The common data of all edges of the flow.
    pub(crate) edges: OnceCell<Edges>,
    /// The total bytes of items that this worker has sent over edges.
    pub(super) sent: Cell<u64>,
    /// The meter of this worker, which other threads read.
    pub(crate) meter: Arc<WorkerMeter>,
    pub(crate) timing: Timing,
    /// The number of edges that this worker waits for.
    waits: Cell<usize>,
    /// Whether operators may run: all workers have built the flow.
    has_begun: Cell<bool>,
    /// The watermarks of steps with one watermark for all keys.
    watermarks: RefCell<HashMap<StepIndex, Rc<Watermark>>>,
}

impl WorkerCx {
    pub(crate) fn new(
        index: WorkerIndex,
        count: usize,
        steps: Rc<Steps>,
        shared: Arc<Shared>,
    ) -> Self {
        let clock = shared.settings.clock.clone();
        let keeps_errors = shared.meter.keeps_errors();
        let meter = Arc::new(WorkerMeter::new(index, &steps, keeps_errors));
        shared.meter.add_worker(&meter);
        Self {
            meter,
            timing: Timing::new(clock.clone()),
            waits: Cell::new(0),
            epochs: Epochs::default(),
            index,
            count,
            dates: Dates::new(clock.clone()),
            clock,
            owners: OnceCell::new(),
            store: OnceCell::new(),
            steps,
            shared,
            timers: Timers::default(),
            assignments: OnceCell::new(),
            edges: OnceCell::new(),
            sent: Cell::new(0),
            has_begun: Cell::default(),
            watermarks: RefCell::default(),
        }
    }

    /// Lets the operators run.
    pub(crate) fn begin(&self) {
        self.has_begun.set(true);
        self.meter.runs.set(1);
        self.shared.note_begun();
        self.timers.wake_all();
    }

    /// Whether operators may run.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    /// Notes the step whose code is running, to name it when that code panics or does not return.
    #[inline]
    pub(crate) fn enter(&self, step: StepIndex) {
        self.meter.enter(step);
    }

    /// Records that no step's code is running.
    pub(crate) fn leave(&self) {
        self.meter.leave();
    }

    /// The workers of keys.
    pub(crate) fn owners(&self) -> &Rc<SlotOwners> {
        let owners = self.owners.get();
        owners.expect("workers agree on it before the flow is built")
    }

    /// Returns the watermark of a step, which is created on first use.
    pub(crate) fn watermark(&self, step: StepIndex) -> Rc<Watermark> {
        Rc::clone(self.watermarks.borrow_mut().entry(step).or_default())
    }

    /// Returns the watermark of the first step that follows the time of a source's stream, once all steps are built.
    pub(crate) fn watermark_behind(&self, source: StepIndex) -> Option<Rc<Watermark>> {
        let is_behind = |step: &&StepIndex| {
            // There may be many ways from one step to another.
            let mut ahead = vec![**step];
            let mut next = 0;
            while let Some(step) = ahead.get(next) {
                let roots = &self.steps.get(*step).roots;
                let new: Vec<_> = roots
                    .iter()
                    .filter(|root| !ahead.contains(root))
                    .copied()
                    .collect();
                ahead.extend(new);
                next += 1;
            }
            ahead[1..].contains(&source)
        };
        let watermarks = self.watermarks.borrow();
        let first = watermarks
            .keys()
            .filter(is_behind)
            .min_by_key(|step| step.get())?;
        watermarks.get(first).map(Rc::clone)
    }

    pub(crate) fn running(&self) -> Option<StepIndex> {
        self.meter.last()
    }

    /// Adds the location to an error, unless it is already known.
    pub(crate) fn locate(&self, error: RunError) -> RunError {
        match self.running() {
            Some(step) => error.at(&self.steps.get(step).id, self.index),
            None => error,
        }
    }

    /// Whether this worker must wait before it sends more over an edge.
    pub(crate) fn is_full(&self, edge: EdgeId) -> bool {
        self.shared.is_full(edge, self.index)
    }

    /// The total bytes of items that this worker has sent over edges.
    #[inline]
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// The common data of all edges of the flow.
    #[inline]
    pub(crate) fn edges(&self) -> &Edges {
        let edges = self.edges.get();
        edges.expect("it is found out before the flow is built")
    }

    /// Whether this worker must wait before it sends more over one of these edges.
    pub(crate) fn any_full(&self, edges: &[EdgeId]) -> bool {
        let full = edges.iter().any(|edge| self.is_full(*edge));
        if full || self.waits.get() > 0 {
            self.note_waits(edges);
        }
        full
    }

    /// Records the edges that this worker waits for.
    #[cold]
    fn note_waits(&self, edges: &[EdgeId]) {
        for edge in edges {
            let (Some(meter), is_full) = (self.edges().meter(*edge), self.is_full(*edge)) else {
                continue;
            };
            if is_full == meter.waits() {
                continue;
            }
            let (now, waits) = (self.clock.monotonic(), self.waits.get());
            if is_full {
                meter.wait(now);
                self.waits.set(waits + 1);
            } else {
                meter.go_on(now);
                self.waits.set(waits - 1);
            }
        }
    }

    pub(crate) fn fail(&self, error: RunError) {
        self.shared.fail(self.locate(error));
    }
}

/// The context of the stages of one tree while they run.
pub(crate) struct Cx {
    pub(crate) worker: Rc<WorkerCx>,
    /// The epoch of the current items.
    pub(crate) epoch: Epoch,
    /// The destination of items and notes of this epoch.
    pub(crate) link: Link,
    /// The number of items to process together before the weight of results is known.
    pub(crate) first_portion: usize,
    /// Whether the operator must still save data of the previous epoch.
    held: bool,
    /// Wakes this operator.
    pub(crate) alarm: Alarm,
    /// The partitions of the items of this operator.
    pub(crate) partitions: Partitions,
    /// The watermark of later items of this tree. Each flush passes it on.
    pub(crate) mark: EventMark,
}

impl Cx {
    /// Creates a context before the first epoch.
    pub(crate) fn new(worker: Rc<WorkerCx>, link: Link, alarm: Alarm) -> Self {
        Self {
            worker,
            epoch: Epoch(0),
            link,
            first_portion: usize::MAX,
            held: false,
            alarm,
            partitions: Partitions::default(),
            mark: EventMark::NONE,
        }
    }

    #[inline]
    pub(crate) fn enter(&self, step: StepIndex) {
        self.worker.enter(step);
    }

    /// Returns the id of the step whose code is running.
    pub(crate) fn running(&self) -> &StepId {
        let step = self.worker.running();
        self.step_id(step.expect("it is asked by the code of a step"))
    }

    pub(crate) fn step_id(&self, step: StepIndex) -> &StepId {
        &self.worker.steps.get(step).id
    }

    /// Records an error of an item in the step whose code is running, if a page shows errors.
    #[inline]
    pub(crate) fn note_error<T: 'static>(&self, item: &T, text: &str) {
        if self.worker.meter.keeps_errors {
            self.keep_error(item, text);
        }
    }

    #[cold]
    #[inline(never)]
    fn keep_error(&self, item: &dyn Any, text: &str) {
        let Some(step) = self.worker.running() else {
            return;
        };
        let (clock, errors) = (&self.worker.clock, &self.worker.meter.step(step).errors);
        errors.note(clock.monotonic(), || SeenError {
            at: clock.now(),
            epoch: self.epoch,
            key: self.worker.steps.keys().key_of(item),
            text: brief_text(text).into_owned(),
        });
    }

    /// Returns the number of items to process together.
    #[inline]
    pub(crate) fn items_of(&self, portion: &Portion) -> usize {
        portion.items(self.first_portion)
    }

    /// Records the results of items that were processed together: the bytes sent since `sent`.
    #[inline]
    pub(crate) fn note_portion(&self, portion: &mut Portion, items: usize, sent: u64) {
        let goal = self.worker.edges().budget.goal;
        portion.note(items, self.worker.sent() - sent, goal, self.first_portion);
    }

    /// Advances to a later epoch.
    pub(crate) fn advance(&mut self, to: Epoch) {
        self.epoch = to;
        self.link.advance(to, self.held);
    }

    /// Prevents the current epoch from completing until [`release`](Self::release), although items of the
    /// next may be sent.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Allows the epochs before the current one to complete.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            self.link.release(self.epoch);
        }
    }
}
