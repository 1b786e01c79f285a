//! Builds the described flow on one worker: trees of stages, and timely operators between edges.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::Scope;
use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::worker::Worker;

use super::completion::complete;
use super::gather::exchange;
use super::run::Job;
use super::start::agree;
use crate::error::RunError;
use crate::flow::Graph;
use crate::guard::guard;
use crate::ids::{Epoch, Port, StepIndex};
use crate::kit::meter::Sampler;
use crate::kit::{
    Alarm, AnyInput, AnyPush, Budget, BuildCx, Cx, EdgeId, Edges, Inlet, Link, Note, Operator,
    Outlet, Outputs, Plan, Progress, ProgressStream, RemoteAlarm, Scales, Wake, WorkerCx, frontier,
};

/// Builds the flow and begins the execution. Returns `Ok(false)` if the run stops in the meantime.
///
/// No operator runs and nothing is written before all workers have built the flow. Until then the flow may be
/// refused, by the store or by a source that cannot be opened.
pub(crate) fn build(worker: &mut Worker, cx: &Rc<WorkerCx>, job: &Job) -> Result<bool, RunError> {
    let resume = tracing::info_span!("resume");
    let agreed = resume.in_scope(|| agree(worker, cx, job));
    let Some(store) = agreed? else {
        return Ok(false);
    };
    let set = cx.edges.set(edges(cx, &job.graph)).is_ok();
    assert!(set, "a worker builds its flow once");
    worker.dataflow_named::<u64, _, _>(&job.graph.name, |scope| {
        let mut builder = Builder {
            scope,
            cx: Rc::clone(cx),
            graph: &job.graph,
            inlets: HashMap::new(),
            progress: Vec::new(),
        };
        builder.steps();
        complete(scope, cx, store.clone(), builder.progress);
    });
    if let Some(store) = store {
        // A step that could not be built has stopped the run.
        if cx.shared.is_stopping() || exchange(worker, cx, &())?.is_none() {
            return Ok(false);
        }
        resume.in_scope(|| store.begin(cx))?;
    }
    cx.epochs.open_span(cx.epochs.first());
    cx.begin();
    tracing::debug!("the worker runs the flow");
    Ok(true)
}

/// Computes the common data of the edges of the flow, and allocates their counters.
fn edges(cx: &WorkerCx, graph: &Graph) -> Edges {
    let mut scales = Scales::default();
    let mut count = 0;
    for step in &graph.steps {
        if let Plan::Head(plan) = &step.plan {
            plan.add_scales(&mut scales);
            count += step.inputs.len();
        }
    }
    let memory = cx.shared.settings.buffer_memory;
    let budget = Budget::new(memory, count, cx.count);
    cx.shared.init_edges(count, budget.under_way);
    Edges::new(budget, scales)
}

struct Builder<'s, 'g> {
    scope: Scope<'s, u64>,
    cx: Rc<WorkerCx>,
    graph: &'g Graph,
    /// Edges whose readers are not built yet, by step and input.
    inlets: HashMap<(StepIndex, usize), Inlet<'s>>,
    progress: Vec<ProgressStream<'s>>,
}

impl<'s> Builder<'s, '_> {
    /// Builds each step that is a timely operator, with the tree of stages after it.
    ///
    /// Steps read only steps that were described before them, so the edges before an operator exist when it
    /// is built.
    fn steps(&mut self) {
        let graph = self.graph;
        for (index, step) in graph.steps.iter().enumerate() {
            let index = StepIndex(index as u32);
            match &step.plan {
                Plan::Stage(_) => {}
                Plan::Head(plan) => self.operator(index, |build, inputs, _, outputs| {
                    plan.operator(build, inputs, outputs)
                }),
                Plan::Source(plan) => self.operator(index, |build, _, alarm, outputs| {
                    plan.operator(build, alarm, outputs)
                }),
            }
        }
    }

    fn operator(
        &mut self,
        step: StepIndex,
        make: impl FnOnce(
            &BuildCx,
            Vec<AnyInput>,
            Alarm,
            &mut Outputs,
        ) -> Result<Box<dyn Operator>, RunError>,
    ) {
        let described = self.graph.step(step);
        show(&self.cx, self.graph, step);
        let mut operator = OperatorBuilder::new(described.id.to_string(), self.scope);
        let inputs = (0..described.inputs.len()).map(|input| {
            let inlet = self.inlets.remove(&(step, input));
            let inlet = inlet.expect("a stream is described before the step that reads it");
            inlet.connect(&mut operator)
        });
        let inputs = inputs.collect();

        // The first output reports the progress of the operator and its saved data of an epoch.
        let (notes, progress) = operator.new_output::<Vec<Note>>();
        self.progress.push(progress);

        let address = Rc::clone(&operator.operator_info().address);
        let timers = &self.cx.timers;
        let remote =
            || RemoteAlarm::Timely(self.scope.worker().sync_activator_for(address.to_vec()));
        let here = Wake::Timely(self.scope.activator_for(Rc::clone(&address)));
        let alarm = timers.register(here, remote());

        let mut outlet = Outlet::new(step, &mut operator, Rc::clone(&self.cx));
        let outputs = (0..described.outputs.len() as u16).map(|output| Port { step, output });
        let mut inlets = Vec::new();
        let pushes = outputs
            .map(|port| tree(&self.cx, self.graph, port, &mut outlet, &mut inlets))
            .collect();
        let first_portion = outlet.first_portion();
        let edges = outlet.into_edges();
        self.inlets.extend(inlets);
        for edge in &edges {
            let shared = &self.cx.shared;
            shared.register_waker(*edge, self.cx.index, remote());
        }

        let build = self.build(step);
        let mut outputs = Outputs::new(step, build.meter(), pushes);
        self.cx.enter(step);
        let made = guard(|| make(&build, inputs, alarm, &mut outputs));
        if matches!(described.plan, Plan::Source(_)) {
            self.cx.shared.register_source(self.cx.index, remote());
        }
        let made = made.map_err(|error| build.fail(error)).ok();
        start(
            operator,
            step,
            Rc::clone(&self.cx),
            alarm,
            notes,
            edges,
            first_portion,
            made,
        );
    }

    fn build(&self, step: StepIndex) -> BuildCx {
        BuildCx {
            worker: Rc::clone(&self.cx),
            step,
        }
    }
}

/// Builds the readers of one output, up to the next edges; returns `None` if nothing reads it.
fn tree<'s>(
    cx: &Rc<WorkerCx>,
    graph: &Graph,
    port: Port,
    outlet: &mut Outlet<'_, 's>,
    inlets: &mut Vec<((StepIndex, usize), Inlet<'s>)>,
) -> Option<AnyPush> {
    let output = graph.port(port);
    let mut readers: Vec<AnyPush> = Vec::new();
    for (reader, input) in &output.readers {
        let step = graph.step(*reader);
        readers.push(match &step.plan {
            Plan::Source(_) => unreachable!("a source reads no stream"),
            Plan::Head(plan) => {
                let outlet = outlet.lead_to(*reader, *input);
                let (push, inlet) = plan.connect(*reader, *input, outlet);
                inlets.push(((*reader, *input), inlet));
                push
            }
            Plan::Stage(plan) => {
                show(cx, graph, *reader);
                let outputs = (0..step.outputs.len() as u16).map(|output| Port {
                    step: *reader,
                    output,
                });
                let pushes = outputs
                    .map(|port| tree(cx, graph, port, outlet, inlets))
                    .collect();
                let build = BuildCx {
                    worker: Rc::clone(cx),
                    step: *reader,
                };
                let mut outputs = Outputs::new(*reader, build.meter(), pushes);
                plan.build(&build, &mut outputs)
            }
        });
    }
    match (readers.len(), output.tee) {
        (0, _) => None,
        (1, _) => readers.pop(),
        (_, Some(tee)) => tee.build(port.step, readers),
        (_, None) => unreachable!("a stream is read twice only after `clone`, which sets the tee"),
    }
}

/// Tells the outputs of a step how their items are shown.
fn show(cx: &WorkerCx, graph: &Graph, step: StepIndex) {
    for (output, port) in graph.step(step).outputs.iter().enumerate() {
        if let Some(plan) = &port.show {
            cx.meter.step(step).output(output).tail.shows(plan);
        }
    }
}

/// Passes an operator to timely.
#[expect(
    clippy::too_many_arguments,
    reason = "it is called once, with what was made for the operator"
)]
fn start(
    builder: OperatorBuilder<'_, u64>,
    step: StepIndex,
    worker: Rc<WorkerCx>,
    alarm: Alarm,
    notes: Output<u64, Vec<Note>>,
    edges: Vec<EdgeId>,
    first_portion: usize,
    operator: Option<Box<dyn Operator>>,
) {
    builder.build(move |capabilities| {
        let mut operator = operator;
        let link = Link::Timely {
            capabilities,
            notes,
        };
        let meter = Arc::clone(&worker.meter);
        let mut cx = Cx::new(worker, link, alarm);
        cx.first_portion = first_portion;
        let mut sampler = Sampler::default();
        move |frontiers| {
            let Some(running) = operator.as_mut() else {
                return;
            };
            if !cx.worker.has_begun() || cx.worker.shared.is_stopping() {
                return;
            }
            let frontier = frontier(frontiers).map(Epoch);
            let is_timed = sampler.begin(step, &cx.worker);
            let ran = meter.activation(|| guard(|| running.run(frontier, &edges, &mut cx)));
            if is_timed {
                sampler.end(&cx.worker);
            }
            match ran {
                Ok(Progress::Waiting) => {}
                Ok(Progress::Finished) => {
                    operator = None;
                    cx.link.close();
                }
                Err(error) => cx.worker.fail(error),
            }
        }
    });
}
