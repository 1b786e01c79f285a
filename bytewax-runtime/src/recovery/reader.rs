//! Reading a partition, beside its writer.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Error;
use super::parts::{PartitionState, Position, StepMeta, StepNumber};
use super::sql::{Db, SlotRow, Table};
use crate::ids::{Epoch, StepId};
use crate::key::Slot;
use crate::state::run::{Removed, Run};
use crate::state::timer::{Timer, decode_due};

/// A reader of a partition; everything it returns was checked.
///
/// Reads see what was committed. A slot must be loaded before the running execution writes to it:
/// afterwards a merge may have put old and new states into one row. (Whoever processes a key of the
/// slot has loaded it before, so this comes by itself.)
pub(crate) struct PartitionReader {
    db: Db,
    steps: BTreeMap<StepId, (StepNumber, StepMeta)>,
}

impl PartitionReader {
    pub(crate) fn open(file: &Path) -> Result<Self, Error> {
        let reader = Self::new(Db::open_to_read(file)?)?;
        reader.check_whole()?;
        Ok(reader)
    }

    /// Makes sure that the partition holds what was written to it.
    pub(super) fn check_whole(&self) -> Result<(), Error> {
        self.db.check_whole()
    }

    fn new(db: Db) -> Result<Self, Error> {
        let steps = db
            .steps()?
            .into_iter()
            .map(|(number, meta)| (meta.id.clone(), (number, meta)));
        let steps = steps.collect();
        Ok(Self { db, steps })
    }

    /// Opens a partition as it is now, whatever is written meanwhile, and whether it is whole or not.
    pub(super) fn open_frozen(file: &Path) -> Result<Self, Error> {
        let db = Db::open_to_read(file)?;
        db.freeze()?;
        Self::new(db)
    }

    pub(crate) fn file(&self) -> &Path {
        self.db.file()
    }

    pub(crate) fn state(&self) -> Result<PartitionState, Error> {
        self.db.state()
    }

    /// The steps that have or had rows here when the reader was opened.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &StepMeta> {
        self.steps.values().map(|(_, meta)| meta)
    }

    pub(crate) fn number(&self, step: &StepId) -> Option<StepNumber> {
        self.steps.get(step).map(|(number, _)| *number)
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// The states of a slot at the start of an epoch. Removed keys are left out.
    pub(crate) fn load_slot(&self, step: &StepId, slot: Slot, before: Epoch) -> Result<Run, Error> {
        self.load(Table::Snaps, step, slot, before)
    }

    /// The states of a slot as they were last committed, in the running execution also.
    pub(crate) fn load_again(&self, step: &StepId, slot: Slot) -> Result<Run, Error> {
        let mut number = self.number(step);
        if number.is_none() {
            // It was noted after the reader was opened.
            let steps = self.db.steps()?;
            let found = steps.into_iter().find(|(_, meta)| meta.id == *step);
            number = found.map(|(number, _)| number);
        }
        self.load_of(Table::Snaps, number, slot, Epoch(u64::MAX))
    }

    pub(super) fn load(
        &self,
        table: Table,
        step: &StepId,
        slot: Slot,
        before: Epoch,
    ) -> Result<Run, Error> {
        self.load_of(table, self.number(step), slot, before)
    }

    fn load_of(
        &self,
        table: Table,
        step: Option<StepNumber>,
        slot: Slot,
        before: Epoch,
    ) -> Result<Run, Error> {
        let (Some(step), Some(last)) = (step, before.0.checked_sub(1)) else {
            return Ok(Run::default());
        };
        let rows = self
            .db
            .runs(SlotRow { table, step, slot }, Epoch(0), Epoch(last))?;
        let mut runs: Vec<Run> = rows.into_iter().map(|(_, run)| run).collect();
        match runs.pop() {
            None => Ok(Run::default()),
            Some(run) if runs.is_empty() && run.removed() == 0 => Ok(run),
            Some(run) => {
                runs.push(run);
                Ok(Run::merge(&runs, Removed::Forget))
            }
        }
    }

    /// The slots of a step that may have states at the start of an epoch, ascending.
    pub(crate) fn slots(&self, step: &StepId, before: Epoch) -> Result<Vec<Slot>, Error> {
        self.slots_of(Table::Snaps, step, before)
    }

    pub(super) fn slots_of(
        &self,
        table: Table,
        step: &StepId,
        before: Epoch,
    ) -> Result<Vec<Slot>, Error> {
        let number = self.number(step);
        number.map_or(Ok(Vec::new()), |number| {
            self.db.slots(table, number, before)
        })
    }

    /// All timers of a step in this partition at the start of an epoch, by slot, then by hash.
    pub(crate) fn load_timers(&self, step: &StepId, before: Epoch) -> Result<Vec<Timer>, Error> {
        let mut timers = Vec::new();
        for (_, run) in self.timer_runs(step, before)? {
            for entry in run.iter() {
                let due = entry.state.and_then(decode_due);
                let due = due.ok_or_else(|| Error::damaged(self.file(), "a timer has no time"))?;
                timers.push(Timer {
                    hash: entry.hash,
                    key: entry.key.to_vec(),
                    due,
                });
            }
        }
        Ok(timers)
    }

    /// The timers of a step as they are stored.
    pub(super) fn timer_runs(
        &self,
        step: &StepId,
        before: Epoch,
    ) -> Result<Vec<(Slot, Run)>, Error> {
        let slots = self.slots_of(Table::Timers, step, before)?.into_iter();
        let load = |slot| Ok((slot, self.load(Table::Timers, step, slot, before)?));
        slots.map(load).collect()
    }

    /// The positions in this partition at the start of an epoch.
    pub(crate) fn load_positions(&self, before: Epoch) -> Result<Vec<Position>, Error> {
        let ids: BTreeMap<StepNumber, &StepId> = self
            .steps
            .iter()
            .map(|(id, (number, _))| (*number, id))
            .collect();
        let mut newest = BTreeMap::new();
        for row in self.db.positions(before)? {
            // A step that was noted after the reader was opened has no position to resume from.
            let Some(&step) = ids.get(&row.step) else {
                continue;
            };
            let position = Position {
                step: step.clone(),
                partition: row.partition.clone(),
                epoch: row.epoch,
                bytes: row.bytes,
            };
            newest.insert((step, row.partition), position);
        }
        Ok(newest.into_values().collect())
    }
}

/// Of positions from all partitions, the newest of each partition of a source or a sink, by step
/// and name. There can be several where the number of recovery partitions or their use changed.
pub(crate) fn newest_positions(all: impl IntoIterator<Item = Position>) -> Vec<Position> {
    let mut newest: BTreeMap<(StepId, String), Position> = BTreeMap::new();
    for position in all {
        let key = (position.step.clone(), position.partition.clone());
        let older = newest
            .get(&key)
            .is_none_or(|known| known.epoch < position.epoch);
        if older {
            newest.insert(key, position);
        }
    }
    newest.into_values().collect()
}
