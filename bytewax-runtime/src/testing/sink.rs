//! A sink that keeps its items.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::delivery::Append;
use crate::error::StepError;
use crate::ids::{StepId, WorkerIndex};
use crate::sink::{DynamicSink, StatelessSinkPartition};

/// A sink that appends all items, of all workers, to one list.
///
/// Clones share the list. It is not emptied between runs.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("copy", |flow| {
///     let numbers = flow.input(TestingSource::new(vec![1, 2])).named("numbers");
///     numbers.output(out.clone()).named("out");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(out.take(), [1, 2]);
/// assert!(out.items().is_empty());
/// ```
#[derive(Debug)]
pub struct TestingSink<T> {
    items: Arc<Mutex<Vec<T>>>,
}

impl<T> TestingSink<T> {
    /// Creates a sink with an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self {
            items: Arc::default(),
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy of the list.
    #[must_use]
    pub fn items(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.list().clone()
    }

    /// Returns a copy of the list in ascending order, for runs with several workers.
    #[must_use]
    pub fn sorted(&self) -> Vec<T>
    where
        T: Clone + Ord,
    {
        let mut items = self.items();
        items.sort();
        items
    }

    /// Empties the list and returns its items.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.list())
    }
}

impl<T> Default for TestingSink<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for TestingSink<T> {
    fn clone(&self) -> Self {
        Self {
            items: Arc::clone(&self.items),
        }
    }
}

impl<T: Send + 'static> DynamicSink<T, Append> for TestingSink<T> {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(self.clone())
    }
}

impl<T: Send + 'static> StatelessSinkPartition<T> for TestingSink<T> {
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        self.list().extend(items);
        Ok(())
    }
}
