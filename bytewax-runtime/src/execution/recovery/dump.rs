//! The saved state of a key, as text.

use std::fmt::Write;

use super::Outcome;
use super::table::{Column, table};
use crate::error::{RunError, RunErrorKind};
use crate::recovery::{Dump, SavedKind, Wanted};
use crate::state;

/// Reports the result, or that nothing was found.
pub(super) fn print(dump: &Dump, wanted: &Wanted) -> Outcome {
    let step = &dump.step;
    let facts = [
        ("step", format!("{} ({})", step.id, step.kind.name())),
        (
            "schema",
            format!(
                "{}, fingerprint {:016x}",
                step.schema_line(),
                step.fingerprint
            ),
        ),
    ];
    let mut blocks = vec![facts.to_vec()];
    for found in &dump.states {
        let mut facts = vec![
            ("key", hex(&found.key)),
            ("hash", format!("{:016x} (slot {})", found.hash, found.slot)),
        ];
        facts.extend(saved("state", &found.state));
        facts.extend(found.due.map(|due| ("waits for", due.to_rfc3339())));
        blocks.push(facts);
    }
    for found in &dump.positions {
        let mut facts = vec![("partition", found.partition.clone())];
        facts.extend(saved("position", &found.bytes));
        blocks.push(facts);
    }
    if blocks.len() == 1 {
        let text = nothing(dump, wanted);
        return Outcome {
            problem: Some(RunError::new(RunErrorKind::Recovery, text)),
            ..Outcome::default()
        };
    }
    let blocks: Vec<String> = blocks
        .into_iter()
        .map(|facts| {
            let rows: Vec<_> = facts
                .into_iter()
                .map(|(name, value)| [name.to_owned(), value])
                .collect();
            table([Column::Left, Column::Left], &rows)
        })
        .collect();
    Outcome::text(blocks.join("\n"))
}

/// Returns a saved value without its envelope.
fn saved(name: &'static str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    match state::peek(bytes) {
        Ok(saved) => {
            let (version, fingerprint) = (saved.version(), saved.fingerprint());
            let written = format!("version {version}, fingerprint {fingerprint:016x}");
            vec![("saved as", written), (name, hex(saved.bytes()))]
        }
        Err(error) => vec![("unreadable", error.to_string()), (name, hex(bytes))],
    }
}

fn nothing(dump: &Dump, wanted: &Wanted) -> String {
    let step = &dump.step.id;
    match (dump.step.kind, wanted) {
        (SavedKind::Stateful, Wanted::Text(key)) => format!(
            "step `{step}` has no state for the key `{key}`, neither as a text nor as an integer; \
             look for a key of another type by its bytes, with `--key-bytes`"
        ),
        (SavedKind::Stateful, Wanted::Bytes(bytes)) => {
            format!(
                "step `{step}` has no state for a key of the bytes `{}`",
                hex(bytes)
            )
        }
        (_, Wanted::Text(name)) => format!("step `{step}` has no position of a partition `{name}`"),
        (_, Wanted::Bytes(bytes)) => {
            let name = String::from_utf8_lossy(bytes);
            format!("step `{step}` has no position of a partition `{name}`")
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
