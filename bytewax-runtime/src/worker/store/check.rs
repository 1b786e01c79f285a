//! Whether what a store holds fits the steps of a flow.

use crate::error::{RunError, RunErrorKind};
use crate::flow::{Graph, Step, StepKind};
use crate::recovery::{SavedKind, StepMeta};
use crate::state::{Fact, StepSchema};

/// Refuses a store that holds what no step of the flow claims, or claims as something else.
pub(super) fn check(graph: &Graph, stored: &[StepMeta]) -> Result<(), RunError> {
    let mut faults = Vec::new();
    let mut orphans = Vec::new();
    for found in stored {
        match graph.steps.iter().find(|step| step.id == found.id) {
            None if graph.drops(&found.id) => {}
            None => orphans.push(found),
            Some(step) => faults.extend(mismatch(graph, step, found)),
        }
    }
    // Partitions may have been written by different releases.
    faults.dedup();
    faults.extend(orphans.iter().map(|found| orphan(graph, stored, found)));
    if faults.is_empty() {
        return Ok(());
    }
    Err(RunError::new(
        RunErrorKind::Recovery,
        format!("cannot resume `{}`: {}", graph.name, faults.join("\n")),
    ))
}

/// What a store, written by an earlier release, does not say of the state of steps: from now on it does.
pub(super) fn learned(graph: &Graph, stored: &[StepMeta]) -> Vec<String> {
    let of_step = |found: &StepMeta| {
        let step = graph.steps.iter().find(|step| step.id == found.id)?;
        let schema = step.plan.step_schema()?;
        let facts: Vec<_> = schema
            .untold(&found.schema)
            .map(|fact| format!("`{fact}`"))
            .collect();
        (!facts.is_empty()).then(|| {
            format!(
                "step `{}`: the store does not say what its state means, because an earlier release has \
                 written it; it is taken to be {}, and that is saved from now on",
                step.id,
                facts.join(", ")
            )
        })
    };
    let mut learned: Vec<_> = stored.iter().filter_map(of_step).collect();
    learned.dedup();
    learned
}

/// Why a step cannot go on from what was saved under its id.
fn mismatch(graph: &Graph, step: &Step, found: &StepMeta) -> Option<String> {
    let place = format!("`{}` ({})", step.id, step.location);
    let Some(schema) = step.plan.step_schema() else {
        return Some(format!(
            "the step {place} saves nothing, but the store has what a {} of this name saved\n  \
             help: give the step another name by `.named(\"..\")`, or {}",
            found.kind.name(),
            drop_help(found)
        ));
    };
    if SavedKind::of(step.kind) != Some(found.kind) {
        return Some(format!(
            "the step {place} is a {}, but what is saved under this id is of a {}\n  \
             help: give the step another name by `.named(\"..\")`",
            step.kind.as_str(),
            found.kind.name()
        ));
    }
    let changed: Vec<String> = schema
        .changed(&found.schema)
        .map(|(fact, saved)| {
            let Fact { name, value } = fact;
            format!("the {name} of the step {place} is `{value}`, but its state was saved with `{saved}`")
        })
        .collect();
    if !changed.is_empty() {
        return Some(format!(
            "{}\n  help: write it as it was, or {}",
            changed.join("\n"),
            anew_help(graph, found)
        ));
    }
    let Err(error) = schema.check(found.version, found.fingerprint) else {
        return None;
    };
    let what = match step.kind {
        StepKind::Stateful => "state",
        _ => "position",
    };
    if schema.state.is_of_library() && error.is_other_shape() {
        return Some(format!(
            "the {what} of {place} was saved in another shape: this `{}`, or the types of what it keeps, \
             are not those of the program that saved it\n  help: write it as it was, or {}",
            step.operator,
            anew_help(graph, found)
        ));
    }
    Some(format!(
        "the {what} of {place} was saved as {}\n  {}",
        found.ty(),
        error.to_string().replace('\n', "\n  ")
    ))
}

/// How to begin without what is saved.
fn anew_help(graph: &Graph, found: &StepMeta) -> String {
    let name = name_in(graph, found);
    format!(
        "give the step another name by `.named(\"..\")` and say `flow.dropped(\"{name}\", \"why\")`: then \
         it begins anew, and what was saved is removed"
    )
}

/// The name of a step without the flow's.
fn name_in<'a>(graph: &Graph, found: &'a StepMeta) -> &'a str {
    let id = found.id.as_str();
    let name = id.strip_prefix(&graph.name);
    name.and_then(|name| name.strip_prefix('.')).unwrap_or(id)
}

fn drop_help(found: &StepMeta) -> String {
    format!(
        "if what is saved is not wanted any more, remove it by `recovery drop-step --step {}`",
        found.id
    )
}

/// What is said of saved state that no step claims.
fn orphan(graph: &Graph, stored: &[StepMeta], found: &StepMeta) -> String {
    let mut text = format!(
        "what is saved for the {} `{}` has no step in this program",
        found.kind.name(),
        found.id
    );
    // A step of the same kind without saved state is likely the one, renamed.
    let is_new = |step: &&Step| {
        SavedKind::of(step.kind) == Some(found.kind)
            && !stored.iter().any(|other| step.id == other.id)
    };
    let fits = |step: &&Step| {
        let schema = step.plan.step_schema();
        schema.is_some_and(|schema: StepSchema| {
            schema.check(found.version, found.fingerprint).is_ok()
                && schema.changed(&found.schema).next().is_none()
        })
    };
    let renamed = graph.steps.iter().filter(is_new).find(fits);
    let name = name_in(graph, found);
    if let Some(step) = renamed {
        text.push_str(&format!(
            ", and the step `{}` ({}) has nothing saved",
            step.id, step.location
        ));
    }
    text.push_str(&format!(
        "\n  help: if the step was renamed, give it its old name by `.named(\"{name}\")`; if what is \
         saved is not wanted any more, say `flow.dropped(\"{name}\", \"why\")`, or remove it by \
         `recovery drop-step --step {}`",
        found.id
    ));
    text
}
