//! Whether what a store holds fits the steps of a flow.

use crate::error::{RunError, RunErrorKind};
use crate::flow::{Graph, Step, StepKind};
use crate::recovery::StepMeta;
use crate::state::Kept;

/// Refuses a store that holds what no step of the flow claims, or claims as something else.
pub(super) fn check(graph: &Graph, stored: &[StepMeta]) -> Result<(), RunError> {
    let mut faults = Vec::new();
    let mut orphans = Vec::new();
    for found in stored {
        match graph.steps.iter().find(|step| step.id == found.id) {
            None if graph.drops(&found.id) => {}
            None => orphans.push(found),
            Some(step) => faults.extend(mismatch(step, found)),
        }
    }
    faults.extend(orphans.iter().map(|found| orphan(graph, stored, found)));
    if faults.is_empty() {
        return Ok(());
    }
    Err(RunError::new(
        RunErrorKind::Recovery,
        format!("cannot resume `{}`: {}", graph.name, faults.join("\n")),
    ))
}

/// Why a step cannot go on from what was saved under its id.
fn mismatch(step: &Step, found: &StepMeta) -> Option<String> {
    let place = format!("`{}` ({})", step.id, step.location);
    let Some(kept) = step.plan.kept() else {
        return Some(format!(
            "the step {place} saves nothing, but the store has what a {} of this name saved\n  \
             help: give the step another name by `.named(\"..\")`, or {}",
            found.kind.name(),
            drop_help(found)
        ));
    };
    if step.kind.as_str() != found.kind.name() {
        return Some(format!(
            "the step {place} is a {}, but what is saved under this id is of a {}\n  \
             help: give the step another name by `.named(\"..\")`",
            step.kind.as_str(),
            found.kind.name()
        ));
    }
    let Err(error) = kept.check(found.version, found.fingerprint) else {
        return None;
    };
    let what = match step.kind {
        StepKind::Stateful => "state",
        _ => "position",
    };
    Some(format!(
        "the {what} of {place} was saved as {}\n  {}",
        found.schema,
        error.to_string().replace('\n', "\n  ")
    ))
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
        step.kind.as_str() == found.kind.name() && !stored.iter().any(|other| step.id == other.id)
    };
    let fits = |step: &&Step| {
        let kept = step.plan.kept();
        kept.is_some_and(|kept: Kept| kept.check(found.version, found.fingerprint).is_ok())
    };
    let renamed = graph.steps.iter().filter(is_new).find(fits);
    let flow = format!("{}.", graph.name);
    let name = found
        .id
        .as_str()
        .strip_prefix(&flow)
        .unwrap_or(found.id.as_str());
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
