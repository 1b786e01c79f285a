//! The rows of states and timers: their metadata and their blocks.

use rusqlite::OptionalExtension;

use super::failure::Doing;
use super::{Db, signed};
use crate::ids::Epoch;
use crate::key::Slot;
use crate::recovery::block::Block;
use crate::recovery::checksum::Checksum;
use crate::recovery::error::Error;
use crate::recovery::parts::StepNumber;
use crate::recovery::rows::{Place, Row, RowId, Table};

const READING: &str = "reading states";
const WRITING: &str = "writing states";

/// The columns of a row of formats 1 and 2, each for one slot. Its index is not used.
const ROWS_2: [(Table, &str); 2] = [
    (
        Table::Snaps,
        "SELECT id, step, slot, slot, NULL, epoch, kept, removed, length(entries), checksum
            FROM snaps NOT INDEXED",
    ),
    (
        Table::Timers,
        "SELECT id, step, slot, slot, NULL, epoch, kept, removed, length(entries), checksum
            FROM timers NOT INDEXED",
    ),
];

const ROWS: [(Table, &str); 2] = [
    (
        Table::Snaps,
        "SELECT id, step, first_slot, last_slot, since, epoch, kept, removed, bytes, checksum
            FROM blocks WHERE kind = 0",
    ),
    (
        Table::Timers,
        "SELECT id, step, first_slot, last_slot, since, epoch, kept, removed, bytes, checksum
            FROM blocks WHERE kind = 1",
    ),
];

/// The checksum of a block in the present format.
pub(in crate::recovery) fn checksum(
    place: Place,
    id: RowId,
    epoch: Epoch,
    bytes: &[u8],
) -> Checksum {
    let step = u64::from(place.step.0) << 1 | u64::from(place.table.number());
    Checksum::of(&[id.0.cast_unsigned(), step, epoch.0], bytes)
}

impl Db {
    /// The metadata of all rows.
    pub(in crate::recovery) fn rows(&self) -> Result<Vec<(Place, Row)>, Error> {
        let statements = if self.is_old() { ROWS_2 } else { ROWS };
        let mut rows = Vec::new();
        for (table, sql) in statements {
            rows.extend(self.select(sql, [], READING, |row| {
                let step = StepNumber(row.get(1)?);
                let known = Row {
                    id: RowId(row.get(0)?),
                    first: slot(row.get(2)?)?,
                    last: slot(row.get(3)?)?,
                    since: row.get::<_, Option<u64>>(4)?.map(Epoch),
                    epoch: Epoch(row.get(5)?),
                    kept: row.get(6)?,
                    removed: row.get(7)?,
                    bytes: row.get(8)?,
                    checksum: Checksum(row.get(9)?),
                };
                Ok((Place { table, step }, known))
            })?);
        }
        Ok(rows)
    }

    pub(in crate::recovery) fn insert_row(
        &self,
        place: Place,
        row: &Row,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let sql = "INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let values = (
            row.id.0,
            place.table.number(),
            place.step.0,
            row.first.index() as u32,
            row.last.index() as u32,
            row.since.map(|since| signed(since.0)),
            signed(row.epoch.0),
            signed(row.kept),
            signed(row.removed),
            signed(row.bytes),
            row.checksum.0,
        );
        self.execute(sql, values, WRITING)?;
        let sql = "INSERT INTO contents VALUES (?1, ?2)";
        self.execute(sql, (row.id.0, bytes), WRITING)?;
        self.sums.row_added(place, row.digest(place));
        Ok(())
    }

    pub(in crate::recovery) fn delete_row(&self, place: Place, row: &Row) -> Result<(), Error> {
        self.execute("DELETE FROM blocks WHERE id = ?1", [row.id.0], WRITING)?;
        let sql = "DELETE FROM contents WHERE id = ?1";
        self.execute(sql, [row.id.0], WRITING)?;
        self.sums.row_removed(place, row.digest(place));
        Ok(())
    }

    /// Step, slot, epoch and id of all rows, from the index of an older format.
    pub(super) fn index_rows(&self, table: Table) -> Result<Vec<(u32, u16, u64, i64)>, Error> {
        let sql = match table {
            Table::Snaps => {
                "SELECT step, slot, epoch, id FROM snaps INDEXED BY snaps_by_slot
                    ORDER BY step, slot, epoch"
            }
            Table::Timers => {
                "SELECT step, slot, epoch, id FROM timers INDEXED BY timers_by_slot
                    ORDER BY step, slot, epoch"
            }
        };
        self.select(sql, [], READING, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
    }

    /// Reads and checks the block of a row.
    pub(in crate::recovery) fn block(&self, place: Place, row: &Row) -> Result<Block, Error> {
        let sql = match (self.is_old(), place.table) {
            (true, Table::Snaps) => "SELECT entries FROM snaps WHERE id = ?1",
            (true, Table::Timers) => "SELECT entries FROM timers WHERE id = ?1",
            _ => "SELECT entries FROM contents WHERE id = ?1",
        };
        let statement = self.connection.prepare_cached(sql);
        let read = statement.and_then(|mut statement| {
            let read = statement.query_row([row.id.0], |row| row.get::<_, Vec<u8>>(0));
            read.optional()
        });
        let damaged = |what: &str| self.damaged_row(place, row, what);
        let bytes = read.doing(self, READING)?;
        let bytes = bytes.ok_or_else(|| damaged("its bytes are not there"))?;
        let is_old = self.is_old();
        let expected = if is_old {
            let slot = row.first.index() as u64;
            Checksum::of(&[place.step.0.into(), slot, row.epoch.0], &bytes)
        } else {
            checksum(place, row.id, row.epoch, &bytes)
        };
        if row.checksum != expected {
            return Err(damaged("its checksum does not fit"));
        }
        if is_old {
            return Ok(Block::of_one(row.first, bytes));
        }
        let block = Block::decode(bytes).map_err(|cause| damaged(&cause.to_string()))?;
        if !block.slots().all(|slot| row.covers(slot)) {
            return Err(damaged("it has a slot that it should not have"));
        }
        Ok(block)
    }

    pub(in crate::recovery) fn damaged_row(&self, place: Place, row: &Row, what: &str) -> Error {
        let (states, step, Row { first, last, .. }) = (place.table.name(), place.step.0, row);
        let (id, epoch) = (row.id.0, row.epoch);
        let text = format!(
            "row {id} with {states} of step {step}, slots {first} to {last}, epoch {epoch}: {what}"
        );
        Error::damaged(&self.file, text)
    }
}

fn slot(number: u16) -> rusqlite::Result<Slot> {
    let slot = Slot::of(number.into());
    if slot.index() == usize::from(number) {
        Ok(slot)
    } else {
        Err(rusqlite::Error::IntegralValueOutOfRange(2, number.into()))
    }
}
