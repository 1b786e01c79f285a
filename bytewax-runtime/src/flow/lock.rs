//! The lock file: what state is saved under, written down so that the compiler can hold the next version
//! of a flow against it.
//!
//! It has a section for each flow, and in it a line for each source, sink and stateful step, and for
//! each that was dropped. Sections and lines are sorted, so that changes of several people merge. It is
//! TOML.

use std::collections::BTreeMap;
use std::fmt;

use super::{Graph, StepKind};
use crate::ids::StepId;
use crate::state::Schema;
use crate::state::facts::OPERATOR;

const HEADER: &str = "\
# Under which names the dataflows of this package save state, as their programs' command `lock` writes it.
# Commit this file: the compiler holds each `dataflow!` against it.
";

/// The lines of a lock file, by flow.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LockFile {
    flows: BTreeMap<String, BTreeMap<String, String>>,
}

/// A line that was added or removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added(String),
    Removed(String),
}

impl LockFile {
    /// Reads a file. What stands for no flow is left out, and so are comments.
    pub(crate) fn read(text: &str) -> Self {
        let mut file = Self::default();
        let mut flow = None;
        for line in text.lines().map(str::trim) {
            let header = line.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            if let Some(name) = header {
                flow = Some(file.flows.entry(name.to_owned()).or_default());
            } else if let Some(flow) = &mut flow
                && let Some((name, rest)) = line.split_once(" = ")
                && !line.starts_with('#')
            {
                flow.insert(name.to_owned(), rest.to_owned());
            }
        }
        file
    }

    /// Puts a flow as it is in place of what it was, and gives what changed.
    pub(crate) fn lock(&mut self, graph: &Graph) -> Vec<Change> {
        let mut new = lines_of(graph);
        let old = self.flows.get(&graph.name).cloned().unwrap_or_default();
        // What is off for now is as it was.
        for kept in &graph.kept {
            let name = quoted(graph.own_id(kept));
            if let Some(line) = old.get(&name) {
                new.entry(name).or_insert_with(|| line.clone());
            }
        }
        self.flows.insert(graph.name.clone(), new.clone());
        let missing = |from: &BTreeMap<_, _>, name: &str, rest: &str| {
            from.get(name).is_none_or(|other: &String| other != rest)
        };
        let mut changes = Vec::new();
        for name in old
            .keys()
            .chain(new.keys().filter(|name| !old.contains_key(*name)))
        {
            if let Some(rest) = old.get(name)
                && missing(&new, name, rest)
            {
                changes.push(Change::Removed(format!("{name} = {rest}")));
            }
            if let Some(rest) = new.get(name)
                && missing(&old, name, rest)
            {
                changes.push(Change::Added(format!("{name} = {rest}")));
            }
        }
        changes
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for (flow, lines) in &self.flows {
            write!(f, "\n[{flow}]\n")?;
            for (name, rest) in lines {
                writeln!(f, "{name} = {rest}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(line) => write!(f, "+ {line}"),
            Self::Removed(line) => write!(f, "- {line}"),
        }
    }
}

/// The lines of a flow, by the quoted name of the step.
fn lines_of(graph: &Graph) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let name = |id: &StepId| quoted(graph.own_id(id));
    for dropped in &graph.dropped {
        let why = quoted(&dropped.why);
        let rest = format!("{{ kind = \"dropped\", why = {why} }}");
        lines.insert(name(&dropped.id), rest);
    }
    for step in &graph.steps {
        if !matches!(
            step.kind,
            StepKind::Source | StepKind::Sink | StepKind::Stateful
        ) {
            continue;
        }
        let (kind, operator) = (step.kind.as_str(), step.operator);
        let mut rest = format!("{{ kind = \"{kind}\", operator = \"{operator}\"");
        if let Some(kept) = graph.schema(step) {
            let Schema {
                name,
                version,
                fingerprint,
                ..
            } = kept.state;
            let name = quoted(name);
            rest.push_str(&format!(
                ", state = {name}, version = {version}, fingerprint = \"{fingerprint:016x}\""
            ));
            for fact in kept.facts.iter().filter(|fact| fact.name != OPERATOR) {
                rest.push_str(&format!(", {} = {}", fact.name, quoted(&fact.value)));
            }
        }
        if step.described != step.id {
            rest.push_str(&format!(", moved = {}", name(&step.described)));
        }
        rest.push_str(" }");
        lines.insert(name(&step.id), rest);
    }
    lines
}

/// A text as TOML, and Rust, write it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::testing::{TestingSink, TestingSource};

    fn shop(name: &str, stateful: bool) -> Dataflow {
        Dataflow::build(name, |flow| {
            flow.dropped("visits", "nobody \"needed\"\nthem");
            let orders = flow
                .input(TestingSource::new([(1_u64, 2_u64)]))
                .named("orders.input");
            let orders = orders.map_value(|n| n).named("orders.map_value");
            let sums = match stateful {
                true => orders
                    .stateful_map(|sum: &mut u64, n| *sum + n)
                    .named("sums"),
                false => orders,
            };
            flow.scope("eu", || sums.output(TestingSink::new()).named("out"));
        })
    }

    /// The key, and the hash of a sample of it, for ever.
    const KEY: &str = "key = \"u64\", hash = \"ef953636\", inputs = \"orders.input\"";

    const U64: &str = "state = \"u64\", version = 1, fingerprint = \"";

    fn locked(flows: &[&Dataflow]) -> String {
        let mut file = LockFile::default();
        for flow in flows {
            file.lock(flow.graph());
        }
        file.to_string()
    }

    #[test]
    fn has_a_sorted_line_for_all_that_is_named_for_ever() {
        let text = locked(&[&shop("shop", true), &shop("aside", false)]);
        let fingerprint = format!("{:016x}", <u64 as crate::state::State>::SCHEMA.fingerprint);
        let expect = format!(
            "{HEADER}
[aside]
\"eu.out\" = {{ kind = \"sink\", operator = \"output\" }}
\"orders.input\" = {{ kind = \"source\", operator = \"input\", {U64}{fingerprint}\" }}
\"visits\" = {{ kind = \"dropped\", why = \"nobody \\\"needed\\\" them\" }}

[shop]
\"eu.out\" = {{ kind = \"sink\", operator = \"output\" }}
\"orders.input\" = {{ kind = \"source\", operator = \"input\", {U64}{fingerprint}\" }}
\"sums\" = {{ kind = \"stateful\", operator = \"stateful_map\", {U64}{fingerprint}\", {KEY} }}
\"visits\" = {{ kind = \"dropped\", why = \"nobody \\\"needed\\\" them\" }}
"
        );
        assert_eq!(text, expect);
    }

    #[test]
    fn a_step_that_is_off_keeps_its_line() {
        let mut file = LockFile::read(&locked(&[&shop("shop", true)]));
        let before = file.to_string();
        let off = Dataflow::build("shop", |flow| {
            flow.kept("sums", "it is off today");
            flow.kept("never", "it was never there");
            flow.dropped("visits", "nobody \"needed\"\nthem");
            let orders = flow.input(TestingSource::new([(1_u64, 2_u64)]));
            let orders = orders.named("orders.input");
            flow.scope("eu", || orders.output(TestingSink::new()).named("out"));
        });
        assert_eq!(file.lock(off.graph()), []);
        assert_eq!(file.to_string(), before);
    }

    #[test]
    fn keeps_other_flows_and_tells_what_changed() {
        let text = locked(&[&shop("shop", true), &shop("aside", false)]);
        let mut file = LockFile::read(&text);
        assert_eq!(file.to_string(), text);
        assert_eq!(file.lock(shop("shop", true).graph()), []);
        assert_eq!(file.to_string(), text);
        let changes = file.lock(shop("shop", false).graph());
        let [Change::Removed(line)] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert!(
            line.starts_with("\"sums\" = { kind = \"stateful\""),
            "{line}"
        );
        assert_eq!(
            file.to_string(),
            locked(&[&shop("shop", false), &shop("aside", false)])
        );
        let text = text.replace("version = 1", "version = 2");
        assert_eq!(
            LockFile::read(&text)
                .lock(shop("aside", false).graph())
                .len(),
            2
        );
    }
}
