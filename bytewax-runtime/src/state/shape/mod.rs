//! What is really saved of a type: the names, order and types that its `Deserialize` asks for. A trace
//! records them, so they hold for types of other crates, for serde's attributes and for code by hand too.
//!
//! A shape is a line: `u64`, `str`, `(u64, str)`, `{user: str, day: i32}`, `<None | Some(u64)>` for an enum,
//! `option(u64)`, `list(u64)`, `map(str, u64)`, and `again(1)` for a type that has the one around it.

mod by_hand;
mod de;
mod leaf;
mod trace;

#[cfg(test)]
mod tests;

use crate::key::reads_shape;
pub(crate) use trace::{Traced, trace};

/// Whether bytes of the shape `saved` are read as the same by a type of the shape `now`: it is the same but for
/// variants of enums that were added behind the others.
pub(crate) fn reads(now: &str, saved: &str) -> bool {
    reads_shape(now.as_bytes(), saved.as_bytes())
}

/// Whether a text of hashes by variant, as [`Traced::samples`] has them, agrees with what was saved.
pub(crate) fn agree(now: &str, saved: &str) -> bool {
    saved
        .split(' ')
        .all(|sample| now.split(' ').any(|other| other == sample))
}
