//! The command `recovery migrate`: saves values of older versions in the newest version.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Outcome, config, counted, try_resume};
use crate::error::RunError;
use crate::flow::{Dataflow, Step};
use crate::recovery::{self, Migrated, MigratedStep, RecoveryConfig, SavedKind, StepMeta};
use crate::worker::check_locked;

pub(super) fn migrate(flow: &Dataflow, dirs: &[PathBuf]) -> Result<Outcome, RunError> {
    // A program that could not resume the store might misread it.
    try_resume(flow, dirs)?;
    rewrite(flow, dirs)
}

/// Another program may have used the store since it was tried, so what is saved is checked again under the locks.
pub(super) fn rewrite(flow: &Dataflow, dirs: &[PathBuf]) -> Result<Outcome, RunError> {
    let place = config(dirs).as_ref().map(RecoveryConfig::dirs_as_arguments);
    let place = place.unwrap_or_default();
    let graph = flow.graph();
    let steps = graph.steps.iter().filter_map(|step: &Step| {
        let schema = graph.schema(step)?;
        let meta = StepMeta {
            id: step.id.clone(),
            kind: SavedKind::of(step.kind)?,
            schema: schema.text(),
            version: schema.state.version,
            fingerprint: schema.state.fingerprint,
        };
        Some(MigratedStep {
            meta,
            rewrite: schema.rewriter(),
            rewrite_position: schema.position_rewriter(),
        })
    });
    let steps: Vec<MigratedStep> = steps.collect();
    let done = recovery::migrate(dirs, flow.name(), &steps, |parts, resume| {
        check_locked(graph, &place, parts, resume)
    })?;
    let mut text = String::new();
    for (step, done) in steps.iter().zip(&done) {
        let Migrated {
            values, rewritten, ..
        } = *done;
        if values > 0 {
            let values = counted(values, "value");
            let ty = step.meta.ty();
            let _ = writeln!(
                text,
                "step `{}`: {rewritten} of {values} saved anew as {ty}",
                done.step
            );
        }
    }
    let mut gone: Vec<&str> = Vec::new();
    for step in &graph.steps {
        if let Some(schema) = graph.schema(step) {
            gone.extend(schema.state.older_types());
        }
    }
    gone.sort_unstable();
    gone.dedup();
    let _ = match gone.as_slice() {
        [] => writeln!(text, "the program has no types of older versions"),
        gone => writeln!(
            text,
            "no value in this store is of `{}` any more: if no other store has such values, remove from the program \
             what only `from(..)` names",
            gone.join("`, `")
        ),
    };
    Ok(Outcome::text(text))
}
