//! Running a flow from code: settings, and the two entry points that tests use.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::WorkerClock;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;
use crate::kit::{Settings, Shared};
use crate::worker::{ClusterPlace, Job, Peers, RecoveryConfig, run_cluster, run_here, run_threads};

/// How long the last epoch may take when a signal stops the run, unless told.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How a flow is run by [`cluster_main`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterConfig {
    workers: usize,
    epoch_interval: Duration,
    clock: WorkerClock,
    process: Option<Peers>,
    listener: Option<Arc<TcpListener>>,
    connect_timeout: Duration,
    stop_timeout: Duration,
    buffer_memory: u64,
    recovery: Option<RecoveryConfig>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            epoch_interval: Duration::from_secs(10),
            clock: WorkerClock::system(),
            process: None,
            listener: None,
            connect_timeout: Duration::from_secs(60),
            stop_timeout: STOP_TIMEOUT,
            buffer_memory: 256 << 20,
            recovery: None,
        }
    }
}

impl ClusterConfig {
    /// One worker in this process, epochs of 10 seconds, the system's clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many worker threads this process has.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How long an epoch lasts. With zero, every poll of a source is an epoch of its own.
    pub fn epoch_interval(mut self, interval: Duration) -> Self {
        self.epoch_interval = interval;
        self
    }

    /// The clock of all workers.
    pub fn clock(mut self, clock: WorkerClock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes this process number `index` of a cluster. `addresses` has the `host:port` of each
    /// process, in the same order on all of them.
    pub fn process(mut self, index: usize, addresses: impl IntoIterator<Item = String>) -> Self {
        self.process = Some(Peers {
            index,
            addresses: addresses.into_iter().collect(),
        });
        self
    }

    /// A socket that listens on the address of this process already, so that its port can be
    /// chosen by the system before the addresses of all processes are put together.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// How long to wait for the other processes of the cluster; a minute unless set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How many bytes the items on their way between steps may take in this process: those that were
    /// sent and not yet taken, and those in batches that are being filled. It is 256 MiB unless set.
    ///
    /// The memory is divided evenly among the edges of the flow (the inputs of steps that keep state per
    /// key, of `redistribute`, `merge`, `map_async` and sinks with partitions) and all workers of the
    /// cluster, since all of them may send to one process. A worker whose share of an edge is used up
    /// takes no more items until a slower reader has caught up. So a large cluster may need more.
    ///
    /// The weight of an item is its size and what its `Serialize` shows of its heap: the length of
    /// strings, of lists, and of what is in them. With any memory, however small, one item at a time goes
    /// on; and what comes of one item goes on together.
    ///
    /// Not counted are: states, and what connectors keep; a batch that a source has given, whose size is
    /// the choice of the source; the batch that a step works on; items that stay on a worker, in a
    /// `merge` or a `map_async`, if their type is not one that also crosses workers in the flow, or a
    /// string, beyond their size.
    pub fn buffer_memory(mut self, bytes: u64) -> Self {
        self.buffer_memory = bytes;
        self
    }

    #[cfg(feature = "recovery")]
    /// Where the state of the flow is kept. Unless this is set, nothing is saved.
    pub fn recovery(mut self, config: RecoveryConfig) -> Self {
        self.recovery = Some(config);
        self
    }

    /// How long the last epoch may take when a signal stops the run.
    pub(crate) fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    pub(crate) fn maybe_recovery(mut self, config: Option<RecoveryConfig>) -> Self {
        self.recovery = config;
        self
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            clock: self.clock.clone(),
            epoch_interval: TimeDelta::from_std(self.epoch_interval).unwrap_or(TimeDelta::MAX),
            stop_timeout: self.stop_timeout,
            buffer_memory: self.buffer_memory,
        }
    }

    /// What is run, with a flow.
    pub(crate) fn job(&self, flow: &Dataflow) -> Arc<Job> {
        Arc::new(Job {
            graph: Arc::clone(flow.graph()),
            recovery: self.recovery.clone(),
        })
    }
}

/// Runs a flow with one worker on the calling thread, until its input ends.
///
/// # Errors
///
/// The defects of the flow, or the first error of a step.
pub fn run_main(flow: Dataflow) -> Result<(), RunError> {
    flow.check()?;
    let config = ClusterConfig::default();
    let shared = Arc::new(Shared::new(config.settings(), 0..1));
    run_here(&config.job(&flow), &shared)
}

/// Runs a flow with several workers, until its input ends.
///
/// # Errors
///
/// The defects of the flow, settings that do not fit together, or the first error of a step.
pub fn cluster_main(flow: Dataflow, config: ClusterConfig) -> Result<(), RunError> {
    flow.check()?;
    if config.workers == 0 {
        return Err(RunError::new(
            RunErrorKind::Config,
            "a run needs at least one worker, and `workers` is 0",
        ));
    }
    let (job, settings) = (config.job(&flow), config.settings());
    match config.process {
        None => {
            let shared = Arc::new(Shared::new(settings, 0..config.workers));
            run_threads(&job, &shared, config.workers)
        }
        Some(peers) => {
            let listener = config
                .listener
                .map(|listener| listener.try_clone())
                .transpose();
            let listener = listener.map_err(|error| {
                let text = "the socket that was given cannot be used";
                RunError::new(RunErrorKind::Network, text).caused_by(error)
            })?;
            let place = ClusterPlace {
                peers,
                listener,
                workers_per_process: config.workers,
                connect_timeout: config.connect_timeout,
            };
            let shared = Arc::new(Shared::new(settings, place.workers()));
            run_cluster(&job, &shared, place)
        }
    }
}
