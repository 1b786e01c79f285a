//! The line of a step: its saved state in the notation of the file.

use std::collections::BTreeMap;

use super::Lines;
use crate::flow::{Graph, PathInfo, StepKind};
use crate::ids::StepId;
use crate::state::Schema;
use crate::state::facts::{BY_HAND, NOTHING, OPERATOR, SETTINGS};

/// The declaration of a source or a sink.
pub(super) const PROMISE: &str = "promise";
/// The promise of the paths from a source to sinks.
pub(super) const DELIVERS: &str = "delivers";

/// The facts of the file about a step, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) fields: BTreeMap<String, String>,
}

impl Entry {
    /// Parses the text after the name of a step.
    pub(crate) fn read(rest: &str) -> Self {
        let mut fields = BTreeMap::new();
        let inside = rest.trim().trim_start_matches('{').trim_end_matches('}');
        for field in fields_of(inside) {
            if let Some((word, value)) = field.split_once('=') {
                fields.insert(word.trim().to_owned(), unquoted(value.trim()));
            }
        }
        Self { fields }
    }

    /// The value of a key.
    pub(crate) fn get(&self, word: &str) -> Option<&str> {
        self.fields.get(word).map(String::as_str)
    }

    pub(crate) fn kind(&self) -> &str {
        self.get("kind").unwrap_or_default()
    }
}

/// The lines of a flow, by the quoted name of the step.
pub(super) fn lines_of(graph: &Graph) -> Lines {
    let mut lines = BTreeMap::new();
    let paths = graph.paths();
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
            if let Some(types) = types_of(&kept.state) {
                rest.push_str(&format!(", types = {}", quoted(&types)));
            }
            // Settings may come from the command line of each run.
            let are_of_run = [OPERATOR, SETTINGS];
            for fact in kept
                .facts
                .iter()
                .filter(|fact| !are_of_run.contains(&fact.name))
                .filter(|fact| fact.name != BY_HAND || fact.value != NOTHING)
            {
                rest.push_str(&format!(", {} = {}", fact.name, quoted(&fact.value)));
            }
            if kept.has_keys_by_hand() {
                rest.push_str(", keys_by_hand = true");
            }
        }
        if let Some(promise) = step.plan.promise() {
            rest.push_str(&format!(", {PROMISE} = \"{promise}\""));
        }
        let delivered = paths.iter().filter(|path| *path.source() == step.id);
        let delivered: Vec<String> = delivered.map(|path| path_text(graph, path)).collect();
        if !delivered.is_empty() {
            rest.push_str(&format!(", {DELIVERS} = {}", quoted(&delivered.join("; "))));
        }
        if step.described != step.id {
            rest.push_str(&format!(", moved = {}", name(&step.described)));
        }
        if graph.confirms(step) {
            rest.push_str(", confirmed = true");
        }
        rest.push_str(" }");
        lines.insert(name(&step.id), rest);
    }
    lines
}

/// The program's types inside a step's saved type, each with its version and a hash of its own fields,
/// preceded by the type around them; `None` if there are none but the type itself.
fn types_of(schema: &Schema) -> Option<String> {
    let types = schema.types();
    let texts = types.iter();
    let texts: Vec<String> = texts
        .map(|(ty, own)| format!("{} {} {own:016x}", ty.name, ty.version))
        .collect();
    (types.len() > 1).then(|| texts.join(", "))
}

/// The promise of a path, in the line of its source.
fn path_text(graph: &Graph, path: &PathInfo) -> String {
    let text = format!("{} to {}", path.delivery, graph.own_id(path.sink()));
    match path.weakest.is_empty() {
        true => text,
        false => {
            let own_id = |id: &StepId| graph.own_id(id).to_owned();
            format!("{text}, as {}", path.reasons(own_id))
        }
    }
}

/// Whether a text is valid after the name of a step.
pub(super) fn is_entry(rest: &str) -> bool {
    rest.starts_with('{') && rest.ends_with('}')
}

/// A text in the notation of TOML and Rust.
pub(super) fn quoted(text: &str) -> String {
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

/// The content of a value: a text in quotes, or a number.
fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let Some(inside) = inside else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.extend(match c {
            '\\' => chars.next(),
            c => Some(c),
        });
    }
    text
}

/// The parts between commas outside of texts.
fn fields_of(inside: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut is_text, mut is_escaped) = (false, false);
    let mut start = 0;
    for (at, c) in inside.char_indices() {
        if c == ',' && !is_text {
            fields.push(&inside[start..at]);
            start = at + 1;
        }
        opens_text(c, &mut is_text, &mut is_escaped);
    }
    fields.push(&inside[start..]);
    fields
}

/// Tracks whether the next character is inside a text.
pub(super) fn opens_text(c: char, is_text: &mut bool, is_escaped: &mut bool) {
    match c {
        _ if *is_escaped => *is_escaped = false,
        '\\' if *is_text => *is_escaped = true,
        '"' => *is_text = !*is_text,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let rest = format!(
            "{{ kind = \"sink\", why = {}, version = 3 }}",
            quoted("a \"b\", c = \\d\n")
        );
        let entry = Entry::read(&rest);
        assert_eq!(entry.kind(), "sink");
        assert_eq!(entry.get("why"), Some("a \"b\", c = \\d "));
        assert_eq!(entry.get("version"), Some("3"));
        assert_eq!(entry.get("state"), None);
    }
}
