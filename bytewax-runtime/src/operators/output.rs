//! `output`: how a stream ends in a sink.

mod partitions;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::input::{Dynamic, InTransactions, Partitioned, Single};
use super::outbox::{self, Outbox};
use crate::delivery::{Promise, SinkPromise, Transactional};
use crate::error::{RunError, StepError};
use crate::flow::{StepKind, Stream, Terminal};
use crate::ids::{Epoch, StepIndex};
use crate::key::Key;
use crate::kit::{Cx, Exchange, Flush, Listener, Plan, Push, StagePlan};
use crate::sink::{
    DynamicSink, FixedPartitionedSink, SinglePartitionSink, StatelessSinkPartition,
    TransactionalSink,
};
use crate::state::{State, StepSchema};
use partitions::{Alone, Pairs, PartitionedPlan, Plain, Several};

/// A sink for [`Stream::output`]: a [`DynamicSink`], a [`TransactionalSink`] or a [`SinglePartitionSink`] of
/// the stream's items, or a [`FixedPartitionedSink`] of its keys and values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink for `{T}`",
    label = "this sink does not take `{T}`",
    note = "add a `.map(..)` before it that makes what the sink takes",
    note = "`FileSink` and `StdOutSink::new()` take items with `Display`, `StdOutSink::debug()` with `Debug`, \
            `JsonLinesSink` and `CsvSink` with `serde::Serialize`; `DirSink` takes keys and values: pairs, as \
            `.key_on(..)` makes them, of which the value has `Display`"
)]
pub trait Sink<T, Kind> {
    /// The promise that the sink declares.
    type Promise: SinkPromise;

    #[doc(hidden)]
    fn into_step(self) -> SinkStep;
}

#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "it only passes through a hidden method"
)]
pub struct SinkStep(Plan);

impl<T: 'static, P: SinkPromise, S: DynamicSink<T, P>> Sink<T, (Dynamic, P)> for S {
    type Promise = P;

    fn into_step(self) -> SinkStep {
        let plan = StagePlan::new::<T, _>(move |build, _| {
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
        });
        SinkStep(Plan::Stage(plan.writing(P::PROMISE)))
    }
}

impl<T: State, S: TransactionalSink<T>> Sink<T, InTransactions> for S {
    type Promise = Transactional;

    fn into_step(self) -> SinkStep {
        let sink = Arc::new(self);
        let plan =
            StagePlan::new::<T, _>(move |build, _| Outbox::<T, S>::new(build, Arc::clone(&sink)));
        let plan = plan.saving(StepSchema::of::<T>().with_positions(outbox::rewrite::<T>));
        SinkStep(Plan::Stage(plan.writing(Promise::Transactional)))
    }
}

impl<K, V, P, S> Sink<(K, V), (Partitioned, P)> for S
where
    K: Key,
    V: Exchange,
    P: SinkPromise,
    S: FixedPartitionedSink<K, V, P>,
{
    type Promise = P;

    fn into_step(self) -> SinkStep {
        let sink = Several(self, PhantomData::<fn(P)>);
        let plan = PartitionedPlan::<Pairs, (K, V), _>::new(sink, P::PROMISE);
        SinkStep(Plan::Head(Arc::new(plan)))
    }
}

impl<T: Exchange, P: SinkPromise, S: SinglePartitionSink<T, P>> Sink<T, (Single, P)> for S {
    type Promise = P;

    fn into_step(self) -> SinkStep {
        let sink = Alone(self, PhantomData::<fn(P)>);
        let plan = PartitionedPlan::<Plain, T, _>::new(sink, P::PROMISE);
        SinkStep(Plan::Head(Arc::new(plan)))
    }
}

impl<T: 'static> Stream<T> {
    /// Writes the stream to a sink.
    ///
    /// A [`DynamicSink`] and a [`TransactionalSink`] write items on their worker. A [`SinglePartitionSink`]
    /// writes the items of all workers on one worker. A [`FixedPartitionedSink`] accepts a keyed stream: the
    /// key selects the partition, and the worker of the partition writes the value. A sink needs a name,
    /// under which its position is saved.
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
    /// An error of the sink while it opens, writes or closes fails the run.
    #[track_caller]
    pub fn output<Kind, S: Sink<T, Kind>>(self, sink: S) -> Terminal {
        self.end_in("output", sink)
    }

    /// Adds the step of a sink.
    #[track_caller]
    pub(super) fn end_in<Kind>(self, operator: &'static str, sink: impl Sink<T, Kind>) -> Terminal {
        let (flow, step) = self.then(operator, StepKind::Sink, vec![], sink.into_step().0);
        Terminal::new(flow, step)
    }

    /// [`output`](Self::output) to a sink whose promise is checked; `dataflow!` uses it in a flow with a
    /// `delivery`.
    #[doc(hidden)]
    #[track_caller]
    pub fn output_that<Kind, S: Sink<T, Kind>>(
        self,
        sink: S,
        _promises: fn(PhantomData<S::Promise>),
    ) -> Terminal {
        self.output(sink)
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
