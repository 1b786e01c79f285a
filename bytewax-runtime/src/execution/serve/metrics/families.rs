//! The series, and their samples from a report. This module is independent of the format.
//!
//! Names follow the rules of Prometheus: they end in base units, and counters in `_total`. The series of
//! Bytewax for Python keep their names.

use crate::ids::StepKind;
use crate::report::{
    Distribution, EdgeReport, PartitionReport, ProcessReport, ProcessState, RunReport, RunState,
    StepNumbers, StepReport, WorkerReport,
};

/// The labels of a sample.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Samples of one name.
pub(crate) struct Family {
    /// Without the unit, and without `_total`.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) unit: Option<Unit>,
    pub(crate) samples: Samples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
}

pub(crate) enum Samples {
    Counters(Vec<(Labels, Count)>),
    Gauges(Vec<(Labels, f64)>),
    Histograms(Vec<(Labels, Distribution)>),
    Info(Labels),
}

/// The value of a counter.
pub(crate) enum Count {
    Whole(u64),
    Seconds(f64),
}

impl Family {
    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        match &self.samples {
            Samples::Counters(all) => all.is_empty(),
            Samples::Gauges(all) => all.is_empty(),
            Samples::Histograms(all) => all.is_empty(),
            Samples::Info(labels) => labels.is_empty(),
        }
    }
}

/// Collects the samples of one name.
struct Gathered<'a> {
    report: &'a RunReport,
    families: Vec<Family>,
}

/// A step on a worker.
type Of<'a> = (&'a StepReport, &'a StepNumbers);

impl<'a> Gathered<'a> {
    fn put(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        samples: Samples,
    ) {
        let family = Family {
            name,
            help,
            unit,
            samples,
        };
        if !family.is_empty() {
            self.families.push(family);
        }
    }

    fn steps(&self) -> impl Iterator<Item = Of<'a>> + use<'a> {
        let steps = self.report.steps.iter();
        steps.flat_map(|step| step.workers.iter().map(move |numbers| (step, numbers)))
    }

    /// Adds a counter of steps.
    fn count(
        &mut self,
        name: &'static str,
        help: &'static str,
        of: impl Fn(Of<'a>) -> Option<u64>,
    ) {
        let samples = self
            .steps()
            .filter_map(|at| Some((of_step(at), Count::Whole(of(at)?))));
        let samples = Samples::Counters(samples.collect());
        self.put(name, None, help, samples);
    }

    fn gauge(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        of: impl Fn(Of<'a>) -> Option<f64>,
    ) {
        let samples = self.steps().filter_map(|at| Some((of_step(at), of(at)?)));
        let samples = Samples::Gauges(samples.collect());
        self.put(name, unit, help, samples);
    }

    fn histogram(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        of: impl Fn(Of<'a>) -> Option<&'a Distribution>,
    ) {
        let samples = self
            .steps()
            .filter_map(|at| Some((of_step(at), of(at)?.clone())));
        let samples = Samples::Histograms(samples.collect());
        self.put(name, unit, help, samples);
    }

    fn partitions(&self) -> impl Iterator<Item = (Labels, &'a PartitionReport)> + use<'a> {
        self.steps().flat_map(|at| {
            let partitions = at.1.partitions.iter();
            partitions.map(move |partition| {
                let mut labels = of_step(at);
                labels.push(("partition", partition.name.clone()));
                (labels, partition)
            })
        })
    }

    fn of_partitions(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        of: impl Fn(&PartitionReport) -> Option<f64>,
    ) {
        let samples = self.partitions();
        let samples = samples.filter_map(|(labels, partition)| Some((labels, of(partition)?)));
        let samples = Samples::Gauges(samples.collect());
        self.put(name, unit, help, samples);
    }

    fn of_workers(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        help: &'static str,
        of: impl Fn(&WorkerReport) -> Option<f64>,
    ) {
        let workers = self.report.workers.iter();
        let samples = workers.filter_map(|worker| Some((of_worker(worker), of(worker)?)));
        let samples = Samples::Gauges(samples.collect());
        self.put(name, unit, help, samples);
    }

    fn of_edges<R>(&self, of: impl Fn(&EdgeReport) -> R) -> Vec<(Labels, R)> {
        let edges = self.report.edges.iter();
        edges.map(|edge| (of_edge(edge), of(edge))).collect()
    }
}

fn of_step((step, numbers): Of<'_>) -> Labels {
    vec![
        ("step_id", step.step.to_string()),
        ("worker_index", numbers.worker.to_string()),
    ]
}

fn of_worker(worker: &WorkerReport) -> Labels {
    vec![("worker_index", worker.worker.to_string())]
}

fn of_edge(edge: &EdgeReport) -> Labels {
    vec![
        ("from_step_id", edge.from.to_string()),
        ("to_step_id", edge.to.to_string()),
        ("input", edge.input.to_string()),
        ("worker_index", edge.worker.to_string()),
    ]
}

fn is(
    kind: StepKind,
    of: fn(&StepNumbers) -> &Distribution,
) -> impl Fn(Of<'_>) -> Option<&Distribution> {
    move |(step, numbers)| (step.kind == kind).then(|| of(numbers))
}

/// All series of a report.
pub(crate) fn families(report: &RunReport) -> Vec<Family> {
    let mut all = Gathered {
        report,
        families: Vec::new(),
    };
    run(&mut all);
    members(&mut all);
    items(&mut all);
    durations(&mut all);
    state(&mut all);
    event_time(&mut all);
    lag(&mut all);
    edges(&mut all);
    epochs(&mut all);
    stores(&mut all);
    stalls(&mut all);
    all.families
}

fn run(all: &mut Gathered<'_>) {
    let report = all.report;
    let labels = vec![
        ("flow", report.flow.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("process", report.process.to_string()),
    ];
    let help = "The flow, the version of the library, and the number of the process";
    all.put("bytewax_build", None, help, Samples::Info(labels));
    let states = RunState::ALL.map(|state| {
        let labels = vec![("state", state.as_str().to_owned())];
        (labels, f64::from(u8::from(state == report.state)))
    });
    let help = "1 for the current state of the run";
    all.put(
        "bytewax_run_state",
        None,
        help,
        Samples::Gauges(states.into()),
    );
    let began = report.read_at.timestamp_micros() as f64 / 1e6 - report.seconds;
    let began = Samples::Gauges(vec![(Vec::new(), began)]);
    let help = "The start of the run on this process, in seconds since 1970";
    all.put("bytewax_run_start_time", Some(Unit::Seconds), help, began);
    if let Some(execution) = report.execution {
        let restarts = Samples::Counters(vec![(Vec::new(), Count::Whole(execution))]);
        let help = "Restarts of the flow, according to its recovery store";
        all.put("bytewax_restarts", None, help, restarts);
    }
}

fn members(all: &mut Gathered<'_>) {
    let members = &all.report.members;
    let labels = |member: &ProcessReport| vec![("process", member.process.to_string())];
    let current = members.iter().map(|member| {
        let is_current = member.state == ProcessState::Current;
        (labels(member), f64::from(u8::from(is_current)))
    });
    let current = Samples::Gauges(current.collect());
    let help =
        "1 if a process of the cluster answers when it is asked for its numbers, otherwise 0";
    all.put("bytewax_process_current", None, help, current);
    let ages = members.iter();
    let ages = ages.filter_map(|member| Some((labels(member), member.age_seconds?)));
    let ages = Samples::Gauges(ages.collect());
    let help = "The age of the numbers of a process of the cluster";
    all.put("bytewax_process_age", Some(Unit::Seconds), help, ages);
}

fn items(all: &mut Gathered<'_>) {
    all.count(
        "bytewax_item_inp_count",
        "Items that a step received",
        |(step, numbers)| (step.kind != StepKind::Source).then_some(numbers.items_in),
    );
    all.count(
        "bytewax_item_out_count",
        "Items that a step emitted, on all its outputs",
        |(_, numbers)| (!numbers.outputs.is_empty()).then_some(numbers.items_out),
    );
    all.count(
        "bytewax_step_batches_in",
        "Batches that a step received",
        |(step, numbers)| (step.kind != StepKind::Source).then_some(numbers.batches_in),
    );
    all.count(
        "bytewax_step_batches_out",
        "Batches that a step emitted, on all its outputs",
        |(_, numbers)| (!numbers.outputs.is_empty()).then_some(numbers.batches_out),
    );
    let has = |numbers: &StepNumbers, named: fn(&str) -> bool| {
        numbers.outputs.iter().any(|output| named(&output.name))
    };
    all.count(
        "bytewax_late_items",
        "Late values of a step, read or dropped",
        |(_, numbers)| has(numbers, |name| name.starts_with("late")).then(|| numbers.late()),
    );
    all.count(
        "bytewax_future_items",
        "Items of a step that are too far in the future, read or dropped",
        |(_, numbers)| has(numbers, |name| name == "future").then(|| numbers.future()),
    );
    all.count(
        "bytewax_error_items",
        "Items that a step emitted as errors",
        |(_, numbers)| has(numbers, |name| name == "errs").then(|| numbers.errors()),
    );
    all.count(
        "bytewax_skipped_items",
        "Errors skipped by `skip_counted`",
        |(step, numbers)| step.skips().then_some(numbers.items_in),
    );
    let outputs = all.steps().flat_map(|at| {
        let outputs = at.1.outputs.iter();
        outputs.map(move |output| {
            let mut labels = of_step(at);
            labels.push(("output", output.name.clone()));
            (labels, output)
        })
    });
    let (mut sent, mut dropped) = (Vec::new(), Vec::new());
    for (labels, output) in outputs {
        // The others are not counted when nothing reads them, because nothing is lost.
        if output.name.starts_with("late") || output.name == "future" {
            dropped.push((labels.clone(), Count::Whole(output.dropped)));
        }
        sent.push((labels, Count::Whole(output.items)));
    }
    let help = "Items that a step emitted on an output";
    all.put("bytewax_output_items", None, help, Samples::Counters(sent));
    let help = "Items dropped because nothing reads the output of a step";
    let dropped = Samples::Counters(dropped);
    all.put("bytewax_dropped_items", None, help, dropped);
}

fn durations(all: &mut Gathered<'_>) {
    let seconds = Some(Unit::Seconds);
    let busy = all
        .steps()
        .map(|at| (of_step(at), Count::Seconds(at.1.busy_seconds)));
    let busy = Samples::Counters(busy.collect());
    let help = "Time in the code of a step, estimated from a sample of its activations";
    all.put("bytewax_step_busy", seconds, help, busy);
    all.histogram(
        "bytewax_inp_part_next_batch_duration",
        seconds,
        "Duration of a poll of a source",
        is(StepKind::Source, |numbers| &numbers.batch_seconds),
    );
    all.histogram(
        "bytewax_inp_part_next_batch_size",
        None,
        "Items of a poll of a source",
        is(StepKind::Source, |numbers| &numbers.polled_items),
    );
    all.histogram(
        "bytewax_out_part_write_batch_duration",
        seconds,
        "Duration of a write of a sink",
        is(StepKind::Sink, |numbers| &numbers.batch_seconds),
    );
    all.histogram(
        "bytewax_flat_map_batch_duration",
        seconds,
        "Duration of a batch in a step without state",
        is(StepKind::Stateless, |numbers| &numbers.batch_seconds),
    );
    all.histogram(
        "bytewax_stateful_batch_on_batch_duration",
        seconds,
        "Duration of a batch in a step with state",
        is(StepKind::Stateful, |numbers| &numbers.batch_seconds),
    );
    all.histogram(
        "bytewax_stateful_batch_on_notify_duration",
        seconds,
        "Duration of timers due by the clock or the watermark in a step with state",
        is(StepKind::Stateful, |numbers| &numbers.notify_seconds),
    );
    all.histogram(
        "bytewax_stateful_batch_on_eof_duration",
        seconds,
        "Duration of the end of the input in a step with state",
        is(StepKind::Stateful, |numbers| &numbers.end_seconds),
    );
    all.histogram(
        "bytewax_snapshot_duration",
        seconds,
        "Duration of a part of a snapshot, during which a worker does nothing else",
        |(step, numbers)| step.kind.needs_name().then_some(&numbers.snapshot_seconds),
    );
}

fn state(all: &mut Gathered<'_>) {
    let known = |number: Option<u64>| number.map(|number| number as f64);
    all.gauge(
        "bytewax_state_keys",
        None,
        "Keys of a step in memory",
        |(_, numbers)| known(numbers.keys),
    );
    all.gauge(
        "bytewax_state_size",
        Some(Unit::Bytes),
        "Approximate memory of the keys of a step",
        |(_, numbers)| known(numbers.state_bytes),
    );
    let saved = all.steps().filter(|(step, _)| step.kind.needs_name());
    let saved = saved.map(|at| (of_step(at), Count::Whole(at.1.saved_bytes)));
    let saved = Samples::Counters(saved.collect());
    let help = "Bytes of state and positions of a step passed to the recovery store";
    all.put("bytewax_step_saved", Some(Unit::Bytes), help, saved);
}

fn event_time(all: &mut Gathered<'_>) {
    let seconds = Some(Unit::Seconds);
    let stamp = |at: chrono::DateTime<chrono::Utc>| at.timestamp_micros() as f64 / 1e6;
    all.gauge(
        "bytewax_watermark_timestamp",
        seconds,
        "The watermark of a step, in seconds since 1970: no further item is expected before it",
        |(_, numbers)| {
            numbers
                .watermark
                .as_ref()
                .map(|watermark| stamp(watermark.at))
        },
    );
    all.gauge(
        "bytewax_watermark_lag",
        seconds,
        "Distance of the watermark of a step to the clock",
        |(_, numbers)| {
            numbers
                .watermark
                .as_ref()
                .map(|watermark| watermark.behind_seconds)
        },
    );
    all.of_partitions(
        "bytewax_partition_watermark_timestamp",
        seconds,
        "The watermark of a partition, in seconds since 1970; absent while nobody waits for it",
        |partition| partition.watermark.map(stamp),
    );
}

fn lag(all: &mut Gathered<'_>) {
    let partitions = all
        .partitions()
        .filter(|(_, partition)| partition.batches > 0);
    let given = partitions.map(|(labels, partition)| (labels, Count::Whole(partition.items)));
    let given = Samples::Counters(given.collect());
    let help = "Items read from a partition of a source";
    all.put("bytewax_partition_items", None, help, given);
    all.of_partitions(
        "bytewax_source_lag_items",
        None,
        "Items of a partition of a source that are not read yet",
        |partition| Some(partition.lag?.items? as f64),
    );
    all.of_partitions(
        "bytewax_source_lag",
        Some(Unit::Bytes),
        "Bytes of a partition of a source that are not read yet",
        |partition| Some(partition.lag?.bytes? as f64),
    );
    let steps = all.report.steps.iter();
    let mut behind = Vec::new();
    for (step, numbers) in steps.flat_map(|step| step.workers.iter().map(move |of| (step, of))) {
        for partition in &numbers.partitions {
            let messages = partition.lag.and_then(|lag| lag.messages);
            let Some((messages, (topic, number))) = messages.zip(partition.name.rsplit_once('/'))
            else {
                continue;
            };
            let labels = vec![
                ("step_id", step.step.to_string()),
                ("topic", topic.to_owned()),
                ("partition", number.to_owned()),
            ];
            behind.push((labels, messages as f64));
        }
    }
    let help = "Messages of a partition of a topic that a source has not read yet";
    let behind = Samples::Gauges(behind);
    all.put("bytewax_kafka_consumer_lag", None, help, behind);
}

fn edges(all: &mut Gathered<'_>) {
    let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
    let items = all.of_edges(|edge| Count::Whole(edge.items));
    let help = "Items that a worker sent over an edge";
    all.put("bytewax_edge_items", None, help, Samples::Counters(items));
    let batches = all.of_edges(|edge| Count::Whole(edge.batches));
    let help = "Batches that a worker sent over an edge";
    all.put(
        "bytewax_edge_batches",
        None,
        help,
        Samples::Counters(batches),
    );
    let sent = all.of_edges(|edge| Count::Whole(edge.bytes));
    let help = "Bytes of items that a worker sent over an edge";
    all.put("bytewax_edge_sent", bytes, help, Samples::Counters(sent));
    let queued = all.of_edges(|edge| edge.queued_bytes as f64);
    let help = "Bytes of a worker in flight on an edge: sent and not yet received";
    all.put("bytewax_edge_queue", bytes, help, Samples::Gauges(queued));
    let limit = all.of_edges(|edge| edge.limit_bytes as f64);
    let help = "The limit of bytes in flight on an edge, at which the worker waits";
    all.put(
        "bytewax_edge_queue_limit",
        bytes,
        help,
        Samples::Gauges(limit),
    );
    let waited = all.of_edges(|edge| Count::Seconds(edge.waited_seconds));
    let help = "Time that a worker waited for room on an edge";
    all.put(
        "bytewax_edge_wait",
        seconds,
        help,
        Samples::Counters(waited),
    );
}

fn epochs(all: &mut Gathered<'_>) {
    let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
    all.of_workers(
        "bytewax_epoch",
        None,
        "The current epoch of a worker",
        |worker| worker.epoch.map(|epoch| epoch as f64),
    );
    all.of_workers(
        "bytewax_epoch_age",
        seconds,
        "The age of a worker's current epoch",
        |worker| worker.epoch_seconds,
    );
    let workers = all.report.workers.iter();
    let complete = workers.map(|worker| (of_worker(worker), Count::Whole(worker.epochs_complete)));
    let complete = Samples::Counters(complete.collect());
    let help = "Epochs completed on the whole cluster";
    all.put("bytewax_epochs_complete", None, help, complete);
    let workers = all.report.workers.iter();
    let saved = workers.map(|worker| (of_worker(worker), Count::Whole(worker.saved_bytes)));
    let saved = Samples::Counters(saved.collect());
    let help = "Bytes of state and positions that a worker passed to the recovery store";
    all.put("bytewax_saved", bytes, help, saved);
    all.of_workers(
        "bytewax_last_epoch_duration",
        seconds,
        "Time from the end of the last complete epoch to its completion: with a recovery store, its snapshot",
        |worker| worker.last.as_ref()?.seconds,
    );
    all.of_workers(
        "bytewax_last_epoch_saved",
        bytes,
        "Bytes that a worker passed to the recovery store for the last complete epoch",
        |worker| Some(worker.last.as_ref()?.bytes as f64),
    );
    all.of_workers(
        "bytewax_last_epoch_age",
        seconds,
        "Time since the last epoch was completed on the whole cluster",
        |worker| Some(worker.last.as_ref()?.age_seconds),
    );
    all.of_workers(
        "bytewax_unfinished_epoch_age",
        seconds,
        "Time since the end of the oldest incomplete epoch; 0 if there is none",
        |worker| {
            Some(
                worker
                    .unfinished
                    .as_ref()
                    .map_or(0.0, |epoch| epoch.seconds),
            )
        },
    );
}

fn stores(all: &mut Gathered<'_>) {
    let seconds = Some(Unit::Seconds);
    let (mut load, mut write) = (Vec::new(), Vec::new());
    for store in &all.report.stores {
        let labels = vec![
            ("worker_id", store.worker.to_string()),
            ("part_id", store.partition.to_string()),
        ];
        let mut named = labels.clone();
        named.push(("name", "load_snaps".to_owned()));
        load.push((named, store.load_seconds.clone()));
        write.push((labels, store.write_seconds.clone()));
    }
    let help =
        "Duration of loading the saved states of a slot from a partition of the recovery store";
    let load = Samples::Histograms(load);
    all.put("bytewax_partd_load_builder_duration", seconds, help, load);
    let help = "Duration of making an epoch durable in a partition of the recovery store";
    let write = Samples::Histograms(write);
    all.put("bytewax_partd_write_duration", seconds, help, write);
}

fn stalls(all: &mut Gathered<'_>) {
    let stalls = all.report.stalls.iter().map(|stall| {
        let known = |known: Option<String>| known.unwrap_or_default();
        let labels = vec![
            ("kind", stall.kind.as_str().to_owned()),
            (
                "step_id",
                known(stall.step.as_ref().map(ToString::to_string)),
            ),
            (
                "worker_index",
                known(stall.worker.map(|worker| worker.to_string())),
            ),
            ("partition", known(stall.partition.clone())),
        ];
        (labels, stall.seconds)
    });
    let stalls = Samples::Gauges(stalls.collect());
    let help = "Duration of the current stall, by its cause; absent while the run does not stall";
    all.put("bytewax_stall", Some(Unit::Seconds), help, stalls);
}
