//! Mermaid flowcharts.

use super::{edges, local_id};
use crate::flow::{StepInfo, StepKind};

/// The nodes are called `n0`, `n1`, ..: ids of steps have characters that Mermaid reads as syntax.
pub(super) fn render(flow: &str, steps: &[StepInfo]) -> String {
    let mut lines = vec![
        "flowchart TD".to_owned(),
        format!("subgraph \"{} (Dataflow)\"", escape(flow)),
    ];
    for (index, step) in steps.iter().enumerate() {
        let (open, close) = shape(step.kind);
        let label = escape(local_id(flow, step));
        lines.push(format!(
            "n{index}{open}\"{label} ({})\"{close}",
            step.operator
        ));
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
