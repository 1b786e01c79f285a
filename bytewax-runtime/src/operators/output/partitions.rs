//! Sinks with partitions: chooses the worker and the partition of each item.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::{close_failed, end_failed, write_failed};
use crate::delivery::{Promise, SinkPromise};
use crate::error::{RunError, StepError};
use crate::guard::{with_key, with_partition};
use crate::ids::{Epoch, StepIndex, WorkerIndex};
use crate::key::Key;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EventMark, Exchange, Flush, Head, HeadLogic, HeadPlan, Inlet,
    Listener, Operator, Outlet, Outputs, Push, Router, Scales, WorkerCx,
};
use crate::sink::{FixedPartitionedSink, SinglePartitionSink, StatefulSinkPartition};
use crate::state::{self, StepSchema};

/// Converts items into keys and values of a sink.
pub(super) trait Keying<T>: 'static {
    type Key: Key;
    type Value: Exchange;

    fn pair(item: T) -> (Self::Key, Self::Value);
}

/// Items are pairs.
pub(super) struct Pairs;

impl<K: Key, V: Exchange> Keying<(K, V)> for Pairs {
    type Key = K;
    type Value = V;

    fn pair(item: (K, V)) -> (K, V) {
        item
    }
}

/// Items have no key.
pub(super) struct Plain;

impl<T: Exchange> Keying<T> for Plain {
    type Key = ();
    type Value = T;

    fn pair(item: T) -> ((), T) {
        ((), item)
    }
}

/// A sink of partitions with a known promise.
pub(super) struct Several<S, P>(pub(super) S, pub(super) PhantomData<fn(P)>);

impl<K, V, P, S> FixedPartitionedSink<K, V> for Several<S, P>
where
    K: Key,
    P: SinkPromise,
    S: FixedPartitionedSink<K, V, P>,
{
    type Position = S::Position;
    type Partition = S::Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.0.partitions()
    }

    fn assign(&self, key: &K, partitions: usize) -> usize {
        self.0.assign(key, partitions)
    }

    fn open(
        &self,
        partition: &str,
        resume: Option<S::Position>,
    ) -> Result<S::Partition, StepError> {
        self.0.open(partition, resume)
    }
}

/// A sink of a single partition, adapted to several.
pub(super) struct Alone<S, P>(pub(super) S, pub(super) PhantomData<fn(P)>);

impl<T, P, S> FixedPartitionedSink<(), T> for Alone<S, P>
where
    P: SinkPromise,
    S: SinglePartitionSink<T, P>,
{
    type Position = S::Position;
    type Partition = S::Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![self.0.partition()?])
    }

    fn assign(&self, (): &(), _: usize) -> usize {
        0
    }

    fn open(&self, _: &str, resume: Option<S::Position>) -> Result<S::Partition, StepError> {
        self.0.open(resume)
    }
}

/// How a sink with partitions is built.
pub(super) struct PartitionedPlan<Y, T, S> {
    sink: Arc<S>,
    promise: Promise,
    items: PhantomData<fn(Y, T)>,
}

impl<Y, T, S> PartitionedPlan<Y, T, S> {
    pub(super) fn new(sink: S, promise: Promise) -> Self {
        Self {
            sink: Arc::new(sink),
            promise,
            items: PhantomData,
        }
    }
}

/// A value and the number of the partition it goes to.
type Addressed<V> = (u32, V);

impl<T, Y, S> HeadPlan for PartitionedPlan<Y, T, S>
where
    T: 'static,
    Y: Keying<T>,
    S: FixedPartitionedSink<Y::Key, Y::Value>,
{
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>> {
        Some(self.sink.partitions())
    }

    fn step_schema(&self) -> Option<StepSchema> {
        Some(StepSchema::of::<S::Position>())
    }

    fn promise(&self) -> Option<Promise> {
        Some(self.promise)
    }

    fn add_scales(&self, scales: &mut Scales) {
        scales.add::<Y::Value>();
        scales.add::<(Y::Key, Y::Value)>();
    }

    fn connect<'s>(
        &self,
        step: StepIndex,
        _: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        let (edge, inlet) = outlet.exchange::<Addressed<Y::Value>>();
        let push = Address::<Y, Y::Value, S> {
            step,
            sink: Arc::clone(&self.sink),
            router: Router::new(edge),
            keying: PhantomData,
        };
        (AnyPush::before::<T>(step, push), inlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        _: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let mut writer = Writer::<Y::Key, Y::Value, S> {
            step: build.step,
            sink: Arc::clone(&self.sink),
            open: BTreeMap::new(),
            keys: PhantomData,
        };
        writer.reopen(build)?;
        Ok(Box::new(Head::<Addressed<Y::Value>, _>::new(
            build, inputs, writer,
        )))
    }
}

/// Chooses the partition of each item, and thus its worker.
struct Address<Y, V, S> {
    step: StepIndex,
    sink: Arc<S>,
    router: Router<Addressed<V>>,
    keying: PhantomData<fn(Y)>,
}

impl<T, Y, S> Push<T> for Address<Y, Y::Value, S>
where
    T: 'static,
    Y: Keying<T>,
    S: FixedPartitionedSink<Y::Key, Y::Value>,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let worker = Rc::clone(&cx.worker);
        let assignment = worker.assignments.get().and_then(|all| all.get(&self.step));
        let partitions = assignment
            .map(|all| all.partitions.as_slice())
            .unwrap_or_default();
        if partitions.is_empty() {
            return Err(write_failed(StepError::msg(
                "no worker can reach a partition of this sink, so there is nowhere to write; \
                 check what its `partitions` gives",
            )));
        }
        for (key, value) in batch.drain(..).map(Y::pair) {
            let assigned = with_key(&key, || self.sink.assign(&key, partitions.len()));
            let partition = assigned % partitions.len();
            let WorkerIndex(target) = partitions[partition].1;
            self.router.put(target, (partition as u32, value), cx);
        }
        Ok(())
    }

    fn flush(&mut self, _: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.router.flush(EventMark::NONE, cx);
        Ok(())
    }
}

struct Stateful<V, P> {
    partition: P,
    values: PhantomData<fn(V)>,
}

impl<V: 'static, P: StatefulSinkPartition<V>> Listener for Stateful<V, P> {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.completed(epoch)
    }
}

/// Writes the partitions of one worker; the first value opens each partition.
struct Writer<K, V, S: FixedPartitionedSink<K, V>>
where
    K: Key,
{
    step: StepIndex,
    sink: Arc<S>,
    open: BTreeMap<u32, Opened<V, S::Partition>>,
    keys: PhantomData<fn(K)>,
}

struct Opened<V, P> {
    name: String,
    partition: Rc<RefCell<Stateful<V, P>>>,
    values: Vec<V>,
    /// Whether anything was written in this epoch.
    written: bool,
}

impl<K: Key, V: Exchange, S: FixedPartitionedSink<K, V>> Writer<K, V, S> {
    /// Opens the partitions that earlier executions wrote, so that writes after the last snapshot are undone
    /// even if nothing is written any more.
    fn reopen(&mut self, build: &BuildCx) -> Result<(), RunError> {
        build.refuse_lost_partitions(&BTreeSet::new())?;
        let partitions = build.assignment().map(|all| all.partitions.as_slice());
        for (index, (name, owner)) in partitions.unwrap_or_default().iter().enumerate() {
            if *owner == build.worker.index && build.has_position(name) {
                let first = build.worker.epochs.first();
                let opened = self.opened(name, build.position(name)?, first, &build.worker)?;
                self.open.insert(index as u32, opened);
            }
        }
        Ok(())
    }

    fn opened(
        &self,
        name: &str,
        resume: Option<S::Position>,
        epoch: Epoch,
        worker: &WorkerCx,
    ) -> Result<Opened<V, S::Partition>, RunError> {
        let opened = with_partition(name, || self.sink.open(name, resume));
        let partition = opened.map_err(|error| {
            RunError::step("the sink cannot be opened", error).in_partition(name)
        })?;
        let partition = Rc::new(RefCell::new(Stateful {
            partition,
            values: PhantomData,
        }));
        let listening: Rc<RefCell<dyn Listener>> = Rc::clone(&partition) as _;
        let listeners = &worker.epochs.listeners;
        listeners.add(self.step, Some(name), epoch, listening);
        Ok(Opened {
            name: name.to_owned(),
            partition,
            values: Vec::new(),
            written: false,
        })
    }

    fn open(&mut self, index: u32, cx: &Cx) -> Result<&mut Opened<V, S::Partition>, RunError> {
        if !self.open.contains_key(&index) {
            let assignments = cx.worker.assignments.get();
            let assignment = assignments.and_then(|all| all.get(&self.step));
            let listed = assignment.and_then(|all| all.partitions.get(index as usize));
            let name = listed.map_or("", |(name, _)| name);
            let opened = self.opened(name, None, cx.epoch, &cx.worker)?;
            self.open.insert(index, opened);
        }
        let opened = self.open.get_mut(&index);
        Ok(opened.expect("it was opened just now"))
    }
}

impl<K, V, S> HeadLogic<Addressed<V>> for Writer<K, V, S>
where
    K: Key,
    V: Exchange,
    S: FixedPartitionedSink<K, V>,
{
    fn batch(&mut self, items: &mut Vec<Addressed<V>>, cx: &mut Cx) -> Result<(), RunError> {
        let mut rest = std::mem::take(items).into_iter();
        while let Some((index, _)) = rest.as_slice().first() {
            let index = *index;
            // Values of one partition often follow each other.
            let same = rest
                .as_slice()
                .iter()
                .take_while(|(other, _)| *other == index);
            let count = same.count();
            let values = rest.by_ref().take(count).map(|(_, value)| value);
            self.open(index, cx)?.values.extend(values);
        }
        for opened in self
            .open
            .values_mut()
            .filter(|opened| !opened.values.is_empty())
        {
            let values = std::mem::take(&mut opened.values);
            opened.written = true;
            let partition = &opened.partition;
            let written = with_partition(&opened.name, || {
                partition.borrow_mut().partition.write_batch(values)
            });
            written.map_err(|error| write_failed(error).in_partition(&opened.name))?;
        }
        Ok(())
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        let saves = cx.worker.store.get().is_some();
        for opened in self.open.values_mut() {
            let partition = &mut opened.partition.borrow_mut().partition;
            let ended = with_partition(&opened.name, || partition.end_epoch(cx.epoch));
            ended.map_err(|error| end_failed(error).in_partition(&opened.name))?;
            if !std::mem::take(&mut opened.written) || !saves {
                continue;
            }
            let failed = |error| {
                let text = "the position of the sink cannot be saved";
                RunError::step(text, error).in_partition(&opened.name)
            };
            let position = with_partition(&opened.name, || partition.snapshot());
            let position = position.map_err(failed)?;
            let mut bytes = Vec::new();
            state::seal(&position, &mut bytes).map_err(|error| failed(error.into()))?;
            cx.save_position(self.step, &opened.name, bytes);
        }
        Ok(())
    }

    fn flush(&mut self, what: Flush, _: &mut Cx) -> Result<(), RunError> {
        if what == Flush::End {
            for opened in self.open.values_mut() {
                let closed = with_partition(&opened.name, || {
                    opened.partition.borrow_mut().partition.close()
                });
                closed.map_err(|error| close_failed(error).in_partition(&opened.name))?;
            }
        }
        Ok(())
    }
}
