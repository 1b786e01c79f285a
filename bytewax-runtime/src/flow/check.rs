//! Checks of a finished description; all defects are reported together.

use std::collections::HashMap;
use std::fmt;

use super::StepKind;
use super::graph::{Graph, Step};
use crate::error::{RunError, RunErrorKind};
use crate::ids::StepIndex;
use crate::kit::{Plan, StreamTime};

/// A defect of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowDefect {
    /// The defect and its location.
    pub fault: String,
    /// The fix.
    pub help: String,
}

/// All defects of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowDefects {
    flow: String,
    defects: Vec<FlowDefect>,
}

impl FlowDefects {
    /// Returns the defects, in the order of the description.
    #[must_use]
    pub fn defects(&self) -> &[FlowDefect] {
        &self.defects
    }
}

impl fmt::Display for FlowDefects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dataflow `{}` cannot be run", self.flow)?;
        for defect in &self.defects {
            write!(f, "\n  {}\n    help: {}", defect.fault, defect.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for FlowDefects {}

impl From<FlowDefects> for RunError {
    fn from(defects: FlowDefects) -> Self {
        Self::new(RunErrorKind::Flow, defects.to_string())
    }
}

/// Whether `name` may be part of a step id: parts of `[A-Za-z0-9_-]` separated by `.`.
pub(crate) fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !part.is_empty() && part.chars().all(allowed)
    };
    name.split('.').all(part)
}

/// Returns `name` with all invalid characters replaced.
fn mended(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let parts: Vec<_> = name.split('.').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        "name".to_owned()
    } else {
        parts.join(".")
    }
}

/// Checks that each step that reads the event time of its streams has one.
fn check_times(graph: &Graph, report: &mut impl FnMut(String, String)) {
    let is_source = |step: StepIndex| matches!(graph.step(step).plan, Plan::Source(_));
    let mut timed: Vec<bool> = Vec::new();
    for step in &graph.steps {
        let untimed = step.inputs.iter().find(|port| !timed[port.step.get()]);
        let place = || format!("step `{}` at {}", step.id, step.location);
        let roots = || step.inputs.iter().map(|port| graph.root(*port));
        timed.push(match step.plan.stream_time() {
            StreamTime::Passes => untimed.is_none() && !step.inputs.is_empty(),
            StreamTime::PassesFirst => {
                let first = step.inputs.first();
                first.is_some_and(|port| timed[port.step.get()])
            }
            StreamTime::Ends => false,
            time @ (StreamTime::Reads | StreamTime::ReadsOnly) => {
                if let Some(port) = untimed {
                    let (culprit, help) = untimed_by(graph, &timed, port.step);
                    report(
                        format!(
                            "{}: it reads the event time of its stream, which has none: {culprit}",
                            place()
                        ),
                        help,
                    );
                }
                time == StreamTime::Reads
            }
            StreamTime::Declares => {
                let behind = roots().find(|root| !is_source(*root));
                let is_stage = matches!(step.plan, Plan::Stage(_));
                if let Some(root) = behind
                    && (is_stage || untimed.is_some())
                {
                    let help = if is_stage {
                        "declare the time of each stream directly after its source"
                    } else {
                        "declare the time of the stream near the source, by `.event_time(|item| .., \
                         Lateness::bounded(wait))`, and let this step read it: `StreamClock::new(|value| ..)`"
                    };
                    report(
                        format!(
                            "{}: it depends on the partitions of a source, which are unknown after the step `{}`",
                            place(),
                            graph.step(root).id
                        ),
                        help.to_owned(),
                    );
                }
                true
            }
        });
    }
}

/// Returns why the output of a step has no event time, and the fix.
fn untimed_by(graph: &Graph, timed: &[bool], mut step: StepIndex) -> (String, String) {
    loop {
        let described = graph.step(step);
        let untimed = described.inputs.iter().find(|port| !timed[port.step.get()]);
        match (described.plan.stream_time(), untimed) {
            (StreamTime::Passes | StreamTime::PassesFirst, Some(port)) => step = port.step,
            (StreamTime::ReadsOnly, _) => {
                let limit = match described.operator {
                    "join_table" => "Versions::kept_for(time)",
                    _ => "AsOf::forward().tolerance(time)",
                };
                return (
                    format!(
                        "`{}` emits values without a limit to their age",
                        described.id
                    ),
                    format!("give that step a limit, such as `{limit}`"),
                );
            }
            (StreamTime::Ends, Some(_) | None) if described.kind != StepKind::Source => {
                return (
                    format!("`{}` has a clock of its own", described.id),
                    "give that step a `StreamClock` too".to_owned(),
                );
            }
            _ => {
                return (
                    format!("it comes from `{}`", described.id),
                    "declare it after the source, with `.event_time(|item| .., Lateness::bounded(wait))`"
                        .to_owned(),
                );
            }
        }
    }
}

pub(crate) fn check(graph: &Graph) -> Result<(), FlowDefects> {
    let mut defects = Vec::new();
    let mut report = |fault: String, help: String| defects.push(FlowDefect { fault, help });

    if !is_name(&graph.name) || graph.name.contains('.') {
        report(
            format!("`{}` is not a name for a dataflow", graph.name),
            format!(
                "use letters, digits, `_` and `-`: `{}`",
                mended(&graph.name).replace('.', "_")
            ),
        );
    }
    for scope in &graph.bad_scopes {
        report(
            format!("`{scope}` is not a name for a scope"),
            format!(
                "use letters, digits, `_` and `-`, with `.` between parts: `{}`",
                mended(scope)
            ),
        );
    }
    if !graph.steps.iter().any(|step| step.kind == StepKind::Source) {
        report(
            "this dataflow has no input; it needs at least one input".to_owned(),
            "begin a stream with `flow.input(source)`".to_owned(),
        );
    }
    let is_output = |step: &Step| matches!(step.kind, StepKind::Sink | StepKind::Observer);
    if !graph.steps.iter().any(is_output) {
        report(
            "this dataflow has no output, so it would do nothing; it needs at least one output"
                .to_owned(),
            "end a stream with `.output(sink)`".to_owned(),
        );
    }

    let mut first_use: HashMap<&str, &Step> = HashMap::new();
    for step in &graph.steps {
        match &step.name {
            None if step.kind.needs_name() => report(
                format!(
                    "the {} `{}` at {} has no name",
                    step.kind.as_str(),
                    step.operator,
                    step.location
                ),
                format!(
                    "saved state is found by this name: end the step with `.named(\"{}\")`, or \
                     write the flow with `dataflow!`, where `let` names the steps",
                    step.operator
                ),
            ),
            Some(name) if !is_name(name) => report(
                format!("`{name}` at {} is not a step name", step.location),
                format!(
                    "use letters, digits, `_` and `-`, with `.` between parts: `{}`",
                    mended(name)
                ),
            ),
            _ => {}
        }
        if let Some(first) = first_use.get(step.id.as_str()) {
            let place = if first.location == step.location {
                format!("both at {} (was one scope opened twice?)", step.location)
            } else {
                format!("first at {}, then at {}", first.location, step.location)
            };
            report(
                format!("two steps have the id `{}`: {place}", step.id),
                "saved state is found by this name; give each step its own, with `.named(\"..\")` \
                 or in a `flow.scope(name, ..)` of its own"
                    .to_owned(),
            );
        } else {
            first_use.insert(step.id.as_str(), step);
        }
        for output in &step.outputs {
            if let Some(help) = output.must_read
                && output.readers.is_empty()
            {
                report(
                    format!(
                        "the `{}` of step `{}` at {} are never read",
                        output.field, step.id, step.location
                    ),
                    help.to_owned(),
                );
            }
        }
    }

    check_times(graph, &mut report);
    super::moved::check(graph, &mut report);
    super::paths::check(graph, &mut report);
    for (step, defect) in &graph.faults {
        let step = graph.step(*step);
        report(
            format!("step `{}` at {}: {}", step.id, step.location, defect.fault),
            defect.help.clone(),
        );
    }
    for dropped in &graph.dropped {
        if let Some(step) = first_use.get(dropped.id.as_str()) {
            report(
                format!(
                    "`{}` is dropped at {}, and the flow still has it, at {}",
                    dropped.id, dropped.location, step.location
                ),
                "remove the step, or give it another name by `.named(\"..\")`".to_owned(),
            );
        }
    }

    if defects.is_empty() {
        Ok(())
    } else {
        Err(FlowDefects {
            flow: graph.name.clone(),
            defects,
        })
    }
}
