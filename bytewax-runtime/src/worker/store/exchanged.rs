//! Steps that look like other steps at the time of saving: their names or arguments were swapped.

use crate::flow::{Graph, Look, Step, exchange_lines, exchanged};
use crate::ids::StepId;
use crate::recovery::{SavedKind, StepMeta};
use crate::state::facts::{self, ARGUMENTS, INPUTS};

/// The swapped steps.
#[derive(Default)]
pub(super) struct Exchanged {
    pub(super) faults: Vec<String>,
    /// The steps in the message.
    pub(super) ids: Vec<StepId>,
}

/// Refuses steps that would continue with the state of another step, according to their looks.
pub(super) fn told(graph: &Graph, stored: &[StepMeta]) -> Exchanged {
    let confirmed: Vec<&StepId> = graph
        .steps
        .iter()
        .filter(|step| graph.confirms(step))
        .map(|step| &step.id)
        .collect();
    let mut metas: Vec<&StepMeta> = stored
        .iter()
        .filter(|it| !confirmed.contains(&&it.id))
        .collect();
    // Different releases may have written the partitions.
    metas.dedup_by(|one, other| one.id == other.id);
    let steps: Vec<&Step> = graph
        .steps
        .iter()
        .filter(|step| graph.schema(step).is_some() && !confirmed.contains(&&step.id))
        .collect();
    let old: Vec<Look> = metas.iter().map(|found| was(graph, found)).collect();
    let new: Vec<Look> = steps.iter().map(|step| is(graph, step)).collect();
    let fits = |was: usize, is: usize| fits(graph, steps[is], metas[was]);
    let mut found = Exchanged::default();
    for group in exchanged(&old, &new, fits) {
        let texts: Vec<String> = group
            .iter()
            .map(|(was, is)| {
                let step = steps[*is];
                let what = match (&new[*is].arguments, &new[*is].inputs) {
                    (None, Some(inputs)) => format!("reads `{inputs}`"),
                    _ => "has the arguments".to_owned(),
                };
                format!(
                    "`{}` ({}) {what}, as `{}` did when state was saved",
                    step.id, step.location, metas[*was].id
                )
            })
            .collect();
        let described = |is: usize| graph.own_id(&steps[is].described).to_owned();
        let (back, confirm) = exchange_lines(&group, &old, &new, described);
        let drop: Vec<String> = group
            .iter()
            .map(|(was, _)| format!("`flow.dropped(\"{}\", \"why\")`", old[*was].id))
            .collect();
        found.faults.push(format!(
            "steps have swapped their names or their arguments: {}\n  help: if only their names have changed, add \
             {}; \
             if each must continue with the state of its name, add {} for the next run; if each must start empty, \
             give all of them other names and add {}",
            texts.join("; "),
            back.join(" and "),
            confirm.join(" and "),
            drop.join(" and "),
        ));
        for (was, is) in group {
            found
                .ids
                .extend([metas[was].id.clone(), steps[is].id.clone()]);
        }
    }
    found
}

/// Returns the look of a step when its state was saved.
fn was(graph: &Graph, found: &StepMeta) -> Look {
    let fact = |name: &str| facts::read(&found.schema).find(|(fact, _)| *fact == name);
    let fact = |name: &str| fact(name).map(|(_, value)| value.to_owned());
    Look {
        id: graph.own_id(&found.id).to_owned(),
        kind: found.kind.name().to_owned(),
        arguments: fact(ARGUMENTS),
        inputs: fact(INPUTS),
    }
}

/// Returns the current look of a step.
fn is(graph: &Graph, step: &Step) -> Look {
    let schema = graph.schema(step);
    let fact = |name: &str| schema.as_ref()?.fact(name).map(str::to_owned);
    Look {
        id: graph.own_id(&step.id).to_owned(),
        kind: SavedKind::of(step.kind).map_or_else(String::new, |kind| kind.name().to_owned()),
        arguments: fact(ARGUMENTS),
        inputs: fact(INPUTS),
    }
}

/// Whether a step could continue with the saved state.
fn fits(graph: &Graph, step: &Step, found: &StepMeta) -> bool {
    graph.schema(step).is_some_and(|schema| {
        let changed = schema.changed(&found.schema, found.version, found.fingerprint);
        let mut changed = changed.filter(|(fact, _)| fact.name != INPUTS);
        changed.next().is_none() && schema.check(found.version, found.fingerprint).is_ok()
    })
}
