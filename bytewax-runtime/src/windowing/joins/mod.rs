//! Joins of two streams that keep rows as long as they can match others.

mod as_of;
mod chunks;
mod interval;
mod kind;
mod operators;
mod rows;
mod table;
#[cfg(test)]
mod tests;

pub use as_of::AsOf;
pub use interval::Interval;
pub use kind::{FullOuter, Inner, JoinKind, LeftOuter, RightOuter, TableKind};
pub use operators::{Kept, RowsOut};
pub use table::Versions;
