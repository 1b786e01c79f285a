//! The rows of runs: states and timers.

use rusqlite::{Params, Row};

use super::seal::RunRow;
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
    delete: &'static str,
    truncate: &'static str,
    clear: &'static str,
    rows: &'static str,
    indexed: &'static str,
    sizes: &'static str,
    slots: &'static str,
    slot: &'static str,
}

/// All columns but the entries.
macro_rules! row_columns {
    ($before:literal) => {
        concat!($before, "step, slot, epoch, kept, removed, checksum")
    };
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
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE step = ?1 AND slot = ?2 AND epoch BETWEEN ?3 AND ?4",
                row_columns!(" RETURNING ")
            ),
            truncate: concat!(
                "DELETE FROM ",
                $table,
                " NOT INDEXED WHERE epoch >= ?1",
                row_columns!(" RETURNING ")
            ),
            clear: concat!(
                "DELETE FROM ",
                $table,
                " WHERE id IN (SELECT id FROM ",
                $table,
                " WHERE step = ?1 LIMIT ?2)",
                row_columns!(" RETURNING ")
            ),
            rows: concat!(
                row_columns!("SELECT "),
                ", id FROM ",
                $table,
                " NOT INDEXED ORDER BY id"
            ),
            indexed: concat!(
                "SELECT step, slot, epoch, id FROM ",
                $table,
                " INDEXED BY ",
                $table,
                "_by_slot ORDER BY step, slot, epoch"
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

fn read_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        step: row.get(0)?,
        slot: row.get(1)?,
        epoch: Epoch(row.get(2)?),
        kept: row.get(3)?,
        removed: row.get(4)?,
        checksum: Checksum(row.get(5)?),
    })
}

impl Db {
    pub(in crate::recovery) fn insert_run(
        &self,
        at: SlotRow,
        epoch: Epoch,
        run: &Run,
    ) -> Result<(), Error> {
        let row = RunRow {
            step: at.step.0,
            slot: at.slot(),
            epoch,
            kept: run.kept(),
            removed: run.removed(),
            checksum: at.checksum(epoch, run.as_bytes()),
        };
        let values = (
            row.step,
            row.slot,
            signed(epoch.0),
            row.kept,
            row.removed,
            row.checksum.0,
            run.as_bytes(),
        );
        let sql = at.table.statements().insert;
        self.execute(sql, values, at.table.writing())?;
        self.sums.run_added(at.table, row);
        Ok(())
    }

    /// Puts a run in the place of the one of the same epoch.
    pub(in crate::recovery) fn update_run(
        &self,
        at: SlotRow,
        epoch: Epoch,
        run: &Run,
    ) -> Result<(), Error> {
        self.delete_runs(at, epoch, epoch)?;
        self.insert_run(at, epoch, run)
    }

    /// Deletes rows by a statement that returns them; how many there were.
    fn delete_rows(
        &self,
        table: Table,
        sql: &'static str,
        values: impl Params,
    ) -> Result<usize, Error> {
        let rows = self.select(sql, values, table.writing(), read_row)?;
        for row in &rows {
            self.sums.run_removed(table, *row);
        }
        Ok(rows.len())
    }

    /// All rows of a table by their ids, without their entries.
    pub(super) fn run_rows(&self, table: Table) -> Result<Vec<(i64, RunRow)>, Error> {
        self.select(table.statements().rows, [], table.reading(), |row| {
            Ok((row.get(6)?, read_row(row)?))
        })
    }

    /// Step, slot, epoch and id of all rows of a table, as its index has them.
    pub(super) fn index_rows(&self, table: Table) -> Result<Vec<(u32, u32, u64, i64)>, Error> {
        self.select(table.statements().indexed, [], table.reading(), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
    }

    /// Deletes the rows of a slot with epochs from `first` to `last`.
    pub(in crate::recovery) fn delete_runs(
        &self,
        at: SlotRow,
        first: Epoch,
        last: Epoch,
    ) -> Result<(), Error> {
        let values = (at.step.0, at.slot(), signed(first.0), signed(last.0));
        self.delete_rows(at.table, at.table.statements().delete, values)
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
            let sql = table.statements().truncate;
            self.delete_rows(table, sql, [signed(from.0)]).map(drop)
        })
    }

    /// Deletes up to `limit` rows of a step; how many there were.
    pub(in crate::recovery) fn clear_runs(
        &self,
        table: Table,
        step: StepNumber,
        limit: u32,
    ) -> Result<usize, Error> {
        self.delete_rows(table, table.statements().clear, (step.0, limit))
    }
}
