//! Drawings of a flow.

mod dot;
pub(super) mod json;
mod mermaid;

#[cfg(feature = "serve")]
use crate::flow::Graph;
use crate::flow::{Dataflow, PathInfo, StepInfo};
use crate::ids::StepId;

/// The language of a drawing made by [`Dataflow::render`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum GraphFormat {
    /// A Mermaid flowchart, as Markdown renderers show it
    #[default]
    Mermaid,
    /// Graphviz
    Dot,
    /// The list of steps as JSON, for programs
    Json,
}

impl Dataflow {
    /// Draws the flow: its steps, the edges between their outputs and inputs, and, at each sink, the promises
    /// of the paths from sources and the steps that limit them.
    ///
    /// The order is that of the description, so the same program returns the same text. The text does not end
    /// with a line break.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::GraphFormat;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    ///
    /// let flow = Dataflow::build("doubles", |flow| {
    ///     let numbers = flow.input(TestingSource::new(vec![1, 2])).named("numbers");
    ///     numbers.map(|n| 2 * n).named("twice").output(TestingSink::new()).named("out");
    /// });
    /// let expected = r#"
    /// flowchart TD
    /// subgraph "doubles (Dataflow)"
    /// n0(["numbers (input)"])
    /// n1["twice (map)"]
    /// n0 -- "down" --> n1
    /// n2[["out (output)<br>at least once from numbers, as `out` is append"]]
    /// n1 -- "down" --> n2
    /// end"#;
    /// assert_eq!(flow.render(GraphFormat::Mermaid), expected.trim_start());
    /// ```
    #[must_use]
    pub fn render(&self, format: GraphFormat) -> String {
        let (steps, paths) = (self.steps(), self.paths());
        let labels = |step: &StepInfo| labels(self.name(), step, &paths);
        match format {
            GraphFormat::Mermaid => mermaid::render(self.name(), &steps, labels),
            GraphFormat::Dot => dot::render(self.name(), &steps, &labels),
            GraphFormat::Json => json::render(self.name(), &steps, &paths),
        }
    }
}

/// Returns the drawing of a flow as JSON.
#[cfg(feature = "serve")]
pub(super) fn json(graph: &Graph) -> String {
    json::render(&graph.name, &graph.infos(), &graph.paths())
}

/// Returns the label of a step: its name and operator, and for a sink a line for each path to it.
fn labels(flow: &str, step: &StepInfo, paths: &[PathInfo]) -> Vec<String> {
    let own_id = |id: &StepId| own_id(flow, id).to_owned();
    let mut lines = vec![format!("{} ({})", own_id(&step.id), step.operator)];
    for path in paths.iter().filter(|path| *path.sink() == step.id) {
        let line = format!("{} from {}", path.delivery, own_id(path.source()));
        lines.push(match path.weakest.is_empty() {
            true => line,
            false => format!("{line}, as {}", path.reasons(own_id)),
        });
    }
    lines
}

/// The id of a step without the name of its flow: scopes and name.
fn own_id<'a>(flow: &str, id: &'a StepId) -> &'a str {
    let id = id.as_str();
    id.strip_prefix(flow)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(id)
}

/// The edges into a step: the position of the step that is read, and its output.
fn edges<'a>(
    steps: &'a [StepInfo],
    step: &'a StepInfo,
) -> impl Iterator<Item = (usize, &'static str)> + 'a {
    step.reads.iter().filter_map(|(read, output)| {
        let from = steps.iter().position(|step| step.id == *read)?;
        Some((from, *output))
    })
}

#[cfg(test)]
mod tests;
