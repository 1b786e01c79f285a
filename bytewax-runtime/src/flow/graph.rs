//! The steps and edges of a description.

use std::collections::HashMap;
use std::panic::Location;

use super::FlowDefect;
use super::Origin;
use super::moved::{Moved, old_id};
use crate::delivery::{Delivery, Promise};
use crate::ids::{Port, StepId, StepIndex, StepKind};
use crate::kit::meter::{KeyTypes, ShowPlan};
use crate::kit::{Plan, StepEntry, Steps, TeePlan};
use crate::state::facts::{ARGUMENTS, INPUTS};
use crate::state::{Fact, StepSchema};

/// A step in [`Dataflow::steps`](crate::flow::Dataflow::steps).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepInfo {
    /// The full id.
    pub id: StepId,
    /// The kind of step.
    pub kind: StepKind,
    /// The name of the operator's method, such as `map`.
    pub operator: &'static str,
    /// The source location of the step: file, line and column.
    pub location: &'static Location<'static>,
    /// The steps that it reads, and their outputs.
    pub reads: Vec<(StepId, &'static str)>,
    /// The declared promise, if it is a source or a sink.
    pub promise: Option<Promise>,
    /// The outputs whose items the live page may show; see [`Stream::shown`](crate::flow::Stream::shown).
    pub shown: Vec<&'static str>,
}

/// An output of a step under description.
pub(crate) struct Output {
    pub(crate) field: &'static str,
    /// The help for an output that must be read, such as the errors of `try_map`.
    pub(crate) must_read: Option<&'static str>,
}

impl Output {
    pub(crate) const DOWN: Output = Output {
        field: "down",
        must_read: None,
    };

    pub(crate) const fn field(field: &'static str) -> Self {
        Self {
            field,
            must_read: None,
        }
    }
}

/// A step as passed by an operator's method.
pub(crate) struct NewStep {
    pub(crate) operator: &'static str,
    pub(crate) kind: StepKind,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) plan: Plan,
    pub(crate) location: &'static Location<'static>,
}

/// A step of a finished description.
pub(crate) struct Step {
    /// The id under which it saves.
    pub(crate) id: StepId,
    /// The id from its name and scopes; differs from `id` if it was moved.
    pub(crate) described: StepId,
    /// The name given by `.named`, without flow and scope.
    pub(crate) name: Option<String>,
    pub(crate) operator: &'static str,
    pub(crate) kind: StepKind,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<OutputPort>,
    pub(crate) plan: Plan,
    pub(crate) location: &'static Location<'static>,
    /// A hash of the text of its arguments, if `dataflow!` saw it.
    pub(crate) arguments: Option<u32>,
}

impl Step {
    /// The scopes of the step, each followed by a dot.
    pub(crate) fn scope(&self, flow: &str) -> &str {
        let name = without_flow(flow, &self.described);
        let own = self.name.as_deref().unwrap_or_default();
        name.strip_suffix(own).unwrap_or_default()
    }
}

/// Returns an id without the name of the flow.
pub(super) fn without_flow<'a>(flow: &str, id: &'a StepId) -> &'a str {
    let id = id.as_str();
    let name = id.strip_prefix(flow).and_then(|it| it.strip_prefix('.'));
    name.unwrap_or(id)
}

pub(crate) struct OutputPort {
    pub(crate) field: &'static str,
    pub(crate) must_read: Option<&'static str>,
    pub(crate) tee: Option<TeePlan>,
    /// How its items are shown to those who ask.
    pub(crate) show: Option<ShowPlan>,
    /// The inputs that read this output: step and input number.
    pub(crate) readers: Vec<(StepIndex, usize)>,
}

/// A step of earlier runs whose saved state is no longer needed.
pub(crate) struct Dropped {
    pub(crate) id: StepId,
    pub(crate) why: String,
    pub(crate) location: &'static Location<'static>,
}

/// A finished description.
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// Invalid names of scopes.
    pub(crate) bad_scopes: Vec<String>,
    /// Invalid parameters of steps.
    pub(crate) faults: Vec<(StepIndex, FlowDefect)>,
    pub(crate) dropped: Vec<Dropped>,
    /// The steps that are off for now, whose saved state stays.
    pub(crate) kept: Vec<StepId>,
    pub(crate) moved: Vec<Moved>,
    /// The promise that each path must keep.
    pub(crate) delivery: Option<Delivery>,
    pub(crate) origin: Option<Origin>,
    /// The types of keyed items.
    pub(crate) keys: KeyTypes,
}

impl Graph {
    /// Returns an id without the name of the flow.
    pub(crate) fn own_id<'a>(&self, id: &'a StepId) -> &'a str {
        without_flow(&self.name, id)
    }

    /// Whether a line confirms that a step continues with its own state, whatever it looks like.
    pub(crate) fn confirms(&self, step: &Step) -> bool {
        let id = self.own_id(&step.id);
        let mut lines = self.moved.iter();
        lines.any(|line| line.confirms() && line.means(id))
    }

    /// Whether a line mentions one of these scopes.
    pub(crate) fn judges(&self, scopes: &super::Numbered) -> bool {
        let is_in = |id: &str| scopes.has(&format!("{id}."));
        self.moved
            .iter()
            .any(|line| is_in(&line.old) || is_in(&line.new))
    }

    /// Whether the saved state of this step is kept, although the flow has no such step.
    pub(crate) fn keeps(&self, id: &StepId) -> bool {
        self.kept.contains(id)
    }

    /// Whether the saved state of this step is no longer needed.
    pub(crate) fn drops(&self, id: &StepId) -> bool {
        self.dropped.iter().any(|dropped| dropped.id == *id)
    }

    /// Returns the schema of a step, if it saves anything.
    pub(crate) fn schema(&self, step: &Step) -> Option<StepSchema> {
        let schema = step.plan.step_schema()?;
        let mut schema = schema.of_operator(step.operator);
        if step.kind == StepKind::Stateful {
            schema = schema.with_facts(&[Fact::new(INPUTS, self.inputs(step))]);
        }
        if let Some(arguments) = step.arguments_text() {
            schema = schema.with_facts(&[Fact::new(ARGUMENTS, arguments)]);
        }
        Some(schema)
    }

    pub(crate) fn step(&self, index: StepIndex) -> &Step {
        &self.steps[index.get()]
    }

    pub(crate) fn port(&self, port: Port) -> &OutputPort {
        &self.step(port.step).outputs[usize::from(port.output)]
    }

    /// Returns the information about steps at run time.
    pub(crate) fn steps(&self) -> Steps {
        let entry = |step: &Step| StepEntry {
            id: step.id.clone(),
            kind: step.kind,
            roots: step.inputs.iter().map(|port| self.root(*port)).collect(),
            outputs: step.outputs.len(),
        };
        Steps::new(self.steps.iter().map(entry).collect(), self.keys.clone())
    }

    /// Returns the source or the head whose tree contains an output.
    pub(crate) fn root(&self, port: Port) -> StepIndex {
        let mut root = port.step;
        while let (Plan::Stage(_), Some(input)) =
            (&self.step(root).plan, self.step(root).inputs.first())
        {
            root = input.step;
        }
        root
    }

    pub(crate) fn infos(&self) -> Vec<StepInfo> {
        let info = |step: &Step| StepInfo {
            id: step.id.clone(),
            kind: step.kind,
            operator: step.operator,
            location: step.location,
            reads: step
                .inputs
                .iter()
                .map(|port| (self.step(port.step).id.clone(), self.port(*port).field))
                .collect(),
            promise: step.plan.promise(),
            shown: step
                .outputs
                .iter()
                .filter(|output| output.show.is_some())
                .map(|output| output.field)
                .collect(),
        };
        self.steps.iter().map(info).collect()
    }

    /// Returns a number that differs between programs with different steps or edges.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        for step in self.infos() {
            text.push_str(&format!("{} {} {:?}\n", step.id, step.operator, step.reads));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }
}

struct Draft {
    scope: String,
    name: Option<String>,
    step: NewStep,
    tees: Vec<Option<TeePlan>>,
    shows: Vec<Option<ShowPlan>>,
}

/// A description under construction.
pub(crate) struct Description {
    name: String,
    scopes: Vec<String>,
    bad_scopes: Vec<String>,
    drafts: Vec<Draft>,
    faults: Vec<(StepIndex, FlowDefect)>,
    dropped: Vec<Dropped>,
    kept: Vec<StepId>,
    moved: Vec<Moved>,
    delivery: Option<Delivery>,
    keys: KeyTypes,
    finished: bool,
}

impl Description {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            scopes: Vec::new(),
            bad_scopes: Vec::new(),
            drafts: Vec::new(),
            faults: Vec::new(),
            dropped: Vec::new(),
            kept: Vec::new(),
            moved: Vec::new(),
            delivery: None,
            keys: KeyTypes::default(),
            finished: false,
        }
    }

    pub(crate) fn enter(&mut self, scope: &str) {
        if !super::check::is_name(scope) {
            self.bad_scopes.push(scope.to_owned());
        }
        self.scopes.push(scope.to_owned());
    }

    pub(crate) fn leave(&mut self) {
        self.scopes.pop();
    }

    #[track_caller]
    pub(crate) fn add(&mut self, step: NewStep) -> StepIndex {
        assert!(
            !self.finished,
            "a step was added to the dataflow `{}` after its description had ended; streams may \
             not leave the closure given to `Dataflow::build`",
            self.name
        );
        let index = StepIndex(u32::try_from(self.drafts.len()).expect("fewer than 2^32 steps"));
        self.drafts.push(Draft {
            scope: self.scopes.join("."),
            name: None,
            tees: step.outputs.iter().map(|_| None).collect(),
            shows: step.outputs.iter().map(|_| None).collect(),
            step,
        });
        index
    }

    /// Returns the id of a step with this name in the current scope.
    fn id_here(&self, name: &str) -> StepId {
        let scope = self.scopes.join(".");
        let parts = [self.name.as_str(), &scope, name];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        StepId::new(parts.collect::<Vec<_>>().join("."))
    }

    pub(crate) fn keep_step(&mut self, name: &str) {
        self.kept.push(self.id_here(name));
    }

    #[track_caller]
    pub(crate) fn move_step(&mut self, old: &str, new: &str) {
        self.moved.push(Moved {
            old: old.to_owned(),
            new: new.to_owned(),
            location: Location::caller(),
        });
    }

    #[track_caller]
    pub(crate) fn drop_step(&mut self, name: &str, why: &str) {
        self.dropped.push(Dropped {
            id: self.id_here(name),
            why: why.to_owned(),
            location: Location::caller(),
        });
    }

    pub(crate) fn name_step(&mut self, step: StepIndex, name: &str) {
        self.drafts[step.get()].name = Some(name.to_owned());
    }

    /// The last declaration applies.
    pub(crate) fn declare(&mut self, delivery: Delivery) {
        self.delivery = Some(delivery);
    }

    pub(crate) fn fault(&mut self, step: StepIndex, fault: FlowDefect) {
        self.faults.push((step, fault));
    }

    pub(crate) fn set_show(&mut self, port: Port, show: ShowPlan) {
        self.drafts[port.step.get()].shows[usize::from(port.output)] = Some(show);
    }

    /// The types of keyed items.
    pub(crate) fn keys(&mut self) -> &mut KeyTypes {
        &mut self.keys
    }

    pub(crate) fn set_tee(&mut self, port: Port, tee: TeePlan) {
        self.drafts[port.step.get()].tees[usize::from(port.output)] = Some(tee);
    }

    pub(crate) fn finish(&mut self) -> Graph {
        self.finished = true;
        let drafts = std::mem::take(&mut self.drafts);
        let mut readers: HashMap<Port, Vec<(StepIndex, usize)>> = HashMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            for (input, port) in draft.step.inputs.iter().enumerate() {
                let reader = (StepIndex(index as u32), input);
                readers.entry(*port).or_default().push(reader);
            }
        }
        let mut anonymous: HashMap<String, usize> = HashMap::new();
        let steps = drafts
            .into_iter()
            .enumerate()
            .map(|(index, draft)| {
                let name = draft.name.clone().unwrap_or_else(|| {
                    // Shown only in messages and drawings: no state is saved under such an id.
                    let seen = anonymous.entry(draft.step.operator.to_owned()).or_default();
                    *seen += 1;
                    format!("{}#{seen}", draft.step.operator)
                });
                let described = match draft.scope.is_empty() {
                    true => name,
                    false => format!("{}.{name}", draft.scope),
                };
                let old = old_id(&self.moved, &described);
                let id = |own: &str| StepId::new(format!("{}.{own}", self.name));
                let given = draft.tees.into_iter().zip(draft.shows);
                let outputs = draft.step.outputs.iter().zip(given).enumerate();
                let outputs = outputs
                    .map(|(output, (spec, (tee, show)))| OutputPort {
                        field: spec.field,
                        must_read: spec.must_read,
                        tee,
                        show,
                        readers: readers
                            .remove(&Port {
                                step: StepIndex(index as u32),
                                output: output as u16,
                            })
                            .unwrap_or_default(),
                    })
                    .collect();
                Step {
                    id: id(old.as_ref().unwrap_or(&described)),
                    described: id(&described),
                    name: draft.name,
                    operator: draft.step.operator,
                    kind: draft.step.kind,
                    inputs: draft.step.inputs,
                    outputs,
                    plan: draft.step.plan,
                    location: draft.step.location,
                    arguments: None,
                }
            })
            .collect();
        Graph {
            name: self.name.clone(),
            steps,
            bad_scopes: std::mem::take(&mut self.bad_scopes),
            faults: std::mem::take(&mut self.faults),
            dropped: std::mem::take(&mut self.dropped),
            kept: std::mem::take(&mut self.kept),
            moved: std::mem::take(&mut self.moved),
            delivery: self.delivery,
            origin: None,
            keys: std::mem::take(&mut self.keys),
        }
    }
}
