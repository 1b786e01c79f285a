//! Reads the report of a run from the meters of its workers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::{DateTime, Utc};

use crate::clock::{Monotonic, WorkerClock};
use crate::flow::Graph;
use crate::ids::{StepId, StepIndex, StepKind, WorkerIndex};
#[cfg(feature = "web")]
use crate::kit::meter::OutputMeter;
use crate::kit::meter::SeenError;
use crate::kit::meter::{
    EdgeMeter, EpochMeter, Histogram, PartitionMeter, RunMeter, SeenWindows, StepMeter,
    WorkerMeter, micros_since,
};
use crate::kit::{Answer, Question, Shared};
use crate::report::{
    Distribution, EdgeReport, EpochReport, LagReport, OutputReport, PartitionReport, RunReport,
    StepNumbers, StepReport, StoreReport, UnfinishedEpoch, WatermarkReport, WindowsReport,
    WorkerReport,
};
use crate::source::Lag;

/// Reads the metrics of a run from other threads, while it runs and after its end.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, TestingSource};
/// use bytewax_runtime::{Monitor, RunConfig};
///
/// let flow = Dataflow::build("even", |flow| {
///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
///     let even = numbers.filter(|n| n % 2 == 0).named("even");
///     even.output(TestingSink::new()).named("out");
/// });
/// let monitor = Monitor::new();
/// RunConfig::new().monitor(&monitor).run(flow).unwrap();
///
/// let report = monitor.report().unwrap();
/// let even = report.step("even.even").unwrap();
/// assert_eq!((even.items_in(), even.items_out()), (3, 1));
/// ```
#[derive(Clone, Default)]
pub struct Monitor(Arc<Mutex<Option<Reading>>>);

impl Monitor {
    /// Creates a monitor for [`RunConfig::monitor`](crate::RunConfig::monitor).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the current metrics; `None` before a run has started. After several runs, those of the last.
    #[must_use]
    pub fn report(&self) -> Option<RunReport> {
        let reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = reading.clone();
        reading.map(|reading| reading.report())
    }

    pub(crate) fn watch(&self, reading: Reading) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = Some(reading);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Monitor")
    }
}

/// The source of a report. It keeps neither the run nor the flow alive.
#[derive(Clone)]
pub(crate) struct Reading {
    flow: String,
    steps: Arc<[Known]>,
    process: usize,
    processes: usize,
    clock: WorkerClock,
    pub(crate) meter: Arc<RunMeter>,
    pub(super) shared: Weak<Shared>,
}

/// What a report contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    /// The histograms of steps, which are most of it.
    pub(crate) histograms: bool,
    /// Keys of items.
    pub(crate) keys: bool,
}

/// The static information about a step.
struct Known {
    id: StepId,
    operator: &'static str,
    kind: StepKind,
    inputs: Vec<StepIndex>,
    outputs: Vec<&'static str>,
}

impl Reading {
    pub(crate) fn new(graph: &Graph, shared: &Arc<Shared>) -> Self {
        let steps = graph.steps.iter().map(|step| Known {
            id: step.id.clone(),
            operator: step.operator,
            kind: step.kind,
            inputs: step.inputs.iter().map(|input| input.step).collect(),
            outputs: step.outputs.iter().map(|output| output.field).collect(),
        });
        Self {
            flow: graph.name.clone(),
            steps: steps.collect(),
            process: shared.first_worker() / shared.workers_here().max(1),
            processes: shared.settings.processes,
            clock: shared.settings.clock.clone(),
            meter: Arc::clone(&shared.meter),
            shared: Arc::downgrade(shared),
        }
    }

    /// Whether a test moves the clock of the run.
    pub(super) fn is_by_hand(&self) -> bool {
        self.clock.is_by_hand()
    }

    /// The name of the flow.
    #[cfg(feature = "otlp")]
    pub(crate) fn flow(&self) -> &str {
        &self.flow
    }

    /// The number of the process in its cluster.
    #[cfg(any(feature = "cli", feature = "serve"))]
    pub(crate) fn process(&self) -> usize {
        self.process
    }

    pub(crate) fn report(&self) -> RunReport {
        self.read(Detail {
            histograms: true,
            keys: true,
        })
    }

    /// A report with these details.
    pub(crate) fn read(&self, detail: Detail) -> RunReport {
        let now = Now {
            date: self.clock.now(),
            monotonic: self.clock.monotonic(),
        };
        let workers = self.meter.workers();
        let steps = self.steps.iter().enumerate();
        let steps = steps.map(|(index, step)| {
            let index = StepIndex(index as u32);
            let of_worker = |worker: &Arc<WorkerMeter>| {
                let mut numbers =
                    numbers(worker.step(index), worker.index.0, &step.outputs, detail);
                numbers.watermark = self.watermark(index, worker, &workers, &now);
                if step.kind != StepKind::Stateful {
                    (numbers.keys, numbers.state_bytes) = (None, None);
                }
                numbers
            };
            StepReport {
                step: step.id.clone(),
                operator: step.operator.to_owned(),
                kind: step.kind,
                inputs: step.inputs.iter().map(|input| self.id(*input)).collect(),
                workers: workers.iter().map(of_worker).collect(),
            }
        });
        RunReport {
            flow: self.flow.clone(),
            process: self.process,
            processes: self.processes,
            read_at: now.date,
            state: self.meter.state(),
            seconds: seconds(now.monotonic.nanos_since(self.meter.began)),
            execution: self.meter.execution.count(),
            members: Vec::new(),
            steps: steps.collect(),
            edges: self.edges(&workers, &now),
            workers: workers
                .iter()
                .map(|worker| WorkerReport {
                    running: worker.running().map(|step| self.id(step)),
                    process: self.process,
                    ..of_worker(worker, self.meter.began, &now)
                })
                .collect(),
            stores: self
                .meter
                .stores()
                .iter()
                .map(|store| StoreReport {
                    partition: store.partition,
                    worker: store.worker.0,
                    load_seconds: store.load.read(),
                    write_seconds: store.write.read(),
                })
                .collect(),
            stalls: self.meter.stalls(),
        }
    }

    /// The number of processes in the cluster.
    #[cfg(feature = "web")]
    pub(crate) fn processes(&self) -> usize {
        self.processes
    }

    /// Answers the question of another process.
    pub(super) fn answer(&self, question: Question) -> Answer {
        let detail = Detail {
            histograms: question.histograms,
            keys: true,
        };
        Answer {
            report: self.read(detail),
            errors: match question.errors {
                true => self.errors(),
                false => Vec::new(),
            },
        }
    }

    /// The meters of a step on the workers of the process, if it keeps state per key.
    #[cfg(feature = "web")]
    pub(crate) fn keyed_step(&self, id: &str) -> Option<Vec<(WorkerIndex, Arc<StepMeter>)>> {
        let place = self.steps.iter().position(|step| step.id == *id)?;
        let index = StepIndex(place as u32);
        let is_keyed = self.steps[place].kind == StepKind::Stateful;
        let workers = self.meter.workers();
        let meters = workers.iter();
        let meters = meters.map(|worker| (worker.index, Arc::clone(worker.step(index))));
        is_keyed.then(|| meters.collect())
    }

    /// The newest errors of items, by step and worker.
    pub(crate) fn errors(&self) -> Vec<(StepId, WorkerIndex, SeenError)> {
        let mut errors = Vec::new();
        for worker in self.meter.workers() {
            for (place, step) in self.steps.iter().enumerate() {
                let of = worker.step(StepIndex(place as u32)).errors.read();
                errors.extend(of.into_iter().map(|it| (step.id.clone(), worker.index, it)));
            }
        }
        errors
    }

    /// The meters of an output on the workers of the process.
    #[cfg(feature = "web")]
    pub(crate) fn output(
        &self,
        id: &str,
        name: &str,
    ) -> Option<Vec<(WorkerIndex, Arc<OutputMeter>)>> {
        let place = self.steps.iter().position(|step| step.id == *id)?;
        let mut outputs = self.steps[place].outputs.iter();
        let output = outputs.position(|known| *known == name)?;
        let workers = self.meter.workers();
        let meter = |worker: &Arc<WorkerMeter>| {
            let step = worker.step(StepIndex(place as u32));
            (worker.index, Arc::clone(step.output(output)))
        };
        Some(workers.iter().map(meter).collect())
    }

    fn id(&self, step: StepIndex) -> StepId {
        self.steps[step.get()].id.clone()
    }

    fn edges(&self, workers: &[Arc<WorkerMeter>], now: &Now) -> Vec<EdgeReport> {
        let shared = self.shared.upgrade();
        let mut all = Vec::new();
        for worker in workers {
            for edge in worker.edges() {
                let queued = shared
                    .as_ref()
                    .map(|shared| shared.queued(edge.place.edge, worker.index));
                let (queued_bytes, limit_bytes) = queued.unwrap_or_default();
                all.push(EdgeReport {
                    from: self.steps[edge.place.root.get()].id.clone(),
                    to: self.steps[edge.place.reader.get()].id.clone(),
                    input: edge.place.input,
                    worker: worker.index.0,
                    items: edge.items.get(),
                    batches: edge.batches.get(),
                    bytes: edge.bytes.get(),
                    queued_bytes,
                    limit_bytes,
                    waited_seconds: seconds(waited(&edge, now)),
                    waits: edge.waits(),
                });
            }
        }
        all
    }

    /// Returns the watermark of a step on a worker, and what holds it back.
    fn watermark(
        &self,
        step: StepIndex,
        worker: &WorkerMeter,
        workers: &[Arc<WorkerMeter>],
        now: &Now,
    ) -> Option<WatermarkReport> {
        let meter = worker.step(step);
        let at = date(meter.watermark.get()?)?;
        let slowest = meter
            .slowest
            .count()
            .and_then(|slowest| usize::try_from(slowest).ok());
        let holder = slowest.unwrap_or(worker.index.0);
        let holder = workers.iter().find(|worker| worker.index.0 == holder);
        Some(WatermarkReport {
            at,
            behind_seconds: (now.date - at).as_seconds_f64(),
            worker: slowest,
            partition: holder.and_then(|holder| self.slowest_partition(step, holder)),
        })
    }

    /// Returns the slowest partition that a step on a worker, or a step before it, waits for.
    fn slowest_partition(&self, step: StepIndex, worker: &WorkerMeter) -> Option<String> {
        let mut ahead = vec![step];
        let mut seen = vec![false; self.steps.len()];
        while let Some(step) = ahead.pop() {
            if std::mem::replace(&mut seen[step.get()], true) {
                continue;
            }
            let mut bounds = BTreeMap::new();
            for partition in worker.step(step).partitions() {
                if let Some(bound) = partition.bound.get() {
                    bounds.entry(bound).or_insert(partition);
                }
            }
            if let Some((_, slowest)) = bounds.first_key_value() {
                return Some(slowest.name.clone());
            }
            ahead.extend(&self.steps[step.get()].inputs);
        }
        None
    }
}

struct Now {
    date: DateTime<Utc>,
    monotonic: Monotonic,
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn seconds_since(micros: i64, now: &Now) -> f64 {
    micros_since(micros, now.monotonic) as f64 / 1e6
}

fn date(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

fn of_worker(worker: &WorkerMeter, began: Monotonic, now: &Now) -> WorkerReport {
    let epochs = &worker.epochs;
    WorkerReport {
        worker: worker.index.0,
        process: 0,
        run_seconds: seconds(now.monotonic.nanos_since(began)),
        runs: worker.runs.get().is_some(),
        running: None,
        epoch: epochs.current.count(),
        epoch_seconds: epochs.began.get().map(|began| seconds_since(began, now)),
        epochs_complete: epochs.complete.get(),
        last: last_epoch(epochs, now),
        unfinished: epochs.unfinished().map(|(epoch, over)| UnfinishedEpoch {
            epoch,
            seconds: seconds_since(over, now),
        }),
        saved_bytes: worker.saved_bytes.get(),
    }
}

fn last_epoch(epochs: &EpochMeter, now: &Now) -> Option<EpochReport> {
    Some(EpochReport {
        epoch: epochs.completed.count()?,
        seconds: epochs.last.count().map(seconds),
        bytes: epochs.last_bytes.count().unwrap_or(0),
        age_seconds: seconds_since(epochs.completed_at.get()?, now),
    })
}

/// Returns how long the sender over an edge has waited, in nanoseconds.
fn waited(edge: &EdgeMeter, now: &Now) -> u64 {
    let before = edge.waited.get();
    let since = edge.waits_since.get();
    let still = since.map_or(0, |since| micros_since(since, now.monotonic));
    before.saturating_add(still.saturating_mul(1_000))
}

fn numbers(meter: &StepMeter, worker: usize, outputs: &[&str], detail: Detail) -> StepNumbers {
    let read = |histogram: &Histogram| match detail.histograms {
        true => histogram.read(),
        false => Distribution::default(),
    };
    let outputs = outputs.iter().zip(meter.outputs());
    let outputs = outputs.map(|(name, output)| OutputReport {
        name: (*name).to_owned(),
        items: output.items.get(),
        batches: output.batches.get(),
        dropped: output.dropped.get(),
    });
    let outputs: Vec<OutputReport> = outputs.collect();
    StepNumbers {
        worker,
        items_in: meter.items_in.get(),
        batches_in: meter.batches_in.get(),
        items_out: outputs.iter().map(|output| output.items).sum(),
        batches_out: outputs.iter().map(|output| output.batches).sum(),
        busy_seconds: seconds(meter.busy.get()),
        outputs,
        keys: meter.keys.count(),
        state_bytes: meter.state_bytes.count(),
        saved_bytes: meter.saved_bytes.get(),
        watermark: None,
        windows: meter.windows.read().map(|seen| windows(seen, detail)),
        partitions: meter.partitions().iter().map(|it| partition(it)).collect(),
        batch_seconds: read(&meter.batch),
        notify_seconds: read(&meter.notify),
        end_seconds: read(&meter.end),
        snapshot_seconds: read(&meter.snapshot),
        polled_items: read(&meter.polled),
    }
}

fn windows(seen: SeenWindows, detail: Detail) -> WindowsReport {
    WindowsReport {
        open: seen.open as u64,
        waiting: seen.waiting as u64,
        oldest: seen.oldest.and_then(date),
        closes_at: seen.closes_at.and_then(date),
        watermark: seen.watermark.and_then(date),
        held_by: seen.held_by,
        key: seen.key.filter(|_| detail.keys),
    }
}

impl From<Lag> for LagReport {
    fn from(lag: Lag) -> Self {
        let none = Self {
            items: None,
            bytes: None,
            messages: None,
        };
        match lag {
            Lag::Items(items) => Self {
                items: Some(items),
                ..none
            },
            Lag::Bytes(bytes) => Self {
                bytes: Some(bytes),
                ..none
            },
            Lag::Messages(messages) => Self {
                items: Some(messages),
                messages: Some(messages),
                ..none
            },
        }
    }
}

fn partition(meter: &PartitionMeter) -> PartitionReport {
    PartitionReport {
        name: meter.name.clone(),
        items: meter.items.get(),
        batches: meter.batches.get(),
        lag: meter.lag().map(LagReport::from),
        newest: meter.newest.get().and_then(date),
        watermark: meter.bound.get().and_then(date),
        waited_for: meter.bound.get().is_some(),
        ended: meter.ended.get().is_some(),
    }
}
