//! A sink from one function, as `#[sink]` generates it.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{DynamicSink, StatelessSinkPartition};
use crate::delivery::SinkPromise;
use crate::error::StepError;
use crate::ids::{StepId, WorkerIndex};

/// Creates a sink with one instance on every worker.
///
/// `local` creates the resources of the instance, and `write` is called with them for each batch.
#[doc(hidden)]
pub fn sink_fn<D, T, L, M, F>(local: M, write: F) -> impl DynamicSink<T, D> + Clone
where
    D: SinkPromise,
    T: 'static,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(Vec<T>, &mut L) -> Result<(), StepError> + Send + Sync + 'static,
{
    SinkFn {
        local: Arc::new(local),
        write: Arc::new(write),
        kept: PhantomData,
    }
}

struct SinkFn<L, M, F> {
    local: Arc<M>,
    write: Arc<F>,
    kept: PhantomData<fn() -> L>,
}

impl<L, M, F> Clone for SinkFn<L, M, F> {
    fn clone(&self) -> Self {
        Self {
            local: Arc::clone(&self.local),
            write: Arc::clone(&self.write),
            kept: PhantomData,
        }
    }
}

impl<D, T, L, M, F> DynamicSink<T, D> for SinkFn<L, M, F>
where
    D: SinkPromise,
    T: 'static,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(Vec<T>, &mut L) -> Result<(), StepError> + Send + Sync + 'static,
{
    type Partition = Built<L, F>;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self::Partition, StepError> {
        Ok(Built {
            local: (self.local)()?,
            write: Arc::clone(&self.write),
        })
    }
}

struct Built<L, F> {
    local: L,
    write: Arc<F>,
}

impl<T, L, F> StatelessSinkPartition<T> for Built<L, F>
where
    L: 'static,
    F: Fn(Vec<T>, &mut L) -> Result<(), StepError> + 'static,
{
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        (self.write)(items, &mut self.local)
    }
}
