//! A replacement of timely for tests: feeds input to an operator, records its output, and schedules it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use super::batch::Batch;
use super::edge::{AnyInput, EdgeOut, Edges, EventMark, Input};
use super::link;
use super::meter::{EdgePlace, StepMeter};
use super::notes::Note;
use super::push::{AnyPush, Flush, Push};
use super::{
    Budget, BuildCx, Change, Cx, EdgeId, Exchange, Operator, Outputs, Pace, Progress, Protocol,
    RemoteAlarm, Scales, Settings, Shared, SnapshotMode, StepEntry, Steps, Store, Wake, WorkerCx,
};
use crate::clock::{ClockHand, WorkerClock};
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex, StepKind, WorkerIndex};
use crate::key::{Slot, SlotOwners};
use crate::state::MemoryLimit;
use crate::state::run::{Removed, Run, Table};
use crate::state::timer::Timer;
use crate::weight::weight_of_all;

/// The step under test, and the one after it.
pub(crate) const STEP: StepIndex = StepIndex(0);

/// The number of its outputs.
const OUTPUTS: usize = 1;

/// The edges before and after the step.
pub(crate) const IN: EdgeId = EdgeId(0);
pub(crate) const OUT: EdgeId = EdgeId(1);

/// One worker, with a clock that the test moves.
pub(crate) struct Bench {
    pub(crate) worker: Rc<WorkerCx>,
    pub(crate) hand: ClockHand,
}

impl Bench {
    /// Worker 0 of `workers` in this process. An edge may have `room` bytes in flight.
    pub(crate) fn new(workers: usize, epoch_interval: TimeDelta, room: u64) -> Self {
        Self::build(workers, epoch_interval, room, false)
    }

    /// One worker, which saves each epoch in memory.
    pub(crate) fn saving(epoch_interval: TimeDelta, room: u64, shelf: Shelf) -> (Self, Rc<Shelf>) {
        let bench = Self::build(1, epoch_interval, room, true);
        let shelf = Rc::new(shelf);
        let store: Rc<dyn Store> = Rc::<Shelf>::clone(&shelf);
        assert!(bench.worker.store.set(store).is_ok(), "a worker is new");
        (bench, shelf)
    }

    fn build(workers: usize, epoch_interval: TimeDelta, room: u64, saves: bool) -> Self {
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let settings = Settings {
            clock,
            epoch_interval,
            stop_timeout: Duration::from_secs(60),
            buffer_memory: 1 << 30,
            processes: 1,
        };
        let shared = Arc::new(Shared::new(settings, 0..workers));
        shared.init_edges(2, room);
        let step = StepEntry {
            id: StepId::new("flow.step"),
            kind: StepKind::Stateful,
            roots: Vec::new(),
            outputs: OUTPUTS,
        };
        let steps = Rc::new(Steps::new([step].into(), super::meter::KeyTypes::default()));
        let worker = Rc::new(WorkerCx::new(WorkerIndex(0), workers, steps, shared));
        let now = worker.clock.monotonic();
        let protocol = Protocol::new(Pace::of(epoch_interval), saves, Epoch::FIRST, now);
        worker.epochs.start(protocol);
        let budget = Budget {
            under_way: room,
            batch: 256 << 10,
            goal: 1 << 20,
        };
        let owners = Rc::new(SlotOwners::spread(workers));
        let set =
            worker.owners.set(owners).is_ok() && worker.assignments.set(HashMap::new()).is_ok();
        let edges = Edges::new(budget, Scales::default());
        let set = set && worker.edges.set(edges).is_ok();
        assert!(set, "a worker is new");
        Self { worker, hand }
    }

    pub(crate) fn build_cx(&self) -> BuildCx {
        BuildCx {
            worker: Rc::clone(&self.worker),
            step: STEP,
        }
    }

    /// The connections of an operator on the worker, and a count of its wake-ups.
    pub(crate) fn cx(&self) -> (Cx, Link, Woken) {
        let (link, woken) = (Link::default(), Woken::default());
        let timers = &self.worker.timers;
        let alarm = timers.register(
            Wake::Bench(woken.clone()),
            RemoteAlarm::Bench(woken.clone()),
        );
        let cx = Cx::new(
            Rc::clone(&self.worker),
            link::Link::Bench(link.clone()),
            alarm,
        );
        (cx, link, woken)
    }

    /// Advances the clock, and wakes everything due.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.hand.advance(by);
        let WorkerCx {
            timers,
            clock,
            dates,
            timing,
            ..
        } = &*self.worker;
        timers.fire(clock, dates, timing);
    }

    /// The sending end of an edge, and a record of the sent items.
    pub(crate) fn edge<I: 'static>(&self, edge: EdgeId) -> (EdgeOut<I>, Wire<I>) {
        let wire = Wire::default();
        let end = link::Wire::Bench(wire.clone());
        let place = EdgePlace {
            edge,
            root: STEP,
            reader: STEP,
            input: 0,
        };
        (EdgeOut::new(place, Rc::clone(&self.worker), end), wire)
    }
}

/// Lets an operator run once. `frontier` is the first epoch that may still arrive.
pub(crate) fn run(operator: &mut dyn Operator, frontier: Option<u64>, cx: &mut Cx) -> Progress {
    let ran = operator.run(frontier.map(Epoch), &[OUT], cx);
    ran.expect("the operator has no error")
}

/// The remaining capabilities of an operator, and its sent notes.
#[derive(Clone, Default)]
pub(crate) struct Link(Rc<LinkState>);

#[derive(Default)]
struct LinkState {
    items: Cell<u64>,
    notes: Cell<u64>,
    closed: Cell<bool>,
    sent: RefCell<Vec<(u64, Note)>>,
}

impl Link {
    /// The first epochs of possible later items and notes.
    pub(crate) fn frontier(&self) -> (u64, u64) {
        (self.0.items.get(), self.0.notes.get())
    }

    /// The sent notes, each with its epoch.
    pub(crate) fn notes(&self) -> Vec<(u64, Note)> {
        self.0.sent.take()
    }

    pub(super) fn advance(&self, to: Epoch, held: bool) {
        assert!(
            to.0 >= self.0.items.get(),
            "an epoch that was given up comes back"
        );
        self.0.items.set(to.0);
        if !held {
            self.release(to);
        }
    }

    pub(super) fn release(&self, to: Epoch) {
        assert!(
            to.0 >= self.0.notes.get(),
            "an epoch that was given up comes back"
        );
        self.0.notes.set(to.0);
    }

    pub(super) fn close(&self) {
        self.0.closed.set(true);
    }

    pub(super) fn note(&self, note: Note) {
        assert!(!self.0.closed.get(), "a note comes behind the end");
        self.0.sent.borrow_mut().push((self.0.notes.get(), note));
    }
}

/// A batch and its epoch.
type Timed<I> = (u64, Batch<I>);

/// The record of an edge: the epoch, the target, and the items.
pub(crate) struct Wire<I>(Rc<RefCell<Vec<Timed<I>>>>);

impl<I> Clone for Wire<I> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<I> Default for Wire<I> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<I> Wire<I> {
    pub(super) fn send(&self, batch: Batch<I>, from: &link::Link) {
        let link::Link::Bench(from) = from else {
            unreachable!("a test makes all ends");
        };
        self.0.borrow_mut().push((from.0.items.get(), batch));
    }

    pub(crate) fn sent(&self) -> Vec<(u64, usize, Vec<I>)> {
        let sent = self.0.take().into_iter();
        sent.map(|(epoch, batch)| (epoch, batch.target as usize, batch.items))
            .collect()
    }
}

/// The input of an operator: a queue of batches.
pub(crate) struct Upstream<I>(Rc<RefCell<VecDeque<Timed<I>>>>, Arc<Shared>);

impl<I: Exchange> Upstream<I> {
    pub(crate) fn new(bench: &Bench) -> Self {
        Self(Rc::default(), Arc::clone(&bench.worker.shared))
    }

    pub(crate) fn input(&self) -> AnyInput {
        let queue = Rc::clone(&self.0);
        AnyInput::new(Input::new(IN, false, move |take| {
            for (epoch, batch) in queue.take() {
                take(epoch, batch);
            }
        }))
    }

    /// A worker has sent items of an epoch.
    pub(crate) fn send(&self, epoch: u64, from: usize, items: Vec<I>) {
        self.send_marked(epoch, from, items, EventMark::NONE);
    }

    pub(crate) fn send_marked(&self, epoch: u64, from: usize, items: Vec<I>, mark: EventMark) {
        let from = WorkerIndex(from);
        let load = weight_of_all(&items) as u64;
        self.1.sent(IN, from, load);
        let batch = Batch {
            origin: from.0 as u32,
            target: 0,
            mark,
            load,
            items,
        };
        self.0.borrow_mut().push_back((epoch, batch));
    }
}

/// An output of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<T> {
    /// Items of an epoch.
    Items(u64, Vec<T>),
    Flush(Flush),
}

/// The stage after an operator, which records its input.
pub(crate) struct Downstream<T>(Rc<RefCell<Vec<Event<T>>>>);

impl<T: 'static> Downstream<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn outputs(&self) -> Outputs {
        let push = AnyPush::new::<T>(Self(Rc::clone(&self.0)));
        Outputs::new(STEP, &Arc::new(StepMeter::new(OUTPUTS)), vec![Some(push)])
    }

    /// The events since the last call.
    pub(crate) fn events(&self) -> Vec<Event<T>> {
        self.0.take()
    }

    /// As [`events`](Self::events), without the flushes.
    pub(crate) fn items(&self) -> Vec<(u64, Vec<T>)> {
        let events = self.events().into_iter();
        let items = events.filter_map(|event| match event {
            Event::Items(epoch, items) => Some((epoch, items)),
            Event::Flush(_) => None,
        });
        items.collect()
    }
}

impl<T: 'static> Push<T> for Downstream<T> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        let items = Event::Items(cx.epoch.0, std::mem::take(batch));
        self.0.borrow_mut().push(items);
        Ok(())
    }

    fn flush(&mut self, what: Flush, _: &mut Cx) -> Result<(), RunError> {
        if what != Flush::Activation {
            self.0.borrow_mut().push(Event::Flush(what));
        }
        Ok(())
    }
}

/// A store in memory, with room for a number of changes.
pub(crate) struct Shelf {
    pub(crate) mode: SnapshotMode,
    pub(crate) room: Cell<usize>,
    pub(crate) changes: RefCell<Vec<Change>>,
    /// The resumed state of the execution.
    pub(crate) runs: HashMap<Slot, Run>,
    /// The slots that were read.
    pub(crate) loaded: RefCell<Vec<Slot>>,
    pub(crate) limit: Option<Rc<MemoryLimit>>,
    pub(crate) dir: PathBuf,
}

impl Shelf {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            mode: SnapshotMode::Batch,
            room: Cell::new(room),
            changes: RefCell::default(),
            runs: HashMap::new(),
            loaded: RefCell::default(),
            limit: None,
            dir: std::env::temp_dir(),
        }
    }

    /// The newest state of each slot among the changes: the resumed state of a next execution.
    pub(crate) fn next(&self) -> Self {
        let mut runs = HashMap::new();
        let changes = self.changes.take().into_iter();
        for change in changes.filter(|change| change.table == Table::Snaps) {
            for (slot, run) in change.runs {
                let before = runs.remove(&slot).unwrap_or_default();
                runs.insert(slot, Run::merge(&[before, run], Removed::Forget));
            }
        }
        Self {
            runs,
            ..Self::new(usize::MAX)
        }
    }
}

impl Store for Shelf {
    fn snapshot_mode(&self) -> SnapshotMode {
        self.mode
    }

    fn saves(&self, _: StepIndex) -> bool {
        true
    }

    fn memory_limit(&self) -> Option<&Rc<MemoryLimit>> {
        self.limit.as_ref()
    }

    fn dir(&self) -> &Path {
        &self.dir
    }

    fn slots(&self, _: &StepId) -> Result<Vec<Slot>, RunError> {
        Ok(self.runs.keys().copied().collect())
    }

    fn timers(&self, _: &StepId) -> Result<Vec<Timer>, RunError> {
        Ok(Vec::new())
    }

    fn load(&self, _: &StepId, slot: Slot) -> Result<Run, RunError> {
        self.loaded.borrow_mut().push(slot);
        Ok(self.runs.get(&slot).cloned().unwrap_or_default())
    }

    fn send(&self, change: Change) -> Result<(), RunError> {
        self.changes.borrow_mut().push(change);
        Ok(())
    }

    fn try_send(&self, change: Change) -> Result<Option<Change>, RunError> {
        if self.changes.borrow().len() >= self.room.get() {
            return Ok(Some(change));
        }
        self.send(change).map(|()| None)
    }

    fn wake_on_room(&self, _: RemoteAlarm) {}

    fn most_workers(&self) -> usize {
        0
    }

    fn position(&self, _: &StepId, _: &str) -> Option<&[u8]> {
        None
    }

    fn positions_of(&self, _: &StepId) -> Vec<&str> {
        Vec::new()
    }
}

/// Counts wake-ups.
#[derive(Clone, Default)]
pub(crate) struct Woken(Arc<AtomicUsize>);

impl Woken {
    pub(super) fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it was woken since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }
}
