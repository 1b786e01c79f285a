//! The metadata of a partition.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, StepId, StepKind};
use crate::key::{SLOTS, Slot};

/// The random identity of a store, in each of its partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct StoreId(pub(super) [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a partition within its store, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct PartitionIndex(pub(crate) u32);

impl fmt::Display for PartitionIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of partitions of a store: at least one, at most one per slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct PartitionCount(u32);

impl PartitionCount {
    pub(crate) fn new(count: u32) -> Option<Self> {
        (1..=SLOTS as u32).contains(&count).then_some(Self(count))
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn indices(self) -> impl Iterator<Item = PartitionIndex> {
        (0..self.0).map(PartitionIndex)
    }

    /// The partition of a slot's states.
    pub(crate) fn partition_of(self, slot: Slot) -> PartitionIndex {
        PartitionIndex(slot.index() as u32 % self.0)
    }
}

impl fmt::Display for PartitionCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header of a partition file; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) store: StoreId,
    pub(crate) flow: String,
    pub(crate) index: PartitionIndex,
    pub(crate) count: PartitionCount,
}

/// The number of an execution: a run of the flow on the whole cluster. The first is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct ExecutionNumber(pub(crate) u64);

impl fmt::Display for ExecutionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One execution. All partitions store the same record of it, so one of them is enough to read it, and two
/// different records reveal that partitions have diverged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) number: ExecutionNumber,
    /// The epoch it began with.
    pub(crate) resume: Epoch,
    pub(crate) workers: u32,
    pub(crate) processes: u32,
    pub(crate) started_at: DateTime<Utc>,
}

/// The progress of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The execution that wrote this; none before the first.
    pub(crate) execution: Option<ExecutionNumber>,
    /// All changes of this epoch and those before are in the partition; 0 before the first.
    pub(crate) durable: Epoch,
    /// The oldest epoch with which an execution can still begin.
    pub(crate) oldest: Epoch,
    /// When an epoch was last completed, by the clock of the system; none before the first.
    pub(crate) saved_at: Option<DateTime<Utc>>,
}

impl Progress {
    /// Whether an execution is the last one in this partition and has completed no epoch in it. Its only
    /// effect is then the removal of rows before it began.
    pub(crate) fn is_void(&self, execution: &Execution) -> bool {
        self.execution == Some(execution.number) && self.durable < execution.resume
    }
}

/// Everything that a resume needs to know of one partition; gathered from the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionState {
    pub(crate) file: PathBuf,
    pub(crate) meta: Meta,
    pub(crate) progress: Progress,
    /// In ascending order of their numbers.
    pub(crate) executions: Vec<Execution>,
}

/// The kind of a step that has rows in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum SavedKind {
    Source,
    Sink,
    Stateful,
}

impl SavedKind {
    pub(super) const ALL: [Self; 3] = [Self::Source, Self::Sink, Self::Stateful];

    /// The kind of a step, if such a step saves anything.
    pub(crate) fn of(kind: StepKind) -> Option<Self> {
        match kind {
            StepKind::Source => Some(Self::Source),
            StepKind::Sink => Some(Self::Sink),
            StepKind::Stateful => Some(Self::Stateful),
            StepKind::Observer | StepKind::Stateless => None,
        }
    }

    /// Its name in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Stateful => "stateful",
        }
    }
}

/// The record of a step in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StepMeta {
    pub(crate) id: StepId,
    pub(crate) kind: SavedKind,
    /// The type of its states or positions, with its version and fields, for messages; the following lines
    /// list the other facts about its meaning ([`Fact`](crate::state::Fact)).
    pub(crate) schema: String,
    pub(crate) version: u32,
    pub(crate) fingerprint: u64,
}

impl StepMeta {
    /// The type alone.
    pub(crate) fn ty(&self) -> &str {
        self.schema.lines().next().unwrap_or_default()
    }

    /// The type and the facts on one line.
    pub(crate) fn schema_line(&self) -> String {
        self.schema.replace('\n', "; ")
    }
}

/// The number of a step within one partition file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepNumber(pub(super) u32);

/// The position of a partition of a source or a sink at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) step: StepId,
    pub(crate) partition: String,
    pub(crate) epoch: Epoch,
    pub(crate) bytes: Vec<u8>,
}
