//! `output`: how a stream ends in a sink.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::input::{Dynamic, Partitioned, Single, Transactional};
use super::outbox::Outbox;
use crate::error::{RunError, StepError};
use crate::flow::{StepKind, Stream, Terminal};
use crate::guard::{with_key, with_partition};
use crate::ids::{Epoch, StepIndex, WorkerIndex};
use crate::key::Key;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Cx, EventMark, Exchange, Flush, Head, HeadLogic, HeadPlan, Inlet,
    Listener, Operator, Outlet, Outputs, Plan, Push, Router, Scales, StagePlan, WorkerCx,
};
use crate::sink::{
    DynamicSink, FixedPartitionedSink, SinglePartitionSink, StatefulSinkPartition,
    StatelessSinkPartition, TransactionalSink,
};
use crate::state::{self, State, StepSchema};

/// What can be given to [`Stream::output`]: a [`DynamicSink`], a [`TransactionalSink`] or a [`SinglePartitionSink`] of the
/// stream's items, or a [`FixedPartitionedSink`] of its keys and values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink for `{T}`",
    label = "this sink does not take `{T}`",
    note = "add a `.map(..)` before it that makes what the sink takes",
    note = "`FileSink` and `StdOutSink::new()` take items with `Display`, `StdOutSink::debug()` with `Debug`, \
            `JsonLinesSink` and `CsvSink` with `serde::Serialize`; `DirSink` takes keys and values: pairs, as \
            `.key_on(..)` makes them, of which the value has `Display`"
)]
pub trait Sink<T, Kind> {
    #[doc(hidden)]
    fn into_step(self) -> SinkStep;
}

#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "it only passes through a hidden method"
)]
pub struct SinkStep(Plan);

impl<T: 'static, S: DynamicSink<T>> Sink<T, Dynamic> for S {
    fn into_step(self) -> SinkStep {
        SinkStep(Plan::Stage(StagePlan::new::<T, _>(move |build, _| {
            let built = self.build(build.id(), build.worker.index, build.worker.count);
            let built = built.map_err(|error| RunError::step("the sink cannot be built", error))?;
            let partition = Rc::new(RefCell::new(Stateless {
                partition: built,
                items: PhantomData,
            }));
            let epochs = &build.worker.epochs;
            let listening: Rc<RefCell<dyn Listener>> = Rc::clone(&partition) as _;
            epochs
                .listeners
                .add(build.step, None, epochs.first(), listening);
            Ok(DynamicStage {
                step: build.step,
                partition,
            })
        })))
    }
}

impl<T: State, S: TransactionalSink<T>> Sink<T, Transactional> for S {
    fn into_step(self) -> SinkStep {
        let sink = Arc::new(self);
        let plan =
            StagePlan::new::<T, _>(move |build, _| Outbox::<T, S>::new(build, Arc::clone(&sink)));
        SinkStep(Plan::Stage(plan.saving(StepSchema::of::<T>())))
    }
}

impl<K: Key, V: Exchange, S: FixedPartitionedSink<K, V>> Sink<(K, V), Partitioned> for S {
    fn into_step(self) -> SinkStep {
        SinkStep(Plan::Head(Arc::new(PartitionedPlan::<Pairs, (K, V), S> {
            sink: Arc::new(self),
            items: PhantomData,
        })))
    }
}

impl<T: Exchange, S: SinglePartitionSink<T>> Sink<T, Single> for S {
    fn into_step(self) -> SinkStep {
        SinkStep(Plan::Head(Arc::new(PartitionedPlan::<Plain, T, _> {
            sink: Arc::new(Alone(self)),
            items: PhantomData,
        })))
    }
}

/// How items are made into keys and values of a sink.
trait Keying<T>: 'static {
    type Key: Key;
    type Value: Exchange;

    fn pair(item: T) -> (Self::Key, Self::Value);
}

/// Items are pairs.
struct Pairs;

impl<K: Key, V: Exchange> Keying<(K, V)> for Pairs {
    type Key = K;
    type Value = V;

    fn pair(item: (K, V)) -> (K, V) {
        item
    }
}

/// Items have no key.
struct Plain;

impl<T: Exchange> Keying<T> for Plain {
    type Key = ();
    type Value = T;

    fn pair(item: T) -> ((), T) {
        ((), item)
    }
}

/// A sink of a single partition, as one that could have more.
struct Alone<S>(S);

impl<T, S: SinglePartitionSink<T>> FixedPartitionedSink<(), T> for Alone<S> {
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

impl<T: 'static> Stream<T> {
    /// Ends the stream in a sink.
    ///
    /// A [`DynamicSink`] and a [`TransactionalSink`] write items on the worker where they are. A [`SinglePartitionSink`] writes those of
    /// all workers on one. A [`FixedPartitionedSink`] takes a keyed stream: the key chooses the partition, and
    /// the value is written by the worker that has it.
    /// A sink needs a name, under which its position is saved.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("double", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
    ///     numbers.map(|n| 2 * n).output(out.clone()).named("out");
    /// });
    /// run_main(flow).unwrap();
    /// assert_eq!(out.take(), [2, 4, 6]);
    /// ```
    ///
    /// # Errors
    ///
    /// An error of the sink, whether in opening, writing or closing, fails the run.
    #[track_caller]
    pub fn output<Kind, S: Sink<T, Kind>>(self, sink: S) -> Terminal {
        let (flow, step) = self.then("output", StepKind::Sink, vec![], sink.into_step().0);
        Terminal::new(flow, step)
    }
}

fn write_failed(error: StepError) -> RunError {
    RunError::step("the sink cannot write", error)
}

fn close_failed(error: StepError) -> RunError {
    RunError::step("the sink cannot be closed", error)
}

fn end_failed(error: StepError) -> RunError {
    RunError::step("the sink cannot end the epoch", error)
}

struct DynamicStage<T, P> {
    step: StepIndex,
    partition: Rc<RefCell<Stateless<T, P>>>,
}

struct Stateless<T, P> {
    partition: P,
    items: PhantomData<fn(T)>,
}

impl<T: 'static, P: StatelessSinkPartition<T>> Listener for Stateless<T, P> {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.partition.completed(epoch)
    }
}

impl<T: 'static, P: StatelessSinkPartition<T>> Push<T> for DynamicStage<T, P> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let partition = &mut self.partition.borrow_mut().partition;
        partition
            .write_batch(std::mem::take(batch))
            .map_err(write_failed)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what == Flush::Activation {
            return Ok(());
        }
        cx.enter(self.step);
        let partition = &mut self.partition.borrow_mut().partition;
        match what {
            Flush::Epoch => partition.end_epoch(cx.epoch).map_err(end_failed),
            _ => partition.close().map_err(close_failed),
        }
    }
}

struct PartitionedPlan<Y, T, S> {
    sink: Arc<S>,
    items: PhantomData<fn(Y, T)>,
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

/// Chooses the partition of each item, and so its worker.
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

/// Writes the partitions of one worker; each is opened when its first value comes.
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
    /// Opens what earlier executions have written, so that what is beyond the last snapshot is undone
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
            // Those of one partition often come together.
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
