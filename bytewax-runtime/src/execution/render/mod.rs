//! Drawings of a flow.

mod dot;
mod json;
mod mermaid;

use crate::flow::{Dataflow, StepInfo};

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
    /// Draws the flow: its steps, and which step reads which output of which other.
    ///
    /// The order is that of the description, so the same program gives the same text. There is no
    /// line break at the end.
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
    /// n2[["out (output)"]]
    /// n1 -- "down" --> n2
    /// end"#;
    /// assert_eq!(flow.render(GraphFormat::Mermaid), expected.trim_start());
    /// ```
    #[must_use]
    pub fn render(&self, format: GraphFormat) -> String {
        let steps = self.steps();
        match format {
            GraphFormat::Mermaid => mermaid::render(self.name(), &steps),
            GraphFormat::Dot => dot::render(self.name(), &steps),
            GraphFormat::Json => json::render(self.name(), &steps),
        }
    }
}

/// The id of a step without the name of its flow: scopes and name.
fn local_id<'a>(flow: &str, step: &'a StepInfo) -> &'a str {
    let id = step.id.as_str();
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
