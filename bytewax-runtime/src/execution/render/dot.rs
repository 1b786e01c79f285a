//! Graphviz.

use super::{edges, own_id};
use crate::flow::{StepInfo, StepKind};

/// The lines of text at a step.
type Labels<'a> = dyn Fn(&StepInfo) -> Vec<String> + 'a;

pub(super) fn render(flow: &str, steps: &[StepInfo], labels: &Labels<'_>) -> String {
    let mut lines = vec![
        format!("digraph {} {{", quote(flow)),
        format!("    label={};", quote(&format!("{flow} (Dataflow)"))),
    ];
    let mut root = Scope::default();
    for (index, step) in steps.iter().enumerate() {
        let scopes = own_id(flow, &step.id).split('.');
        root.insert(&scopes.collect::<Vec<_>>(), index);
    }
    root.write(&mut lines, "    ", "", steps, labels);
    for (index, step) in steps.iter().enumerate() {
        for (from, output) in edges(steps, step) {
            lines.push(format!(
                "    n{from} -> n{index} [label={}];",
                quote(output)
            ));
        }
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

/// Steps and scopes inside a scope, in the order of their first steps.
#[derive(Default)]
struct Scope<'a> {
    parts: Vec<Fragment<'a>>,
}

enum Fragment<'a> {
    /// A step's position, and the last part of its id.
    Step(usize, &'a str),
    Scope(&'a str, Scope<'a>),
}

impl<'a> Scope<'a> {
    fn insert(&mut self, path: &[&'a str], step: usize) {
        let (name, rest) = match path {
            [] => return,
            [name] => return self.parts.push(Fragment::Step(step, name)),
            [name, rest @ ..] => (*name, rest),
        };
        let at = self
            .parts
            .iter()
            .position(|part| matches!(part, Fragment::Scope(n, _) if *n == name));
        let at = at.unwrap_or_else(|| {
            self.parts.push(Fragment::Scope(name, Scope::default()));
            self.parts.len() - 1
        });
        if let Fragment::Scope(_, scope) = &mut self.parts[at] {
            scope.insert(rest, step);
        }
    }

    /// `path` is that of this scope, with a `.` at its end unless it is the flow.
    fn write(
        &self,
        lines: &mut Vec<String>,
        indent: &str,
        path: &str,
        steps: &[StepInfo],
        labels: &Labels<'_>,
    ) {
        for part in &self.parts {
            match part {
                Fragment::Step(index, name) => {
                    let step = &steps[*index];
                    // The scopes are frames, so the last part of the name is enough.
                    let mut labels = labels(step);
                    labels[0] = format!("{name} ({})", step.operator);
                    // Graphviz's line break, which must not be escaped with the user's text.
                    let labels: Vec<String> = labels.iter().map(|label| escape(label)).collect();
                    let label = format!("\"{}\"", labels.join("\\n"));
                    let shape = shape(step.kind);
                    lines.push(format!("{indent}n{index} [label={label}, {shape}];"));
                }
                Fragment::Scope(name, scope) => {
                    let path = format!("{path}{name}");
                    let inner = format!("{indent}    ");
                    // Graphviz draws a frame around subgraphs whose names begin with `cluster`.
                    let cluster = quote(&format!("cluster {path}"));
                    lines.push(format!("{indent}subgraph {cluster} {{"));
                    lines.push(format!("{inner}label={};", quote(name)));
                    scope.write(lines, &inner, &format!("{path}."), steps, labels);
                    lines.push(format!("{indent}}}"));
                }
            }
        }
    }
}

fn shape(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Source => "shape=oval",
        StepKind::Sink => "shape=box, peripheries=2",
        StepKind::Observer => "shape=hexagon",
        StepKind::Stateful => "shape=cylinder",
        StepKind::Stateless => "shape=box",
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
