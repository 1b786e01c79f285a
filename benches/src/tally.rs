//! The sink of this library's flows that are compared.

use std::sync::{Arc, Mutex, PoisonError};

use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::{StepError, StepId, WorkerIndex};

use crate::check::Check;

/// A sink that sums up what it gets, on each worker for itself until the end.
#[derive(Debug)]
pub struct Tally<T, C> {
    add: fn(&mut C, &[T]),
    total: Arc<Mutex<C>>,
}

/// The part of one worker.
#[derive(Debug)]
pub struct Part<T, C> {
    add: fn(&mut C, &[T]),
    check: C,
    total: Arc<Mutex<C>>,
}

impl<T, C: Check> Tally<T, C> {
    /// A sink that adds batches by a function.
    pub fn new(add: fn(&mut C, &[T])) -> Self {
        Self {
            add,
            total: Arc::default(),
        }
    }

    /// What all workers have seen, once the flow has ended.
    pub fn total(&self) -> C {
        std::mem::take(&mut *self.total.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T, C> Clone for Tally<T, C> {
    fn clone(&self) -> Self {
        Self {
            add: self.add,
            total: Arc::clone(&self.total),
        }
    }
}

impl<T: 'static, C: Check> DynamicSink<T> for Tally<T, C> {
    type Partition = Part<T, C>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self::Partition, StepError> {
        Ok(Part {
            add: self.add,
            check: C::default(),
            total: Arc::clone(&self.total),
        })
    }
}

impl<T: 'static, C: Check> StatelessSinkPartition<T> for Part<T, C> {
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        (self.add)(&mut self.check, &items);
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        total.merge(std::mem::take(&mut self.check));
        Ok(())
    }
}
