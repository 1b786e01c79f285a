//! The configuration of a run, and running a flow from code.

#[cfg(any(feature = "metrics", feature = "web"))]
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

#[cfg(feature = "cli")]
use super::cluster::Ended;
#[cfg(feature = "otlp")]
use super::otlp::{Collector, MetricsPush};
#[cfg(feature = "serve")]
use super::serve::{Here, Server, Serving};
use crate::clock::WorkerClock;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;
use crate::kit::{Settings, Shared};
use crate::worker::{
    ClusterKey, ClusterPlace, Job, Monitor, Peers, Reading, RecoveryConfig, StallWatch,
    run_cluster, run_here, run_threads,
};

/// Only runs by a command line start processes, which report more than an error.
#[cfg(not(feature = "cli"))]
type Ended = RunError;

/// The services of a run: the cluster listener, the stall watch, the push of metrics and the server.
type Attached<G> = (G, Option<StallWatch>, Pushed, Served);

/// Pushes the metrics of a run until it is dropped.
#[cfg(feature = "otlp")]
type Pushed = Option<MetricsPush>;
#[cfg(not(feature = "otlp"))]
type Pushed = ();

/// Serves a run until it is dropped.
#[cfg(feature = "serve")]
type Served = Option<Server>;
#[cfg(not(feature = "serve"))]
type Served = ();

/// The default number of worker threads in each process.
pub(crate) const WORKERS: usize = 1;
/// The default length of an epoch.
pub(crate) const EPOCH_INTERVAL: Duration = Duration::from_secs(10);
/// The default time to wait for the other processes.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// The default limit of the silence of another process.
pub(crate) const PEER_TIMEOUT: Duration = Duration::from_secs(60);
/// The least limit of the silence of another process, which sends something each second.
pub(crate) const LEAST_PEER_TIMEOUT: Duration = Duration::from_secs(3);
/// The default time for the last epoch when a signal stops the run.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The default limit of the bytes of items between steps in each process.
pub(crate) const BUFFER_MEMORY: u64 = 256 << 20;

/// The configuration of a run: the number and place of workers, and the recovery store.
///
/// `RunArgs::config` creates one from a command line; [`new`](Self::new) creates one in code.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::RunConfig;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, TestingSource};
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("doubles", |flow| {
///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
///     numbers.map(|n| 2 * n).output(out.clone()).named("out");
/// });
/// RunConfig::new().workers(2).run(flow).unwrap();
/// assert_eq!(out.sorted(), [2, 4, 6]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RunConfig {
    workers: usize,
    pub(super) placement: Placement,
    listener: Option<Arc<TcpListener>>,
    epoch_interval: Duration,
    clock: WorkerClock,
    connect_timeout: Duration,
    peer_timeout: Duration,
    stop_timeout: Duration,
    /// The key of the cluster.
    cluster_key: Option<ClusterKey>,
    /// Whether connections to other machines need none.
    is_insecure: bool,
    buffer_memory: u64,
    pub(super) recovery: Option<RecoveryConfig>,
    monitor: Option<Monitor>,
    #[cfg(feature = "serve")]
    serving: Serving,
    #[cfg(feature = "otlp")]
    otlp: Option<Collector>,
}

/// The place of the workers of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Placement {
    /// In this process alone, without a network.
    Here,
    /// In several processes, of which this is one.
    Member(Peers),
    /// In this number of processes on this machine, at least two. This process starts them, unless it is one
    /// of them.
    #[cfg(feature = "cli")]
    Spawned { processes: usize },
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            workers: WORKERS,
            placement: Placement::Here,
            listener: None,
            epoch_interval: EPOCH_INTERVAL,
            clock: WorkerClock::system(),
            connect_timeout: CONNECT_TIMEOUT,
            peer_timeout: PEER_TIMEOUT,
            stop_timeout: STOP_TIMEOUT,
            cluster_key: None,
            is_insecure: false,
            buffer_memory: BUFFER_MEMORY,
            recovery: None,
            monitor: None,
            #[cfg(feature = "serve")]
            serving: Serving::default(),
            #[cfg(feature = "otlp")]
            otlp: None,
        }
    }
}

impl RunConfig {
    /// Creates a configuration of one worker in this process, epochs of 10 seconds, and the system clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of worker threads of this process.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the length of an epoch. With zero, every poll of a source is an epoch.
    pub fn epoch_interval(mut self, interval: Duration) -> Self {
        self.epoch_interval = interval;
        self
    }

    /// Sets the clock of all workers.
    pub fn clock(mut self, clock: WorkerClock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes this process number `index` of a cluster. `addresses` contains the `host:port` of each process,
    /// in the same order on all of them.
    pub fn process(self, index: usize, addresses: impl IntoIterator<Item = String>) -> Self {
        self.at(Placement::Member(Peers {
            index,
            addresses: addresses.into_iter().collect(),
        }))
    }

    pub(crate) fn at(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Sets a socket that already listens on the address of this process. The system can then choose its port
    /// before the addresses of all processes are known.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Sets the secret of the cluster: 64 hexadecimal digits, the same in all processes; `openssl rand -hex 32` makes
    /// one. The processes then authenticate each other, and encrypt what they send.
    ///
    /// # Errors
    ///
    /// Returns an error if the secret is something else.
    #[cfg(feature = "encryption")]
    pub fn cluster_secret(self, secret: &str) -> Result<Self, RunError> {
        let key = secret
            .parse()
            .map_err(|fault: String| RunError::new(RunErrorKind::Config, fault))?;
        Ok(self.maybe_cluster_key(Some(key)))
    }

    pub(super) fn maybe_cluster_key(mut self, key: Option<ClusterKey>) -> Self {
        self.cluster_key = key;
        self
    }

    /// Allows connections to other machines without a secret: whoever can reach the ports of the cluster can then
    /// read, change and inject its items. Use it in a network that you trust.
    pub fn insecure(mut self, is_allowed: bool) -> Self {
        self.is_insecure = is_allowed;
        self
    }

    /// Sets how long to wait for the other processes of the cluster. The default is a minute.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how long another process of the cluster may be silent before the run fails, because the process, its
    /// machine or the network is gone. Each process sends something every second. The default is a minute; less than
    /// three seconds count as three.
    pub fn peer_timeout(mut self, limit: Duration) -> Self {
        self.peer_timeout = limit.max(LEAST_PEER_TIMEOUT);
        self
    }

    /// Limits the bytes of items between steps in this process: items that were sent and not yet received,
    /// and items in batches that are being filled. The default is 256 MiB.
    ///
    /// The memory is divided evenly among the edges of the flow (the inputs of steps that keep state per key,
    /// of `redistribute`, `merge`, `map_async` and partitioned sinks) and all workers of the cluster, because
    /// all of them may send to one process. A worker that has used its share of an edge accepts no more items
    /// until a slower reader catches up. A large cluster may therefore need more.
    ///
    /// The weight of an item is its size and the heap that its `Serialize` shows: the length of strings and
    /// lists, and of their contents. With any memory, however small, one item at a time passes, and all
    /// results of one item pass together.
    ///
    /// The limit does not include: states, and the memory of connectors; a batch that a source returns, whose
    /// size the source chooses; the current batch of a step; and the heap of items that stay on a worker, in
    /// a `merge` or a `map_async`, unless their type also crosses workers in the flow or is a string.
    pub fn buffer_memory(mut self, bytes: u64) -> Self {
        self.buffer_memory = bytes;
        self
    }

    #[cfg(feature = "recovery")]
    /// Sets the recovery store of the flow. Without one, nothing is saved.
    pub fn recovery(mut self, config: RecoveryConfig) -> Self {
        self.recovery = Some(config);
        self
    }

    /// Attaches a monitor, which other threads read. If the run starts other processes, each of them has its
    /// own.
    pub fn monitor(mut self, monitor: &Monitor) -> Self {
        self.monitor = Some(monitor.clone());
        self
    }

    /// The monitor that was attached.
    pub(super) fn own_monitor(&self) -> Option<&Monitor> {
        self.monitor.as_ref()
    }

    /// Serves the metrics of the run at an address, as text for Prometheus: `/metrics`, with `/healthz` and
    /// `/readyz`, and `/api/v1/report` as JSON. If the port is taken, the run fails before it starts. If the
    /// run starts several processes, process I uses the port that is I higher.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, address: SocketAddr) -> Self {
        self.serving.metrics = Some(address);
        self
    }

    /// Serves the live page of the run at an address, with its data as JSON below `/api/v1`. The address may
    /// be that of the metrics. If the port is taken, the run fails before it starts. If the run starts several
    /// processes, process I uses the port that is I higher.
    ///
    /// The page shows keys, and items on request. At an address other than loopback it therefore needs a
    /// [token](Self::web_token).
    #[cfg(feature = "web")]
    pub fn web(mut self, address: SocketAddr) -> Self {
        self.serving.page = Some(address);
        self
    }

    /// Shows the [page](Self::web) only to clients that send this token, in a header
    /// `Authorization: Bearer TOKEN`. In a browser, the page asks for it.
    ///
    /// # Panics
    ///
    /// Panics if the token has fewer than 16 characters, or characters other than ASCII letters, digits and
    /// punctuation.
    #[cfg(feature = "web")]
    pub fn web_token(mut self, token: &str) -> Self {
        let token = token.parse();
        self.serving.viewers = Some(token.unwrap_or_else(|fault: String| panic!("{fault}")));
        self
    }

    /// Allows clients of the metrics or of the page to stop the run with `POST /stop`, and to copy its
    /// recovery store with `POST /savepoint/NAME`. They must send this token in a header
    /// `Authorization: Bearer TOKEN`. Without a token, the server refuses both.
    ///
    /// # Panics
    ///
    /// Panics if the token has fewer than 16 characters, or characters other than ASCII letters, digits and
    /// punctuation.
    #[cfg(any(feature = "metrics", feature = "web"))]
    pub fn control_token(mut self, token: &str) -> Self {
        let token = token.parse();
        self.serving.control = Some(token.unwrap_or_else(|fault: String| panic!("{fault}")));
        self
    }

    #[cfg(all(feature = "cli", feature = "serve"))]
    pub(super) fn serving(mut self, serving: Serving) -> Self {
        self.serving = serving;
        self
    }

    /// Pushes the metrics of the run to a collector, by the protocol of OpenTelemetry (OTLP) over HTTP: every
    /// 10 seconds, and at the end of the run. `url` is its base, such as `http://localhost:4318`.
    ///
    /// The series are those of the [metrics server](Self::metrics). These environment variables of
    /// OpenTelemetry apply: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SERVICE_NAME`
    /// and `OTEL_RESOURCE_ATTRIBUTES`. If the collector does not respond, that is logged, and the run continues.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL, or a header of the environment, is invalid.
    #[cfg(feature = "otlp")]
    pub fn otlp(mut self, url: &str) -> Result<Self, RunError> {
        let collector = url.parse::<Collector>();
        self.otlp = Some(collector.map_err(|fault| {
            RunError::new(
                RunErrorKind::Config,
                format!("metrics cannot be pushed: {fault}"),
            )
        })?);
        Ok(self)
    }

    #[cfg(all(feature = "cli", feature = "otlp"))]
    pub(super) fn maybe_otlp(mut self, collector: Option<Collector>) -> Self {
        self.otlp = collector;
        self
    }

    /// Sets how long the last epoch may take when a signal stops the run.
    #[cfg(feature = "cli")]
    pub(crate) fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    #[cfg(feature = "cli")]
    pub(crate) fn maybe_recovery(mut self, config: Option<RecoveryConfig>) -> Self {
        self.recovery = config;
        self
    }

    /// Runs a flow until its input ends.
    ///
    /// A single worker runs on the calling thread.
    ///
    /// # Errors
    ///
    /// The defects of the flow, contradictory settings, or the first error of a step.
    pub fn run(&self, flow: Dataflow) -> Result<(), RunError> {
        self.run_with(&flow, |_, _| Ok(())).map_err(RunError::from)
    }

    /// Runs a flow. The value that `listen` returns for the workers of this process lives as long as the run.
    /// It receives the source of their report, unless this process has no workers.
    pub(crate) fn run_with<G>(
        &self,
        flow: &Dataflow,
        listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
    ) -> Result<(), Ended> {
        flow.check().map_err(RunError::from)?;
        if let (Some(delivery), None) = (flow.graph().delivery, &self.recovery) {
            let text = format!(
                "the flow `{}` declares delivery {delivery}, and this run has no recovery store, so the next run \
                 would start from the beginning; set one with `-r DIR` or `RunConfig::recovery`, or do not \
                 declare a delivery",
                flow.name()
            );
            return Err(RunError::new(RunErrorKind::Config, text).into());
        }
        self.start(flow, listen)
    }

    fn start<G>(
        &self,
        flow: &Dataflow,
        listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
    ) -> Result<(), Ended> {
        if self.workers == 0 {
            let text = "a run needs at least one worker, and `workers` is 0";
            return Err(RunError::new(RunErrorKind::Config, text).into());
        }
        let _span = tracing::info_span!("run", flow = flow.name()).entered();
        let job = Arc::new(Job {
            graph: Arc::clone(flow.graph()),
            recovery: self.recovery.clone(),
        });
        match &self.placement {
            Placement::Here => {
                let shared = Arc::new(Shared::new(self.settings(), 0..self.workers));
                let _listening = self.attach(&job, &shared, listen)?;
                let ended = match self.workers {
                    1 => run_here(&job, &shared),
                    workers => run_threads(&job, &shared, workers),
                };
                Ok(ended?)
            }
            Placement::Member(peers) => {
                self.check_reach(peers)?;
                let listener = self.listener.as_ref();
                let listener = listener.map(|listener| listener.try_clone()).transpose();
                let listener = listener.map_err(|error| {
                    let text = "the socket of `RunConfig::listener` cannot be used";
                    RunError::new(RunErrorKind::Network, text).caused_by(error)
                })?;
                let place = self.place(peers.clone(), listener);
                let shared = Arc::new(Shared::new(self.settings(), place.workers()));
                let _listening = self.attach(&job, &shared, listen)?;
                Ok(run_cluster(&job, &shared, place)?)
            }
            #[cfg(feature = "cli")]
            Placement::Spawned { processes } => self.run_spawned(*processes, &job, listen),
        }
    }

    /// Refuses connections that others could read and change, unless that is allowed.
    pub(super) fn check_reach(&self, peers: &Peers) -> Result<(), RunError> {
        let (Some(outside), None, false) = (peers.outside(), &self.cluster_key, self.is_insecure)
        else {
            return Ok(());
        };
        let text = format!(
            "the cluster has processes on other machines (`{outside}`), and the connections to them would be neither \
             authenticated nor encrypted, so anyone who can reach a port could read and inject items; set the same \
             secret for all processes, in BYTEWAX_CLUSTER_SECRET or in a file that `--cluster-secret-file` names \
             (feature `encryption`), or use `--insecure` (BYTEWAX_INSECURE=true) in a network that you trust"
        );
        Err(RunError::new(RunErrorKind::Config, text))
    }

    /// Attaches the listeners of the run.
    pub(super) fn attach<G>(
        &self,
        job: &Job,
        shared: &Arc<Shared>,
        listen: impl Fn(&Arc<Shared>, Option<&Reading>) -> Result<G, RunError>,
    ) -> Result<Attached<G>, RunError> {
        let reading = Reading::new(&job.graph, shared);
        if let Some(monitor) = &self.monitor {
            monitor.watch(reading.clone());
            shared.meter.count_windows();
        }
        let listening = listen(shared, Some(&reading))?;
        Ok((
            listening,
            StallWatch::start(&reading),
            self.push(&reading)?,
            self.serve(job, &reading, shared)?,
        ))
    }

    #[cfg(feature = "otlp")]
    fn push(&self, reading: &Reading) -> Result<Pushed, RunError> {
        let push = |collector: &Collector| MetricsPush::start(collector.clone(), reading.clone());
        self.otlp.as_ref().map(push).transpose()
    }

    #[cfg(not(feature = "otlp"))]
    fn push(&self, _: &Reading) -> Result<Pushed, RunError> {
        Ok(())
    }

    #[cfg(feature = "serve")]
    fn serve(
        &self,
        job: &Job,
        reading: &Reading,
        shared: &Arc<Shared>,
    ) -> Result<Served, RunError> {
        let here = match self.placement {
            #[cfg(feature = "cli")]
            Placement::Spawned { processes } => Here {
                process: reading.process(),
                processes,
            },
            _ => Here::default(),
        };
        let serving = self.serving.clone();
        serving.start(&job.graph, reading, shared, self.recovery.clone(), here)
    }

    #[cfg(not(feature = "serve"))]
    fn serve(&self, _: &Job, _: &Reading, _: &Arc<Shared>) -> Result<Served, RunError> {
        Ok(())
    }

    /// Returns the place of this process among several.
    pub(crate) fn place(&self, peers: Peers, listener: Option<TcpListener>) -> ClusterPlace {
        ClusterPlace {
            peers,
            listener,
            workers_per_process: self.workers,
            connect_timeout: self.connect_timeout,
            peer_timeout: self.peer_timeout,
            key: self.cluster_key.clone(),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            clock: self.clock.clone(),
            epoch_interval: TimeDelta::from_std(self.epoch_interval).unwrap_or(TimeDelta::MAX),
            stop_timeout: self.stop_timeout,
            buffer_memory: self.buffer_memory,
            processes: match &self.placement {
                Placement::Here => 1,
                Placement::Member(peers) => peers.addresses.len(),
                #[cfg(feature = "cli")]
                Placement::Spawned { processes } => *processes,
            },
        }
    }
}

/// Runs a flow with one worker on the calling thread, until its input ends. No other run resumes it, so it
/// needs no recovery store, whatever [delivery](crate::flow::Flow::delivery) the flow declares.
///
/// # Errors
///
/// The defects of the flow, or the first error of a step.
pub fn run_main(flow: Dataflow) -> Result<(), RunError> {
    flow.check()?;
    let ended = RunConfig::new().start(&flow, |_, _| Ok(()));
    ended.map_err(RunError::from)
}

/// Runs a flow with a configuration, like [`RunConfig::run`].
///
/// # Errors
///
/// The defects of the flow, contradictory settings, or the first error of a step.
pub fn cluster_main(flow: Dataflow, config: RunConfig) -> Result<(), RunError> {
    config.run(flow)
}
