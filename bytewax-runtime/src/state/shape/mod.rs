//! The saved form of a type: the names, order and types that its `Deserialize` requests. A trace records
//! them, so they are correct for types of other crates, for serde's attributes and for hand-written code too.
//!
//! A shape is a line: `u64`, `str`, `(u64, str)`, `{user: str, day: i32}`, `<None | Some(u64)>` for an enum,
//! `option(u64)`, `list(u64)`, `map(str, u64)`, and `again(1)` for a type that contains the type around it.

mod by_hand;
mod de;
mod leaf;
mod ser;
mod trace;

#[cfg(test)]
mod tests;

use crate::key::reads_shape;
pub(crate) use trace::{Traced, trace};

/// Whether a type of the shape `now` reads bytes of the shape `saved` with the same meaning: the shapes are
/// equal except for enum variants that were appended.
pub(crate) fn reads(now: &str, saved: &str) -> bool {
    reads_shape(now.as_bytes(), saved.as_bytes())
}

/// Whether a text of hashes by variant, from [`Traced::samples`], agrees with the saved one.
pub(crate) fn agree(now: &str, saved: &str) -> bool {
    saved
        .split(' ')
        .all(|sample| now.split(' ').any(|other| other == sample))
}
