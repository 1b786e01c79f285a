//! Checks a store against the steps of a flow.

use std::collections::BTreeSet;

use super::{exchanged, numbered, orphans};
use crate::error::{RunError, RunErrorKind};
use crate::flow::{Graph, Step, StepKind};
use crate::ids::StepId;
use crate::recovery::{SavedKind, StepMeta};
use crate::state::facts::{self, ARGUMENTS, BY_HAND, HASH, INPUTS, KEY, NOTHING, SAVED, SETTINGS};
use crate::state::{Fact, next_versions, shape};

/// Refuses a store with state that no step of the flow claims, or that a step claims as something else.
/// `dirs` is the place of the store in suggested commands. `known` contains all steps of earlier runs.
pub(super) fn check(
    graph: &Graph,
    stored: &[StepMeta],
    known: &[StepId],
    dirs: &str,
) -> Result<(), RunError> {
    let mut faults = Vec::new();
    let mut orphans = Vec::new();
    let mut told: Vec<&StepId> = Vec::new();
    for found in stored {
        match graph.steps.iter().find(|step| step.id == found.id) {
            None if graph.drops(&found.id) || graph.keeps(&found.id) => {}
            None => orphans.push(found),
            // Different releases may have written the partitions: report each step once.
            Some(step) if !told.contains(&&found.id) => {
                let fault = mismatch(graph, step, found);
                let fault = fault.or_else(|| older(graph, step, found, dirs));
                told.extend(fault.is_some().then_some(&found.id));
                faults.extend(fault);
            }
            Some(_) => {}
        }
    }
    faults.extend(graph.unnumbered());
    let exchanged = exchanged::told(graph, stored);
    orphans.retain(|found| !exchanged.ids.contains(&found.id));
    faults.extend(exchanged.faults);
    faults.extend(numbered::told(graph, known, &mut orphans));
    orphans.dedup_by(|one, other| one.id == other.id);
    faults.extend(orphans::told(graph, &orphans, stored, &exchanged.ids, dirs));
    match faults.is_empty() {
        true => Ok(()),
        false => Err(refused(graph, &faults)),
    }
}

pub(super) fn refused(graph: &Graph, faults: &[String]) -> RunError {
    let text = format!("cannot resume `{}`: {}", graph.name, faults.join("\n"));
    RunError::new(RunErrorKind::Recovery, text)
}

/// Returns messages about the facts that a store of an earlier release lacks and now records.
pub(super) fn learned(graph: &Graph, stored: &[StepMeta]) -> Vec<String> {
    let of_step = |found: &StepMeta| {
        let step = graph.steps.iter().find(|step| step.id == found.id)?;
        let schema = graph.schema(step)?;
        let facts: Vec<_> = schema
            .untold(&found.schema)
            // Hashes are not useful in a message.
            .filter(|fact| ![HASH, ARGUMENTS, SETTINGS].contains(&fact.name))
            .filter(|fact| fact.name != BY_HAND || fact.value != NOTHING)
            .map(|fact| format!("`{fact}`"))
            .collect();
        (!facts.is_empty()).then(|| {
            format!(
                "step `{}`: an earlier release wrote the store without a description of this state; it is taken \
                 to be {}, which is saved from now on",
                step.id,
                facts.join(", ")
            )
        })
    };
    let mut learned: Vec<_> = stored.iter().filter_map(of_step).collect();
    learned.dedup();
    learned
}

/// Returns messages about changed settings of sources that are not part of a position.
pub(super) fn other_settings(graph: &Graph, stored: &[StepMeta]) -> Vec<String> {
    let of_step = |found: &StepMeta| {
        let step = graph.steps.iter().find(|step| step.id == found.id)?;
        let schema = graph.schema(step)?;
        let (_, saved) = facts::read(&found.schema).find(|(name, _)| *name == SETTINGS)?;
        let now = schema.fact(SETTINGS)?;
        let saved: Vec<&str> = saved.split(' ').collect();
        let other: Vec<String> = now
            .split(' ')
            .filter(|setting| !saved.contains(setting))
            .filter_map(|setting| Some(format!("`{}`", setting.split_once(':')?.0)))
            .collect();
        (!other.is_empty()).then(|| {
            format!(
                "step `{}` ({}) resumes from its saved position with another value of {}; if that selects the \
                 input, mark it with `#[partition]`, so that each value has its own position",
                step.id,
                step.location,
                other.join(", ")
            )
        })
    };
    let mut told: Vec<_> = stored.iter().filter_map(of_step).collect();
    told.dedup();
    told
}

/// Returns messages about the versions of steps that an earlier release did not record.
pub(super) fn learned_versions(stored: &[StepMeta], read_through: &[StepId]) -> Vec<String> {
    let of_step = |id: &StepId| {
        let found = stored.iter().filter(|found| found.id == *id);
        let versions: BTreeSet<u32> = found
            .flat_map(|found| found.versions())
            .map(|saved| saved.version)
            .collect();
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        format!(
            "step `{id}`: an earlier release wrote the store without the versions of these states; all were read \
             and have version {}, which is saved from now on",
            versions.join(" and ")
        )
    };
    let mut ids = read_through.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids.iter().map(of_step).collect()
}

/// Returns the reason why a step cannot continue from the state saved under its id.
fn mismatch(graph: &Graph, step: &Step, found: &StepMeta) -> Option<String> {
    let place = format!("`{}` ({})", step.id, step.location);
    let Some(schema) = graph.schema(step) else {
        return Some(format!(
            "the step {place} saves nothing, but the store contains the state of a {} with this name\n  \
             help: write it as it was, or {}",
            found.kind.name(),
            anew_help(graph, found)
        ));
    };
    if SavedKind::of(step.kind) != Some(found.kind) {
        return Some(format!(
            "the step {place} is a {}, but the state saved under this id belongs to a {}\n  \
             help: write it as it was, or {}",
            step.kind.as_str(),
            found.kind.name(),
            anew_help(graph, found)
        ));
    }
    let all: Vec<(&Fact, &str)> = schema
        .changed(&found.schema, found.version, found.fingerprint)
        .collect();
    let next = next_versions(&schema.state).filter(|_| {
        let is_saved = |(fact, _): &(&Fact, &str)| [SAVED, BY_HAND].contains(&fact.name);
        all.iter().any(is_saved)
    });
    let migrate = next.map_or(String::new(), |next| {
        format!("; or, with the old types that are in it, {next}")
    });
    // Other keys obviously have other hashes.
    let has_other_keys = all.iter().any(|(fact, _)| fact.name == KEY);
    let changed: Vec<String> = all
        .iter()
        .filter(|(fact, _)| fact.name != HASH || !has_other_keys)
        .map(|(fact, saved)| told(fact, saved, &place))
        .collect();
    if !changed.is_empty() {
        return Some(format!(
            "{}\n  help: write it as it was, or {}{migrate}",
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
    let state = &schema.state;
    if found.version < state.version && error.is_other_shape() {
        return Some(format!(
            "the {what} of {place} was saved as {}, and this program does not read that\n  help: write the type \
             that was version {} as it was, and lead from it by `from(..)`, one version at a time; or write it as \
             it was, or {}",
            found.ty(),
            found.version,
            anew_help(graph, found)
        ));
    }
    if state.is_of_library() && error.is_other_shape() {
        let next = next_versions(state).map_or(String::new(), |next| format!("; or {next}"));
        return Some(format!(
            "the {what} of {place} was saved in another shape: this `{}`, or the types of what it keeps, \
             are not those of the program that saved it\n  help: write it as it was, or {}{next}",
            step.operator,
            anew_help(graph, found)
        ));
    }
    let anew = match error.is_other_shape() {
        true => format!("; or write it as it was, or {}", anew_help(graph, found)),
        false => String::new(),
    };
    Some(format!(
        "the {what} of {place} was saved as {}\n  {}{anew}",
        found.ty(),
        error.to_string().replace('\n', "\n  "),
    ))
}

/// Returns a fault if the saved state of a step in an older version cannot be read, or would be misread.
fn older(graph: &Graph, step: &Step, found: &StepMeta, dirs: &str) -> Option<String> {
    let schema = graph.schema(step)?;
    let own = &schema.state;
    let place = format!("`{}` ({})", step.id, step.location);
    found.versions().iter().find_map(|saved| {
        let (version, fingerprint) = (saved.version, saved.fingerprint);
        if saved.is(own.version, own.fingerprint) {
            return None;
        }
        if schema.check(version, fingerprint).is_err() {
            return Some(format!(
                "states of the step {place} are still saved as version {version}, which this program does not \
                 read any more: they belong to keys that were not needed since the type has another version\n  \
                 help: write it as it was, with the type of version {version} and `from(..)`; if you do not want \
                 to keep that, run `recovery migrate {dirs}` of a program that has it, which saves all states anew; \
                 or {}",
                anew_help(graph, found)
            ));
        }
        let (now, was) = (schema.shape_of(version, fingerprint)?, saved.shape.as_ref()?);
        // A tuple of one field was a newtype, which is saved as its contents.
        let is_newtype = now == format!("({was})");
        (!shape::reads(&now, was) && !is_newtype).then(|| {
            format!(
                "the saved state of the step {place} in version {version} is `{was}`, but this program reads \
                 that version as `{now}`\n  help: write it as it was, with all types that the old one has, or {}",
                anew_help(graph, found)
            )
        })
    })
}

/// Returns the help to start without the saved state.
pub(super) fn anew_help(graph: &Graph, found: &StepMeta) -> String {
    let name = graph.own_id(&found.id);
    format!(
        "give the step another name with `.named(\"..\")` and add `flow.dropped(\"{name}\", \"why\")`: it then \
         starts empty, and its saved state is deleted"
    )
}

/// Returns the message about a fact that differs from the saved one.
fn told(fact: &Fact, saved: &str, place: &str) -> String {
    let Fact { name, value } = fact;
    let what = match *name {
        HASH => {
            return format!(
                "the keys of the step {place} have other hashes than when its state was saved: their type is \
                 wrapped differently, or computes its hash differently"
            );
        }
        INPUTS => {
            return format!(
                "the step {place} reads `{value}`, but its state was saved when it read them in another order, \
                 `{saved}`: the state of one input would be used for another"
            );
        }
        BY_HAND => {
            let of = |places: &str| match places {
                NOTHING => "nothing".to_owned(),
                places => format!("`{places}`"),
            };
            return format!(
                "custom serialization code (`with`, `from` or a hand-written impl) reads and writes {} of the \
                 state of the step {place}, but its state was saved when that was {}",
                of(value),
                of(saved)
            );
        }
        KEY => "type of the keys",
        SAVED => "type of what is saved",
        name => name,
    };
    let renamed = match *name {
        KEY | SAVED if value.contains('{') => {
            "; a field that was only renamed keeps its saved name by `#[serde(rename = \"..\")]`"
        }
        _ => "",
    };
    format!(
        "the {what} of the step {place} is `{value}`, but its state was saved with `{saved}`{renamed}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::open::saving_steps;
    use super::*;
    use crate::delivery::Replayable;
    use crate::flow::Dataflow;
    use crate::source::{Poll, settings_of, source_fn};
    use crate::testing::TestingSink;

    /// A program whose source has these settings.
    fn program(settings: &[(&'static str, &str)]) -> Dataflow {
        let settings = settings
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_owned())))
            .collect::<Vec<_>>();
        let poll = |_: &mut u64, (): &mut ()| Ok(Poll::<u64>::end());
        let source =
            source_fn::<Replayable, _, _, _, _, _>("read", settings_of(&settings), || Ok(()), poll);
        Dataflow::build("f", |flow| {
            flow.input(source)
                .named("in")
                .output(TestingSink::new())
                .named("out");
        })
    }

    #[test]
    fn settings_that_have_changed_are_told() {
        let before = program(&[("topic", "a"), ("until", "2")]);
        let (_, stored) = saving_steps(before.graph());
        let told = |settings| other_settings(program(settings).graph(), &stored);
        assert_eq!(told(&[("topic", "a"), ("until", "2")]), [""; 0]);
        let [text] = &told(&[("topic", "b"), ("until", "2")])[..] else {
            panic!("one is told");
        };
        assert!(text.starts_with("step `f.in` ("), "{text}");
        let words = "resumes from its saved position with another value of `topic`; if that selects the input, \
        mark it";
        assert!(text.contains(words), "{text}");
        assert!(told(&[("topic", "b"), ("until", "3")])[0].contains("`topic`, `until`"));
        // It is no reason to refuse, and no fact that an earlier release lacked.
        let other = program(&[("topic", "b")]);
        assert!(check(other.graph(), &stored, &[], "").is_ok());
        assert_eq!(learned(other.graph(), &stored), [""; 0]);
    }
}
