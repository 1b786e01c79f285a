//! What can be wrong with a flow that is locked.

use std::collections::BTreeMap;

use syn::LitStr;

use super::file::{Entry, File};
use crate::body::model::{Model, Pattern, Step};
use crate::errors::Errors;
use crate::registry::{Kind, keeps_own_type};

/// Reports every source, sink and stateful step that is gone, renamed or of another kind.
pub(crate) fn all(file: &File, flow: &LitStr, model: &Model, errors: &mut Errors) {
    if let Some((line, why)) = &file.fault {
        errors.fault(
            flow,
            format_args!("line {line} of `dataflow.lock` cannot be read: {why}"),
            "mend the line, or take the file from before; then write it anew by the command `lock` of \
             the program",
        );
        return;
    }
    let Some(locked) = file.flow(&flow.value()) else {
        return;
    };
    drops(locked, model, errors);
    let steps: Vec<_> = model.steps.iter().filter(|it| it.kind.is_some()).collect();
    let mut gone = Vec::new();
    for entry in locked {
        let Some(kind) = entry.kind else { continue };
        match steps.iter().find(|step| step.full.0 == entry.name) {
            Some(step) if step.kind != Some(kind) => other_kind(step, kind, errors),
            Some(step) => other_operator(entry, step, model, errors),
            None if !is_covered(entry, model) => gone.push((entry, kind)),
            None => {}
        }
    }
    let is_new = |step: &&Step| locked.iter().all(|entry| !step.has(entry));
    let is_certain = |step: &&Step| step.full.is_certain();
    let new: Vec<_> = model
        .steps
        .iter()
        .filter(is_new)
        .filter(is_certain)
        .collect();
    let mut groups: BTreeMap<Group<'_>, Vec<Gone<'_>>> = BTreeMap::new();
    for (entry, kind) in gone {
        let candidate = candidate(entry, kind, &new);
        let group = match candidate {
            Some(step) if step.kind.is_none() => Group::Call(&step.full.0),
            Some(step) if is_of_other_scope(entry, step) => {
                Group::Scope(scope_of(entry, step), step.scope())
            }
            _ => Group::Step(&entry.name),
        };
        let gone = Gone {
            entry,
            kind,
            candidate,
        };
        groups.entry(group).or_default().push(gone);
    }
    for (group, gone) in groups {
        report(&group, &gone, flow, model, errors);
    }
}

/// What several steps that are gone may have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    /// A scope that has another name now.
    Scope(&'a str, &'a str),
    /// A call under another name.
    Call(&'a str),
    Step(&'a str),
}

struct Gone<'a> {
    entry: &'a Entry,
    kind: Kind,
    /// The step that is likely the one, renamed.
    candidate: Option<&'a Step>,
}

fn report(group: &Group<'_>, gone: &[Gone<'_>], flow: &LitStr, model: &Model, errors: &mut Errors) {
    let Some(first) = gone.first() else { return };
    let (handle, old) = (&model.flow, &first.entry.name);
    let what = described(first.kind, old);
    let others = match gone.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let drop = format!(
        "if what is saved is not wanted any more, say `{handle}.dropped(\"{old}\", \"why\")`"
    );
    let has = if gone.len() == 1 { "has" } else { "have" };
    let fault = format!("{what}{others} of `dataflow.lock` {has} no step in this flow");
    let Some(step) = first.candidate else {
        let kept =
            format_args!("if it is off for now, say `{handle}.kept(\"{old}\", \"why\")`; {drop}");
        errors.fault(flow, fault, format_args!("bring the step back; {kept}"));
        return;
    };
    let new = &step.full.0;
    match group {
        Group::Scope(old_scope, new_scope) => {
            let was = match *old_scope {
                "" => "take the steps out of the scope again".to_owned(),
                scope => format!(
                    "put the steps in a scope `{}` again",
                    scope.trim_end_matches('.')
                ),
            };
            let place = match *new_scope {
                "" => "outside of all scopes".to_owned(),
                scope => format!("in the scope `{}`", scope.trim_end_matches('.')),
            };
            errors.fault(
                &step.place,
                format_args!("{fault}, and the step `{new}` is new, {place}"),
                format_args!("if the steps were moved, {was}; {drop}"),
            );
        }
        Group::Call(_) => {
            let variable = old.split('.').next().unwrap_or_default();
            errors.fault(
                &step.place,
                format_args!("{fault}, and the call in `{new}` is new"),
                format_args!(
                    "if the variable was renamed, give it its old name by `let {variable} = ..`; {drop}"
                ),
            );
        }
        Group::Step(_) => {
            let name = old.strip_prefix(step.scope()).unwrap_or(old);
            errors.fault(
                &step.place,
                format_args!("{fault}, and the step `{new}` is new"),
                format_args!(
                    "if the step was renamed, give it its old name by `.named(\"{name}\")`; {drop}"
                ),
            );
        }
    }
}

/// The new step that a locked one has likely become: of the same kind, and most alike in name and
/// operator. None if two are equally alike.
fn candidate<'a>(entry: &Entry, kind: Kind, new: &[&'a Step]) -> Option<&'a Step> {
    let likeness = |step: &Step| {
        let Some(of) = step.kind else {
            // A call is new to the file if nothing of it is there.
            return usize::from(entry.name.matches('.').count() > 1);
        };
        if of != kind || !means_the_same(&entry.operator, step) {
            return 0;
        }
        let same_start = entry.name.split('.').next() == step.full.0.split('.').next();
        2 + usize::from(step.callee == entry.operator)
            + usize::from(same_start)
            + 2 * usize::from(has_same_end(entry, step))
    };
    let best = new.iter().map(|step| likeness(step)).max()?;
    let mut alike = new.iter().filter(|step| likeness(step) == best);
    match (best, alike.next(), alike.next()) {
        (1.., Some(step), None) => Some(step),
        _ => None,
    }
}

/// Whether a step has the own name of a locked one in another scope.
fn is_of_other_scope(entry: &Entry, step: &Step) -> bool {
    let scope = scope_of(entry, step);
    has_same_end(entry, step) && scope != step.scope()
}

/// Whether a step has the own name of a locked one. An operator alone tells too little.
fn has_same_end(entry: &Entry, step: &Step) -> bool {
    let (own, scope) = (step.own(), scope_of(entry, step));
    (own.contains('.') || step.is_given)
        && entry.name.ends_with(own)
        && (scope.is_empty() || scope.ends_with('.'))
}

/// What stands before the own name of a step in the name of the locked one that it was.
fn scope_of<'a>(entry: &'a Entry, step: &Step) -> &'a str {
    entry.name.strip_suffix(step.own()).unwrap_or_default()
}

/// Whether a locked step may be one that cannot be seen, or is dropped on purpose.
fn is_covered(entry: &Entry, model: &Model) -> bool {
    let uncertain = model.steps.iter().map(|step| &step.full);
    let uncertain = uncertain.filter(|name| !name.is_certain());
    let dropped = model.drops.iter().map(|dropped| &dropped.name);
    let mut all = model.unseen.iter().chain(uncertain).chain(dropped);
    all.any(|pattern| pattern.matches(&entry.name))
}

fn other_kind(step: &Step, kind: Kind, errors: &mut Errors) {
    let name = &step.full.0;
    errors.fault(
        &step.place,
        format_args!(
            "the step `{name}` was {} in `dataflow.lock`, and is {} now",
            a_kind(Some(kind)),
            a_kind(step.kind)
        ),
        "what is saved under this name is of no use to it; give the step another name by \
         `.named(\"..\")`",
    );
}

fn other_operator(entry: &Entry, step: &Step, model: &Model, errors: &mut Errors) {
    if means_the_same(&entry.operator, step) {
        return;
    }
    let (handle, name, was) = (&model.flow, &step.full.0, &entry.operator);
    errors.fault(
        &step.place,
        format_args!(
            "the operator of `{name}` was `{was}` in `dataflow.lock`, and is `{}` now, to which what is \
             saved means something else",
            step.callee
        ),
        format_args!(
            "write it as it was, or give the step another name by `.named(\"..\")` and say \
             `{handle}.dropped(\"{name}\", \"why\")`: then it begins anew, and what was saved is removed"
        ),
    );
}

/// Whether what a locked operator has saved means the same to the operator of a step.
fn means_the_same(locked: &str, step: &Step) -> bool {
    let now = step.callee.to_string();
    // Earlier releases locked no operator.
    locked.is_empty() || now == locked || keeps_own_type(&now) && keeps_own_type(locked)
}

/// What is dropped has been there, and is not there any more.
fn drops(locked: &[Entry], model: &Model, errors: &mut Errors) {
    for dropped in &model.drops {
        let name = &dropped.name.0;
        if model
            .steps
            .iter()
            .any(|step| step.full == dropped.name && step.kind.is_some())
        {
            errors.fault(
                &dropped.text,
                format_args!("`{name}` is dropped here, and the flow still has it"),
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

fn described(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Source => format!("the source `{name}`"),
        Kind::Sink => format!("the sink `{name}`"),
        _ => format!("the stateful step `{name}`"),
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

impl Pattern {
    /// Whether the whole name is text in the source.
    fn is_certain(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a name is one of those that the pattern stands for.
    fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl Step {
    /// Whether a locked step is this one, or of this call.
    fn has(&self, entry: &Entry) -> bool {
        match (entry.name.strip_prefix(&self.full.0), self.kind) {
            (Some(rest), Some(_)) => rest.is_empty(),
            (Some(rest), None) => rest.starts_with('.'),
            (None, _) => false,
        }
    }

    /// The scopes in front of its own name.
    fn scope(&self) -> &str {
        &self.full.0[..self.scope_len]
    }

    /// Its name without the scopes.
    fn own(&self) -> &str {
        &self.full.0[self.scope_len..]
    }
}
