//! The plan to build a step on a worker.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::assignment::Assignment;
use super::context::WorkerCx;
use super::head::HeadPlan;
use super::meter::{Metered, StepMeter};
use super::push::{AnyPush, BoxPush, Discard, Next, Push, Tee};
use super::source_head::SourcePlan;
use crate::delivery::Promise;
use crate::error::{RunError, RunErrorKind};
use crate::ids::{StepId, StepIndex, StepKind};
use crate::state::{self, State, StepSchema};

/// The plan to build a step on a worker.
pub(crate) enum Plan {
    /// Inside the timely operator of its input.
    Stage(StagePlan),
    /// As a separate timely operator, behind edges that may cross workers.
    Head(Arc<dyn HeadPlan>),
    /// As a timely operator without inputs.
    Source(Arc<dyn SourcePlan>),
}

impl Plan {
    /// Returns the type of the saved state, if the step saves anything.
    pub(crate) fn step_schema(&self) -> Option<StepSchema> {
        match self {
            Self::Stage(plan) => plan.schema.as_deref().cloned(),
            Self::Head(plan) => plan.step_schema(),
            Self::Source(plan) => plan.step_schema(),
        }
    }
}

impl Plan {
    /// Returns the declared promise of a source or a sink.
    pub(crate) fn promise(&self) -> Option<Promise> {
        match self {
            Self::Stage(plan) => plan.promise,
            Self::Head(plan) => plan.promise(),
            Self::Source(plan) => Some(plan.promise()),
        }
    }
}

/// The effect of a step on the event time of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamTime {
    /// Its outputs have the event time of its inputs.
    Passes,
    /// Its outputs have the event time of its first input.
    PassesFirst,
    /// Its outputs have an event time that it determines per partition of a source.
    Declares,
    /// It reads the event time of its inputs.
    Reads,
    /// It reads the event time of its inputs; its outputs have none, because their items may be of any time.
    ReadsOnly,
    /// Its outputs have no event time: it uses another clock.
    Ends,
}

impl Plan {
    pub(crate) fn stream_time(&self) -> StreamTime {
        match self {
            Self::Stage(plan) => plan.time,
            Self::Head(plan) => plan.stream_time(),
            Self::Source(_) => StreamTime::Ends,
        }
    }
}

type BuildStage = dyn Fn(&BuildCx, &mut Outputs) -> Result<AnyPush, RunError> + Send + Sync;

pub(crate) struct StagePlan {
    build: Box<BuildStage>,
    discard: fn() -> AnyPush,
    schema: Option<Box<StepSchema>>,
    promise: Option<Promise>,
    time: StreamTime,
}

impl StagePlan {
    /// Creates a stage for items of type `T`.
    pub(crate) fn new<T: 'static, P: Push<T>>(
        build: impl Fn(&BuildCx, &mut Outputs) -> Result<P, RunError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            build: Box::new(move |cx, outputs| {
                let stage = build(cx, outputs)?;
                Ok(AnyPush::new::<T>(Metered::new(cx, stage)))
            }),
            discard: || AnyPush::new::<T>(Discard),
            schema: None,
            promise: None,
            time: StreamTime::Passes,
        }
    }

    /// The same for a step that declares the event time of its stream, and saves its data for this.
    pub(crate) fn declaring(mut self, schema: StepSchema) -> Self {
        self.schema = Some(Box::new(schema));
        self.time = StreamTime::Declares;
        self
    }

    /// The same for a step that saves data.
    pub(crate) fn saving(mut self, schema: StepSchema) -> Self {
        self.schema = Some(Box::new(schema));
        self
    }

    /// The same for a sink.
    pub(crate) fn writing(mut self, promise: Promise) -> Self {
        self.promise = Some(promise);
        self
    }

    pub(crate) fn build(&self, build: &BuildCx, outputs: &mut Outputs) -> AnyPush {
        build.worker.enter(build.step);
        (self.build)(build, outputs).unwrap_or_else(|error| {
            build.fail(error);
            (self.discard)()
        })
    }
}

/// The context of a step under construction.
pub(crate) struct BuildCx {
    pub(crate) worker: Rc<WorkerCx>,
    pub(crate) step: StepIndex,
}

impl BuildCx {
    pub(crate) fn id(&self) -> &StepId {
        &self.worker.steps.get(self.step).id
    }

    /// Returns the meter of the step on this worker.
    pub(crate) fn meter(&self) -> &Arc<StepMeter> {
        self.worker.meter.step(self.step)
    }

    /// Returns the source or the head whose tree feeds an input.
    pub(crate) fn root_of(&self, input: usize) -> Option<StepIndex> {
        self.worker.steps.get(self.step).roots.get(input).copied()
    }

    /// Returns the workers of the partitions of this step.
    pub(crate) fn assignment(&self) -> Option<&Assignment> {
        self.worker.assignments.get()?.get(&self.step)
    }

    /// Returns the saved position of a partition of this step.
    pub(crate) fn position<P: State>(&self, partition: &str) -> Result<Option<P>, RunError> {
        let store = self.worker.store.get();
        let saved = store.and_then(|store| store.position(self.id(), partition));
        saved.map(state::open).transpose().map_err(|error| {
            let text = "the saved position cannot be read";
            RunError::new(RunErrorKind::Recovery, text)
                .caused_by(error)
                .in_partition(partition)
        })
    }

    /// Returns the saved positions of partitions of this step, by name.
    pub(crate) fn positions<P: State>(&self) -> Result<BTreeMap<String, P>, RunError> {
        let store = self.worker.store.get();
        let names = store.map(|store| store.positions_of(self.id()));
        let names = names.unwrap_or_default().into_iter();
        let saved = names.map(|name| Ok(self.position(name)?.map(|at| (name.to_owned(), at))));
        saved.filter_map(Result::transpose).collect()
    }

    /// Returns the partitions of this step, on all workers.
    pub(crate) fn partitions(&self) -> Vec<&str> {
        let partitions = self.assignment().map(|all| all.partitions.as_slice());
        let names = partitions.unwrap_or_default().iter();
        names.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether a position was saved for a partition of this step.
    pub(crate) fn has_position(&self, partition: &str) -> bool {
        let store = self.worker.store.get();
        store.is_some_and(|store| store.position(self.id(), partition).is_some())
    }

    /// Refuses to continue without a partition that was read or written before, unless it is `gone`.
    pub(crate) fn refuse_lost_partitions(&self, gone: &BTreeSet<String>) -> Result<(), RunError> {
        let Some(store) = self.worker.store.get() else {
            return Ok(());
        };
        let listed = self.partitions();
        let set: HashSet<&str> = listed.iter().copied().collect();
        let saved = store.positions_of(self.id());
        let mut lost: Vec<&str> = Vec::new();
        for name in saved.into_iter().filter(|name| !set.contains(name)) {
            if !gone.contains(name) {
                lost.push(name);
            }
        }
        let Some(first) = lost.first() else {
            return Ok(());
        };
        let (done, what) = match self.worker.steps.get(self.step).kind {
            StepKind::Sink => ("written", "sink"),
            _ => ("read", "source"),
        };
        let known: Vec<String> = listed.iter().map(|name| format!("`{name}`")).collect();
        let known = match known.as_slice() {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        // The name of a flow has no dot.
        let id = self.id().as_str();
        let name = id.split_once('.').map_or(id, |(_, name)| name);
        let text = format!(
            "it has {done} {} partitions that the {what} does not list any more: `{}`; it lists \
             {known}\n\
             help: bring them back; if they are gone for good, give the step another name with `.named(\"..\")` \
             and add `flow.dropped(\"{name}\", \"why\")`: it then starts empty, and its saved state is deleted",
            lost.len(),
            lost.join("`, `"),
        );
        Err(RunError::new(RunErrorKind::Recovery, text).in_partition(first))
    }

    /// Fails the run with an error of this step.
    pub(crate) fn fail(&self, error: RunError) {
        self.worker.enter(self.step);
        self.worker.fail(error);
    }
}

/// The stages after the outputs of a step under construction.
pub(crate) struct Outputs {
    step: StepIndex,
    meter: Arc<StepMeter>,
    pushes: Vec<Option<AnyPush>>,
}

impl Outputs {
    pub(crate) fn new(
        step: StepIndex,
        meter: &Arc<StepMeter>,
        pushes: Vec<Option<AnyPush>>,
    ) -> Self {
        Self {
            step,
            meter: Arc::clone(meter),
            pushes,
        }
    }

    /// Whether anything reads an output.
    pub(crate) fn is_read(&self, output: usize) -> bool {
        self.pushes[output].is_some()
    }

    /// Returns the connection to the readers of one output.
    pub(crate) fn next<T: 'static>(&mut self, output: usize) -> Next<T> {
        let push = self.pushes[output].take().map(AnyPush::downcast);
        Next::new(self.step, push, self.meter.output(output))
    }
}

/// How one output is sent to several readers.
#[derive(Clone, Copy)]
pub(crate) struct TeePlan(fn(StepIndex, Vec<AnyPush>) -> Option<AnyPush>);

impl TeePlan {
    pub(crate) fn cloning<T: Clone + 'static>() -> Self {
        Self(|step, readers| {
            let readers: Vec<BoxPush<T>> = readers.into_iter().map(AnyPush::downcast).collect();
            Tee::new(step, readers).map(AnyPush::new::<T>)
        })
    }

    pub(crate) fn build(self, step: StepIndex, readers: Vec<AnyPush>) -> Option<AnyPush> {
        (self.0)(step, readers)
    }
}
