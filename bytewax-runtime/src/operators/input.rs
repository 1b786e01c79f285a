//! `input`: how a source becomes a stream.

use std::collections::{BTreeSet, HashSet};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::delivery::{NotReplayable, Promise, SourcePromise};
use crate::error::{RunError, StepError};
use crate::flow::{Flow, NewStep, OutputSpec, StepKind, Stream};
use crate::ids::Epoch;
use crate::kit::{
    Alarm, BuildCx, Discovering, Listener, Operator, Outputs, Plan, Polled, PolledPartition,
    SourceHead, SourcePlan,
};
use crate::source::{
    Discovery, DynamicSource, FixedPartitionedSource, Lag, Poll, Reconciled,
    StatefulSourcePartition, StatelessSourcePartition,
};
use crate::state::facts::SETTINGS;
use crate::state::{self, Fact, StateError, StepSchema};

/// Marks sources and sinks with named partitions.
#[derive(Debug)]
pub enum Partitioned {}

/// Marks sinks with a single partition.
#[derive(Debug)]
pub enum Single {}

/// Marks sources and sinks with one instance on every worker.
#[derive(Debug)]
pub enum Dynamic {}

/// Marks sinks with transactions.
#[derive(Debug)]
pub enum InTransactions {}

/// A source for [`Flow::input`]: a [`FixedPartitionedSource`] or a [`DynamicSource`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "not a source",
    note = "for a test, use `TestingSource::new(..)`; for your own, put `#[source]` on a function"
)]
pub trait Source<Kind> {
    /// The items of the source.
    type Item: 'static;
    /// The promise that the source declares.
    type Promise: SourcePromise;

    #[doc(hidden)]
    fn into_step(self) -> SourceStep;
}

#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "it only passes through a hidden method"
)]
pub struct SourceStep(Arc<dyn SourcePlan>);

impl<P: SourcePromise, S: FixedPartitionedSource<P>> Source<(Partitioned, P)> for S {
    type Item = S::Item;
    type Promise = P;

    fn into_step(self) -> SourceStep {
        SourceStep(Arc::new(PartitionedPlan {
            source: Arc::new(self),
            promise: PhantomData::<fn(P)>,
        }))
    }
}

impl<S: DynamicSource> Source<Dynamic> for S {
    type Item = S::Item;
    type Promise = NotReplayable;

    fn into_step(self) -> SourceStep {
        SourceStep(Arc::new(DynamicPlan(self)))
    }
}

impl Flow {
    /// Creates a stream from a source.
    ///
    /// One worker reads each partition of a source; all workers read a dynamic source. Items stay on the
    /// worker that read them until a step sends them to another. A source needs a name, under which its
    /// position is saved.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
    ///
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("copy", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
    ///     numbers.output(out.clone()).named("out");
    /// });
    /// run_main(flow).unwrap();
    /// assert_eq!(out.take(), [1, 2, 3]);
    /// ```
    ///
    /// # Errors
    ///
    /// An error of the source while it lists, opens or polls partitions fails the run.
    #[track_caller]
    #[must_use]
    pub fn input<Kind, S: Source<Kind>>(&self, source: S) -> Stream<S::Item> {
        let step = self.add(NewStep {
            operator: "input",
            kind: StepKind::Source,
            inputs: vec![],
            outputs: vec![OutputSpec::DOWN],
            plan: Plan::Source(source.into_step().0),
            location: Location::caller(),
        });
        Stream::from_port(self, step, 0)
    }

    /// [`input`](Self::input) of a source whose promise is checked; `dataflow!` uses it in a flow with a
    /// `delivery`.
    #[doc(hidden)]
    #[track_caller]
    #[must_use]
    pub fn input_that<Kind, S: Source<Kind>>(
        &self,
        source: S,
        _promises: fn(PhantomData<S::Promise>),
    ) -> Stream<S::Item> {
        self.input(source)
    }
}

struct PartitionedPlan<P, S> {
    source: Arc<S>,
    promise: PhantomData<fn(P)>,
}

impl<P: SourcePromise, S: FixedPartitionedSource<P>> PartitionedPlan<P, S> {
    fn reconcile(&self, build: &BuildCx) -> Result<Reconciled, RunError> {
        let saved = build.positions()?;
        if saved.is_empty() {
            return Ok(Reconciled::default());
        }
        let reconciled = self.source.reconcile(&build.partitions(), &saved);
        reconciled.map_err(|error| RunError::step("the source cannot be opened", error))
    }

    /// Discovers added partitions.
    fn discovering(
        &self,
        build: &BuildCx,
        alarm: Alarm,
        listed: HashSet<String>,
    ) -> Result<Option<Discovering<S::Item>>, RunError> {
        let mut discovery = None;
        let first = build.worker.epochs.first();
        let names = Polled::open(build, alarm, first, DISCOVERY.to_owned(), |_| {
            let found = self.source.discover();
            let found = found.map_err(|error| {
                RunError::step(
                    "the source cannot look for partitions that are added",
                    error,
                )
            })?;
            discovery = Some(found.is_some());
            Ok(Names(found))
        })?;
        let source = Arc::clone(&self.source);
        let discovering = Discovering::new(names, listed, move |build, alarm, from, name| {
            open(&*source, build, alarm, from, name, None)
        });
        Ok(discovery.unwrap_or_default().then_some(discovering))
    }
}

/// The name of a discovery where partitions have names.
const DISCOVERY: &str = "(added partitions)";

/// A discovery, which is polled like a partition.
struct Names(Option<Discovery>);

impl Listener for Names {
    fn completed(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }
}

impl PolledPartition<String> for Names {
    fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
        self.0.as_mut().map_or(Ok(Poll::end()), Discovery::poll)
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        None
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }

    fn position(&self) -> Option<Result<Vec<u8>, StateError>> {
        None
    }
}

impl<P: SourcePromise, S: FixedPartitionedSource<P>> SourcePlan for PartitionedPlan<P, S> {
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>> {
        Some(self.source.partitions())
    }

    fn promise(&self) -> Promise {
        // A position without bytes does not determine where to resume.
        match size_of::<S::Position>() {
            0 => Promise::NotReplayable,
            _ => P::PROMISE,
        }
    }

    fn step_schema(&self) -> Option<StepSchema> {
        let schema = StepSchema::of::<S::Position>();
        Some(match self.source.settings() {
            Some(settings) => schema.with_facts(&[Fact::new(SETTINGS, settings)]),
            None => schema,
        })
    }

    fn operator(
        &self,
        build: &BuildCx,
        alarm: Alarm,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let Reconciled { renamed, mut gone } = self.reconcile(build)?;
        gone.extend(renamed.values().flatten().cloned());
        build.refuse_lost_partitions(&gone)?;
        let listed: BTreeSet<&str> = build.partitions().into_iter().collect();
        let assigned = build.assignment().map(|all| all.of(build.worker.index));
        let mut partitions: Vec<Polled<S::Item>> = Vec::new();
        for name in assigned.unwrap_or_default() {
            let earlier = renamed.get(&name).cloned();
            let resume = match &earlier {
                Some(earlier) => earlier.as_deref().map(|name| build.position(name)),
                None => Some(build.position(&name)),
            };
            let resume = resume.transpose()?.flatten();
            let first = build.worker.epochs.first();
            let opened = open(&*self.source, build, alarm, first, name, resume)?;
            partitions.push(match earlier.flatten() {
                Some(earlier) if !listed.contains(earlier.as_str()) => opened.renamed_from(earlier),
                _ => opened,
            });
        }
        let listed = listed.into_iter().map(ToOwned::to_owned).collect();
        let discovering = self.discovering(build, alarm, listed)?;
        let head = SourceHead::new(build, alarm, partitions, outputs);
        Ok(Box::new(head.discovering(discovering)))
    }
}

/// Opens a partition in an epoch, at its resume position.
fn open<P: SourcePromise, S: FixedPartitionedSource<P>>(
    source: &S,
    build: &BuildCx,
    alarm: Alarm,
    from: Epoch,
    name: String,
    resume: Option<S::Position>,
) -> Result<Polled<S::Item>, RunError> {
    Polled::open(build, alarm, from, name, |name| {
        let opened = source.open(name, resume);
        opened.map(Stateful).map_err(|error| {
            RunError::step("the source cannot be opened", error).in_partition(name)
        })
    })
}

struct DynamicPlan<S>(S);

impl<S: DynamicSource> SourcePlan for DynamicPlan<S> {
    fn partitions(&self) -> Option<Result<Vec<String>, StepError>> {
        None
    }

    fn promise(&self) -> Promise {
        Promise::NotReplayable
    }

    fn step_schema(&self) -> Option<StepSchema> {
        None
    }

    fn operator(
        &self,
        build: &BuildCx,
        alarm: Alarm,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let worker = build.worker.index;
        let name = format!("worker-{worker}");
        let first = build.worker.epochs.first();
        let partition = Polled::open(build, alarm, first, name, |_| {
            let built = self.0.build(build.id(), worker, build.worker.count);
            let built = built.map(Stateless);
            built.map_err(|error| RunError::step("the source cannot be built", error))
        })?;
        Ok(Box::new(SourceHead::new(
            build,
            alarm,
            vec![partition],
            outputs,
        )))
    }
}

struct Stateful<P>(P);

impl<P: StatefulSourcePartition> Listener for Stateful<P> {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.completed(epoch)
    }
}

impl<P: StatefulSourcePartition> PolledPartition<P::Item> for Stateful<P> {
    fn next_batch(&mut self) -> Result<Poll<P::Item>, StepError> {
        self.0.next_batch()
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.0.next_awake()
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.end_epoch(epoch)
    }

    fn position(&self) -> Option<Result<Vec<u8>, StateError>> {
        let mut bytes = Vec::new();
        Some(state::seal(&self.0.snapshot(), &mut bytes).map(|()| bytes))
    }

    fn lag(&self) -> Option<Lag> {
        self.0.lag()
    }
}

struct Stateless<P>(P);

impl<P: StatelessSourcePartition> Listener for Stateless<P> {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.completed(epoch)
    }
}

impl<P: StatelessSourcePartition> PolledPartition<P::Item> for Stateless<P> {
    fn next_batch(&mut self) -> Result<Poll<P::Item>, StepError> {
        self.0.next_batch()
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.0.next_awake()
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.end_epoch(epoch)
    }

    fn position(&self) -> Option<Result<Vec<u8>, StateError>> {
        None
    }

    fn lag(&self) -> Option<Lag> {
        self.0.lag()
    }
}
