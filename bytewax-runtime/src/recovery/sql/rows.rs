//! The rows of runs: states and timers.

use super::{Db, signed};
use crate::ids::Epoch;
use crate::key::Slot;
use crate::recovery::checksum::Checksum;
use crate::recovery::error::Error;
use crate::recovery::parts::StepNumber;
use crate::state::run::Run;

/// The two tables of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::recovery) enum Table {
    Snaps,
    Timers,
}

/// The statements on one of the tables.
struct Statements {
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    truncate: &'static str,
    clear: &'static str,
    sizes: &'static str,
    slots: &'static str,
    slot: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (step, slot, epoch, kept, removed, checksum, entries)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            update: concat!(
                "UPDATE ",
                $table,
                " SET kept = ?4, removed = ?5, checksum = ?6, entries = ?7
                WHERE step = ?1 AND slot = ?2 AND epoch = ?3"
            ),
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE step = ?1 AND slot = ?2 AND epoch BETWEEN ?3 AND ?4"
            ),
            truncate: concat!("DELETE FROM ", $table, " WHERE epoch >= ?1"),
            clear: concat!(
                "DELETE FROM ",
                $table,
                " WHERE id IN (SELECT id FROM ",
                $table,
                " WHERE step = ?1 LIMIT ?2)"
            ),
            sizes: concat!(
                "SELECT step, slot, epoch, length(entries), kept, removed FROM ",
                $table,
                " ORDER BY step, slot, epoch"
            ),
            slots: concat!(
                "SELECT DISTINCT slot FROM ",
                $table,
                " WHERE step = ?1 AND epoch < ?2 ORDER BY slot"
            ),
            slot: concat!(
                "SELECT epoch, kept, removed, checksum, entries FROM ",
                $table,
                " WHERE step = ?1 AND slot = ?2 AND epoch BETWEEN ?3 AND ?4 ORDER BY epoch"
            ),
        }
    };
}

static SNAPS: Statements = statements!("snaps");
static TIMERS: Statements = statements!("timers");

impl Table {
    pub(in crate::recovery) const ALL: [Self; 2] = [Self::Snaps, Self::Timers];

    pub(in crate::recovery) fn name(self) -> &'static str {
        match self {
            Self::Snaps => "snaps",
            Self::Timers => "timers",
        }
    }

    fn statements(self) -> &'static Statements {
        match self {
            Self::Snaps => &SNAPS,
            Self::Timers => &TIMERS,
        }
    }

    fn reading(self) -> &'static str {
        match self {
            Self::Snaps => "reading states",
            Self::Timers => "reading timers",
        }
    }

    fn writing(self) -> &'static str {
        match self {
            Self::Snaps => "writing states",
            Self::Timers => "writing timers",
        }
    }
}

/// The size of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recovery) struct RowSize {
    pub(in crate::recovery) epoch: Epoch,
    pub(in crate::recovery) bytes: u64,
    pub(in crate::recovery) kept: u32,
    pub(in crate::recovery) removed: u32,
}

impl RowSize {
    pub(in crate::recovery) fn of(epoch: Epoch, run: &Run) -> Self {
        Self {
            epoch,
            bytes: run.len() as u64,
            kept: run.kept(),
            removed: run.removed(),
        }
    }
}

/// Where a row belongs: one step, one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::recovery) struct SlotRow {
    pub(in crate::recovery) table: Table,
    pub(in crate::recovery) step: StepNumber,
    pub(in crate::recovery) slot: Slot,
}

impl SlotRow {
    fn slot(self) -> u32 {
        self.slot.index() as u32
    }

    fn checksum(self, epoch: Epoch, entries: &[u8]) -> Checksum {
        Checksum::of(
            &[self.step.0.into(), self.slot.index() as u64, epoch.0],
            entries,
        )
    }
}

impl Db {
    pub(in crate::recovery) fn insert_run(
        &self,
        at: SlotRow,
        epoch: Epoch,
        run: &Run,
    ) -> Result<(), Error> {
        self.put_run(at.table.statements().insert, at, epoch, run)
    }

    pub(in crate::recovery) fn update_run(
        &self,
        at: SlotRow,
        epoch: Epoch,
        run: &Run,
    ) -> Result<(), Error> {
        self.put_run(at.table.statements().update, at, epoch, run)
    }

    fn put_run(
        &self,
        sql: &'static str,
        at: SlotRow,
        epoch: Epoch,
        run: &Run,
    ) -> Result<(), Error> {
        let values = (
            at.step.0,
            at.slot(),
            signed(epoch.0),
            run.kept(),
            run.removed(),
            at.checksum(epoch, run.as_bytes()).0,
            run.as_bytes(),
        );
        self.execute(sql, values, at.table.writing()).map(drop)
    }

    /// Deletes the rows of a slot with epochs from `first` to `last`.
    pub(in crate::recovery) fn delete_runs(
        &self,
        at: SlotRow,
        first: Epoch,
        last: Epoch,
    ) -> Result<(), Error> {
        let values = (at.step.0, at.slot(), signed(first.0), signed(last.0));
        self.execute(at.table.statements().delete, values, at.table.writing())
            .map(drop)
    }

    /// Reads and checks the rows of a slot with epochs from `first` to `last`, the oldest first.
    pub(in crate::recovery) fn runs(
        &self,
        at: SlotRow,
        first: Epoch,
        last: Epoch,
    ) -> Result<Vec<(Epoch, Run)>, Error> {
        let values = (at.step.0, at.slot(), signed(first.0), signed(last.0));
        let sql = at.table.statements().slot;
        let rows = self.select(sql, values, at.table.reading(), |row| {
            let counts: (u32, u32) = (row.get(1)?, row.get(2)?);
            Ok((
                Epoch(row.get(0)?),
                counts,
                Checksum(row.get(3)?),
                row.get::<_, Vec<u8>>(4)?,
            ))
        })?;
        let checked = rows.into_iter().map(|(epoch, counts, checksum, entries)| {
            if checksum != at.checksum(epoch, &entries) {
                return Err(self.damaged_row(at, epoch, "its checksum does not fit"));
            }
            let run = Run::decode(entries, at.slot)
                .map_err(|cause| self.damaged_row(at, epoch, &cause.to_string()))?;
            if counts != (run.kept(), run.removed()) {
                return Err(self.damaged_row(at, epoch, "its number of keys does not fit"));
            }
            Ok((epoch, run))
        });
        checked.collect()
    }

    fn damaged_row(&self, at: SlotRow, epoch: Epoch, what: &str) -> Error {
        let (table, step, slot) = (at.table.name(), at.step.0, at.slot);
        let row = format!("row of step {step}, slot {slot}, epoch {epoch} in table `{table}`");
        Error::damaged(&self.file, format!("{row}: {what}"))
    }

    /// The slots of a step with rows before an epoch, ascending.
    pub(in crate::recovery) fn slots(
        &self,
        table: Table,
        step: StepNumber,
        before: Epoch,
    ) -> Result<Vec<Slot>, Error> {
        let values = (step.0, signed(before.0));
        self.select(table.statements().slots, values, table.reading(), |row| {
            Ok(Slot::of(row.get(0)?))
        })
    }

    /// The sizes of all rows, in order of step, slot and epoch.
    pub(in crate::recovery) fn sizes(
        &self,
        table: Table,
    ) -> Result<Vec<(SlotRow, RowSize)>, Error> {
        self.select(table.statements().sizes, [], table.reading(), |row| {
            let at = SlotRow {
                table,
                step: StepNumber(row.get(0)?),
                slot: Slot::of(row.get(1)?),
            };
            let size = RowSize {
                epoch: Epoch(row.get(2)?),
                bytes: row.get(3)?,
                kept: row.get(4)?,
                removed: row.get(5)?,
            };
            Ok((at, size))
        })
    }

    /// Deletes all rows of this epoch and those after.
    pub(in crate::recovery) fn truncate_runs(&self, from: Epoch) -> Result<(), Error> {
        Table::ALL.into_iter().try_for_each(|table| {
            self.execute(
                table.statements().truncate,
                [signed(from.0)],
                table.writing(),
            )
            .map(drop)
        })
    }

    /// Deletes up to `limit` rows of a step; how many there were.
    pub(in crate::recovery) fn clear_runs(
        &self,
        table: Table,
        step: StepNumber,
        limit: u32,
    ) -> Result<usize, Error> {
        self.execute(table.statements().clear, (step.0, limit), table.writing())
    }
}
