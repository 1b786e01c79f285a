//! Steps of which each looks like the other one when state was saved: their names, or what they read, were exchanged.

use crate::flow::{Graph, Step};
use crate::recovery::StepMeta;
use crate::state::facts::{self, INPUTS};

/// Pairs of steps of which each reads what the other has read, and could go on with the state of the other.
pub(super) fn told(graph: &Graph, stored: &[StepMeta]) -> Vec<String> {
    let known: Vec<_> = graph
        .steps
        .iter()
        .filter(|step| !graph.confirms(step))
        .filter_map(|step| {
            let found = stored.iter().find(|found| found.id == step.id)?;
            let schema = graph.schema(step)?;
            let now = schema.fact(INPUTS)?.to_owned();
            let (_, saved) = facts::read(&found.schema).find(|(name, _)| *name == INPUTS)?;
            (now != saved).then_some((step, found, now, saved))
        })
        .collect();
    let mut faults = Vec::new();
    for (number, (step, _, now, saved)) in known.iter().enumerate() {
        for (other, found, other_now, other_saved) in &known[number + 1..] {
            let is_crossing = now == other_saved && other_now == saved;
            let fits = graph.schema(step).is_some_and(|schema| {
                let changed = schema.changed(&found.schema, found.version, found.fingerprint);
                let mut changed = changed.filter(|(fact, _)| fact.name != INPUTS);
                changed.next().is_none() && schema.check(found.version, found.fingerprint).is_ok()
            });
            if is_crossing && fits {
                faults.push(format!(
                    "the steps `{}` ({}) and `{}` ({}) have exchanged their inputs: the first reads `{now}` \
                     and its state was saved with `{saved}`, and the other way round\n  help: {}",
                    step.id,
                    step.location,
                    other.id,
                    other.location,
                    help(graph, step, other)
                ));
            }
        }
    }
    faults
}

/// What may have been meant, each with its lines.
fn help(graph: &Graph, step: &Step, other: &Step) -> String {
    let id = |step: &'_ Step| graph.own_id(&step.id).to_owned();
    let described = |step: &'_ Step| graph.own_id(&step.described).to_owned();
    let line = |old: &str, new: &str| format!("`flow.moved(\"{old}\", \"{new}\")`");
    let (a, b) = (id(step), id(other));
    format!(
        "if only their names are exchanged, say {} and {}; if each is to go on with what was saved under its name, \
         say {} and {} for the next run; if each is to begin anew, give both other names and say \
         `flow.dropped(\"{a}\", \"why\")` and `flow.dropped(\"{b}\", \"why\")`",
        line(&b, &described(step)),
        line(&a, &described(other)),
        line(&a, &a),
        line(&b, &b),
    )
}
