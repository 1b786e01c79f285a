//! The steps as JSON.

use serde::Serialize;

use crate::flow::StepInfo;
use crate::ids::StepId;

#[derive(Serialize)]
struct FlowJson<'a> {
    flow: &'a str,
    steps: Vec<StepJson<'a>>,
}

#[derive(Serialize)]
struct StepJson<'a> {
    id: &'a str,
    kind: &'static str,
    operator: &'static str,
    location: String,
    reads: Vec<ReadJson<'a>>,
}

#[derive(Serialize)]
struct ReadJson<'a> {
    step: &'a str,
    output: &'static str,
}

pub(super) fn render(flow: &str, steps: &[StepInfo]) -> String {
    let flow = FlowJson {
        flow,
        steps: steps.iter().map(StepJson::new).collect(),
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
        }
    }
}
