//! What a step saves, as far as a store must know.

use super::facts::{self, Fact};
use super::{Saved, Schema, State, StateError};

/// The type of what a step saves, and what else its values mean.
#[derive(Clone, Debug)]
pub(crate) struct StepSchema {
    pub(crate) state: Schema,
    pub(crate) facts: Vec<Fact>,
    reads: fn(Saved<'_>) -> Result<(), StateError>,
}

impl StepSchema {
    pub(crate) fn of<S: State>() -> Self {
        Self {
            state: S::SCHEMA,
            facts: Vec::new(),
            reads: |saved| S::load(saved).map(drop),
        }
    }

    /// The same, with more facts.
    pub(crate) fn with_facts(mut self, facts: &[Fact]) -> Self {
        self.facts.extend_from_slice(facts);
        self
    }

    /// Whether values of this version and shape can be read; the error is for the user.
    pub(crate) fn check(&self, version: u32, fingerprint: u64) -> Result<(), StateError> {
        // Without a value, reading fails at the latest when it decodes: then the type was right.
        match (self.reads)(Saved::without_value(version, fingerprint)) {
            Err(error) if error.is_newer() || error.is_other_shape() => Err(error),
            _ => Ok(()),
        }
    }

    /// The type and the facts, as a store keeps them.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.state, facts::written(&self.facts))
    }

    /// The facts of which a store says something else, and what it says.
    pub(crate) fn changed<'a>(
        &'a self,
        saved: &'a str,
    ) -> impl Iterator<Item = (&'a Fact, &'a str)> {
        let saved = |fact: &Fact| facts::read(saved).find(|(name, _)| *name == fact.name);
        let both = self
            .facts
            .iter()
            .filter_map(move |fact| Some((fact, saved(fact)?.1)));
        both.filter(|(fact, saved)| fact.value != *saved)
    }

    /// The facts of which a store says nothing, because an earlier release wrote it.
    pub(crate) fn untold<'a>(&'a self, saved: &'a str) -> impl Iterator<Item = &'a Fact> {
        let is_told = |fact: &Fact| facts::read(saved).any(|(name, _)| name == fact.name);
        self.facts.iter().filter(move |fact| !is_told(fact))
    }
}
