//! What code on a worker can see: the worker, its clock, its timers, and the present epoch.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::assignment::Assignment;
use super::budget::Portion;
use super::edge::{Edges, EventMark};
use super::epochs::Epochs;
use super::link::Link;
use super::meter::{Timing, WorkerMeter};
use super::shared::{EdgeId, Shared};
use super::steps::Steps;
use super::store::Store;
use super::timers::{Alarm, Timers};
use super::watermark::{Partitions, Watermark};
use crate::clock::WorkerClock;
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex, WorkerIndex};
use crate::key::SlotOwners;

/// One worker of a run.
pub(crate) struct WorkerCx {
    pub(crate) index: WorkerIndex,
    pub(crate) count: usize,
    pub(crate) clock: WorkerClock,
    pub(crate) steps: Rc<Steps>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timers: Timers,
    pub(crate) epochs: Epochs,
    /// Which worker keeps the state of which keys.
    pub(crate) owners: OnceCell<Rc<SlotOwners>>,
    /// The recovery store, when state is saved.
    pub(crate) store: OnceCell<Rc<dyn Store>>,
    /// For each step with partitions, which worker has which.
    pub(crate) assignments: OnceCell<HashMap<StepIndex, Assignment>>,
    /// What all edges of the flow have in common.
    pub(crate) edges: OnceCell<Edges>,
    /// How many bytes of items this worker has sent over edges, in all.
    pub(super) sent: Cell<u64>,
    /// What is counted of this worker, for other threads to read.
    pub(crate) meter: Arc<WorkerMeter>,
    pub(crate) timing: Timing,
    /// How many edges this worker waits for.
    waits: Cell<usize>,
    /// Whether operators may run: all workers have built the flow.
    has_begun: Cell<bool>,
    /// The step whose code is running, to name it when that code panics.
    running: Cell<Option<StepIndex>>,
    /// The watermarks of steps that have one for all keys.
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
        let meter = Arc::new(WorkerMeter::new(index, &steps));
        shared.meter.add_worker(&meter);
        Self {
            meter,
            timing: Timing::new(clock.clone()),
            waits: Cell::new(0),
            epochs: Epochs::default(),
            index,
            count,
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
            running: Cell::default(),
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

    pub(crate) fn enter(&self, step: StepIndex) {
        self.running.set(Some(step));
    }

    /// Notes that no step's code is running.
    pub(crate) fn leave(&self) {
        self.running.set(None);
    }

    /// Which worker keeps the state of which keys.
    pub(crate) fn owners(&self) -> &Rc<SlotOwners> {
        let owners = self.owners.get();
        owners.expect("workers agree on it before the flow is built")
    }

    /// The watermark of a step, which is made when it is first asked for.
    pub(crate) fn watermark(&self, step: StepIndex) -> Rc<Watermark> {
        Rc::clone(self.watermarks.borrow_mut().entry(step).or_default())
    }

    pub(crate) fn running(&self) -> Option<StepIndex> {
        self.running.get()
    }

    /// Adds to an error where it happened, as far as that is not known yet.
    pub(crate) fn locate(&self, error: RunError) -> RunError {
        match self.running.get() {
            Some(step) => error.at(&self.steps.get(step).id, self.index),
            None => error,
        }
    }

    /// Whether this worker has to wait before it sends more over an edge.
    pub(crate) fn is_full(&self, edge: EdgeId) -> bool {
        self.shared.is_full(edge, self.index)
    }

    /// How many bytes of items this worker has sent over edges, in all.
    #[inline]
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// What all edges of the flow have in common.
    #[inline]
    pub(crate) fn edges(&self) -> &Edges {
        let edges = self.edges.get();
        edges.expect("it is found out before the flow is built")
    }

    /// Whether this worker has to wait before it sends more over one of these edges.
    pub(crate) fn any_full(&self, edges: &[EdgeId]) -> bool {
        let full = edges.iter().any(|edge| self.is_full(*edge));
        if full || self.waits.get() > 0 {
            self.note_waits(edges);
        }
        full
    }

    /// Notes for which of these edges this worker waits.
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

/// What the stages of one tree see while they run.
pub(crate) struct Cx {
    pub(crate) worker: Rc<WorkerCx>,
    /// The epoch of the items under way.
    pub(crate) epoch: Epoch,
    /// Where items and notes of this epoch go.
    pub(crate) link: Link,
    /// How many items are taken together before it is known how much comes of them.
    pub(crate) first_portion: usize,
    /// Whether the operator has still to save what belongs to the epoch before.
    held: bool,
    /// Wakes this operator.
    pub(crate) alarm: Alarm,
    /// The partitions that this operator has items of.
    pub(crate) partitions: Partitions,
    /// What is said of the items that are still to come down this tree. It goes on with each flush.
    pub(crate) mark: EventMark,
}

impl Cx {
    /// Before the first epoch.
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

    /// The id of the step whose code is running.
    pub(crate) fn running(&self) -> &StepId {
        let step = self.worker.running.get();
        self.step_id(step.expect("it is asked by the code of a step"))
    }

    pub(crate) fn step_id(&self, step: StepIndex) -> &StepId {
        &self.worker.steps.get(step).id
    }

    /// How many items of a kind are taken together.
    #[inline]
    pub(crate) fn items_of(&self, portion: &Portion) -> usize {
        portion.items(self.first_portion)
    }

    /// Notes what came of items that were taken together: what was sent since `sent`.
    #[inline]
    pub(crate) fn note_portion(&self, portion: &mut Portion, items: usize, sent: u64) {
        let goal = self.worker.edges().budget.goal;
        portion.note(items, self.worker.sent() - sent, goal, self.first_portion);
    }

    /// Moves on to a later epoch.
    pub(crate) fn advance(&mut self, to: Epoch) {
        self.epoch = to;
        self.link.advance(to, self.held);
    }

    /// Keeps the present epoch from being complete until [`release`](Self::release), though items of
    /// the next may be sent.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets the epochs before the present one be complete.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            self.link.release(self.epoch);
        }
    }
}
