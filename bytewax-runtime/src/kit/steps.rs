//! The properties of steps that their code can read while the flow runs.

use super::meter::KeyTypes;
use crate::ids::{StepId, StepIndex, StepKind};

/// One step of a flow.
#[derive(Debug)]
pub(crate) struct StepEntry {
    pub(crate) id: StepId,
    pub(crate) kind: StepKind,
    /// For each input, the source or the head whose tree feeds it.
    pub(crate) roots: Vec<StepIndex>,
    /// The number of its outputs.
    pub(crate) outputs: usize,
}

/// The steps of a flow, in the order in which they were described.
#[derive(Debug)]
pub(crate) struct Steps {
    entries: Box<[StepEntry]>,
    keys: KeyTypes,
}

impl Steps {
    pub(crate) fn new(entries: Box<[StepEntry]>, keys: KeyTypes) -> Self {
        Self { entries, keys }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StepEntry> {
        self.entries.iter()
    }

    pub(crate) fn get(&self, step: StepIndex) -> &StepEntry {
        &self.entries[step.get()]
    }

    /// The types of keyed items.
    pub(crate) fn keys(&self) -> &KeyTypes {
        &self.keys
    }
}
