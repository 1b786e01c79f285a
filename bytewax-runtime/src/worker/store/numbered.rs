//! Numbered scopes whose number has changed since state was saved.

use crate::flow::{Graph, Numbered, numbered_scopes};
use crate::ids::StepId;
use crate::recovery::{SavedKind, StepMeta};

/// Refuses a flow with another number of numbered scopes than its saved state, unless it declares the fate of
/// each scope. Handles the state of missing scopes here, and removes it from the orphans.
pub(super) fn told(graph: &Graph, known: &[StepId], orphans: &mut Vec<&StepMeta>) -> Vec<String> {
    // Dropped or kept state needs no decision.
    let left = known
        .iter()
        .filter(|id| !graph.drops(id) && !graph.keeps(id));
    let old: Vec<&str> = left.map(|id| graph.own_id(id)).collect();
    let saving = graph.steps.iter();
    let saving =
        saving.filter(|step| SavedKind::of(step.kind).is_some() && graph.schema(step).is_some());
    let changed = numbered_scopes(
        old.iter().copied(),
        saving.map(|step| graph.own_id(&step.id)),
    );
    let unsaid: Vec<Numbered> = changed
        .into_iter()
        .filter(|scopes| !graph.judges(scopes))
        .collect();
    let texts = unsaid.iter().map(|scopes| text(scopes, &old));
    let texts = texts.collect();
    for scopes in &unsaid {
        orphans.retain(|found| !scopes.has(graph.own_id(&found.id)));
    }
    texts
}

fn text(scopes: &Numbered, old: &[&str]) -> String {
    let help = match scopes.now > scopes.before {
        true => format!(
            "if the new ones are the last, add {} for the next run; if they are the first, add {}, and likewise for \
             others",
            scopes.added_last().join(" and "),
            scopes.added_first().join(" and ")
        ),
        false => {
            let dropped = |is_gone: fn(&Numbered, &str) -> bool| {
                let lines = old.iter().filter(move |id| is_gone(scopes, id));
                lines.map(|id| format!("`flow.dropped(\"{id}\", \"why\")`"))
            };
            let last: Vec<String> = dropped(Numbered::is_among_last).collect();
            let moved = scopes.left_last().into_iter();
            let first: Vec<String> = moved.chain(dropped(Numbered::is_among_first)).collect();
            format!(
                "if the missing ones were the last, add {}; if they were the first, add {}, and likewise for others",
                last.join(" and "),
                first.join(" and ")
            )
        }
    };
    format!(
        "{}\n  help: {help}; scopes with meaningful names need no such lines",
        scopes.what()
    )
}
