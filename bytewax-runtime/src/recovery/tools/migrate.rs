//! Rewrites saved values of older versions in the newest version.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::Utc;

use super::Parts;
use crate::error::{RunError, RunErrorKind, StepError};
use crate::ids::{Epoch, StepId};
use crate::recovery::cut::cut;
use crate::recovery::lock::LockedPartition;
use crate::recovery::parts::{Execution, Position, StepMeta};
use crate::recovery::reader::{PartitionReader, newest_positions};
use crate::recovery::resume::{check_complete, resume};
use crate::recovery::rows::Table;
use crate::recovery::writer::PartitionWriter;
use crate::state::run::{Entry, Run, RunWriter};
use crate::state::{Rewrite, RewritePosition};

/// How many bytes are merged before the other partitions get their turn.
const SOME: u64 = 16 << 20;

/// A step of a flow, with its present schema.
pub(crate) struct MigratedStep {
    pub(crate) meta: StepMeta,
    pub(crate) rewrite: Rewrite,
    pub(crate) rewrite_position: RewritePosition,
}

/// The result for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migrated {
    pub(crate) step: StepId,
    pub(crate) values: u64,
    pub(crate) rewritten: u64,
}

/// Rewrites all states and positions of these steps that are of older versions. It runs as an execution of
/// one epoch and excludes other executions. It can be called again after an interruption.
///
/// Nothing is written if `check` refuses the locked partitions, which would resume at this epoch.
pub(crate) fn migrate(
    dirs: &[impl AsRef<Path>],
    flow: &str,
    steps: &[MigratedStep],
    check: impl FnOnce(&[LockedPartition], Epoch) -> Result<(), RunError>,
) -> Result<Vec<Migrated>, RunError> {
    let (parts, locked) = Parts::lock(dirs)?;
    check_complete(&parts.states, flow).map_err(RunError::recovery)?;
    let resume = resume(&parts.states).map_err(RunError::recovery)?;
    let epoch = resume.epoch;
    check(&locked, epoch)?;
    let execution = Execution {
        number: resume.execution,
        resume: epoch,
        workers: 1,
        processes: 1,
        started_at: Utc::now(),
    };
    let mut done: Vec<Migrated> = steps.iter().map(Migrated::nothing).collect();
    let opened = locked.into_iter().map(LockedPartition::writer);
    let mut writers = opened.collect::<Result<Vec<_>, _>>()?;
    for writer in &mut writers {
        writer.begin_execution(&execution)?;
    }
    for (reader, writer) in parts.readers.iter().zip(&mut writers) {
        for (step, done) in steps.iter().zip(&mut done) {
            migrate_states(reader, writer, step, epoch, done)?;
        }
    }
    migrate_positions(&parts.readers, &mut writers, steps, epoch, &mut done)?;
    // Until all partitions are done, a resume returns to the old epoch.
    for writer in &mut writers {
        cut();
        writer.commit(epoch)?;
    }
    drop(parts);
    // From here on, no older version can be resumed, and the store records that.
    for writer in &mut writers {
        cut();
        writer.begin_collect(epoch.next())?;
        while writer.collecting() {
            writer.collect_some(SOME)?;
        }
        for step in steps {
            if writer.has_step(&step.meta.id)? {
                writer.step(&step.meta.clone().with_versions([]))?;
            }
        }
        writer.flush()?;
        writer.checkpoint()?;
    }
    Ok(done)
}

impl Migrated {
    fn nothing(step: &MigratedStep) -> Self {
        Self {
            step: step.meta.id.clone(),
            values: 0,
            rewritten: 0,
        }
    }

    /// Rewrites one value.
    fn rewrite(
        &mut self,
        step: &MigratedStep,
        of: impl FnOnce() -> String,
        rewrite: impl FnOnce() -> Result<Option<Vec<u8>>, StepError>,
    ) -> Result<Option<Vec<u8>>, RunError> {
        self.values += 1;
        let rewritten = rewrite().map_err(|error| {
            let text = format!("{} of the step `{}` cannot be read", of(), step.meta.id);
            RunError::new(RunErrorKind::Recovery, text).caused_by(error.0)
        })?;
        self.rewritten += u64::from(rewritten.is_some());
        Ok(rewritten)
    }
}

fn migrate_states(
    reader: &PartitionReader,
    writer: &mut PartitionWriter,
    step: &MigratedStep,
    epoch: Epoch,
    done: &mut Migrated,
) -> Result<(), RunError> {
    let id = &step.meta.id;
    let Some(number) = reader.number(id) else {
        return Ok(());
    };
    reader.each_slot(Table::Snaps, id, epoch, |slot, run| {
        let mut changed = RunWriter::default();
        for Entry { hash, key, state } in run.iter() {
            let of = || {
                let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("the state of the key {key}")
            };
            let rewrite = || Ok((step.rewrite)(state.unwrap_or_default())?);
            let rewritten = done.rewrite(step, of, rewrite)?;
            if let Some(state) = &rewritten {
                changed.push(Entry {
                    hash,
                    key,
                    state: Some(state),
                });
            }
        }
        let changed: Run = changed.finish();
        let written = writer.write(Table::Snaps, number, slot, epoch, changed);
        written.map_err(RunError::from)
    })
}

/// Positions of partitions of sources and sinks, each in its own store partition.
fn migrate_positions(
    readers: &[PartitionReader],
    writers: &mut [PartitionWriter],
    steps: &[MigratedStep],
    epoch: Epoch,
    done: &mut [Migrated],
) -> Result<(), RunError> {
    let mut all: Vec<(usize, Position)> = Vec::new();
    for (at, reader) in readers.iter().enumerate() {
        let positions = reader.load_positions(epoch)?;
        all.extend(positions.into_iter().map(|position| (at, position)));
    }
    let mut newest: BTreeSet<(StepId, String, Epoch)> = BTreeSet::new();
    for position in newest_positions(all.iter().map(|(_, position)| position.clone())) {
        newest.insert((position.step, position.partition, position.epoch));
    }
    for (at, position) in all {
        let of_step = steps.iter().zip(&mut *done);
        let found = of_step
            .into_iter()
            .find(|(step, _)| step.meta.id == position.step);
        let (Some((step, done)), Some(number)) = (found, readers[at].number(&position.step)) else {
            continue;
        };
        let Position {
            partition, bytes, ..
        } = &position;
        // If several are the newest, one counts.
        if !newest.remove(&(position.step.clone(), partition.clone(), position.epoch)) {
            continue;
        }
        let of = || format!("the position of the partition `{partition}`");
        let rewrite = || (step.rewrite_position)(partition, bytes);
        if let Some(bytes) = done.rewrite(step, of, rewrite)? {
            writers[at].write_position(number, partition, epoch, &bytes)?;
        }
    }
    Ok(())
}
