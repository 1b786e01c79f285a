//! The metrics of a run.
//!
//! A [`RunReport`] can be read from a run at any time, with [`Monitor::report`](crate::Monitor::report) or as
//! Prometheus' text. It contains the metrics of the workers of one process. Counters start at zero when the
//! run begins on this process.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{StepId, StepKind};

/// The metrics of a run, for the workers of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RunReport {
    /// The name of the flow.
    pub flow: String,
    /// The number of the process in its cluster.
    pub process: usize,
    /// The number of processes in the cluster.
    #[serde(default = "one")]
    pub processes: usize,
    /// When the report was read.
    pub read_at: DateTime<Utc>,
    /// The state of the run.
    pub state: RunState,
    /// The duration of the run so far, in seconds.
    pub seconds: f64,
    /// The number of this execution in the recovery store, if there is one: how often the flow was restarted.
    pub execution: Option<u64>,
    /// The processes whose workers are in the report, if it is one of the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ProcessReport>,
    /// The workers that have started.
    pub workers: Vec<WorkerReport>,
    /// The steps, in the order of their description.
    pub steps: Vec<StepReport>,
    /// The edges: the queues of steps for which workers exchange items, or which have more than one input.
    pub edges: Vec<EdgeReport>,
    /// The partitions of the recovery store that this process writes.
    pub stores: Vec<StoreReport>,
    /// The current stalls of the run. They are checked twice a second, unless a test moves the clock of the
    /// run.
    #[serde(default)]
    pub stalls: Vec<StallReport>,
}

fn one() -> usize {
    1
}

/// A process of the cluster, as the one that was asked sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ProcessReport {
    /// The number of the process in the cluster.
    pub process: usize,
    /// Whether its numbers are current.
    pub state: ProcessState,
    /// The age of its numbers, in seconds; `None` without any.
    pub age_seconds: Option<f64>,
}

impl ProcessReport {
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only the server asks other processes")
    )]
    pub(crate) fn new(process: usize, state: ProcessState, age_seconds: Option<f64>) -> Self {
        Self {
            process,
            state,
            age_seconds,
        }
    }
}

/// Whether a process answers when it is asked for its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessState {
    /// It answers: its numbers are current.
    Current,
    /// It has not answered for half a second or longer: its numbers are those of its last answer.
    Slow,
    /// It has never answered: nothing is known of its workers.
    Silent,
}

/// A condition that keeps a run from making progress, and its cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StallReport {
    /// The kind of stall.
    pub kind: StallKind,
    /// The step that causes it, if known.
    pub step: Option<StepId>,
    /// The worker that causes it, if known.
    pub worker: Option<usize>,
    /// The partition that causes it: of a source, of event time, or of the recovery store.
    pub partition: Option<String>,
    /// Its duration so far, in seconds.
    pub seconds: f64,
    /// The cause in words.
    pub cause: String,
}

/// The kinds of stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StallKind {
    /// The code of a step does not return.
    Step,
    /// An edge is full: a step receives items more slowly than others send them.
    Edge,
    /// An epoch has ended but does not complete, nor does its snapshot.
    Snapshot,
    /// A watermark does not advance, because of one partition.
    Watermark,
    /// A partition of a source has items left and emits none.
    Source,
    /// One worker does far more than the others.
    Skew,
}

impl StallKind {
    /// Returns the kind as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Edge => "edge",
            Self::Snapshot => "snapshot",
            Self::Watermark => "watermark",
            Self::Source => "source",
            Self::Skew => "skew",
        }
    }
}

/// The states of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// Processes connect, the flow is built, and saved state is loaded.
    Starting,
    /// All workers of this process run the flow.
    Running,
    /// The current epoch is the last: the run was asked to stop.
    Stopping,
    /// The input has ended, or the run has stopped.
    Ended,
    /// The run has failed.
    Failed,
}

impl RunState {
    pub(crate) const ALL: [Self; 5] = [
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Ended,
        Self::Failed,
    ];

    /// Returns the state as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// The progress of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WorkerReport {
    /// Its number in the cluster.
    pub worker: usize,
    /// The number of its process.
    #[serde(default)]
    pub process: usize,
    /// The duration of the run on its process when its numbers were read, in seconds.
    #[serde(default)]
    pub run_seconds: f64,
    /// Whether it has built the flow and is running it.
    pub runs: bool,
    /// The step whose code it is running, if any.
    #[serde(default)]
    pub running: Option<StepId>,
    /// The current epoch of its sources.
    pub epoch: Option<u64>,
    /// The age of that epoch, in seconds.
    pub epoch_seconds: Option<f64>,
    /// The number of epochs of this run that are complete on the whole cluster.
    pub epochs_complete: u64,
    /// The last epoch that is complete on the whole cluster: with a recovery store, the last snapshot.
    pub last: Option<EpochReport>,
    /// The epoch that has ended but is not complete.
    pub unfinished: Option<UnfinishedEpoch>,
    /// The bytes of state and positions passed to the recovery store.
    pub saved_bytes: u64,
}

/// An epoch that is complete on the whole cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EpochReport {
    /// Its number.
    pub epoch: u64,
    /// The time from its end to its completion, in seconds. Unknown for the epoch in which the input ended.
    pub seconds: Option<f64>,
    /// The bytes of state and positions that this worker passed to the store since the previous epoch was
    /// complete.
    pub bytes: u64,
    /// The time since its completion, in seconds.
    pub age_seconds: f64,
}

/// An epoch that has ended but is not complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct UnfinishedEpoch {
    /// Its number.
    pub epoch: u64,
    /// The time since its end, in seconds.
    pub seconds: f64,
}

/// A step, with its metrics on each worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StepReport {
    /// The id of the step.
    pub step: StepId,
    /// The method that created it.
    pub operator: String,
    /// The kind of step.
    pub kind: StepKind,
    /// The steps that it reads from.
    #[serde(default)]
    pub inputs: Vec<StepId>,
    /// Its metrics on each worker of the process.
    pub workers: Vec<StepNumbers>,
}

/// The metrics of a step on a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StepNumbers {
    /// The number of the worker in the cluster.
    pub worker: usize,
    /// The number of items that the step received.
    pub items_in: u64,
    /// The number of batches that it received.
    pub batches_in: u64,
    /// The number of items that it emitted, on all its outputs.
    pub items_out: u64,
    /// The number of batches that it emitted.
    pub batches_out: u64,
    /// The time in its code, in seconds, estimated from a sample of its activations.
    pub busy_seconds: f64,
    /// Its outputs.
    pub outputs: Vec<OutputReport>,
    /// The number of its keys in memory, if it keeps state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// The approximate memory of these keys, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u64>,
    /// The bytes of its state and positions passed to the recovery store.
    pub saved_bytes: u64,
    /// Its watermark, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<WatermarkReport>,
    /// Its open windows, if it has windows: counted about once a second, and less often if there are very many
    /// keys. Keys that are evicted from memory are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsReport>,
    /// The partitions known to the step on this worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionReport>,
    /// The durations of batches: a poll of a source, a write of a sink, or one batch of items in other steps.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub batch_seconds: Distribution,
    /// The durations of handling timers that are due by the clock or the watermark.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub notify_seconds: Distribution,
    /// The durations of handling the end of the input.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub end_seconds: Distribution,
    /// The durations of the parts of snapshots, during which the worker does nothing else.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub snapshot_seconds: Distribution,
    /// The numbers of items returned by polls of the source.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub polled_items: Distribution,
}

/// An output of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OutputReport {
    /// The name of its field, such as `down`, `late` or `errs`.
    pub name: String,
    /// The number of items emitted on it.
    pub items: u64,
    /// The number of batches emitted on it.
    pub batches: u64,
    /// The number of items that were dropped because nothing reads the output.
    pub dropped: u64,
}

/// The watermark of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WatermarkReport {
    /// No further item is expected before this event time.
    pub at: DateTime<Utc>,
    /// Its distance to the clock of the worker, in seconds.
    pub behind_seconds: f64,
    /// The worker that holds it back, if known.
    pub worker: Option<usize>,
    /// The partition that holds it back, if known and in this process.
    pub partition: Option<String>,
}

/// The open windows of a step on a worker, and what they wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WindowsReport {
    /// The number of open windows.
    pub open: u64,
    /// The number of values that wait for the watermark.
    pub waiting: u64,
    /// The start of the oldest open window.
    #[serde(default)]
    pub oldest: Option<DateTime<Utc>>,
    /// The watermark at which the next window closes or emits; `None` if all windows end with the input.
    #[serde(default)]
    pub closes_at: Option<DateTime<Utc>>,
    /// The watermark that this window waits for: that of its key, or of all keys.
    #[serde(default)]
    pub watermark: Option<DateTime<Utc>>,
    /// What holds this watermark back.
    pub held_by: HeldBy,
    /// The key of this window, shortened. The address of the metrics does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What holds the watermark of a window back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeldBy {
    /// The partition that is furthest behind: the `watermark` of the step names it and its worker.
    Partition,
    /// The newest value of the key. The watermark of the key advances with later values and with time.
    Key,
    /// The clock of the worker.
    Clock,
    /// Nothing is open, or no partition has values left.
    Nothing,
}

/// A partition of a source, or the event time of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PartitionReport {
    /// The name of the partition.
    pub name: String,
    /// The number of items that it emitted.
    pub items: u64,
    /// The number of polls that returned items.
    pub batches: u64,
    /// Its unread input, if the connector knows it.
    pub lag: Option<LagReport>,
    /// Its newest event time.
    pub newest: Option<DateTime<Utc>>,
    /// Its watermark: no further item of it is expected before this. `None` while the step's watermark does
    /// not wait for the partition.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether the step's watermark waits for it.
    #[serde(default)]
    pub waited_for: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// The unread input of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LagReport {
    /// The number of items.
    pub items: Option<u64>,
    /// The number of bytes.
    pub bytes: Option<u64>,
    /// The number of messages of a topic; the partition is named `topic/number`.
    pub messages: Option<u64>,
}

/// An edge: the queue from one worker to an input of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EdgeReport {
    /// The source or the step whose operator sends.
    pub from: StepId,
    /// The step that reads.
    pub to: StepId,
    /// The index of the input.
    pub input: usize,
    /// The worker that sends.
    pub worker: usize,
    /// The number of items sent.
    pub items: u64,
    /// The number of batches sent.
    pub batches: u64,
    /// The weight of these items, in bytes.
    pub bytes: u64,
    /// The bytes in flight: sent and not yet received.
    pub queued_bytes: u64,
    /// The limit of bytes in flight, at which the sender waits.
    pub limit_bytes: u64,
    /// The time that the sender waited for room, in seconds.
    pub waited_seconds: f64,
    /// Whether it is waiting now.
    pub waits: bool,
}

/// A partition of the recovery store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StoreReport {
    /// Its number.
    pub partition: u32,
    /// The worker that writes it.
    pub worker: usize,
    /// The durations of loading the saved states of a slot.
    pub load_seconds: Distribution,
    /// The durations of making an epoch durable.
    pub write_seconds: Distribution,
}

/// A histogram of values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Distribution {
    /// The upper bounds, ascending and inclusive.
    pub bounds: Vec<f64>,
    /// The number of values between each bound and the previous one; the last counts those above all bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Distribution {
    /// Whether it was not read.
    fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Returns the number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl RunReport {
    /// Returns the metrics of a step, by its id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.step == *id)
    }

    /// Returns the number of items that the sources emitted.
    #[must_use]
    pub fn items(&self) -> u64 {
        let sources = self
            .steps
            .iter()
            .filter(|step| step.kind == StepKind::Source);
        sources.map(StepReport::items_out).sum()
    }

    /// Returns the number of late values of all steps.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.steps.iter().map(StepReport::late).sum()
    }

    /// Returns the number of items that steps emitted as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.steps.iter().map(StepReport::errors).sum()
    }

    /// Returns the number of errors skipped by `skip_counted`.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.steps.iter().map(StepReport::skipped).sum()
    }
}

impl StepReport {
    /// Returns the number of items that the step received, on all workers of the process.
    #[must_use]
    pub fn items_in(&self) -> u64 {
        self.workers.iter().map(|worker| worker.items_in).sum()
    }

    /// Returns the number of items that it emitted, on all workers of the process.
    #[must_use]
    pub fn items_out(&self) -> u64 {
        self.workers.iter().map(|worker| worker.items_out).sum()
    }

    /// Returns the number of late values, read or dropped.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.workers.iter().map(StepNumbers::late).sum()
    }

    /// Returns the number of items that it emitted as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.workers.iter().map(StepNumbers::errors).sum()
    }

    /// Returns the number of errors that it skipped, if it is a step that skips errors.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        match self.skips() {
            true => self.items_in(),
            false => 0,
        }
    }

    /// Whether it skips errors, and counts them.
    pub(crate) fn skips(&self) -> bool {
        self.operator == "skip_counted"
    }

    /// Returns the items of an output, summed over all workers.
    #[must_use]
    pub fn output(&self, name: &str) -> u64 {
        let outputs = self.workers.iter().flat_map(|worker| &worker.outputs);
        let named = outputs.filter(|output| output.name == name);
        named.map(|output| output.items).sum()
    }
}

impl StepNumbers {
    fn sum(&self, of: impl Fn(&str) -> bool) -> u64 {
        let outputs = self.outputs.iter().filter(|output| of(&output.name));
        outputs.map(|output| output.items + output.dropped).sum()
    }

    /// Returns the number of late values, read or dropped.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.sum(|name| name.starts_with("late"))
    }

    /// Returns the number of items from the future, read or dropped.
    #[must_use]
    pub fn future(&self) -> u64 {
        self.sum(|name| name == "future")
    }

    /// Returns the number of items emitted as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.sum(|name| name == "errs")
    }
}
