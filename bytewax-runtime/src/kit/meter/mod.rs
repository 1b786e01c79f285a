//! The metrics of a running flow: of a worker, a step, an output, an edge and a partition.
//!
//! They are counted per batch where all items pass: at the entry of a stage ([`Metered`]), where a step
//! forwards its batches (`Next`), where a head receives them, and on edges. Other threads read them to create
//! a `RunReport`.

mod errors;
mod hot;
mod keys;
mod stage;
mod tail;
mod timing;
mod values;
mod windows;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Monotonic;
use crate::ids::{Epoch, StepIndex, WorkerIndex};
use crate::report::{RunState, StallReport};
use crate::source::Lag;

use super::edge::EventMark;
use super::steps::Steps;

pub(crate) use errors::{NewestErrors, SeenError};
pub(crate) use hot::HotKeys;
pub(crate) use keys::KeyTypes;
pub(super) use stage::{Metered, Timed};
#[cfg(feature = "web")]
pub(crate) use tail::SeenItem;
pub(crate) use tail::ShowPlan;
pub(crate) use timing::{Sampler, Timing};
pub(crate) use values::{Counter, Gauge, Histogram};
pub(crate) use windows::{CountedWindows, SeenWindows};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The metrics of the workers of a process.
#[derive(Debug)]
pub(crate) struct RunMeter {
    state: AtomicU8,
    workers: Mutex<Vec<Arc<WorkerMeter>>>,
    /// The number of the execution in the store.
    pub(crate) execution: Gauge,
    /// The partitions of the recovery store that workers of this process write.
    stores: Mutex<Vec<Arc<StoreMeter>>>,
    /// The stalls found last.
    stalls: Mutex<Vec<StallReport>>,
    /// Whether workers keep the newest errors of items, because a page shows them.
    keeps_errors: AtomicBool,
    /// Whether workers count open windows, because somebody may read the report.
    counts_windows: AtomicBool,
    pub(crate) began: Monotonic,
}

impl RunMeter {
    pub(crate) fn new(began: Monotonic) -> Self {
        Self {
            state: AtomicU8::new(RunState::Starting as u8),
            workers: Mutex::default(),
            execution: Gauge::default(),
            stores: Mutex::default(),
            stalls: Mutex::default(),
            keeps_errors: AtomicBool::new(false),
            counts_windows: AtomicBool::new(false),
            began,
        }
    }

    /// Advances to a later state; earlier ones are ignored.
    pub(crate) fn enter(&self, state: RunState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
    }

    pub(crate) fn state(&self) -> RunState {
        let state = self.state.load(Ordering::Acquire);
        let all = RunState::ALL.into_iter();
        all.take_while(|known| *known as u8 <= state)
            .last()
            .unwrap_or(RunState::Starting)
    }

    pub(crate) fn add_worker(&self, worker: &Arc<WorkerMeter>) {
        lock(&self.workers).push(Arc::clone(worker));
    }

    /// The started workers of this process.
    pub(crate) fn workers(&self) -> Vec<Arc<WorkerMeter>> {
        let mut workers = lock(&self.workers).clone();
        workers.sort_by_key(|worker| worker.index);
        workers
    }

    /// Has workers that start from now on keep the newest errors of items.
    #[cfg(feature = "web")]
    pub(crate) fn keep_errors(&self) {
        self.keeps_errors.store(true, Ordering::Release);
    }

    pub(crate) fn keeps_errors(&self) -> bool {
        self.keeps_errors.load(Ordering::Acquire)
    }

    /// Has workers that start from now on count open windows, once a second.
    pub(crate) fn count_windows(&self) {
        self.counts_windows.store(true, Ordering::Release);
    }

    pub(crate) fn counts_windows(&self) -> bool {
        self.counts_windows.load(Ordering::Acquire)
    }

    pub(crate) fn set_stalls(&self, stalls: Vec<StallReport>) {
        *lock(&self.stalls) = stalls;
    }

    pub(crate) fn stalls(&self) -> Vec<StallReport> {
        lock(&self.stalls).clone()
    }

    pub(crate) fn add_store(&self, store: &Arc<StoreMeter>) {
        lock(&self.stores).push(Arc::clone(store));
    }

    pub(crate) fn stores(&self) -> Vec<Arc<StoreMeter>> {
        let mut stores = lock(&self.stores).clone();
        stores.sort_by_key(|store| store.partition);
        stores
    }
}

/// The metrics of a worker.
#[derive(Debug)]
pub(crate) struct WorkerMeter {
    pub(crate) index: WorkerIndex,
    steps: Box<[Arc<StepMeter>]>,
    edges: Mutex<Vec<Arc<EdgeMeter>>>,
    pub(crate) epochs: EpochMeter,
    /// Bytes of state and positions passed to the store.
    pub(crate) saved_bytes: Counter,
    /// Whether the worker has built the flow and is running it.
    pub(crate) runs: Gauge,
    /// The step whose code ran last, and whether an operator is running now.
    running: Gauge,
    active: Gauge,
    /// Whether the newest errors of items are kept.
    pub(crate) keeps_errors: bool,
}

impl WorkerMeter {
    pub(crate) fn new(index: WorkerIndex, steps: &Steps, keeps_errors: bool) -> Self {
        let step = |outputs: usize| Arc::new(StepMeter::new(outputs));
        Self {
            index,
            steps: steps.iter().map(|entry| step(entry.outputs)).collect(),
            edges: Mutex::default(),
            epochs: EpochMeter::default(),
            saved_bytes: Counter::default(),
            runs: Gauge::default(),
            running: Gauge::default(),
            active: Gauge::default(),
            keeps_errors,
        }
    }

    /// Records the step whose code is running.
    #[inline]
    pub(super) fn enter(&self, step: StepIndex) {
        self.running.set(i64::from(step.0));
    }

    pub(super) fn leave(&self) {
        self.running.clear();
    }

    /// The step whose code ran last.
    pub(super) fn last(&self) -> Option<StepIndex> {
        let step = self.running.count()?;
        u32::try_from(step).ok().map(StepIndex)
    }

    /// Runs an operator.
    pub(crate) fn activation<R>(&self, run: impl FnOnce() -> R) -> R {
        self.active.set(1);
        let ran = run();
        self.active.clear();
        ran
    }

    /// The step whose code is running, if any.
    pub(crate) fn running(&self) -> Option<StepIndex> {
        self.active.get().and_then(|_| self.last())
    }

    pub(crate) fn step(&self, step: StepIndex) -> &Arc<StepMeter> {
        &self.steps[step.get()]
    }

    pub(crate) fn add_edge(&self, edge: EdgeMeter) -> Arc<EdgeMeter> {
        let edge = Arc::new(edge);
        lock(&self.edges).push(Arc::clone(&edge));
        edge
    }

    pub(crate) fn edges(&self) -> Vec<Arc<EdgeMeter>> {
        lock(&self.edges).clone()
    }
}

/// The metrics of a step on a worker.
#[derive(Debug)]
pub(crate) struct StepMeter {
    pub(crate) items_in: Counter,
    pub(crate) batches_in: Counter,
    outputs: Box<[Arc<OutputMeter>]>,
    /// Nanoseconds in the code of the step, estimated from the timed activations.
    pub(crate) busy: Counter,
    /// Nanoseconds in the code of the step in timed activations.
    pub(super) timed: Counter,
    /// Durations of a batch: a poll, a write, or one batch of items in another step.
    pub(crate) batch: Histogram,
    /// Durations of handling due timers.
    pub(crate) notify: Histogram,
    /// Durations of handling the end of the input.
    pub(crate) end: Histogram,
    /// Durations of the parts of snapshots on the worker.
    pub(crate) snapshot: Histogram,
    /// The numbers of items returned by polls.
    pub(crate) polled: Histogram,
    pub(crate) saved_bytes: Counter,
    pub(crate) keys: Gauge,
    pub(crate) state_bytes: Gauge,
    /// The watermark, in microseconds.
    pub(crate) watermark: Gauge,
    /// The worker that holds the watermark back.
    pub(crate) slowest: Gauge,
    /// The most frequent keys, if it keeps state per key.
    pub(crate) hot: HotKeys,
    pub(crate) errors: NewestErrors,
    /// The open windows, if they are counted.
    pub(crate) windows: CountedWindows,
    partitions: Mutex<Vec<Arc<PartitionMeter>>>,
}

impl StepMeter {
    pub(crate) fn new(outputs: usize) -> Self {
        Self {
            items_in: Counter::default(),
            batches_in: Counter::default(),
            outputs: (0..outputs).map(|_| Arc::default()).collect(),
            busy: Counter::default(),
            timed: Counter::default(),
            batch: Histogram::durations(),
            notify: Histogram::durations(),
            end: Histogram::durations(),
            snapshot: Histogram::durations(),
            polled: Histogram::sizes(),
            saved_bytes: Counter::default(),
            keys: Gauge::default(),
            state_bytes: Gauge::default(),
            watermark: Gauge::default(),
            slowest: Gauge::default(),
            hot: HotKeys::default(),
            errors: NewestErrors::default(),
            windows: CountedWindows::default(),
            partitions: Mutex::default(),
        }
    }

    /// Counts a batch of this many items that the step receives.
    #[inline]
    pub(crate) fn took(&self, items: usize) {
        self.items_in.add(items as u64);
        self.batches_in.add(1);
    }

    pub(crate) fn output(&self, output: usize) -> &Arc<OutputMeter> {
        &self.outputs[output]
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = &OutputMeter> {
        self.outputs.iter().map(|output| &**output)
    }

    /// Records the watermark, and the worker that holds it back.
    pub(crate) fn mark(&self, mark: EventMark, slowest: Option<WorkerIndex>) {
        match mark {
            EventMark::NONE | EventMark::GONE | EventMark::IDLE | EventMark::END => {
                self.watermark.clear();
            }
            EventMark(at) => self.watermark.set(at),
        }
        match slowest {
            Some(slowest) => self.slowest.set(slowest.0 as i64),
            None => self.slowest.clear(),
        }
    }

    pub(crate) fn add_partition(&self, partition: &Arc<PartitionMeter>) {
        lock(&self.partitions).push(Arc::clone(partition));
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<PartitionMeter>> {
        lock(&self.partitions).clone()
    }
}

/// The metrics of an output of a step on a worker.
#[derive(Debug, Default)]
pub(crate) struct OutputMeter {
    pub(crate) items: Counter,
    pub(crate) batches: Counter,
    /// Items dropped because nothing reads them.
    pub(crate) dropped: Counter,
    pub(crate) tail: tail::Tail,
}

impl OutputMeter {
    /// Counts a batch of this many items that is emitted.
    #[inline]
    pub(crate) fn sent(&self, items: usize) {
        self.items.add(items as u64);
        self.batches.add(1);
    }
}

/// The metrics of an edge on the sending worker.
#[derive(Debug)]
pub(crate) struct EdgeMeter {
    pub(crate) place: EdgePlace,
    pub(crate) items: Counter,
    pub(crate) batches: Counter,
    pub(crate) bytes: Counter,
    /// Nanoseconds for which the sender had to wait, without the current wait.
    pub(crate) waited: Counter,
    /// The start of the current wait, in microseconds of monotonic time.
    pub(crate) waits_since: Gauge,
}

/// The ends of an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgePlace {
    pub(crate) edge: super::EdgeId,
    /// The source or the head whose tree sends on it.
    pub(crate) root: StepIndex,
    pub(crate) reader: StepIndex,
    pub(crate) input: usize,
}

impl EdgeMeter {
    pub(crate) fn new(place: EdgePlace) -> Self {
        Self {
            place,
            items: Counter::default(),
            batches: Counter::default(),
            bytes: Counter::default(),
            waited: Counter::default(),
            waits_since: Gauge::default(),
        }
    }

    /// Counts a sent batch of this many items and this weight.
    #[inline]
    pub(crate) fn sent(&self, items: usize, bytes: u64) {
        self.items.add(items as u64);
        self.batches.add(1);
        self.bytes.add(bytes);
    }

    /// Whether the sender waits for room.
    pub(crate) fn waits(&self) -> bool {
        self.waits_since.get().is_some()
    }

    /// The sender starts to wait.
    pub(crate) fn wait(&self, now: Monotonic) {
        self.waits_since.set(now.micros());
    }

    /// The edge has room again.
    pub(crate) fn go_on(&self, now: Monotonic) {
        if let Some(since) = self.waits_since.get() {
            let waited = micros_since(since, now).saturating_mul(1_000);
            self.waited.add(waited);
            self.waits_since.clear();
        }
    }
}

/// The microseconds since a time.
pub(crate) fn micros_since(since: i64, now: Monotonic) -> u64 {
    u64::try_from(now.micros().saturating_sub(since)).unwrap_or(0)
}

/// The metrics of a partition that a step knows on a worker.
#[derive(Debug)]
pub(crate) struct PartitionMeter {
    pub(crate) name: String,
    pub(crate) items: Counter,
    pub(crate) batches: Counter,
    lag: Mutex<Option<Lag>>,
    /// Its newest event time, in microseconds.
    pub(crate) newest: Gauge,
    /// Its watermark, in microseconds; unknown while nobody waits for it.
    pub(crate) bound: Gauge,
    /// Set when it has ended.
    pub(crate) ended: Gauge,
}

impl PartitionMeter {
    /// The watermark of a partition without items so far, while something waits for it.
    pub(crate) const NOTHING_CAME: i64 = i64::MIN + 1;

    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            items: Counter::default(),
            batches: Counter::default(),
            lag: Mutex::default(),
            newest: Gauge::default(),
            bound: Gauge::default(),
            ended: Gauge::default(),
        }
    }

    pub(crate) fn gave(&self, items: usize) {
        self.items.add(items as u64);
        self.batches.add(1);
    }

    /// Records its end: it has no items left, and nothing waits for it.
    pub(crate) fn end(&self) {
        self.ended.set(1);
        self.bound.clear();
        self.set_lag(None);
    }

    pub(crate) fn set_lag(&self, lag: Option<Lag>) {
        *lock(&self.lag) = lag;
    }

    pub(crate) fn lag(&self) -> Option<Lag> {
        *lock(&self.lag)
    }
}

/// The progress of a worker's epochs.
#[derive(Debug, Default)]
pub(crate) struct EpochMeter {
    /// The first epoch of the execution.
    first: Gauge,
    pub(crate) current: Gauge,
    /// The start of the current epoch, in microseconds of monotonic time.
    pub(crate) began: Gauge,
    /// The end of the previous epoch, after the start of the current one.
    before: Mutex<Vec<(u64, Monotonic)>>,
    pub(crate) completed: Gauge,
    pub(crate) completed_at: Gauge,
    pub(crate) complete: Counter,
    /// Nanoseconds from the end of the last complete epoch to its completion.
    pub(crate) last: Gauge,
    /// Bytes saved between the previous complete epoch and the last one.
    pub(crate) last_bytes: Gauge,
    saved_before: Counter,
}

impl EpochMeter {
    /// An epoch begins, and the previous one ends.
    pub(crate) fn begins(&self, epoch: Epoch, now: Monotonic) {
        if self.first.get().is_none() {
            self.first.set(epoch.0 as i64);
        }
        self.current.set(epoch.0 as i64);
        self.began.set(now.micros());
        let mut before = lock(&self.before);
        before.push((epoch.0, now));
        // At most two are in progress.
        if before.len() > 4 {
            before.remove(0);
        }
    }

    /// An epoch is complete, with everything saved so far.
    pub(crate) fn completes(&self, epoch: Epoch, now: Monotonic, saved_bytes: u64) {
        self.completed.set(epoch.0 as i64);
        self.completed_at.set(now.micros());
        self.complete.add(1);
        let before = lock(&self.before);
        match before.iter().find(|(began, _)| *began > epoch.0) {
            Some((_, over)) => self.last.set(now.nanos_since(*over) as i64),
            // The input has ended with it.
            None => self.last.clear(),
        }
        let bytes = saved_bytes.saturating_sub(self.saved_before.get());
        self.last_bytes.set(bytes as i64);
        self.saved_before.set(saved_bytes);
    }

    /// The first epoch that has ended but is not complete, and its end, in microseconds of monotonic time.
    pub(crate) fn unfinished(&self) -> Option<(u64, i64)> {
        let completed = self.completed.get().map(|completed| completed + 1);
        let next = u64::try_from(completed.max(self.first.get())?).ok()?;
        let before = lock(&self.before);
        let over = before.iter().find(|(began, _)| *began > next);
        over.map(|(_, over)| (next, over.micros()))
    }
}

/// The metrics of a partition of the recovery store.
#[derive(Debug)]
pub(crate) struct StoreMeter {
    pub(crate) partition: u32,
    pub(crate) worker: WorkerIndex,
    pub(crate) load: Histogram,
    pub(crate) write: Histogram,
}

impl StoreMeter {
    pub(crate) fn new(partition: u32, worker: WorkerIndex) -> Self {
        Self {
            partition,
            worker,
            load: Histogram::durations(),
            write: Histogram::durations(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Monotonic {
        Monotonic::of_micros(micros)
    }

    #[test]
    fn an_epoch_takes_from_its_end_until_it_is_complete() {
        let epochs = EpochMeter::default();
        epochs.begins(Epoch(7), at(0));
        assert_eq!(epochs.unfinished(), None);
        epochs.begins(Epoch(8), at(10));
        assert_eq!(epochs.unfinished(), Some((7, 10)));
        epochs.completes(Epoch(7), at(25), 300);
        assert_eq!(epochs.unfinished(), None);
        assert_eq!(
            (epochs.last.count(), epochs.last_bytes.count()),
            (Some(15_000), Some(300))
        );
        epochs.completes(Epoch(8), at(30), 350);
        assert_eq!(
            (epochs.last.count(), epochs.last_bytes.count()),
            (None, Some(50))
        );
        assert_eq!(epochs.completed.get(), Some(8));
    }

    #[test]
    fn waits_for_room_add_up() {
        let place = EdgePlace {
            edge: super::super::EdgeId(0),
            root: StepIndex(0),
            reader: StepIndex(1),
            input: 0,
        };
        let edge = EdgeMeter::new(place);
        edge.go_on(at(5));
        assert!(!edge.waits());
        edge.wait(at(10));
        assert!(edge.waits());
        edge.go_on(at(40));
        edge.wait(at(50));
        edge.go_on(at(51));
        assert_eq!(edge.waited.get(), 31_000);
    }

    #[test]
    fn a_run_does_not_go_back_to_an_earlier_state() {
        let run = RunMeter::new(at(0));
        assert_eq!(run.state(), RunState::Starting);
        run.enter(RunState::Stopping);
        run.enter(RunState::Running);
        assert_eq!(run.state(), RunState::Stopping);
    }
}
