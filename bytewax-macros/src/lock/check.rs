//! The possible faults of a locked flow.

use syn::LitStr;

use super::file::{Entry, Fault, Package};
use super::{exchange, gone};
use crate::body::model::{Model, Step};
use crate::errors::Errors;
use crate::registry::{Kind, keeps_own_type};

/// Reports every source, sink and stateful step that is missing, renamed or of another kind.
pub(crate) fn all(package: &Package, flow: &LitStr, model: &Model, errors: &mut Errors) {
    if let Some(Fault { what, mend }) = package.file.as_ref().and_then(|file| file.fault.as_ref()) {
        errors.fault(flow, what, mend);
        return;
    }
    let Some(locked) = package.flow(&flow.value()) else {
        return;
    };
    drops(locked, model, errors);
    let steps: Vec<_> = model.steps.iter().filter(|it| it.kind.is_some()).collect();
    let exchanged = exchange::report(locked, model, errors);
    let mut gone = Vec::new();
    for entry in locked {
        let Some(kind) = entry.kind else { continue };
        match steps.iter().find(|step| step.saved.0 == entry.name) {
            Some(step) if step.kind != Some(kind) => other_kind(step, kind, errors),
            Some(step) => other_operator(entry, step, model, errors),
            None if exchanged.contains(&entry.name) => {}
            None if !is_covered(entry, model) => gone.push((entry, kind)),
            None => {}
        }
    }
    gone::report(&gone, locked, &exchanged, (flow, model), errors);
}

/// Whether a locked step may be invisible, was dropped on purpose, or was moved to something that is not a
/// step, which was already reported.
fn is_covered(entry: &Entry, model: &Model) -> bool {
    let mut lost = model.moves.iter().filter(|moved| !moved.has_step(model));
    if lost.any(|moved| moved.was(&entry.name)) {
        return true;
    }
    let uncertain = model.steps.iter().map(|step| &step.saved);
    let uncertain = uncertain.filter(|name| !name.is_certain());
    let dropped = model.drops.iter().map(|dropped| &dropped.name);
    let mut all = model.unseen.iter().chain(uncertain).chain(dropped);
    all.any(|pattern| pattern.matches(&entry.name))
}

fn other_kind(step: &Step, kind: Kind, errors: &mut Errors) {
    let name = &step.saved.0;
    errors.fault(
        &step.place,
        format_args!(
            "the step `{name}` was {} in `dataflow.lock`, and is {} now",
            a_kind(Some(kind)),
            a_kind(step.kind)
        ),
        "it cannot use the state saved under this name; give the step another name with \
         `.named(\"..\")`",
    );
}

fn other_operator(entry: &Entry, step: &Step, model: &Model, errors: &mut Errors) {
    if means_the_same(&entry.operator, step) {
        return;
    }
    let (handle, name, was) = (&model.flow, &step.saved.0, &entry.operator);
    errors.fault(
        &step.place,
        format_args!(
            "the operator of `{name}` was `{was}` in `dataflow.lock`, and is `{}` now, which interprets the saved \
             state differently",
            step.callee
        ),
        format_args!(
            "write it as it was, or give the step another name with `.named(\"..\")` and add \
             `{handle}.dropped(\"{name}\", \"why\")`: it then starts empty, and its saved state is deleted"
        ),
    );
}

/// Whether the saved state of a locked operator has the same meaning for the operator of a step.
pub(super) fn means_the_same(locked: &str, step: &Step) -> bool {
    let now = step.callee.to_string();
    // Earlier releases locked no operator.
    locked.is_empty() || now == locked || keeps_own_type(&now) && keeps_own_type(locked)
}

/// A dropped step must have existed, and must not exist any more.
fn drops(locked: &[Entry], model: &Model, errors: &mut Errors) {
    for dropped in &model.drops {
        let name = &dropped.name.0;
        if model
            .steps
            .iter()
            .any(|step| step.saved == dropped.name && step.kind.is_some())
        {
            errors.fault(
                &dropped.text,
                format_args!("`{name}` is dropped here, but the flow still has it"),
                "remove the step, or give it another name by `.named(\"..\")`",
            );
        } else if locked
            .iter()
            .all(|entry| !dropped.name.matches(&entry.name))
        {
            errors.fault(
                &dropped.text,
                format_args!("`{name}` is not in `dataflow.lock`, so there is nothing to drop"),
                "write the name as it is there, or remove this",
            );
        }
    }
}

fn a_kind(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Source) => "a source",
        Some(Kind::Sink) => "a sink",
        Some(Kind::Stateful) => "a stateful step",
        _ => "a step that saves nothing",
    }
}
