//! Saved state that no step claims: its likely step, and the fix.

use crate::flow::{Graph, Step, same_end};
use crate::ids::StepId;
use crate::recovery::{SavedKind, StepMeta};
use crate::state::facts::{self, ARGUMENTS, INPUTS};

/// Returns the message about saved state that no step claims. It names no step as the likely owner of two.
pub(super) fn told(
    graph: &Graph,
    orphans: &[&StepMeta],
    stored: &[StepMeta],
    exchanged: &[StepId],
    dirs: &str,
) -> Vec<String> {
    let is_new = |step: &&Step| {
        !stored.iter().any(|other| step.id == other.id) && !exchanged.contains(&step.id)
    };
    let new: Vec<&Step> = graph.steps.iter().filter(is_new).collect();
    let owners = owners(graph, orphans, &new);
    let each = orphans.iter().zip(&owners);
    each.map(|(found, likely)| orphan(graph, found, likely, &owners, orphans, dirs))
        .collect()
}

/// Returns the steps that each may have become: one if it is the likeliest, several if they are equally
/// likely. Only equally likely ones share a step.
fn owners<'a>(graph: &Graph, orphans: &[&StepMeta], new: &[&'a Step]) -> Vec<Vec<&'a Step>> {
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (orphan, found) in orphans.iter().enumerate() {
        for (number, step) in new.iter().enumerate() {
            if fits(graph, step, found) {
                pairs.push((likeness(graph, step, found), orphan, number));
            }
        }
    }
    pairs.sort_by_key(|(likeness, ..)| std::cmp::Reverse(*likeness));
    let mut owners: Vec<Vec<&Step>> = vec![Vec::new(); orphans.len()];
    let (mut settled, mut taken) = (vec![false; orphans.len()], vec![false; new.len()]);
    while let Some(&(best, ..)) = pairs.iter().find(|(_, o, s)| !settled[*o] && !taken[*s]) {
        let open = |pair: &&(usize, usize, usize)| {
            let (likeness, orphan, step) = **pair;
            likeness == best && !settled[orphan] && !taken[step]
        };
        let alike: Vec<_> = pairs.iter().filter(open).copied().collect();
        let is_sure = |(_, orphan, step): &(usize, usize, usize)| {
            let others = alike.iter();
            others.filter(|(_, o, s)| o == orphan || s == step).count() == 1
        };
        let sure: Vec<_> = alike.iter().filter(|pair| is_sure(pair)).copied().collect();
        let found = if sure.is_empty() { &alike } else { &sure };
        for &(_, orphan, step) in found {
            owners[orphan].push(new[step]);
        }
        for &(_, orphan, step) in found {
            settled[orphan] = true;
            taken[step] = true;
        }
    }
    owners
}

/// Whether a step can continue with the saved state.
fn fits(graph: &Graph, step: &Step, found: &StepMeta) -> bool {
    SavedKind::of(step.kind) == Some(found.kind)
        && graph.schema(step).is_some_and(|schema| {
            let mut changed = schema.changed(&found.schema, found.version, found.fingerprint);
            schema.check(found.version, found.fingerprint).is_ok() && changed.next().is_none()
        })
}

/// Returns the likeness of a step to the one that saved the state.
fn likeness(graph: &Graph, step: &Step, found: &StepMeta) -> usize {
    let saved = |name: &str| facts::read(&found.schema).find(|(fact, _)| *fact == name);
    let is_same = |name: &str| {
        let now = graph.schema(step);
        let now = now.as_ref().and_then(|schema| schema.fact(name));
        now.is_some() && now == saved(name).map(|(_, value)| value)
    };
    let (old, new) = (graph.own_id(&found.id), graph.own_id(&step.described));
    let same_start = usize::from(old.split('.').next() == new.split('.').next());
    200 * usize::from(is_same(ARGUMENTS))
        + 100 * usize::from(is_same(INPUTS))
        + 2 * same_end(old, new)
        + same_start
}

fn orphan(
    graph: &Graph,
    found: &StepMeta,
    likely: &[&Step],
    owners: &[Vec<&Step>],
    orphans: &[&StepMeta],
    dirs: &str,
) -> String {
    let text = format!(
        "the saved state of the {} `{}` has no step in this program",
        found.kind.name(),
        found.id
    );
    let name = graph.own_id(&found.id);
    let drop = format!(
        "if the saved state is no longer needed, add `flow.dropped(\"{name}\", \"why\")`, or remove it by \
         `recovery drop-step {dirs} --step {}`",
        found.id
    );
    match likely {
        [] => format!(
            "{text}\n  help: bring the step back; if it is off for now, add `flow.kept(\"{name}\", \"why\")`; \
             {drop}"
        ),
        [step]
            if owners
                .iter()
                .filter(|it| it.iter().any(|it| it.id == step.id))
                .count()
                == 1 =>
        {
            let mend = mend(graph, found, step, owners, orphans);
            format!(
                "{text}, and the step `{}` ({}) has no saved state\n  help: {mend}; {drop}",
                step.id, step.location
            )
        }
        several => {
            let steps: Vec<String> = several
                .iter()
                .map(|step| format!("`{}` ({})", step.id, step.location))
                .collect();
            let mends: Vec<String> = several
                .iter()
                .map(|step| move_of(graph, name, step))
                .collect();
            let have = if steps.len() == 1 { "has" } else { "have" };
            format!(
                "{text}, and {} {have} no saved state\n  help: only you know which of them it was, if any: add \
                 {}; {drop}",
                steps.join(" and "),
                mends.join(" or ")
            )
        }
    }
}

/// Returns the fix that gives a step the state of another id.
fn mend(
    graph: &Graph,
    found: &StepMeta,
    step: &Step,
    owners: &[Vec<&Step>],
    orphans: &[&StepMeta],
) -> String {
    let name = graph.own_id(&found.id);
    let own = |name: &str, step: &Step| {
        let own = name.strip_prefix(step.scope(&graph.name))?;
        Some(own.to_owned())
    };
    // A name in a loop, or in a function with several calls, belongs to several steps.
    let others = graph
        .steps
        .iter()
        .filter(|other| other.location == step.location);
    let is_for_all = |given: &str| {
        others.clone().all(|other| {
            let was = owners.iter().zip(orphans).find(
                |(owners, _)| matches!(owners[..], [owner] if owner.described == other.described),
            );
            was.and_then(|(_, found)| own(graph.own_id(&found.id), other))
                .as_deref()
                == Some(given)
        })
    };
    if step.id == step.described
        && let Some(own) = own(name, step)
        && is_for_all(&own)
    {
        return format!("if the step was renamed, give it its old name by `.named(\"{own}\")`");
    }
    // A renamed scope has moved as a whole.
    let whole = scopes(graph, found, step).filter(|(old, new)| {
        let inside = graph.steps.iter().filter(|other| {
            let described = graph.own_id(&other.described).strip_prefix(new.as_str());
            graph.schema(other).is_some() && described.is_some_and(|rest| rest.starts_with('.'))
        });
        let mut count = 0;
        let all = inside.inspect(|_| count += 1).all(|other| {
            owners.iter().zip(orphans).any(|(owners, found)| {
                matches!(owners[..], [owner] if owner.described == other.described)
                    && scopes(graph, found, other).is_some_and(|it| it.0 == *old && it.1 == *new)
            })
        });
        all && count > 1
    });
    let line = match whole {
        Some((old, new)) => format!("`flow.moved(\"{old}\", \"{new}\")`"),
        None => move_of(graph, name, step),
    };
    format!("if the step was moved, add {line}")
}

/// Returns the scopes before the common part of an old and a new id.
fn scopes(graph: &Graph, found: &StepMeta, step: &Step) -> Option<(String, String)> {
    let (old, new) = (graph.own_id(&found.id), graph.own_id(&step.described));
    let same = same_end(old, new);
    let scope = |id: &str| {
        let parts: Vec<&str> = id.split('.').collect();
        parts[..parts.len() - same].join(".")
    };
    let (old, new) = (scope(old), scope(new));
    (same > 0 && !old.is_empty() && !new.is_empty()).then_some((old, new))
}

/// Returns the line that makes a step continue under an old id; it replaces an existing line for it.
fn move_of(graph: &Graph, old: &str, step: &Step) -> String {
    let new = graph.own_id(&step.described);
    let line = format!("`flow.moved(\"{old}\", \"{new}\")`");
    match graph.moved.iter().find(|moved| moved.new == new) {
        Some(moved) => format!(
            "{line} in place of `flow.moved(\"{}\", \"{new}\")`",
            moved.old
        ),
        None => line,
    }
}
