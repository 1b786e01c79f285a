//! What a step saves, as far as a store must know.

use super::{Saved, Schema, State, StateError};

/// The type of what a step saves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) schema: Schema,
    reads: fn(Saved<'_>) -> Result<(), StateError>,
}

impl Kept {
    pub(crate) fn of<S: State>() -> Self {
        Self {
            schema: S::SCHEMA,
            reads: |saved| S::load(saved).map(drop),
        }
    }

    /// Whether values of this version and shape can be read; the error is for the user.
    pub(crate) fn check(&self, version: u32, fingerprint: u64) -> Result<(), StateError> {
        // Without a value, reading fails at the latest when it decodes: then the type was right.
        match (self.reads)(Saved::without_value(version, fingerprint)) {
            Err(error) if error.is_newer() || error.is_other_shape() => Err(error),
            _ => Ok(()),
        }
    }
}
