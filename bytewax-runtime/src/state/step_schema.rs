//! The schema of a step's saved state, as far as a store needs it.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::facts::{self, BY_HAND, Fact, HASH, KEY, NOTHING, OPERATOR, SAVED};
use super::shape::{self, Traced};
use super::{Saved, Schema, State, StateError, peek, seal};
use crate::codec;
use crate::error::StepError;
use crate::key::{Key, KeyShape};

/// Reads a value of any version and writes it in the newest one; `None` if it already is.
pub(crate) type Rewrite = fn(&[u8]) -> Result<Option<Vec<u8>>, StateError>;

/// The same for the position of this name.
pub(crate) type RewritePosition = fn(&str, &[u8]) -> Result<Option<Vec<u8>>, StepError>;

/// The saved type of a step, and the other facts about its values.
#[derive(Clone, Debug)]
pub(crate) struct StepSchema {
    pub(crate) state: Schema,
    pub(crate) facts: Vec<Fact>,
    /// The types without their own version, each with a place in it that custom code of the program reads or
    /// writes.
    pub(crate) unnumbered: Vec<(Schema, String)>,
    reads: fn(Saved<'_>) -> Result<(), StateError>,
    reads_key: fn(&[u8]) -> Result<SavedKey, String>,
    /// The compiler's information about its keys.
    keys: KeyShape,
    rewrite: Rewrite,
    rewrite_position: RewritePosition,
    shape_of: fn(u32, u64) -> Option<String>,
}

pub(crate) fn rewrite<S: State>(bytes: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
    let saved = peek(bytes)?;
    let own = S::SCHEMA;
    if (saved.version(), saved.fingerprint()) == (own.version, own.fingerprint) {
        return Ok(None);
    }
    let mut newest = Vec::new();
    seal(&S::load(saved)?, &mut newest)?;
    Ok(Some(newest))
}

fn shape_of<S: State>(version: u32, fingerprint: u64) -> Option<String> {
    let past = S::SCHEMA.past(version, fingerprint)?;
    let traced = past.during(|| shape::trace(|_: &S| None));
    traced.map(|traced| traced.shape)
}

/// The types without a version of their own that have these places.
fn without_number(schema: &Schema, by_hand: Vec<(Vec<u32>, String)>) -> Vec<(Schema, String)> {
    let mut types = Vec::new();
    schema.collect_types(&mut types);
    let owners = by_hand.into_iter().filter_map(|(path, place)| {
        let owner = schema.owner(&path).or_else(|| types.first().copied())?;
        Some((*owner, place))
    });
    owners.filter(|(owner, _)| !owner.is_numbered()).collect()
}

/// An error and its causes, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The meaning of a saved key for the type of a step's keys.
pub(crate) struct SavedKey {
    pub(crate) hash: u64,
    /// Its display form.
    pub(crate) text: String,
}

impl StepSchema {
    pub(crate) fn of<S: State>() -> Self {
        let (mut facts, mut unnumbered) = (Vec::new(), Vec::new());
        // For numbers and texts, the name is enough.
        if !S::SCHEMA.is_plain()
            && let Some(traced) = shape::trace(|_: &S| None)
        {
            let Traced { shape, by_hand, .. } = traced;
            facts.push(Fact::new(SAVED, shape));
            let places: Vec<&str> = by_hand.iter().map(|(_, place)| place.as_str()).collect();
            facts.push(Fact::new(
                BY_HAND,
                match places.is_empty() {
                    true => NOTHING.to_owned(),
                    false => places.join(", "),
                },
            ));
            // What gives saved bytes their meaning is how they are read, so only that is a fact of the store.
            let mut places = by_hand;
            places.extend(traced.written_by_hand);
            places.sort_unstable();
            places.dedup();
            unnumbered = without_number(&S::SCHEMA, places);
        }
        Self {
            state: S::SCHEMA,
            facts,
            unnumbered,
            reads: |saved| S::load(saved).map(drop),
            reads_key: |_| Err("there are no keys".to_owned()),
            keys: KeyShape::UNKNOWN,
            rewrite: rewrite::<S>,
            rewrite_position: |_, bytes| Ok(rewrite::<S>(bytes)?),
            shape_of: shape_of::<S>,
        }
    }

    /// Returns a function that reads a value of any version and writes it in the newest one.
    pub(crate) fn rewriter(&self) -> Rewrite {
        self.rewrite
    }

    /// Returns the same function for positions.
    pub(crate) fn position_rewriter(&self) -> RewritePosition {
        self.rewrite_position
    }

    /// The same for a step whose positions are not of its type: this function rewrites them.
    pub(crate) fn with_positions(mut self, rewrite: RewritePosition) -> Self {
        self.rewrite_position = rewrite;
        self
    }

    /// The saved form of this version, as far as the program knows.
    pub(crate) fn shape_of(&self, version: u32, fingerprint: u64) -> Option<String> {
        (self.shape_of)(version, fingerprint)
    }

    /// The same for a step that keeps it by key.
    pub(crate) fn by_key<K: Key>(mut self) -> Self {
        let half = |key: &K| Some(key.stable_hash() as u32);
        if let Some(Traced { shape, samples, .. }) = shape::trace(half) {
            let facts = [Fact::new(KEY, shape), Fact::new(HASH, samples)];
            self.facts.splice(0..0, facts);
        }
        self.keys = K::SHAPE;
        self.reads_key = |bytes| {
            let key: K = codec::decode_stored(bytes).map_err(|error| error.to_string())?;
            let (hash, text) = (key.stable_hash(), crate::brief::brief(&key));
            Ok(SavedKey { hash, text })
        };
        self
    }

    /// Adds the facts beyond its type.
    pub(crate) fn with_facts(mut self, facts: &[Fact]) -> Self {
        self.facts.extend_from_slice(facts);
        self
    }

    /// Adds the operator.
    pub(crate) fn of_operator(mut self, operator: &str) -> Self {
        self.facts.insert(0, Fact::new(OPERATOR, operator));
        self
    }

    /// Whether values of this version and shape are readable; the error is for the user.
    pub(crate) fn check(&self, version: u32, fingerprint: u64) -> Result<(), StateError> {
        // Without a value, reading fails when it decodes, and the type was accepted then.
        match (self.reads)(Saved::without_value(version, fingerprint)) {
            Err(error) if error.is_newer() || error.is_other_shape() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the compiler knows its keys in a form that differs from the saved one, because custom code of
    /// the program serializes them.
    pub(crate) fn has_keys_by_hand(&self) -> bool {
        let known = self.keys.as_text();
        known.is_some() && known != self.fact(KEY)
    }

    /// Whether keys saved in a shape keep their meaning, as far as the compiler knows.
    pub(crate) fn reads_keys(&self, saved: &str) -> bool {
        self.keys.reads(saved)
    }

    /// Reads a saved key; the error is the reason why it is unreadable.
    pub(crate) fn read_key(&self, bytes: &[u8]) -> Result<SavedKey, String> {
        (self.reads_key)(bytes)
    }

    /// Reads a saved state of any version; the error is the reason why it is unreadable.
    pub(crate) fn read_state(&self, bytes: &[u8]) -> Result<(), String> {
        let read = || peek(bytes).and_then(|saved| (self.reads)(saved));
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err("the code that reads it panicked".to_owned()),
        }
    }

    /// The type and the facts in the form of a store.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.state, facts::written(&self.facts))
    }

    /// The facts that disagree with a store, and the store's values. The user who migrates another version is
    /// responsible for its states.
    pub(crate) fn changed<'a>(
        &'a self,
        saved: &'a str,
        version: u32,
        fingerprint: u64,
    ) -> impl Iterator<Item = (&'a Fact, &'a str)> {
        let is_same = (version, fingerprint) == (self.state.version, self.state.fingerprint);
        let saved = |fact: &Fact| facts::read(saved).find(|(name, _)| *name == fact.name);
        let counts = move |fact: &&Fact| ![SAVED, BY_HAND].contains(&fact.name) || is_same;
        let both = self.facts.iter().filter(counts);
        let both = both.filter_map(move |fact| Some((fact, saved(fact)?.1)));
        both.filter(|(fact, saved)| !fact.agrees(saved))
    }

    /// The value of a fact.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        let fact = self.facts.iter().find(|fact| fact.name == name)?;
        Some(&fact.value)
    }

    /// The facts that a store lacks because an earlier release wrote it.
    pub(crate) fn untold<'a>(&'a self, saved: &'a str) -> impl Iterator<Item = &'a Fact> {
        let is_told = |fact: &Fact| facts::read(saved).any(|(name, _)| name == fact.name);
        self.facts.iter().filter(move |fact| !is_told(fact))
    }
}
