//! Mermaid flowcharts.

use super::edges;
use crate::flow::{StepInfo, StepKind};

/// The nodes are called `n0`, `n1`, ..: ids of steps have characters that Mermaid reads as syntax.
pub(super) fn render(
    flow: &str,
    steps: &[StepInfo],
    labels: impl Fn(&StepInfo) -> Vec<String>,
) -> String {
    let mut lines = vec![
        "flowchart TD".to_owned(),
        format!("subgraph \"{} (Dataflow)\"", escape(flow)),
    ];
    for (index, step) in steps.iter().enumerate() {
        let (open, close) = shape(step.kind);
        let labels: Vec<String> = labels(step).iter().map(|label| escape(label)).collect();
        lines.push(format!("n{index}{open}\"{}\"{close}", labels.join("<br>")));
        for (from, output) in edges(steps, step) {
            lines.push(format!("n{from} -- \"{output}\" --> n{index}"));
        }
    }
    lines.push("end".to_owned());
    lines.join("\n")
}

fn shape(kind: StepKind) -> (&'static str, &'static str) {
    match kind {
        StepKind::Source => ("([", "])"),
        StepKind::Sink => ("[[", "]]"),
        StepKind::Observer => ("{{", "}}"),
        StepKind::Stateful => ("[(", ")]"),
        StepKind::Stateless => ("[", "]"),
    }
}

/// Text inside quotes: `#` begins the name of a character there.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}
