//! Splits a batch into chunks that stay in the first-level cache between two visits.

use std::vec::Drain;

/// The size of a chunk.
pub(crate) const FEW: usize = 64;

/// Iterates over a batch in chunks.
pub(crate) struct Few<'a, T>(Drain<'a, T>);

impl<'a, T> Few<'a, T> {
    pub(crate) fn new(items: &'a mut Vec<T>) -> Self {
        Self(items.drain(..))
    }

    /// The next chunk, if any.
    pub(crate) fn ahead(&self) -> Option<&[T]> {
        let few = self.0.as_slice().chunks(FEW).next();
        few.filter(|few| !few.is_empty())
    }

    /// Removes and returns the next chunk.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = T> {
        self.0.by_ref().take(FEW)
    }
}

/// The places of the keys of a chunk in a table.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(super) buckets: Vec<usize>,
}
