//! Runs the part of a flow that belongs to one process of a cluster.

use std::net::TcpListener;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

use super::net::{self, ClusterKey, Control, Handler, Identity, NetError, Peers, StopReason};
use super::questions::{self, Asked};
use super::reading::Reading;
use super::run::{Job, run_allocators};
#[cfg(all(feature = "serve", feature = "recovery"))]
use super::savepoints::Savepoints;
use crate::error::{RunError, RunErrorKind};
use crate::ids::{Epoch, WorkerIndex};
use crate::kit::{EdgeId, PeerLink, Question, Shared, Stop};

/// The time that an ended process waits for the others to end.
const LEAVE: Duration = Duration::from_secs(60);

/// The place of a process in its cluster.
pub(crate) struct ClusterPlace {
    pub(crate) peers: Peers,
    /// A socket that already listens on the address of this process.
    pub(crate) listener: Option<TcpListener>,
    pub(crate) workers_per_process: usize,
    pub(crate) connect_timeout: Duration,
    /// The silence after which another process is lost.
    pub(crate) peer_timeout: Duration,
    /// The key of the cluster, if its connections are authenticated and encrypted.
    pub(crate) key: Option<ClusterKey>,
}

impl ClusterPlace {
    /// Returns the workers of this process.
    pub(crate) fn workers(&self) -> std::ops::Range<usize> {
        let first = self.peers.index * self.workers_per_process;
        first..first + self.workers_per_process
    }
}

/// Connects to the other processes and runs the flow with them.
pub(crate) fn run_cluster(
    job: &Arc<Job>,
    shared: &Arc<Shared>,
    place: ClusterPlace,
) -> Result<(), RunError> {
    place.peers.check().map_err(network_error)?;
    let workers = place.workers_per_process;
    let interval = shared.settings.epoch_interval.num_milliseconds();
    let identity = Identity {
        release: env!("CARGO_PKG_VERSION").to_owned(),
        flow: job.graph.name.clone(),
        fingerprint: job.graph.fingerprint(),
        processes: place.peers.addresses.len(),
        workers_per_process: workers,
        epoch_interval_ms: u64::try_from(interval).unwrap_or(0),
    };
    let stopping = || shared.is_stopping();
    let limits = (place.connect_timeout, place.peer_timeout);
    let connected = net::connect(
        &place.peers,
        place.listener,
        (&identity, place.key.as_ref()),
        limits,
        &stopping,
    );
    let connections = match connected {
        Ok(connections) => connections,
        Err(NetError::Stopped) => return shared.outcome(),
        Err(error) => return Err(network_error(error)),
    };

    let control = Arc::new(connections.control);
    let reading = Reading::new(&job.graph, shared);
    let questions = questions::answer(reading, &control).map_err(|error| {
        let text = "the thread that answers other processes could not be started";
        RunError::new(RunErrorKind::Network, text).caused_by(error)
    })?;
    let handler = Arc::new(FromPeers {
        shared: Arc::downgrade(shared),
        questions,
        #[cfg(all(feature = "serve", feature = "recovery"))]
        savepoints: Savepoints::new(
            job.recovery.clone(),
            place.peers.index,
            &shared.is_copied,
            &control,
        ),
    });
    control.start(handler).map_err(network_error)?;
    shared.set_peers(Box::new(ToPeers {
        control: Arc::clone(&control),
        workers_per_process: workers,
    }));

    let hooks = Hooks::default();
    let local = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let index = place.peers.index;
    let started =
        initialize_networking_from_sockets(local, connections.data, index, workers, hooks);
    let (builders, guard) = match started {
        Ok(started) => started,
        Err(error) => {
            let text = "the threads of the network could not be started";
            shared.fail(RunError::new(RunErrorKind::Network, text).caused_by(error));
            control.close();
            return shared.outcome();
        }
    };
    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
    run_allocators(builders, job, shared);
    if shared.is_stopping() {
        // The guard waits for threads that only this releases.
        control.close();
        drop(guard);
    } else {
        drop(guard);
        control.bye(LEAVE);
        control.close();
    }
    shared.outcome()
}

/// Converts an error of the start of a cluster.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn network_error(error: NetError) -> RunError {
    let kind = match error {
        NetError::PeerFailed(_) => RunErrorKind::Peer,
        _ => RunErrorKind::Network,
    };
    RunError::new(kind, error.to_string())
}

/// Returns the reason why another process was stopped; `None` if a source requested it.
fn stopped(process: usize, reason: StopReason) -> Option<RunError> {
    let (kind, by) = match reason {
        StopReason::Interrupted => (RunErrorKind::Interrupted, "SIGINT (Ctrl-C)"),
        StopReason::Terminated => (RunErrorKind::Terminated, "SIGTERM"),
        StopReason::Requested => (RunErrorKind::Requested, "a request"),
        StopReason::Aborted => return None,
    };
    Some(RunError::new(
        kind,
        format!("process {process} was stopped by {by}"),
    ))
}

/// Receives the messages of other processes. Weak, because the shared data refers to the connections in turn.
struct FromPeers {
    shared: Weak<Shared>,
    questions: SyncSender<Asked>,
    #[cfg(all(feature = "serve", feature = "recovery"))]
    savepoints: Savepoints,
}

impl FromPeers {
    fn stop(&self, kind: RunErrorKind, text: String) {
        if let Some(shared) = self.shared.upgrade() {
            shared.stop_with_peer(Stop::Failed(RunError::new(kind, text)));
        }
    }
}

impl Handler for FromPeers {
    fn failed(&self, process: usize, place: Option<&str>, text: &str) {
        let text = match place {
            Some(place) => format!("process {process} failed at {place}: {text}"),
            None => format!("process {process} failed: {text}"),
        };
        self.stop(RunErrorKind::Peer, text);
    }

    fn stopped(&self, process: usize, reason: StopReason) {
        if let Some(shared) = self.shared.upgrade() {
            let stop = stopped(process, reason).map_or(Stop::Aborted, Stop::Failed);
            shared.stop_with_peer(stop);
        }
    }

    fn stops_cleanly(&self, process: usize, reason: StopReason) {
        if let (Some(shared), Some(error)) = (self.shared.upgrade(), stopped(process, reason)) {
            shared.stop_cleanly_with_peer(error);
        }
    }

    fn credit(&self, edge: u32, worker: u32, load: u64) {
        if let Some(shared) = self.shared.upgrade() {
            shared.credited(EdgeId(edge), WorkerIndex(worker as usize), load);
        }
    }

    fn epoch(&self, epoch: u64) {
        if let Some(shared) = self.shared.upgrade() {
            shared.join_epoch(Epoch(epoch), None);
        }
    }

    fn asked(&self, process: usize, number: u32, what: u8) {
        // With too many questions, it is as if this one were lost.
        let _ = (self.questions).try_send((process, number, Question::from_bits(what)));
    }

    fn answered(&self, process: usize, number: u32, text: String) {
        if let Some(shared) = self.shared.upgrade() {
            shared.answers.note(process, number, text, Instant::now());
        }
    }

    #[cfg(all(feature = "serve", feature = "recovery"))]
    fn steps(&self, process: usize, number: u32, text: String) {
        self.savepoints.take(process, number, text);
    }

    // All processes run the same program, so none wants this.
    #[cfg(not(all(feature = "serve", feature = "recovery")))]
    fn steps(&self, _: usize, _: u32, _: String) {}

    fn stepped(&self, process: usize, number: u32, text: String) {
        if let Some(shared) = self.shared.upgrade() {
            shared.rounds.note(process, number, text);
        }
    }

    fn lost(&self, process: usize, address: &str, why: &str) {
        let text = format!(
            "process {process} at `{address}` {why}; if it failed, its own output says why"
        );
        self.stop(RunErrorKind::Peer, text);
    }
}

/// Notifies the other processes of events in this one.
struct ToPeers {
    control: Arc<Control>,
    workers_per_process: usize,
}

impl PeerLink for ToPeers {
    fn stop(&self, stop: &Stop) {
        match stop {
            Stop::Aborted => self.control.stop(StopReason::Aborted),
            Stop::Failed(error) => match error.kind() {
                RunErrorKind::Interrupted => self.control.stop(StopReason::Interrupted),
                RunErrorKind::Terminated => self.control.stop(StopReason::Terminated),
                RunErrorKind::Requested => self.control.stop(StopReason::Requested),
                _ => {
                    self.control
                        .failed(error.place().as_deref(), &error.summary());
                }
            },
        }
    }

    fn stop_cleanly(&self, error: &RunError) {
        self.control.stop_cleanly(match error.kind() {
            RunErrorKind::Interrupted => StopReason::Interrupted,
            RunErrorKind::Requested => StopReason::Requested,
            _ => StopReason::Terminated,
        });
    }

    fn credit(&self, edge: EdgeId, worker: WorkerIndex, load: u64) {
        let process = worker.0 / self.workers_per_process;
        self.control.credit(process, edge.0, worker.0 as u32, load);
    }

    fn epoch(&self, epoch: Epoch) {
        self.control.epoch(epoch.0);
    }

    fn ask(&self, number: u32, question: Question) {
        self.control.ask(number, question.bits());
    }

    fn step(&self, number: u32, text: &str) {
        self.control.step(number, text);
    }
}
