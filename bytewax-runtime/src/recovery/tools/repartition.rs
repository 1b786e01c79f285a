//! Copies a store into one with another number of partitions.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Parts;
use crate::ids::{Epoch, StepId};
use crate::key::{Slot, position_slot};
use crate::recovery::cut::cut;
use crate::recovery::draft::Draft;
use crate::recovery::error::Error;
use crate::recovery::layout::PartitionFile;
use crate::recovery::lock::Lock;
use crate::recovery::parts::{
    Execution, ExecutionNumber, PartitionState, Progress, StepMeta, StepNumber,
};
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
fn copy(parts: &Parts, partitions: u32, new_dir: &Path) -> Result<Vec<PartitionFile>, Error> {
    let before = parts.resume_epoch()?;
    let flow = parts.states.first().map_or("", |state| &state.meta.flow);
    let lock = Lock::to_make(&[new_dir])?;
    let draft = Draft::begin(new_dir, lock, partitions, flow)?;
    let mut targets = Targets::open(&draft)?;
    if let Some(last) = before.0.checked_sub(1).filter(|&last| last > 0) {
        targets.copy(&parts.readers, before, Epoch(last))?;
    }
    let history = History::of(&parts.states, before);
    for mut target in targets.parts {
        cut();
        target.writer.adopt(&history.executions, history.progress)?;
    }
    draft.publish()
}

/// Copies the states of one partition that are complete before an epoch to a draft with the same slots.
#[cfg(any(test, feature = "serve"))]
pub(super) fn copy_partition(
    reader: &PartitionReader,
    draft: &PartitionFile,
    before: Epoch,
    history: &History,
) -> Result<(), Error> {
    let mut targets = Targets {
        parts: vec![Target::open(draft)?],
    };
    let last = Epoch(before.0.saturating_sub(1));
    targets.copy(std::slice::from_ref(reader), before, last)?;
    let mut copied = targets.parts.into_iter();
    copied.try_for_each(|mut target| target.writer.adopt(&history.executions, history.progress))
}

/// The history of a copy of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct History {
    executions: Vec<Execution>,
    progress: Progress,
}

impl History {
    /// The history of partitions in these states, for a copy of what is complete before an epoch.
    pub(super) fn of(states: &[PartitionState], before: Epoch) -> Self {
        let mut executions: BTreeMap<ExecutionNumber, Execution> = BTreeMap::new();
        for state in states {
            let known = state.executions.iter();
            executions.extend(known.map(|execution| (execution.number, execution.clone())));
        }
        let marked = states.iter().filter_map(|state| state.progress.execution);
        let progress = Progress {
            execution: executions.keys().next_back().copied().max(marked.max()),
            durable: Epoch(before.0.saturating_sub(1)),
            oldest: before,
            saved_at: states
                .iter()
                .filter_map(|state| state.progress.saved_at)
                .max(),
        };
        Self {
            executions: executions.into_values().collect(),
            progress,
        }
    }
}

/// A new partition.
struct Target {
    writer: PartitionWriter,
    steps: BTreeMap<StepId, StepNumber>,
}

impl Target {
    fn open(draft: &PartitionFile) -> Result<Self, Error> {
        Ok(Self {
            writer: draft.clone().lock()?.writer()?,
            steps: BTreeMap::new(),
        })
    }
}

struct Targets {
    parts: Vec<Target>,
}

impl Targets {
    fn open(draft: &Draft) -> Result<Self, Error> {
        let opened = draft.parts().iter().map(Target::open);
        Ok(Self {
            parts: opened.collect::<Result<_, Error>>()?,
        })
    }

    fn copy(
        &mut self,
        readers: &[PartitionReader],
        before: Epoch,
        epoch: Epoch,
    ) -> Result<(), Error> {
        let mut metas: BTreeMap<&StepId, &StepMeta> = BTreeMap::new();
        for reader in readers {
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
        for reader in readers {
            for step in metas.keys() {
                self.copy_step(reader, step, before, epoch)?;
            }
        }
        let positions = readers.iter().map(|reader| reader.load_positions(before));
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
