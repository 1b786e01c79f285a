//! Steps that resemble other steps in the file: their names, or their code, were exchanged.

use std::collections::HashMap;

use super::check::means_the_same;
use super::file::Entry;
use crate::body::model::{Model, Step};
use crate::errors::Errors;

/// The entry of the file for the arguments of a step.
pub(super) const ARGUMENTS: &str = "arguments";

/// The arguments of a step in the file.
pub(super) fn arguments_text(step: &Step) -> String {
    format!("{:08x}", step.arguments)
}

/// Reports groups of steps each of which has the arguments that another one had, in a cycle or ending at a
/// new step; returns the reported names.
pub(super) fn report(locked: &[Entry], model: &Model, errors: &mut Errors) -> Vec<String> {
    let confirmed = |name: &str| {
        let mut lines = model.moves.iter();
        lines.any(|line| line.confirms() && line.old == name)
    };
    let old = locked
        .iter()
        .filter(|it| it.kind.is_some() && !confirmed(&it.name));
    let old: Vec<&Entry> = old.collect();
    let new = model.steps.iter().filter(|step| {
        let saves = step.kind.is_some_and(|kind| !kind.is_numbered());
        saves && step.saved.is_certain() && !confirmed(&step.saved.0)
    });
    let new: Vec<&Step> = new.collect();
    let own = |step: &Step| old.iter().position(|entry| entry.name == step.saved.0);
    let mut names = Vec::new();
    for group in groups(&old, &new) {
        let handle = &model.flow;
        let line = |old: &str, new: &str| format!("`{handle}.moved(\"{old}\", \"{new}\")`");
        let texts: Vec<_> = group
            .iter()
            .map(|(was, is)| {
                format!(
                    "`{}` has the arguments that `{}` had",
                    new[*is].saved.0, old[*was].name
                )
            })
            .collect();
        let mut back: Vec<_> = group
            .iter()
            .map(|(was, is)| line(&old[*was].name, &new[*is].full.0))
            .collect();
        // A step that took the name of the first needs another one: the name that the last no longer needs.
        let free = group
            .iter()
            .map(|(_, is)| new[*is])
            .find(|step| own(step).is_none());
        let other = group.iter().find_map(|(was, _)| {
            let other = new.iter().position(|step| step.saved.0 == old[*was].name)?;
            group
                .iter()
                .all(|(_, is)| *is != other)
                .then_some(new[other])
        });
        if let (Some(free), Some(other)) = (free, other) {
            back.push(line(&free.saved.0, &other.full.0));
        }
        let confirm: Vec<_> = group
            .iter()
            .map(|(_, is)| new[*is])
            .filter(|step| own(step).is_some())
            .map(|step| line(&step.saved.0, &step.saved.0))
            .collect();
        let Some((_, first)) = group.first() else {
            continue;
        };
        errors.fault(
            &new[*first].place,
            format_args!("steps of `dataflow.lock` have swapped their names or their arguments: {}", texts.join(", and ")),
            format_args!(
                "if only their names have changed, add {}; if each must continue with the state of its name, add \
                 {} until `dataflow.lock` is updated",
                back.join(" and "),
                confirm.join(" and ")
            ),
        );
        for (was, is) in &group {
            names.extend([old[*was].name.clone(), new[*is].saved.0.clone()]);
        }
    }
    names
}

/// The groups, as pairs of an entry's and a step's number. The runtime uses the same algorithm for resumed
/// state.
fn groups(old: &[&Entry], new: &[&Step]) -> Vec<Vec<(usize, usize)>> {
    let mut olds: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, entry) in old.iter().enumerate() {
        if let Some(arguments) = entry.facts.get(ARGUMENTS) {
            olds.entry(arguments.clone()).or_default().push(number);
        }
    }
    let mut news: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, step) in new.iter().enumerate() {
        news.entry(arguments_text(step)).or_default().push(number);
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (arguments, was) in &olds {
        if let ([was], Some([is])) = (&was[..], news.get(arguments).map(Vec::as_slice)) {
            let (entry, step) = (old[*was], new[*is]);
            let fits = entry.kind == step.kind && means_the_same(&entry.operator, step);
            if fits && entry.name != step.saved.0 {
                pairs.push((*was, *is));
            }
        }
    }
    pairs.sort_unstable();
    let own = |is: usize| old.iter().position(|it| it.name == new[is].saved.0);
    // If one resembles none, something else has changed, which the user must judge.
    loop {
        let all = pairs.clone();
        pairs.retain(|(_, is)| own(*is).is_none_or(|own| all.iter().any(|(was, _)| *was == own)));
        if pairs.len() == all.len() {
            break;
        }
    }
    let mut groups = Vec::new();
    while !pairs.is_empty() {
        let mut group = vec![pairs.remove(0)];
        while let Some(next) = pairs.iter().position(|(was, is)| {
            let mut linked = group.iter();
            linked
                .any(|(o, n)| old[*o].name == new[*is].saved.0 || old[*was].name == new[*n].saved.0)
        }) {
            group.push(pairs.remove(next));
        }
        group.sort_unstable();
        groups.push(group);
    }
    // A step that was only renamed takes nothing from another one.
    groups.retain(|group| group.iter().any(|(_, is)| own(*is).is_some()));
    groups
}
