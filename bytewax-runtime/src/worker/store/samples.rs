//! Samples of the keys and states in a store, read before anything runs.

use super::check::{anew_help, refused};
use crate::error::RunError;
use crate::flow::{Graph, Step, StepKind};
use crate::ids::StepId;
use crate::recovery::{SavedEntry, StepMeta};
use crate::state::{StepSchema, next_versions};

/// Refuses a store whose keys do not decode to their saved values, or whose states cannot be read.
/// `entries_of` returns a few saved keys of a step.
pub(super) fn check(
    graph: &Graph,
    stored: &[StepMeta],
    mut entries_of: impl FnMut(&StepId) -> Result<Vec<SavedEntry>, RunError>,
) -> Result<(), RunError> {
    let mut faults = Vec::new();
    let stateful = graph.steps.iter();
    for step in stateful.filter(|step| step.kind == StepKind::Stateful) {
        let Some(found) = stored.iter().find(|found| found.id == step.id) else {
            continue;
        };
        let Some(schema) = graph.schema(step) else {
            continue;
        };
        let entries = entries_of(&step.id)?;
        let anew = anew_help(graph, found);
        let wrong_key = entries.iter().find_map(|entry| key_fault(&schema, entry));
        let fault = wrong_key.map(|why| {
            format!(
                "the keys of the step `{}` ({}) are not what was saved: {why}\n  help: write the type of its keys as it \
                 was, or {anew}",
                step.id, step.location
            )
        });
        let state_fault = || {
            let mut entries = entries.iter();
            entries.find_map(|entry| state_fault(step, &schema, entry, &anew))
        };
        faults.extend(fault.or_else(state_fault));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(refused(graph, &faults)),
    }
}

/// Returns the reason why a key differs from the saved one.
fn key_fault(schema: &StepSchema, entry: &SavedEntry) -> Option<String> {
    match schema.read_key(&entry.key) {
        Ok(key) if key.hash == entry.hash => None,
        Ok(key) => Some(format!(
            "a key that is read as `{}` was saved with another hash than that has now",
            key.text
        )),
        Err(why) => {
            let bytes: String = entry.key.iter().map(|it| format!("{it:02x}")).collect();
            Some(format!("the saved key {bytes} cannot be read: {why}"))
        }
    }
}

/// Returns the message about an unreadable state.
fn state_fault(step: &Step, schema: &StepSchema, entry: &SavedEntry, anew: &str) -> Option<String> {
    let why = schema.read_state(&entry.state).err()?;
    let key = schema.read_key(&entry.key);
    let key = key.map_or_else(
        |_| "a key".to_owned(),
        |key| format!("the key `{}`", key.text),
    );
    let next = next_versions(&schema.state).map_or(String::new(), |next| format!("; or {next}"));
    Some(format!(
        "the state of the step `{}` ({}) that was saved for {key} cannot be read: {why}\n  help: write its type as it was, with all \
         types that are in it, or {anew}{next}",
        step.id, step.location
    ))
}
