//! Newtypes for identities.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The full identity of a step: `flow.scope.name`.
///
/// State is saved under this id. The id of a source, a sink or a stateful step therefore never depends on
/// order, line numbers or counters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepId(Arc<str>);

impl StepId {
    pub(crate) fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl PartialEq<str> for StepId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

/// The number of an epoch: the unit of snapshots. The first epoch of a flow is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The first epoch of a flow without saved state.
    pub const FIRST: Epoch = Epoch(1);

    /// Returns the next epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The index of a worker in the whole cluster, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerIndex(pub usize);

impl fmt::Display for WorkerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of a step in the description of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepIndex(pub(crate) u32);

impl StepIndex {
    pub(crate) fn get(self) -> usize {
        self.0 as usize
    }
}

/// One output of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Port {
    pub(crate) step: StepIndex,
    pub(crate) output: u16,
}

/// The kind of a step, which determines its state and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// Reads items into the flow.
    Source,
    /// Writes items out of the flow.
    Sink,
    /// Observes items, or ends a stream or the run; counts as an output, and saves nothing.
    Observer,
    /// Keeps state that is saved under the step's id.
    Stateful,
    /// Keeps nothing.
    Stateless,
}

impl StepKind {
    /// Whether the step needs a name, because its id is a key of saved state.
    #[must_use]
    pub fn needs_name(self) -> bool {
        matches!(self, Self::Source | Self::Sink | Self::Stateful)
    }

    /// Returns the kind as one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Observer => "observer",
            Self::Stateful => "stateful",
            Self::Stateless => "stateless",
        }
    }
}
