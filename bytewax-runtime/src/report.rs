//! What a run is doing, in numbers.
//!
//! A [`RunReport`] is read from a run at any time, by [`Monitor::report`](crate::Monitor::report) or as Prometheus' text, and
//! holds the numbers of the workers of one process. Numbers that only grow count since the run began on this process.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{StepId, StepKind};

/// The numbers of a run, of the workers of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunReport {
    /// The name of the flow.
    pub flow: String,
    /// The number of the process in its cluster.
    pub process: usize,
    /// When this was read.
    pub read_at: DateTime<Utc>,
    /// How far the run is.
    pub state: RunState,
    /// How long the run has lasted, in seconds.
    pub seconds: f64,
    /// The number of this execution by the recovery store, if there is one: so often was the flow started again.
    pub execution: Option<u64>,
    /// The workers that have started.
    pub workers: Vec<WorkerReport>,
    /// The steps, in the order in which they were described.
    pub steps: Vec<StepReport>,
    /// The edges: what is on its way to steps that workers exchange items for, or that have more than one input.
    pub edges: Vec<EdgeReport>,
    /// The partitions of the recovery store that this process writes.
    pub stores: Vec<StoreReport>,
    /// What keeps the run from making progress. Looked for twice a second, unless a test moves the clock of the run.
    #[serde(default)]
    pub stalls: Vec<StallReport>,
}

/// What keeps a run from making progress, and its cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StallReport {
    /// What stalls.
    pub kind: StallKind,
    /// The step that is the cause, as far as one is known.
    pub step: Option<StepId>,
    /// The worker that is, as far as one is known.
    pub worker: Option<usize>,
    /// The partition that is: of a source, of event time, or of the recovery store.
    pub partition: Option<String>,
    /// How long it has lasted, in seconds.
    pub seconds: f64,
    /// The cause in words.
    pub cause: String,
}

/// What stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StallKind {
    /// The code of a step does not return.
    Step,
    /// An edge is full: a step takes less than others send to it.
    Edge,
    /// An epoch is over and does not become complete, and with it its snapshot.
    Snapshot,
    /// A watermark stands, because of one partition.
    Watermark,
    /// A partition of a source has items left and gives none.
    Source,
    /// One worker does far more than the others.
    Skew,
}

impl StallKind {
    /// The kind as one word.
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

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// Processes connect, the flow is built, and saved state is read.
    Starting,
    /// All workers of this process run the flow.
    Running,
    /// The present epoch is the last: the run was told to stop.
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

    /// The state as one word.
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

/// How far a worker is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Its number in the cluster.
    pub worker: usize,
    /// Whether it has built the flow, and runs it.
    pub runs: bool,
    /// The step whose code it runs now, if it runs any.
    #[serde(default)]
    pub running: Option<StepId>,
    /// The epoch that its sources are in.
    pub epoch: Option<u64>,
    /// How long that has lasted, in seconds.
    pub epoch_seconds: Option<f64>,
    /// How many epochs are complete on the whole cluster, in this run.
    pub epochs_complete: u64,
    /// The last epoch that is complete on the whole cluster: with a recovery store, the last snapshot.
    pub last: Option<EpochReport>,
    /// The epoch that is over and not complete yet.
    pub unfinished: Option<UnfinishedEpoch>,
    /// How many bytes of state and positions were handed to the recovery store.
    pub saved_bytes: u64,
}

/// An epoch that is complete on the whole cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochReport {
    /// Its number.
    pub epoch: u64,
    /// How long it took to complete after it was over, in seconds. Not known of the one with which the input ended.
    pub seconds: Option<f64>,
    /// How many bytes of state and positions this worker handed to the store since the one before was complete.
    pub bytes: u64,
    /// How long ago it was complete, in seconds.
    pub age_seconds: f64,
}

/// An epoch that is over and not complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnfinishedEpoch {
    /// Its number.
    pub epoch: u64,
    /// How long ago it was over, in seconds.
    pub seconds: f64,
}

/// A step, with its numbers on each worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// The id of the step.
    pub step: StepId,
    /// The method that made it.
    pub operator: String,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The steps that it reads from.
    #[serde(default)]
    pub inputs: Vec<StepId>,
    /// Its numbers on each worker of the process.
    pub workers: Vec<StepNumbers>,
}

/// The numbers of a step on a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepNumbers {
    /// The number of the worker in the cluster.
    pub worker: usize,
    /// Items that the step has taken.
    pub items_in: u64,
    /// Batches in which it has taken them.
    pub batches_in: u64,
    /// Items that it has handed on, by all its outputs.
    pub items_out: u64,
    /// Batches in which it has handed them on.
    pub batches_out: u64,
    /// How long its code has run, in seconds. It is judged by some of the activations.
    pub busy_seconds: f64,
    /// Its outputs.
    pub outputs: Vec<OutputReport>,
    /// How many keys it has in memory, if it keeps state.
    pub keys: Option<u64>,
    /// About how many bytes they take.
    pub state_bytes: Option<u64>,
    /// How many bytes of it were handed to the recovery store.
    pub saved_bytes: u64,
    /// How far event time is, if the step has one.
    pub watermark: Option<WatermarkReport>,
    /// The partitions that the step knows of on this worker.
    pub partitions: Vec<PartitionReport>,
    /// How long batches take: a poll of a source, a write of a sink, what other steps do with the items they take together.
    pub batch_seconds: Distribution,
    /// How long it takes to do what is due by the clock or the watermark.
    pub notify_seconds: Distribution,
    /// How long the end of the input takes.
    pub end_seconds: Distribution,
    /// How long snapshots keep the worker from other work, a part of a snapshot at a time.
    pub snapshot_seconds: Distribution,
    /// How many items the polls of a source have given.
    pub polled_items: Distribution,
}

/// An output of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputReport {
    /// The name of its field, such as `down`, `late` or `errs`.
    pub name: String,
    /// Items that were handed on by it.
    pub items: u64,
    /// Batches in which they were.
    pub batches: u64,
    /// Items that were dropped and counted, because nothing reads the output.
    pub dropped: u64,
}

/// How far event time is in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WatermarkReport {
    /// No item to come is before this.
    pub at: DateTime<Utc>,
    /// How far that is behind the clock of the worker, in seconds.
    pub behind_seconds: f64,
    /// The worker that holds it back, as far as one is known.
    pub worker: Option<usize>,
    /// The partition that holds it back, as far as one of this process is known.
    pub partition: Option<String>,
}

/// A partition of a source, or the event time of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartitionReport {
    /// The name of the partition.
    pub name: String,
    /// Items that it has given.
    pub items: u64,
    /// Polls that have given any.
    pub batches: u64,
    /// How much it has still to give, if the connector knows.
    pub lag: Option<LagReport>,
    /// The newest event time in it.
    pub newest: Option<DateTime<Utc>>,
    /// No item of it to come is before this. Not known while the watermark does not wait for the partition.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether the watermark waits for it.
    #[serde(default)]
    pub waited_for: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// How much a partition has still to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LagReport {
    /// In items, or messages.
    pub items: Option<u64>,
    /// In bytes.
    pub bytes: Option<u64>,
    /// In messages of a topic; the partition is named `topic/number`.
    pub messages: Option<u64>,
}

/// An edge: the way of items to an input of a step, from one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EdgeReport {
    /// The source or the step whose operator sends.
    pub from: StepId,
    /// The step that reads.
    pub to: StepId,
    /// Which of its inputs.
    pub input: usize,
    /// The worker that sends.
    pub worker: usize,
    /// Items that were sent.
    pub items: u64,
    /// Batches in which they were.
    pub batches: u64,
    /// What they weigh, in bytes.
    pub bytes: u64,
    /// What is under way, in bytes: sent and not taken.
    pub queued_bytes: u64,
    /// With so many bytes under way, the sender waits.
    pub limit_bytes: u64,
    /// How long the sender has waited for room, in seconds.
    pub waited_seconds: f64,
    /// Whether it waits now.
    pub waits: bool,
}

/// A partition of the recovery store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreReport {
    /// Its number.
    pub partition: u32,
    /// The worker that writes it.
    pub worker: usize,
    /// How long it takes to load the saved states of a slot.
    pub load_seconds: Distribution,
    /// How long it takes to write an epoch so that it is durable.
    pub write_seconds: Distribution,
}

/// How often a value was between which bounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// The upper bounds, ascending. A value on a bound is below it.
    pub bounds: Vec<f64>,
    /// How many values were below each bound and above the one before; the last are above all.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Distribution {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl RunReport {
    /// The numbers of a step, by its id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.step == *id)
    }

    /// The number of items that sources have given.
    #[must_use]
    pub fn items(&self) -> u64 {
        let sources = self
            .steps
            .iter()
            .filter(|step| step.kind == StepKind::Source);
        sources.map(StepReport::items_out).sum()
    }

    /// The number of late values, by all steps.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.steps.iter().map(StepReport::late).sum()
    }

    /// The number of items that steps have put out as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.steps.iter().map(StepReport::errors).sum()
    }

    /// The number of errors that were skipped by `skip_counted`.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.steps.iter().map(StepReport::skipped).sum()
    }
}

impl StepReport {
    /// The items that the step has taken, on all workers of the process.
    #[must_use]
    pub fn items_in(&self) -> u64 {
        self.workers.iter().map(|worker| worker.items_in).sum()
    }

    /// The items that it has handed on, on all workers of the process.
    #[must_use]
    pub fn items_out(&self) -> u64 {
        self.workers.iter().map(|worker| worker.items_out).sum()
    }

    /// The late values, whether they are read or not.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.workers.iter().map(StepNumbers::late).sum()
    }

    /// The items that it has put out as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.workers.iter().map(StepNumbers::errors).sum()
    }

    /// The errors that it has skipped, if that is what it does.
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

    /// The numbers on all workers, one output after the other.
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

    /// The late values, whether they are read or not.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.sum(|name| name.starts_with("late"))
    }

    /// The items from the future, whether they are read or not.
    #[must_use]
    pub fn future(&self) -> u64 {
        self.sum(|name| name == "future")
    }

    /// The items that were put out as errors.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.sum(|name| name == "errs")
    }
}
