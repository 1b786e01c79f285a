//! Items of a batch, a few at a time: as many as stay in the first cache between two looks at them.

use std::vec::Drain;

/// How many these are.
pub(crate) const FEW: usize = 64;

/// Takes the items of a batch, a few at a time.
pub(crate) struct Few<'a, T>(Drain<'a, T>);

impl<'a, T> Few<'a, T> {
    pub(crate) fn new(items: &'a mut Vec<T>) -> Self {
        Self(items.drain(..))
    }

    /// The next few, if there are any.
    pub(crate) fn ahead(&self) -> Option<&[T]> {
        let few = self.0.as_slice().chunks(FEW).next();
        few.filter(|few| !few.is_empty())
    }

    /// Takes the next few.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = T> {
        self.0.by_ref().take(FEW)
    }
}

/// Where the keys of a few items were found in a table.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(super) buckets: Vec<usize>,
}
