//! Copies a store into one with another number of partitions.

use std::collections::BTreeMap;
use std::path::Path;

use super::Parts;
use crate::ids::{Epoch, StepId};
use crate::key::{Slot, position_slot};
use crate::recovery::cut::cut;
use crate::recovery::draft::Draft;
use crate::recovery::error::Error;
use crate::recovery::layout::PartitionFile;
use crate::recovery::lock::Lock;
use crate::recovery::parts::{Execution, ExecutionNumber, Progress, StepMeta, StepNumber};
use crate::recovery::reader::{PartitionReader, newest_positions};
use crate::recovery::rows::Table;
use crate::recovery::writer::PartitionWriter;

/// Copies the store in some directories to `partitions` partitions in an existing directory that contains
/// none. The next execution begins with the same state as on the old store, which is not changed.
///
/// Copies only the newest state: the new store cannot resume from an older epoch. An interruption leaves no
/// new store.
pub(crate) fn repartition(
    dirs: &[impl AsRef<Path>],
    partitions: u32,
    new_dir: &Path,
) -> Result<Vec<PartitionFile>, Error> {
    let (parts, _locked) = Parts::lock(dirs)?;
    copy(&parts, partitions, new_dir)
}

/// Copies the newest state that is complete everywhere.
pub(super) fn copy(
    parts: &Parts,
    partitions: u32,
    new_dir: &Path,
) -> Result<Vec<PartitionFile>, Error> {
    let before = parts.resume_epoch()?;
    let flow = parts.states.first().map_or("", |state| &state.meta.flow);
    let lock = Lock::to_make(&[new_dir])?;
    let draft = Draft::begin(new_dir, lock, partitions, flow)?;
    let mut targets = Targets::open(&draft)?;
    if let Some(last) = before.0.checked_sub(1).filter(|&last| last > 0) {
        targets.copy(parts, before, Epoch(last))?;
    }
    let mut executions: BTreeMap<ExecutionNumber, Execution> = BTreeMap::new();
    for state in &parts.states {
        let known = state.executions.iter();
        executions.extend(known.map(|execution| (execution.number, execution.clone())));
    }
    let marked = parts
        .states
        .iter()
        .filter_map(|state| state.progress.execution)
        .max();
    let progress = Progress {
        execution: executions.keys().next_back().copied().max(marked),
        durable: Epoch(before.0.saturating_sub(1)),
        oldest: before,
        saved_at: parts
            .states
            .iter()
            .filter_map(|state| state.progress.saved_at)
            .max(),
    };
    let executions: Vec<Execution> = executions.into_values().collect();
    for mut target in targets.parts {
        cut();
        target.writer.adopt(&executions, progress)?;
    }
    draft.publish()
}

/// A new partition.
struct Target {
    writer: PartitionWriter,
    steps: BTreeMap<StepId, StepNumber>,
}

struct Targets {
    parts: Vec<Target>,
}

impl Targets {
    fn open(draft: &Draft) -> Result<Self, Error> {
        let opened = draft.parts().iter().map(|part| {
            Ok(Target {
                writer: part.clone().lock()?.writer()?,
                steps: BTreeMap::new(),
            })
        });
        Ok(Self {
            parts: opened.collect::<Result<_, Error>>()?,
        })
    }

    fn copy(&mut self, parts: &Parts, before: Epoch, epoch: Epoch) -> Result<(), Error> {
        let mut metas: BTreeMap<&StepId, &StepMeta> = BTreeMap::new();
        for reader in &parts.readers {
            for meta in reader.steps() {
                metas.insert(&meta.id, meta);
            }
        }
        for target in &mut self.parts {
            for meta in metas.values() {
                target
                    .steps
                    .insert(meta.id.clone(), target.writer.step(meta)?);
            }
        }
        for reader in &parts.readers {
            for step in metas.keys() {
                self.copy_step(reader, step, before, epoch)?;
            }
        }
        let positions = parts
            .readers
            .iter()
            .map(|reader| reader.load_positions(before));
        let positions = positions.collect::<Result<Vec<_>, _>>()?;
        for position in newest_positions(positions.into_iter().flatten()) {
            let slot = position_slot(&position.step, &position.partition);
            let (writer, step) = self.target(slot, &position.step)?;
            writer.write_position(step, &position.partition, epoch, &position.bytes)?;
        }
        Ok(())
    }

    fn copy_step(
        &mut self,
        reader: &PartitionReader,
        step: &StepId,
        before: Epoch,
        epoch: Epoch,
    ) -> Result<(), Error> {
        for table in Table::ALL {
            reader.each_slot(table, step, before, |slot, run| {
                let (writer, step) = self.target(slot, step)?;
                writer.write(table, step, slot, epoch, run)
            })?;
        }
        Ok(())
    }

    /// The new partition of a slot, and the number of a step in it.
    fn target(
        &mut self,
        slot: Slot,
        step: &StepId,
    ) -> Result<(&mut PartitionWriter, StepNumber), Error> {
        let place = slot
            .index()
            .checked_rem(self.parts.len())
            .ok_or(Error::Misrouted)?;
        let target = self.parts.get_mut(place).ok_or(Error::Misrouted)?;
        let number = target.steps.get(step).copied().ok_or(Error::Misrouted)?;
        Ok((&mut target.writer, number))
    }
}
