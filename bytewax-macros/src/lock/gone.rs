//! Steps of the file that the flow no longer has: finds the likely successor of each, and how it keeps the
//! state.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use syn::LitStr;

use super::check::means_the_same;
use super::exchange::{ARGUMENTS, arguments_text};
use super::file::Entry;
use crate::body::model::{Model, Step};
use crate::errors::Errors;
use crate::registry::Kind;

/// Reports the missing steps. Those that were moved together are reported together.
pub(super) fn report(
    gone: &[(&Entry, Kind)],
    locked: &[Entry],
    exchanged: &[String],
    (flow, model): (&LitStr, &Model),
    errors: &mut Errors,
) {
    let mut groups: BTreeMap<Group<'_>, Vec<Gone<'_>>> = BTreeMap::new();
    for gone in owned(gone, locked, exchanged, model) {
        groups.entry(gone.group()).or_default().push(gone);
    }
    for (group, gone) in groups {
        let Some(first) = gone.first() else { continue };
        let (handle, old) = (&model.flow, &first.entry.name);
        let what = described(first.kind, old);
        let (others, has) = match gone.len() {
            1 => (String::new(), "has"),
            count => (format!(" and {} more", count - 1), "have"),
        };
        let fault = format!("{what}{others} of `dataflow.lock` {has} no step in this flow");
        let drop = format!(
            "if the saved state is no longer needed, add `{handle}.dropped(\"{old}\", \"why\")`"
        );
        let keep = format!("if it is off for now, add `{handle}.kept(\"{old}\", \"why\")`");
        match &first.owner {
            Owner::Unknown => errors.fault(
                flow,
                fault,
                format_args!("bring the step back; {keep}; {drop}"),
            ),
            Owner::Step(step) => {
                let place = match group {
                    Group::Scopes(_, "") => ", outside of all scopes".to_owned(),
                    Group::Scopes(_, scope) => {
                        format!(", in the scope `{}`", scope.trim_end_matches('.'))
                    }
                    _ => String::new(),
                };
                errors.fault(
                    &step.place,
                    format_args!("{fault}, and the step `{}` is new{place}", step.full.0),
                    format_args!("{}; {drop}", mend(&group, &gone, model)),
                );
            }
            Owner::OneOf(steps) => {
                let names: Vec<_> = steps
                    .iter()
                    .map(|step| format!("`{}`", step.full.0))
                    .collect();
                let lines: Vec<_> = steps
                    .iter()
                    .map(|it| line(old, &it.full.0, model))
                    .collect();
                let are = if names.len() == 1 { "is" } else { "are" };
                errors.fault(
                    flow,
                    format_args!("{fault}, and {} {are} new", names.join(" and ")),
                    format_args!(
                        "only you know which of them it was, if any: add {}; {drop}",
                        lines.join(" or ")
                    ),
                );
            }
            Owner::Call { call, old, new } => errors.fault(
                &call.place,
                format_args!("{fault}, and the call in `{}` is new", call.full.0),
                format_args!(
                    "if it is built there now, add {}; {keep}; {drop}",
                    line(old, new, model)
                ),
            ),
            Owner::Turn { step, old, new } => errors.fault(
                &step.place,
                format_args!(
                    "{fault}, and a step `{}` is built in a scope whose name is not a text",
                    step.name
                ),
                format_args!(
                    "if it was moved there, add {}; {keep}; {drop}",
                    line(old, new, model)
                ),
            ),
        }
    }
}

/// A possible common cause of several missing steps.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    /// Renamed scopes.
    Scopes(&'a str, &'a str),
    /// The ids of a call, or of scopes with computed names, that contain all of them.
    Inside(String, String),
    Step(&'a str),
}

struct Gone<'a> {
    entry: &'a Entry,
    kind: Kind,
    owner: Owner<'a>,
}

/// The likely successor of a missing step.
enum Owner<'a> {
    Unknown,
    Step(&'a Step),
    /// Several are equally likely, or other missing steps are equally likely.
    OneOf(Vec<&'a Step>),
    /// A call builds it; with the old and new ids, or scopes.
    Call {
        call: &'a Step,
        old: String,
        new: String,
    },
    /// It is built in a scope whose name is known only at run time.
    Turn {
        step: &'a Step,
        old: String,
        new: String,
    },
}

impl<'a> Gone<'a> {
    fn group(&self) -> Group<'a> {
        match &self.owner {
            Owner::Step(step) if is_of_other_scope(self.entry, step) => {
                Group::Scopes(scope_of(self.entry, step), step.scope())
            }
            Owner::Call { old, new, .. } | Owner::Turn { old, new, .. } => {
                Group::Inside(old.clone(), new.clone())
            }
            _ => Group::Step(&self.entry.name),
        }
    }
}

/// Finds the likely successor of each; no step succeeds two.
fn owned<'a>(
    gone: &[(&'a Entry, Kind)],
    locked: &[Entry],
    exchanged: &[String],
    model: &'a Model,
) -> Vec<Gone<'a>> {
    let is_new = |step: &&Step| {
        locked.iter().all(|entry| !step.has(&entry.name)) && !exchanged.contains(&step.saved.0)
    };
    let new: Vec<&Step> = model.steps.iter().filter(is_new).collect();
    let mut pairs = Vec::new();
    for (number, (entry, kind)) in gone.iter().enumerate() {
        for (place, step) in new.iter().enumerate() {
            let likeness = likeness(entry, *kind, step);
            if likeness > 0 && step.full.is_certain() {
                pairs.push((likeness, number, place));
            }
        }
    }
    let owners = assigned(pairs, gone.len());
    let is_shared = |step: usize| owners.iter().filter(|it| it.contains(&step)).count() > 1;
    let each = gone.iter().zip(&owners);
    each.map(|(&(entry, kind), owners)| {
        let owner = match owners[..] {
            [step] if !is_shared(step) => Owner::Step(new[step]),
            [] => hidden(entry, kind, &new, model),
            _ => Owner::OneOf(owners.iter().map(|step| new[*step]).collect()),
        };
        Gone { entry, kind, owner }
    })
    .collect()
}

/// Assigns to each on the left the most similar ones on the right, best pairs first. One on the right is
/// assigned repeatedly only to equally similar ones. A pair is a similarity and two numbers.
fn assigned(mut pairs: Vec<(usize, usize, usize)>, count: usize) -> Vec<Vec<usize>> {
    pairs.sort_unstable_by_key(|pair| Reverse(pair.0));
    let mut given = vec![Vec::new(); count];
    while let Some(&(best, ..)) = pairs.first() {
        let alike: Vec<_> = pairs.iter().copied().filter(|it| it.0 == best).collect();
        let is_sure = |pair: &(usize, usize, usize)| {
            let near = alike.iter().filter(|it| it.1 == pair.1 || it.2 == pair.2);
            near.count() == 1
        };
        let sure: Vec<_> = alike.iter().copied().filter(is_sure).collect();
        let taken = if sure.is_empty() { alike } else { sure };
        for (_, left, right) in &taken {
            given[*left].push(*right);
        }
        pairs.retain(|(_, left, right)| taken.iter().all(|(_, l, r)| l != left && r != right));
    }
    given
}

/// The similarity of a step to a locked one; 0 if it cannot continue with its state.
fn likeness(entry: &Entry, kind: Kind, step: &Step) -> usize {
    if step.kind != Some(kind) || !means_the_same(&entry.operator, step) {
        return 0;
    }
    let same_start = entry.name.split('.').next() == step.full.0.split('.').next();
    let same_arguments = entry.facts.get(ARGUMENTS) == Some(&arguments_text(step));
    2 + 100 * usize::from(same_arguments)
        + usize::from(step.callee == entry.operator)
        + usize::from(same_start)
        + 2 * usize::from(has_same_end(entry, step))
}

/// The successor of a missing step, if it is built where its name is invisible.
fn hidden<'a>(entry: &Entry, kind: Kind, new: &[&'a Step], model: &'a Model) -> Owner<'a> {
    let name = entry.name.as_str();
    let in_turn = model.steps.iter().find_map(|step| {
        let is_alike = !step.full.is_certain() && likeness(entry, kind, step) > 0;
        let scope = scope_of(entry, step).trim_end_matches('.');
        if !is_alike || !has_same_end(entry, step) || scope.is_empty() {
            return None;
        }
        let own = scope.rsplit('.').next().unwrap_or(scope);
        let new = step.scope().trim_end_matches('.').replace('*', own);
        Some((step, scope.to_owned(), new))
    });
    if let Some((step, old, new)) = in_turn {
        return Owner::Turn { step, old, new };
    }
    let is_call =
        |step: &&&Step| step.kind.is_none() && step.full.is_certain() && !step.full.0.is_empty();
    let mut calls = new.iter().filter(is_call);
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Owner::Unknown;
    };
    // A step inside a call has the name of the variable, then that of the function.
    let inner = name.strip_prefix(call.scope()).unwrap_or(name);
    let (old, new) = match inner.matches('.').count() {
        0 | 1 => (name.to_owned(), format!("{}.{inner}", call.full.0)),
        _ => {
            let scope = &name[..name.len() - inner.len()];
            let variable = inner.split('.').next().unwrap_or(inner);
            (format!("{scope}{variable}"), call.full.0.clone())
        }
    };
    Owner::Call { call, old, new }
}

/// How renamed or moved steps keep their state.
fn mend(group: &Group<'_>, gone: &[Gone<'_>], model: &Model) -> String {
    let pairs: Vec<(&str, &Step)> = gone
        .iter()
        .filter_map(|gone| match gone.owner {
            Owner::Step(step) => Some((gone.entry.name.as_str(), step)),
            _ => None,
        })
        .collect();
    if let (Group::Step(_), [(old, step)]) = (group, &pairs[..])
        && step.saved == step.full
        && let Some(own) = old.strip_prefix(step.scope())
    {
        return format!("if the step was renamed, give it its old name by `.named(\"{own}\")`");
    }
    if let Group::Scopes(old, new) = group
        && !old.is_empty()
        && !new.is_empty()
        && pairs.len() > 1
    {
        let inside = model.steps.iter().filter(|step| {
            step.full.0.starts_with(new) && step.kind.is_none_or(|kind| !kind.is_numbered())
        });
        if inside.count() == pairs.len() {
            let (old, new) = (old.trim_end_matches('.'), new.trim_end_matches('.'));
            return format!("if the steps were moved, add {}", line(old, new, model));
        }
    }
    let lines: Vec<_> = pairs
        .iter()
        .map(|(old, step)| line(old, &step.full.0, model))
        .collect();
    let what = if lines.len() == 1 {
        "step was"
    } else {
        "steps were"
    };
    format!("if the {what} moved, add {}", lines.join(" and "))
}

/// The line with which a step keeps an old id; it replaces a line that the flow already has for the step.
fn line(old: &str, new: &str, model: &Model) -> String {
    let handle = &model.flow;
    let line = format!("`{handle}.moved(\"{old}\", \"{new}\")`");
    match model.moves.iter().find(|moved| moved.new == new) {
        Some(moved) => format!(
            "{line} in place of `{handle}.moved(\"{}\", \"{new}\")`",
            moved.old
        ),
        None => line,
    }
}

/// Whether a step has the own name of a locked one in another scope.
fn is_of_other_scope(entry: &Entry, step: &Step) -> bool {
    has_same_end(entry, step) && scope_of(entry, step) != step.scope()
}

/// Whether a step has the own name of a locked one. An operator's default name is not enough.
fn has_same_end(entry: &Entry, step: &Step) -> bool {
    let (own, scope) = (step.own(), scope_of(entry, step));
    (own.contains('.') || step.is_given)
        && entry.name.ends_with(own)
        && (scope.is_empty() || scope.ends_with('.'))
}

/// The prefix of the step's own name in the name of its locked predecessor.
fn scope_of<'a>(entry: &'a Entry, step: &Step) -> &'a str {
    entry.name.strip_suffix(step.own()).unwrap_or_default()
}

fn described(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Source => format!("the source `{name}`"),
        Kind::Sink => format!("the sink `{name}`"),
        _ => format!("the stateful step `{name}`"),
    }
}
