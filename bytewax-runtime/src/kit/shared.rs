//! The shared data of the workers of one process: the reason to stop, flow control, settings.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::answers::{Answers, Question};
use super::link::RemoteAlarm;
use super::meter::RunMeter;
use super::rounds::Rounds;
use crate::clock::WorkerClock;
use crate::error::{RunError, RunErrorKind};
use crate::ids::{Epoch, WorkerIndex};
use crate::report::RunState;

/// Settings of a run that all workers need.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clock: WorkerClock,
    pub(crate) epoch_interval: TimeDelta,
    /// How long the last epoch may take when a signal stops the run.
    pub(crate) stop_timeout: Duration,
    /// The limit of the bytes of items in flight in this process.
    pub(crate) buffer_memory: u64,
    /// The number of processes in the cluster.
    pub(crate) processes: usize,
}

/// The reason why workers leave their loops before the end of input.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(RunError),
    /// A source or a sink requested it; the run ends without an error.
    Aborted,
}

/// An edge of the graph of timely operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EdgeId(pub(crate) u32);

/// The weight that the workers of this process have sent over edges and that was not received yet.
struct EdgeLoads {
    /// At this weight on one edge, a worker waits.
    limit: i64,
    /// In bytes, by edge and sending worker.
    loads: Vec<Vec<AtomicI64>>,
}

/// Notifies other processes of events in this one; set if there are others.
pub(crate) trait PeerLink: Send + Sync {
    /// This process stops, for this reason.
    fn stop(&self, stop: &Stop);
    /// This process was asked to stop after the current epoch, and with it the cluster.
    fn stop_cleanly(&self, error: &RunError);
    /// Items of `load` bytes that `worker` of another process sent over `edge` were received.
    fn credit(&self, edge: EdgeId, worker: WorkerIndex, load: u64);
    /// A worker of this process has begun an epoch.
    fn epoch(&self, epoch: Epoch);
    /// All other processes are asked for their numbers.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server asks other processes")
    )]
    fn ask(&self, number: u32, question: Question);
    /// All other processes take a step of a savepoint.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server makes savepoints")
    )]
    fn step(&self, number: u32, text: &str);
}

/// The shared data of the workers of one process.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// The meter of the workers of this process.
    pub(crate) meter: Arc<RunMeter>,
    /// The indices of the workers of this process.
    workers: std::ops::Range<usize>,
    stopping: Arc<AtomicBool>,
    stop: Mutex<Option<Stop>>,
    /// Whether a worker of this process works on the flow.
    running: AtomicBool,
    /// Why the run stops after the current epoch, and whether it has.
    stopping_cleanly: AtomicBool,
    clean_stop: Mutex<Option<RunError>>,
    stopped: AtomicBool,
    threads: Mutex<Vec<Thread>>,
    peers: OnceLock<Box<dyn PeerLink>>,
    edges: OnceLock<EdgeLoads>,
    wakers: Mutex<HashMap<(EdgeId, usize), RemoteAlarm>>,
    /// The last epoch that a worker of the cluster has begun.
    latest_epoch: AtomicU64,
    /// The sources of each worker, which join epochs.
    sources: Mutex<Vec<(WorkerIndex, RemoteAlarm)>>,
    /// What the other processes have answered.
    pub(crate) answers: Answers,
    /// The steps of savepoints that this process coordinates.
    pub(crate) rounds: Rounds,
    /// Set while the recovery store is copied: no epoch is collected until the copy is complete.
    pub(crate) is_copied: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the state of a run that stops immediately.
fn state_of(reason: &Stop) -> RunState {
    match reason {
        Stop::Failed(error) if !error.is_stop() => RunState::Failed,
        _ => RunState::Stopping,
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings, workers: std::ops::Range<usize>) -> Self {
        Self {
            meter: Arc::new(RunMeter::new(settings.clock.monotonic())),
            settings,
            workers,
            stopping: Arc::default(),
            stop: Mutex::default(),
            running: AtomicBool::new(false),
            stopping_cleanly: AtomicBool::new(false),
            clean_stop: Mutex::default(),
            stopped: AtomicBool::new(false),
            threads: Mutex::default(),
            peers: OnceLock::new(),
            edges: OnceLock::new(),
            wakers: Mutex::default(),
            latest_epoch: AtomicU64::new(Epoch::FIRST.0),
            sources: Mutex::default(),
            answers: Answers::default(),
            rounds: Rounds::default(),
            is_copied: Arc::default(),
        }
    }

    pub(crate) fn set_peers(&self, peers: Box<dyn PeerLink>) {
        if self.peers.set(peers).is_err() {
            unreachable!("a run connects to its peers once");
        }
    }

    /// Asks all other processes for their numbers. Returns the number of the question; `None` if there are none,
    /// or they are not connected yet.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server asks other processes")
    )]
    pub(crate) fn ask(&self, question: Question) -> Option<u32> {
        let peers = self.peers.get()?;
        let own = self.process();
        let others = (0..self.settings.processes).filter(|process| *process != own);
        self.answers.expect(others);
        let (number, question) = self.answers.ask(question, Instant::now());
        if let Some(question) = question {
            peers.ask(number, question);
        }
        Some(number)
    }

    /// Lets all other processes take a step of a savepoint. Returns what came of it, by process; `None` if the run
    /// ends first, or the others are not connected yet.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server makes savepoints")
    )]
    pub(crate) fn round(&self, text: &str) -> Option<BTreeMap<usize, String>> {
        let others = self.settings.processes.saturating_sub(1);
        if others == 0 {
            return Some(BTreeMap::new());
        }
        let peers = self.peers.get()?;
        let number = self.rounds.begin();
        peers.step(number, text);
        let has_ended = || self.is_stopping() || self.meter.state() == RunState::Ended;
        self.rounds.wait(others, has_ended)
    }

    /// Returns the number of this process.
    pub(crate) fn process(&self) -> usize {
        self.workers.start / self.workers.len().max(1)
    }

    /// Returns the index of the first worker of this process.
    pub(crate) fn first_worker(&self) -> usize {
        self.workers.start
    }

    /// Returns the number of workers of this process.
    pub(crate) fn workers_here(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Returns the flag that is set when the run stops immediately.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// Wakes the calling worker when the run stops.
    pub(crate) fn register_thread(&self) {
        lock(&self.threads).push(std::thread::current());
        self.settings.clock.register_sleeper();
    }

    pub(crate) fn fail(&self, error: RunError) {
        self.stop(match error.is_abort() {
            true => Stop::Aborted,
            false => Stop::Failed(error),
        });
    }

    /// Stops all workers of the cluster; the first reason applies.
    pub(crate) fn stop(&self, reason: Stop) {
        {
            let mut stop = lock(&self.stop);
            if stop.is_some() {
                return;
            }
            if let Some(peers) = self.peers.get() {
                peers.stop(&reason);
            }
            self.meter.enter(state_of(&reason));
            *stop = Some(reason);
        }
        self.halt();
    }

    /// Stops the workers of this process because another process stops.
    pub(crate) fn stop_with_peer(&self, reason: Stop) {
        self.meter.enter(state_of(&reason));
        lock(&self.stop).get_or_insert(reason);
        self.halt();
    }

    fn halt(&self) {
        self.stopping.store(true, Ordering::Release);
        for thread in lock(&self.threads).iter() {
            thread.unpark();
        }
    }

    // A clean stop: sources are no longer polled, and the current epoch is the last. When it is complete on
    // the whole cluster, workers leave their loops.

    /// Records that a worker of this process runs the flow.
    pub(crate) fn note_begun(&self) {
        let workers = self.meter.workers();
        let begun = workers.iter().filter(|worker| worker.runs.get().is_some());
        if begun.count() == self.workers.len() {
            self.meter.enter(RunState::Running);
        }
    }

    /// Records that a worker of this process works on the flow: from now on there is data to save.
    pub(crate) fn note_running(&self) {
        self.running.store(true, Ordering::Release);
    }

    /// Stops all workers of the cluster after the current epoch, or immediately if there is none, or no time
    /// for it. Returns whether an epoch must end first; the error is the reason of the stop.
    pub(crate) fn stop_cleanly(&self, error: RunError) -> bool {
        if !self.running.load(Ordering::Acquire) || self.settings.stop_timeout.is_zero() {
            self.fail(error);
            return false;
        }
        if let Some(peers) = self.peers.get() {
            peers.stop_cleanly(&error);
        }
        self.end_after_epoch(error)
    }

    /// Like [`stop_cleanly`](Self::stop_cleanly), because another process was asked to stop.
    pub(crate) fn stop_cleanly_with_peer(&self, error: RunError) {
        if self.running.load(Ordering::Acquire) {
            self.end_after_epoch(error);
        } else {
            self.fail(error);
        }
    }

    fn end_after_epoch(&self, error: RunError) -> bool {
        {
            let mut clean_stop = lock(&self.clean_stop);
            if clean_stop.is_some() {
                return false;
            }
            *clean_stop = Some(error);
        }
        self.stopping_cleanly.store(true, Ordering::Release);
        self.meter.enter(RunState::Stopping);
        self.wake_sources(None);
        true
    }

    pub(crate) fn is_stopping_cleanly(&self) -> bool {
        self.stopping_cleanly.load(Ordering::Acquire)
    }

    /// Records that the last epoch of a clean stop is complete on the whole cluster.
    pub(crate) fn note_stopped(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Returns the result of the run, after all workers have left their loops.
    pub(crate) fn outcome(&self) -> Result<(), RunError> {
        self.meter.enter(RunState::Ended);
        match lock(&self.stop).take() {
            Some(Stop::Failed(error)) => Err(error),
            Some(Stop::Aborted) => Ok(()),
            None if self.stopped.load(Ordering::Acquire) => {
                let stopped =
                    || RunError::new(RunErrorKind::Terminated, "another process was stopped");
                Err(lock(&self.clean_stop).take().unwrap_or_else(stopped))
            }
            // The input may have ended before the sources were notified of a stop.
            None => Ok(()),
        }
    }

    /// Returns the kind of error that stops the run, if any.
    pub(crate) fn stop_kind(&self) -> Option<RunErrorKind> {
        match &*lock(&self.stop) {
            Some(Stop::Failed(error)) => Some(error.kind()),
            _ => None,
        }
    }

    // Epochs: the first worker of the cluster whose interval ends starts the next, and all others join it
    // immediately, so that no worker's items wait for the clock of another.

    /// Begins an execution; every worker of the process calls it.
    pub(crate) fn start_epoch(&self, first: Epoch) {
        self.latest_epoch.fetch_max(first.0, Ordering::AcqRel);
    }

    pub(crate) fn latest_epoch(&self) -> Epoch {
        Epoch(self.latest_epoch.load(Ordering::Acquire))
    }

    /// Activates `wake` when another worker starts an epoch.
    pub(crate) fn register_source(&self, worker: WorkerIndex, wake: RemoteAlarm) {
        lock(&self.sources).push((worker, wake));
    }

    /// Records that a worker of this process has started an epoch, which all others join.
    pub(crate) fn begin_epoch(&self, epoch: Epoch, worker: WorkerIndex) {
        if self.join_epoch(epoch, Some(worker))
            && let Some(peers) = self.peers.get()
        {
            peers.epoch(epoch);
        }
    }

    /// Makes the workers of this process join an epoch, except for the one that leads. Returns whether it is
    /// new.
    pub(crate) fn join_epoch(&self, epoch: Epoch, leader: Option<WorkerIndex>) -> bool {
        let new = self.latest_epoch.fetch_max(epoch.0, Ordering::AcqRel) < epoch.0;
        if new {
            self.wake_sources(leader);
        }
        new
    }

    /// Wakes the sources of all workers of this process but one.
    fn wake_sources(&self, except: Option<WorkerIndex>) {
        for (worker, wake) in lock(&self.sources).iter() {
            if Some(*worker) != except {
                wake.wake();
            }
        }
    }

    // Flow control: for each edge and each worker of this process that sends over it, the bytes that were
    // sent and not yet received. Nothing here runs per item, only per batch.

    /// Allocates counters for these edges, with the load at which a worker waits; every worker of the process
    /// calls it.
    pub(crate) fn init_edges(&self, edges: usize, limit: u64) {
        self.edges.get_or_init(|| {
            let edge = |_| self.workers.clone().map(|_| AtomicI64::new(0)).collect();
            EdgeLoads {
                limit: limit as i64,
                loads: (0..edges).map(edge).collect(),
            }
        });
    }

    fn load(&self, edge: EdgeId, worker: WorkerIndex) -> Option<(&AtomicI64, i64)> {
        let edges = self.edges.get()?;
        let load = edges.loads.get(edge.0 as usize)?;
        let load = load.get(worker.0.checked_sub(self.workers.start)?)?;
        Some((load, edges.limit))
    }

    /// Activates `wake` when items of `worker` on `edge` are received after it was full.
    pub(crate) fn register_waker(&self, edge: EdgeId, worker: WorkerIndex, wake: RemoteAlarm) {
        lock(&self.wakers).insert((edge, worker.0), wake);
    }

    /// Counts the bytes of items that a worker of this process sends over an edge.
    pub(crate) fn sent(&self, edge: EdgeId, worker: WorkerIndex, bytes: u64) {
        if let Some((load, _)) = self.load(edge, worker) {
            load.fetch_add(bytes as i64, Ordering::AcqRel);
        }
    }

    /// Returns the bytes of a worker in flight on an edge, and the limit at which it waits.
    pub(crate) fn queued(&self, edge: EdgeId, worker: WorkerIndex) -> (u64, u64) {
        let load = self.load(edge, worker);
        load.map_or((0, 0), |(load, limit)| {
            let load = load.load(Ordering::Relaxed);
            (u64::try_from(load).unwrap_or(0), limit.unsigned_abs())
        })
    }

    /// Whether a worker must wait before it sends more over an edge.
    pub(crate) fn is_full(&self, edge: EdgeId, worker: WorkerIndex) -> bool {
        let load = self.load(edge, worker);
        load.is_some_and(|(load, limit)| load.load(Ordering::Acquire) >= limit)
    }

    /// Counts the bytes of items received from an edge; `origin` is the worker that sent them.
    pub(crate) fn count_taken(&self, edge: EdgeId, origin: WorkerIndex, bytes: u64) {
        if self.workers.contains(&origin.0) {
            self.credited(edge, origin, bytes);
        } else if let Some(peers) = self.peers.get()
            && bytes > 0
        {
            peers.credit(edge, origin, bytes);
        }
    }

    /// Counts items of a worker of this process that were received, possibly in another process.
    pub(crate) fn credited(&self, edge: EdgeId, worker: WorkerIndex, bytes: u64) {
        let Some((load, limit)) = self.load(edge, worker) else {
            return;
        };
        let bytes = bytes as i64;
        let before = load.fetch_sub(bytes, Ordering::AcqRel);
        if before >= limit
            && before - bytes < limit
            && let Some(wake) = lock(&self.wakers).get(&(edge, worker.0))
        {
            wake.wake();
        }
    }
}
