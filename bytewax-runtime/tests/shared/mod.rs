//! Sources, sinks and ways to run flows that several subjects need.

#![allow(dead_code, reason = "each program of tests needs some of them")]

pub(crate) mod by_hand;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytewax_runtime::operators::{Sink, Source};
use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{
    DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition,
};
use bytewax_runtime::source::{
    DynamicSource, FixedPartitionedSource, Poll, StatefulSourcePartition, StatelessSourcePartition,
};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::{RunError, StepError, StepId, WorkerIndex};

/// Runs a few steps over a list of items, with a batch size and a number of workers.
pub(crate) fn run_on<T, U>(
    workers: usize,
    batch_size: usize,
    items: impl IntoIterator<Item = T>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<U>
where
    T: Clone + Send + Sync + 'static,
    U: Send + 'static,
{
    run_in(&workers_of(workers), batch_size, items, body)
}

/// Runs a few steps over a list of items, with a batch size and settings.
pub(crate) fn run_in<T, U>(
    config: &RunConfig,
    batch_size: usize,
    items: impl IntoIterator<Item = T>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<U>
where
    T: Clone + Send + Sync + 'static,
    U: Send + 'static,
{
    let out = TestingSink::new();
    let flow = flow_of(
        TestingSource::new(items).batch_size(batch_size),
        body,
        out.clone(),
    );
    if let Err(error) = cluster_main(flow, config.clone()) {
        panic!("{}", error.report());
    }
    out.take()
}

/// The flow `f`: a source `in`, a few steps, a sink `out`.
pub(crate) fn flow_of<K1, K2, U: 'static, S: Source<K1>, O: Sink<U, K2>>(
    source: S,
    body: impl FnOnce(Stream<S::Item>) -> Stream<U>,
    sink: O,
) -> Dataflow {
    Dataflow::build("f", |flow| {
        body(flow.input(source).named("in"))
            .output(sink)
            .named("out");
    })
}

pub(crate) fn workers_of(workers: usize) -> RunConfig {
    RunConfig::new().workers(workers)
}

/// The error of a run, with its causes.
pub(crate) fn failure(flow: Dataflow, workers: usize) -> String {
    match cluster_main(flow, workers_of(workers)) {
        Ok(()) => "it did not fail".to_owned(),
        Err(error) => error.report(),
    }
}

/// Runs a flow on a thread of its own.
pub(crate) fn start(flow: Dataflow, config: RunConfig) -> JoinHandle<Result<(), RunError>> {
    std::thread::spawn(move || cluster_main(flow, config))
}

pub(crate) fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

/// A list of calls, in the order in which they were made.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, call: &str) -> usize {
        self.calls()
            .iter()
            .filter(|noted| noted.starts_with(call))
            .count()
    }
}

/// Counts what is made and not dropped yet.
#[derive(Default)]
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Clone for Alive {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(crate) struct Life(Alive);

impl Alive {
    pub(crate) fn begin(&self) -> Life {
        self.0.fetch_add(1, Ordering::SeqCst);
        Life(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a source of functions answers.
pub(crate) type Answer<T> = Result<Poll<T>, StepError>;

/// A source with an instance on each worker, made by a function.
pub(crate) struct EachWorker<F>(pub(crate) F);

/// A source of named partitions, each made by a function.
pub(crate) struct Parts<F>(pub(crate) &'static [&'static str], pub(crate) F);

/// A partition that is a function.
pub(crate) struct Polled<P>(P);

impl<T, F, P> DynamicSource for EachWorker<F>
where
    T: 'static,
    F: Fn(WorkerIndex) -> Result<P, StepError> + Send + Sync + 'static,
    P: FnMut() -> Answer<T> + 'static,
{
    type Item = T;
    type Partition = Polled<P>;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Polled<P>, StepError> {
        Ok(Polled((self.0)(worker)?))
    }
}

impl<T: 'static, P: FnMut() -> Answer<T> + 'static> StatelessSourcePartition for Polled<P> {
    type Item = T;

    fn next_batch(&mut self) -> Answer<T> {
        (self.0)()
    }
}

impl<T, F, P> FixedPartitionedSource for Parts<F>
where
    T: 'static,
    F: Fn(&str) -> Result<P, StepError> + Send + Sync + 'static,
    P: FnMut() -> Answer<T> + 'static,
{
    type Item = T;
    type Position = ();
    type Partition = Polled<P>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.0.iter().map(ToString::to_string).collect())
    }

    fn open(&self, partition: &str, _: Option<()>) -> Result<Polled<P>, StepError> {
        Ok(Polled((self.1)(partition)?))
    }
}

impl<T: 'static, P: FnMut() -> Answer<T> + 'static> StatefulSourcePartition for Polled<P> {
    type Item = T;
    type Position = ();

    fn next_batch(&mut self) -> Answer<T> {
        (self.0)()
    }

    fn snapshot(&self) {}
}

/// What happens to a sink.
#[derive(Debug)]
pub(crate) enum Call<T> {
    Build,
    Write(Vec<T>),
    Close,
}

/// A sink with an instance on each worker, whose every call goes to one function.
pub(crate) struct EachWrites<F> {
    pub(crate) call: Arc<F>,
    pub(crate) alive: Alive,
}

impl<F> EachWrites<F> {
    pub(crate) fn new(call: F) -> Self {
        Self {
            call: Arc::new(call),
            alive: Alive::default(),
        }
    }
}

pub(crate) struct Writes<F> {
    worker: WorkerIndex,
    call: Arc<F>,
    _life: Life,
}

impl<T, F> DynamicSink<T> for EachWrites<F>
where
    T: 'static,
    F: Fn(WorkerIndex, Call<T>) -> Result<(), StepError> + Send + Sync + 'static,
{
    type Partition = Writes<F>;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Writes<F>, StepError> {
        (self.call)(worker, Call::Build)?;
        Ok(Writes {
            worker,
            call: Arc::clone(&self.call),
            _life: self.alive.begin(),
        })
    }
}

impl<T, F> StatelessSinkPartition<T> for Writes<F>
where
    T: 'static,
    F: Fn(WorkerIndex, Call<T>) -> Result<(), StepError> + 'static,
{
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        (self.call)(self.worker, Call::Write(items))
    }

    fn close(&mut self) -> Result<(), StepError> {
        (self.call)(self.worker, Call::Close)
    }
}

/// A sink of named partitions for keys `u8`, whose every call goes to one function. A key is the
/// index of its partition.
pub(crate) struct PartWrites<F> {
    pub(crate) names: &'static [&'static str],
    pub(crate) call: Arc<F>,
}

impl<F> PartWrites<F> {
    pub(crate) fn new(names: &'static [&'static str], call: F) -> Self {
        Self {
            names,
            call: Arc::new(call),
        }
    }
}

pub(crate) struct PartWriter<F> {
    name: String,
    call: Arc<F>,
}

impl<V, F> FixedPartitionedSink<u8, V> for PartWrites<F>
where
    V: 'static,
    F: Fn(&str, Call<V>) -> Result<(), StepError> + Send + Sync + 'static,
{
    type Position = ();
    type Partition = PartWriter<F>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.names.iter().map(ToString::to_string).collect())
    }

    fn assign(&self, key: &u8, _: usize) -> usize {
        usize::from(*key)
    }

    fn open(&self, partition: &str, _: Option<()>) -> Result<PartWriter<F>, StepError> {
        (self.call)(partition, Call::Build)?;
        Ok(PartWriter {
            name: partition.to_owned(),
            call: Arc::clone(&self.call),
        })
    }
}

impl<V, F> StatefulSinkPartition<V> for PartWriter<F>
where
    V: 'static,
    F: Fn(&str, Call<V>) -> Result<(), StepError> + 'static,
{
    type Position = ();

    fn write_batch(&mut self, values: Vec<V>) -> Result<(), StepError> {
        (self.call)(&self.name, Call::Write(values))
    }

    fn snapshot(&mut self) -> Result<(), StepError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        (self.call)(&self.name, Call::Close)
    }
}
