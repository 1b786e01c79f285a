//! The steps as JSON.

use serde::Serialize;

use crate::delivery::Promise;
use crate::flow::{PathInfo, StepInfo};
use crate::ids::StepId;

/// The description of a flow.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::execution) struct FlowJson<'a> {
    /// Its name.
    flow: &'a str,
    /// Its steps, in the order of their description.
    steps: Vec<StepJson<'a>>,
    /// The paths from sources to sinks.
    paths: Vec<PathJson<'a>>,
}

/// A step.

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StepJson<'a> {
    /// The id of the step.
    id: &'a str,
    /// The kind of step.
    kind: &'static str,
    /// The method that created it.
    operator: &'static str,
    /// Its place in the source: file, line and column.
    location: String,
    /// What it reads, by input.
    reads: Vec<ReadJson<'a>>,
    /// The promise of a source or a sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<&'static str>,
    /// The outputs whose items may be shown, by `shown`.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    shown: &'a [&'static str],
}

/// An output that a step reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReadJson<'a> {
    /// The id of the step that has the output.
    step: &'a str,
    /// The name of the output, such as `down`, `late` or `errs`.
    output: &'static str,
}

/// A path from a source to a sink.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PathJson<'a> {
    /// The ids of its steps.
    steps: Vec<&'a str>,
    /// The guarantee of the path.
    delivery: &'static str,
    /// The ids of the steps that limit it.
    weakest: Vec<&'a str>,
}

pub(super) fn render(flow: &str, steps: &[StepInfo], paths: &[PathInfo]) -> String {
    let flow = FlowJson {
        flow,
        steps: steps.iter().map(StepJson::new).collect(),
        paths: paths.iter().map(PathJson::new).collect(),
    };
    serde_json::to_string_pretty(&flow).expect("structs of texts are JSON")
}

impl<'a> StepJson<'a> {
    fn new(step: &'a StepInfo) -> Self {
        let read = |(step, output): &'a (StepId, &'static str)| ReadJson {
            step: step.as_str(),
            output,
        };
        Self {
            id: step.id.as_str(),
            kind: step.kind.as_str(),
            operator: step.operator,
            location: step.location.to_string(),
            reads: step.reads.iter().map(read).collect(),
            promise: step.promise.map(Promise::as_str),
            shown: &step.shown,
        }
    }
}

impl<'a> PathJson<'a> {
    fn new(path: &'a PathInfo) -> Self {
        Self {
            steps: path.steps.iter().map(StepId::as_str).collect(),
            delivery: path.delivery.as_str(),
            weakest: path.weakest.iter().map(|(id, _)| id.as_str()).collect(),
        }
    }
}
