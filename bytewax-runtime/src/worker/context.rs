//! What code on a worker can see: the worker, its clock, its timers, and the present epoch.

use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::Capability;
use timely::scheduling::{Activator, SyncActivator};

use super::assign::Assignment;
use super::completion::Note;
use super::shared::{EdgeId, Shared};
use super::store::Store;
use crate::clock::Clock;
use crate::error::RunError;
use crate::flow::Graph;
use crate::ids::{Epoch, StepId, StepIndex, WorkerIndex};
use crate::key::SlotOwners;

/// One worker of a run.
pub(crate) struct WorkerCx {
    pub(crate) index: WorkerIndex,
    pub(crate) count: usize,
    pub(crate) clock: Clock,
    pub(crate) graph: Arc<Graph>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timers: Timers,
    pub(crate) epochs: Epochs,
    /// Which worker keeps the state of which keys.
    pub(crate) owners: OnceCell<Rc<SlotOwners>>,
    /// The recovery store, when state is saved.
    pub(crate) store: OnceCell<Rc<Store>>,
    /// For each step with partitions, which worker has which.
    pub(crate) assignments: OnceCell<HashMap<StepIndex, Assignment>>,
    /// The step whose code is running, to name it when that code panics.
    running: Cell<Option<StepIndex>>,
    /// The watermarks of steps that have one for all keys.
    watermarks: RefCell<HashMap<StepIndex, Rc<Watermark>>>,
}

impl WorkerCx {
    pub(crate) fn new(
        index: WorkerIndex,
        count: usize,
        graph: Arc<Graph>,
        shared: Arc<Shared>,
    ) -> Self {
        let clock = shared.settings.clock.clone();
        Self {
            epochs: Epochs::new(clock.now()),
            index,
            count,
            clock,
            owners: OnceCell::new(),
            store: OnceCell::new(),
            graph,
            shared,
            timers: Timers::default(),
            assignments: OnceCell::new(),
            running: Cell::default(),
            watermarks: RefCell::default(),
        }
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
            Some(step) => error.at(&self.graph.step(step).id, self.index),
            None => error,
        }
    }

    /// Whether this worker has to wait before it sends more over an edge.
    pub(crate) fn is_full(&self, edge: EdgeId) -> bool {
        self.shared.is_full(edge, self.index)
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
    /// The right to send items of this epoch, one for each output of the timely operator.
    pub(crate) capabilities: Vec<Capability<u64>>,
    /// Whether the operator has still to save what belongs to the epoch before.
    pub(super) held: bool,
    /// Where what is saved of the operator itself goes.
    pub(super) notes: Output<u64, Vec<Note>>,
    /// Wakes this timely operator.
    pub(crate) alarm: Alarm,
    /// The partitions that this timely operator has items of.
    pub(crate) partitions: Partitions,
}

/// The partitions of a source on one worker, as the stages behind it see them. Behind any other operator
/// there is one, which is all that the operator sends.
pub(crate) struct Partitions {
    /// The one whose items are under way.
    pub(crate) current: usize,
    ended: Vec<bool>,
    /// Those that a stage wants to be left alone, and those that are.
    to_hold: Vec<bool>,
    held: Vec<bool>,
}

impl Default for Partitions {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Partitions {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            current: 0,
            ended: vec![false; count],
            to_hold: vec![false; count],
            held: vec![false; count],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ended.len()
    }

    pub(crate) fn end(&mut self, partition: usize) {
        self.ended[partition] = true;
    }

    pub(crate) fn has_ended(&self, partition: usize) -> bool {
        self.ended[partition]
    }

    /// Asks for a partition not to be polled before the operator runs again.
    pub(crate) fn hold(&mut self, partition: usize) {
        self.to_hold[partition] = true;
    }

    /// Whether a partition is not to be polled now.
    pub(crate) fn is_held(&self, partition: usize) -> bool {
        self.held[partition]
    }

    /// All stages have been asked which partitions are not to be polled.
    pub(crate) fn hold_asked(&mut self) {
        std::mem::swap(&mut self.held, &mut self.to_hold);
        self.to_hold.fill(false);
    }
}

/// How far time has got in a step on one worker, and who waits for it to go on.
pub(crate) struct Watermark {
    at: Cell<i64>,
    waiting: RefCell<Vec<Alarm>>,
}

impl Default for Watermark {
    fn default() -> Self {
        Self {
            at: Cell::new(i64::MIN),
            waiting: RefCell::default(),
        }
    }
}

impl Watermark {
    pub(crate) fn get(&self) -> i64 {
        self.at.get()
    }

    pub(crate) fn set(&self, at: i64, timers: &Timers) {
        self.at.set(at);
        for alarm in self.waiting.borrow_mut().drain(..) {
            timers.wake(alarm);
        }
    }

    /// Has an operator woken when time goes on.
    pub(crate) fn wait(&self, alarm: Alarm) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&alarm) {
            waiting.push(alarm);
        }
    }
}

impl Cx {
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
        &self.worker.graph.step(step).id
    }

    /// Moves on to a later epoch.
    pub(crate) fn advance(&mut self, to: Epoch) {
        self.epoch = to;
        for capability in &mut self.capabilities[usize::from(self.held)..] {
            capability.downgrade(&to.0);
        }
    }

    /// Keeps the present epoch from being complete until [`release`](Self::release), though items of
    /// the next may be sent.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets the epochs before the present one be complete.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            self.capabilities[0].downgrade(&self.epoch.0);
        }
    }
}

/// A time, and the number of the operator to wake then.
type Due = (DateTime<Utc>, usize);

/// When to wake which operator, by the worker's clock.
#[derive(Default)]
pub(crate) struct Timers {
    due: RefCell<BinaryHeap<Reverse<Due>>>,
    operators: RefCell<Vec<(Activator, SyncActivator)>>,
    /// The latest time up to which operators were woken.
    fired: Cell<Option<DateTime<Utc>>>,
    /// The operators that wait for what is not told when it comes.
    retries: RefCell<Vec<Alarm>>,
}

/// Wakes an operator from any thread.
#[cfg(feature = "async")]
#[derive(Clone)]
pub(crate) struct Waker(SyncActivator);

#[cfg(feature = "async")]
impl Waker {
    pub(crate) fn wake(&self) {
        // It fails only when the worker is gone, and then it needs nothing.
        let _ = self.0.activate();
    }
}

/// An operator's right to be woken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alarm(usize);

impl Timers {
    pub(crate) fn register(&self, here: Activator, elsewhere: SyncActivator) -> Alarm {
        let mut operators = self.operators.borrow_mut();
        operators.push((here, elsewhere));
        Alarm(operators.len() - 1)
    }

    /// Wakes the operator at once.
    pub(crate) fn wake(&self, alarm: Alarm) {
        self.operators.borrow()[alarm.0].0.activate();
    }

    /// What wakes the operator from other threads.
    #[cfg(feature = "async")]
    pub(crate) fn waker(&self, alarm: Alarm) -> Waker {
        Waker(self.operators.borrow()[alarm.0].1.clone())
    }

    /// Wakes the operator at `due`.
    pub(crate) fn wake_at(&self, alarm: Alarm, due: DateTime<Utc>) {
        self.due.borrow_mut().push(Reverse((due, alarm.0)));
    }

    /// Wakes the operator at `due`, unless it is being woken no later. `set` is the last time for which
    /// it was woken by this.
    #[cfg(feature = "async")]
    pub(crate) fn wake_by(
        &self,
        alarm: Alarm,
        due: DateTime<Utc>,
        set: &mut Option<DateTime<Utc>>,
    ) {
        if set.is_none_or(|set| due < set || self.has_fired(set)) {
            self.wake_at(alarm, due);
            *set = Some(due);
        }
    }

    /// Wakes the operator after a moment, whatever the worker's clock shows: for what other threads do
    /// and do not tell.
    pub(crate) fn retry(&self, alarm: Alarm) {
        self.retries.borrow_mut().push(alarm);
    }

    /// Whether an operator is to be woken after a moment.
    pub(super) fn has_retries(&self) -> bool {
        !self.retries.borrow().is_empty()
    }

    /// Wakes the operators that were to be woken after a moment.
    pub(super) fn wake_retries(&self) {
        for alarm in self.retries.borrow_mut().drain(..) {
            self.wake(alarm);
        }
    }

    /// Whether a wake-up at `due` is over; until then, it is under way.
    pub(crate) fn has_fired(&self, due: DateTime<Utc>) -> bool {
        self.fired.get().is_some_and(|fired| due <= fired)
    }

    /// Wakes every operator that is due, and gives the time of the next.
    pub(crate) fn fire(&self, clock: &Clock) -> Option<DateTime<Utc>> {
        let mut due = self.due.borrow_mut();
        let Reverse((first, _)) = due.peek()?;
        let mut next = *first;
        let now = clock.now();
        self.fired.set(self.fired.get().max(Some(now)));
        while next <= now {
            if let Some(Reverse((_, operator))) = due.pop() {
                self.operators.borrow()[operator].0.activate();
            }
            next = due.peek()?.0.0;
        }
        Some(next)
    }
}

/// The epochs of a worker: all its sources move on together.
pub(crate) struct Epochs {
    /// The epoch in which the execution begins.
    first: Cell<Epoch>,
    current: Cell<Epoch>,
    began: Cell<DateTime<Utc>>,
    /// Every epoch before this one is complete on the whole cluster.
    complete_before: Cell<Epoch>,
    waiting: RefCell<Vec<Alarm>>,
    sources: RefCell<Vec<Alarm>>,
    /// The sources that have had their turn in this epoch.
    turns: RefCell<Vec<Alarm>>,
    /// Whether one of them was polled in this epoch.
    had_a_poll: Cell<bool>,
}

impl Epochs {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            first: Cell::new(Epoch::FIRST),
            current: Cell::new(Epoch::FIRST),
            began: Cell::new(now),
            complete_before: Cell::new(Epoch(0)),
            waiting: RefCell::default(),
            sources: RefCell::default(),
            turns: RefCell::default(),
            had_a_poll: Cell::new(false),
        }
    }

    /// Begins an execution.
    pub(crate) fn start(&self, first: Epoch) {
        self.first.set(first);
        self.current.set(first);
    }

    /// The epoch in which the execution begins.
    pub(crate) fn first(&self) -> Epoch {
        self.first.get()
    }

    pub(crate) fn current(&self) -> Epoch {
        self.current.get()
    }

    pub(crate) fn began(&self) -> DateTime<Utc> {
        self.began.get()
    }

    pub(crate) fn add_source(&self, alarm: Alarm) {
        self.sources.borrow_mut().push(alarm);
    }

    pub(crate) fn remove_source(&self, alarm: Alarm) {
        self.sources.borrow_mut().retain(|source| *source != alarm);
    }

    /// Begins an epoch; all sources of the worker are woken to join it.
    pub(crate) fn begin(&self, epoch: Epoch, now: DateTime<Utc>, timers: &Timers) {
        self.current.set(epoch);
        self.began.set(now);
        self.turns.borrow_mut().clear();
        self.had_a_poll.set(false);
        for alarm in self.sources.borrow().iter() {
            timers.wake(*alarm);
        }
    }

    pub(crate) fn note_poll(&self) {
        self.had_a_poll.set(true);
    }

    pub(crate) fn had_a_poll(&self) -> bool {
        self.had_a_poll.get()
    }

    /// Notes that a source could be polled in this epoch; gives whether all sources could.
    ///
    /// When every poll ends an epoch, this keeps one source from ending all of them before
    /// another is polled.
    pub(crate) fn take_turn(&self, alarm: Alarm) -> bool {
        let mut turns = self.turns.borrow_mut();
        if !turns.contains(&alarm) {
            turns.push(alarm);
        }
        self.sources
            .borrow()
            .iter()
            .all(|source| turns.contains(source))
    }

    pub(crate) fn complete_before(&self) -> Epoch {
        self.complete_before.get()
    }

    /// Wakes `alarm` when the next epoch is complete.
    pub(crate) fn wait(&self, alarm: Alarm) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.contains(&alarm) {
            waiting.push(alarm);
        }
    }

    /// Notes that all epochs before `epoch` are complete on the whole cluster.
    pub(crate) fn complete(&self, epoch: Epoch, timers: &Timers) {
        if epoch > self.complete_before.get() {
            self.complete_before.set(epoch);
            for alarm in self.waiting.borrow_mut().drain(..) {
                timers.wake(alarm);
            }
        }
    }
}
