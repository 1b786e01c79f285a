//! Reads a partition, beside its writer.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::block::Block;
use super::error::Error;
use super::parts::{Meta, PartitionState, Position, StepMeta, StepNumber};
use super::rows::{Place, Row, RowId, Rows, Table};
use super::scan::Scan;
use super::sql::Db;
use super::versions::SavedVersion;
use crate::ids::{Epoch, StepId};
use crate::key::Slot;
use crate::state;
use crate::state::run::{Removed, Run};
use crate::state::timer::{Timer, decode_due};

/// The bytes of blocks that a reader caches for the next requested slot.
const CACHE_BYTES: usize = 1 << 20;

/// The number of slots of a row, and of keys of a slot, in a small selection.
const FEW: usize = 4;

/// A reader of a partition; everything it returns was checked.
///
/// It reads committed data. [`load_again`](Self::load_again) reads the states of a slot as of the start of an
/// execution, as long as the execution has not written to the slot: a merge may have moved them into a row of
/// a later epoch with other slots. (A step loads the slot before it processes a key, so this always holds.)
pub(crate) struct PartitionReader {
    db: Db,
    meta: Meta,
    steps: BTreeMap<StepId, (StepNumber, StepMeta)>,
    known: RefCell<Known>,
}

/// A saved key.
pub(crate) struct SavedEntry {
    pub(crate) hash: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

/// The cached data, valid while nobody writes.
#[derive(Default)]
struct Known {
    version: u64,
    rows: Option<Arc<Rows>>,
    /// The most recently read blocks, the newest first.
    blocks: Vec<((Place, RowId), Arc<Block>)>,
}

impl PartitionReader {
    pub(crate) fn open(file: &Path) -> Result<Self, Error> {
        let reader = Self::new(Db::open_to_read(file)?)?;
        reader.check_whole()?;
        Ok(reader)
    }

    /// Checks that the partition contains everything that was written to it.
    pub(super) fn check_whole(&self) -> Result<(), Error> {
        self.db.check_whole()
    }

    fn new(db: Db) -> Result<Self, Error> {
        let steps = db
            .steps()?
            .into_iter()
            .map(|(number, meta)| (meta.id.clone(), (number, meta)));
        let steps = steps.collect();
        Ok(Self {
            meta: db.meta()?,
            db,
            steps,
            known: RefCell::default(),
        })
    }

    /// Calls a function with all rows as they are now.
    fn reading<T>(&self, read: impl FnOnce(&Rows) -> Result<T, Error>) -> Result<T, Error> {
        let begun = self.db.begin_reading()?;
        let done = self.rows().and_then(|rows| read(&rows));
        if begun {
            self.db.end_reading()?;
        }
        done
    }

    /// The metadata of all rows.
    pub(super) fn all_rows(&self) -> Result<Arc<Rows>, Error> {
        self.reading(|_| self.rows())
    }

    /// The same, while the view is frozen.
    fn rows(&self) -> Result<Arc<Rows>, Error> {
        let mut known = self.known.borrow_mut();
        let version = self.db.version()?;
        if let Some(rows) = known.rows.as_ref().filter(|_| known.version == version) {
            return Ok(Arc::clone(rows));
        }
        self.db.check_format()?;
        let rows = Arc::new(Rows::read(&self.db)?);
        *known = Known {
            version,
            rows: Some(Arc::clone(&rows)),
            blocks: Vec::new(),
        };
        Ok(rows)
    }

    /// Reads a block, unless it is cached.
    fn block(&self, place: Place, row: &Row) -> Result<Arc<Block>, Error> {
        let mut known = self.known.borrow_mut();
        let blocks = &mut known.blocks;
        let at = (place, row.id);
        if let Some(found) = blocks.iter().position(|(other, _)| *other == at) {
            blocks[..=found].rotate_right(1);
            return Ok(Arc::clone(&blocks[0].1));
        }
        let block = Arc::new(self.db.block(place, row)?);
        blocks.insert(0, (at, Arc::clone(&block)));
        let mut bytes = 0;
        blocks.retain(|(_, block)| {
            bytes += block.len();
            bytes <= CACHE_BYTES
        });
        Ok(block)
    }

    /// Opens a partition as it is now, whatever is written meanwhile, even if it is damaged.
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

    /// The states of a slot at the start of an epoch, without removed keys.
    pub(crate) fn load_slot(&self, step: &StepId, slot: Slot, before: Epoch) -> Result<Run, Error> {
        self.load(self.number(step), slot, before)
    }

    /// The last committed states of a slot, including those of the running execution.
    pub(crate) fn load_again(&self, step: &StepId, slot: Slot) -> Result<Run, Error> {
        let mut number = self.number(step);
        if number.is_none() {
            // It was recorded after the reader was opened.
            let steps = self.db.steps()?;
            let found = steps.into_iter().find(|(_, meta)| meta.id == *step);
            number = found.map(|(number, _)| number);
        }
        self.load(number, slot, Epoch(u64::MAX))
    }

    fn load(&self, step: Option<StepNumber>, slot: Slot, before: Epoch) -> Result<Run, Error> {
        let Some(step) = step else {
            return Ok(Run::default());
        };
        let place = Place {
            table: Table::Snaps,
            step,
        };
        self.reading(|rows| {
            let old = rows.of(place).iter().filter(|row| row.epoch < before);
            let mut runs = Vec::new();
            for row in Row::counting(old, slot) {
                let run = self.block(place, row)?.run(slot);
                let damaged = |cause: &str| self.db.damaged_row(place, row, cause);
                runs.extend(run.map_err(|cause| damaged(&cause.to_string()))?);
            }
            Ok(merged(runs))
        })
    }

    /// A few keys of a step at the start of an epoch, from slots in its oldest and its newest row, with their
    /// hashes and saved states.
    pub(crate) fn few_entries(
        &self,
        step: &StepId,
        before: Epoch,
    ) -> Result<Vec<SavedEntry>, Error> {
        let Some(number) = self.number(step) else {
            return Ok(Vec::new());
        };
        let place = Place {
            table: Table::Snaps,
            step: number,
        };
        self.reading(|rows| {
            let old = rows.of(place).iter().filter(|row| row.epoch < before);
            let old: Vec<&Row> = old.collect();
            let mut slots = BTreeSet::new();
            let ends = old.first().into_iter().chain(old.last());
            for row in ends.take(old.len()) {
                slots.extend(self.block(place, row)?.slots().take(FEW));
            }
            let mut entries = Vec::new();
            for slot in slots {
                let run = self.load_slot(step, slot, before)?;
                let few = run.iter().take(FEW).filter_map(|entry| {
                    Some(SavedEntry {
                        hash: entry.hash,
                        key: entry.key.to_vec(),
                        state: entry.state?.to_vec(),
                    })
                });
                entries.extend(few);
            }
            Ok(entries)
        })
    }

    /// The versions of the states of a step at the start of an epoch; reads all states.
    pub(crate) fn read_versions(
        &self,
        step: &StepId,
        before: Epoch,
    ) -> Result<Vec<SavedVersion>, Error> {
        let mut versions = BTreeSet::new();
        self.each_slot(Table::Snaps, step, before, |_, run| {
            // Damage is reported when its key is read.
            let saved = run
                .iter()
                .filter_map(|entry| state::peek(entry.state?).ok());
            versions.extend(saved.map(|saved| (saved.version(), saved.fingerprint())));
            Ok::<_, Error>(())
        })?;
        let versions = versions.into_iter();
        let versions = versions.map(|(version, fingerprint)| SavedVersion {
            version,
            fingerprint,
            shape: None,
        });
        Ok(versions.collect())
    }

    /// The slots of a step that may have states at the start of an epoch, ascending. All others have none.
    pub(crate) fn slots(&self, step: &StepId, before: Epoch) -> Result<Vec<Slot>, Error> {
        let Some(step) = self.number(step) else {
            return Ok(Vec::new());
        };
        let place = Place {
            table: Table::Snaps,
            step,
        };
        self.reading(|rows| {
            let old = rows.of(place).iter().filter(|row| row.epoch < before);
            let spans: Vec<(Slot, Slot)> = old.map(|row| (row.first, row.last)).collect();
            let count = self.meta.count;
            let own = Slot::all().filter(|slot| count.partition_of(*slot) == self.meta.index);
            let covered = |slot: &Slot| {
                spans
                    .iter()
                    .any(|(first, last)| first <= slot && slot <= last)
            };
            Ok(own.filter(covered).collect())
        })
    }

    /// The states or timers of a step at the start of an epoch, slot by slot.
    pub(super) fn scan(&self, table: Table, step: &StepId, before: Epoch) -> Result<Slots, Error> {
        let Some(step) = self.number(step) else {
            return Ok(Slots(None));
        };
        let place = Place { table, step };
        self.reading(|rows| {
            let old = rows.of(place).iter().filter(|row| row.epoch < before);
            Ok(Slots(Some(Scan::new(place, old.copied()))))
        })
    }

    /// Iterates over the slots of a step while nobody writes, or the view is frozen.
    pub(super) fn each_slot<E: From<Error>>(
        &self,
        table: Table,
        step: &StepId,
        before: Epoch,
        mut each: impl FnMut(Slot, Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let begun = self.db.begin_reading()?;
        let mut slots = self.scan(table, step, before)?;
        let done = loop {
            match slots.next(self) {
                Ok(Some((slot, run))) => {
                    if let Err(error) = each(slot, run) {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        if begun {
            self.db.end_reading()?;
        }
        done
    }

    /// All timers of a step in this partition at the start of an epoch, by slot, then by hash.
    pub(crate) fn load_timers(&self, step: &StepId, before: Epoch) -> Result<Vec<Timer>, Error> {
        let mut timers = Vec::new();
        self.each_slot(Table::Timers, step, before, |_, run| {
            for entry in run.iter() {
                let due = entry.state.and_then(decode_due);
                let due = due.ok_or_else(|| Error::damaged(self.file(), "a timer has no time"))?;
                timers.push(Timer {
                    hash: entry.hash,
                    key: entry.key.to_vec(),
                    due,
                });
            }
            Ok::<_, Error>(())
        })?;
        Ok(timers)
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
            // A step that was recorded after the reader was opened has no position to resume from.
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

/// The slots of a step in ascending order, with their contents. Nobody may write during the iteration.
pub(super) struct Slots(Option<Scan>);

impl Slots {
    pub(super) fn next(&mut self, reader: &PartitionReader) -> Result<Option<(Slot, Run)>, Error> {
        let Some(scan) = &mut self.0 else {
            return Ok(None);
        };
        while let Some((slot, runs)) = scan.next(&reader.db)? {
            let run = merged(runs);
            if !run.is_empty() {
                return Ok(Some((slot, run)));
            }
        }
        Ok(None)
    }
}

/// The combined result of runs, from the oldest to the newest, without removed keys.
fn merged(mut runs: Vec<Run>) -> Run {
    match runs.pop() {
        None => Run::default(),
        Some(run) if runs.is_empty() && run.removed() == 0 => run,
        Some(run) => {
            runs.push(run);
            Run::merge(&runs, Removed::Forget)
        }
    }
}

/// From the positions of all partitions, the newest of each partition of a source or a sink, by step and
/// name. Several can exist if the number of recovery partitions or their use changed. An entry without bytes
/// records that the partition was renamed.
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
    let newest = newest.into_values();
    newest
        .filter(|position| !position.bytes.is_empty())
        .collect()
}
