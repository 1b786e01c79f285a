//! The steps as JSON.

use serde::Serialize;

use crate::delivery::Promise;
use crate::flow::{PathInfo, StepInfo};
use crate::ids::StepId;

#[derive(Serialize)]
struct FlowJson<'a> {
    flow: &'a str,
    steps: Vec<StepJson<'a>>,
    paths: Vec<PathJson<'a>>,
}

#[derive(Serialize)]
struct StepJson<'a> {
    id: &'a str,
    kind: &'static str,
    operator: &'static str,
    location: String,
    reads: Vec<ReadJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<&'static str>,
}

#[derive(Serialize)]
struct ReadJson<'a> {
    step: &'a str,
    output: &'static str,
}

/// A path from a source to a sink.
#[derive(Serialize)]
struct PathJson<'a> {
    steps: Vec<&'a str>,
    delivery: &'static str,
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
