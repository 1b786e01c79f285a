//! The list of steps and edges that a description leaves behind.

use std::collections::HashMap;
use std::panic::Location;

use super::FlowDefect;
use super::Origin;
use super::moved::{Moved, old_id};
use crate::delivery::{Delivery, Promise};
use crate::ids::{Port, StepId, StepIndex, StepKind};
use crate::kit::{Plan, StepEntry, Steps, TeePlan};
use crate::state::facts::{ARGUMENTS, INPUTS};
use crate::state::{Fact, StepSchema};

/// One step as listed by [`Dataflow::steps`](crate::flow::Dataflow::steps).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepInfo {
    /// The full id.
    pub id: StepId,
    /// The kind of step.
    pub kind: StepKind,
    /// The name of the operator's method, such as `map`.
    pub operator: &'static str,
    /// Where the step was described: file, line and column.
    pub location: &'static Location<'static>,
    /// Which steps it reads, and which of their outputs.
    pub reads: Vec<(StepId, &'static str)>,
    /// What it has declared, if it is a source or writes to the outside.
    pub promise: Option<Promise>,
}

/// An output of a step under description.
pub(crate) struct Output {
    pub(crate) field: &'static str,
    /// For an output that must be read, such as the errors of `try_map`: how to say what is meant.
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

/// A step as an operator's method hands it over.
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
    /// What it saves under.
    pub(crate) id: StepId,
    /// The id by its name and scopes; another one if it was moved.
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
    /// The scopes that the step is in, each with a dot behind it.
    pub(crate) fn scope(&self, flow: &str) -> &str {
        let name = without_flow(flow, &self.described);
        let own = self.name.as_deref().unwrap_or_default();
        name.strip_suffix(own).unwrap_or_default()
    }
}

/// An id without the name of the flow.
pub(super) fn without_flow<'a>(flow: &str, id: &'a StepId) -> &'a str {
    let id = id.as_str();
    let name = id.strip_prefix(flow).and_then(|it| it.strip_prefix('.'));
    name.unwrap_or(id)
}

pub(crate) struct OutputPort {
    pub(crate) field: &'static str,
    pub(crate) must_read: Option<&'static str>,
    pub(crate) tee: Option<TeePlan>,
    /// Which inputs read this output: step and its input number.
    pub(crate) readers: Vec<(StepIndex, usize)>,
}

/// A step that earlier runs had, and whose saved state is not wanted any more.
pub(crate) struct Dropped {
    pub(crate) id: StepId,
    pub(crate) why: String,
    pub(crate) location: &'static Location<'static>,
}

/// A finished description.
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// Names of scopes that are not allowed.
    pub(crate) bad_scopes: Vec<String>,
    /// What is wrong with the parameters of steps.
    pub(crate) faults: Vec<(StepIndex, FlowDefect)>,
    pub(crate) dropped: Vec<Dropped>,
    /// The steps that are off for now, whose saved state stays.
    pub(crate) kept: Vec<StepId>,
    pub(crate) moved: Vec<Moved>,
    /// What each path has to promise.
    pub(crate) delivery: Option<Delivery>,
    pub(crate) origin: Option<Origin>,
}

impl Graph {
    /// An id without the name of the flow.
    pub(crate) fn own_id<'a>(&self, id: &'a StepId) -> &'a str {
        without_flow(&self.name, id)
    }

    /// Whether a line says that a step goes on with its own state, whatever it looks like.
    pub(crate) fn confirms(&self, step: &Step) -> bool {
        let id = self.own_id(&step.id);
        let mut lines = self.moved.iter();
        lines.any(|line| line.confirms() && line.means(id))
    }

    /// Whether a line says anything of one of these scopes.
    pub(crate) fn judges(&self, scopes: &super::Numbered) -> bool {
        let is_in = |id: &str| scopes.has(&format!("{id}."));
        self.moved
            .iter()
            .any(|line| is_in(&line.old) || is_in(&line.new))
    }

    /// Whether what is saved for this step stays, though the flow has no such step.
    pub(crate) fn keeps(&self, id: &StepId) -> bool {
        self.kept.contains(id)
    }

    /// Whether what is saved for this step is not wanted any more.
    pub(crate) fn drops(&self, id: &StepId) -> bool {
        self.dropped.iter().any(|dropped| dropped.id == *id)
    }

    /// What a step saves, if it saves anything.
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

    /// What the code of steps knows of them while the flow runs.
    pub(crate) fn steps(&self) -> Steps {
        let entry = |step: &Step| StepEntry {
            id: step.id.clone(),
            kind: step.kind,
            roots: step.inputs.iter().map(|port| self.root(*port)).collect(),
            outputs: step.outputs.len(),
        };
        Steps::new(self.steps.iter().map(entry).collect())
    }

    /// The source or the head whose tree an output belongs to.
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
        };
        self.steps.iter().map(info).collect()
    }

    /// A number that differs between programs whose steps or edges differ.
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
            step,
        });
        index
    }

    /// The id of a step of this name in the scope at hand.
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

    /// Of several declarations, the last counts.
    pub(crate) fn declare(&mut self, delivery: Delivery) {
        self.delivery = Some(delivery);
    }

    pub(crate) fn fault(&mut self, step: StepIndex, fault: FlowDefect) {
        self.faults.push((step, fault));
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
                    // Shown in messages and drawings only: nothing is saved under such an id.
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
                let outputs = draft.step.outputs.iter().zip(draft.tees).enumerate();
                let outputs = outputs
                    .map(|(output, (spec, tee))| OutputPort {
                        field: spec.field,
                        must_read: spec.must_read,
                        tee,
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
        }
    }
}
