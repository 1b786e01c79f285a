//! Detects rows that are missing from a partition.
//!
//! A checksum covers a row, but not its absence: a flipped bit in a page of a tree or an index can hide rows.
//! Each commit therefore *seals* the partition: one number covers all small tables, and the count and the sum
//! of all rows. Opening a partition counts the rows again. States and timers have no index; their metadata is
//! read as a whole.

use std::cell::Cell;

use rusqlite::types::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::Db;
use crate::ids::Epoch;
use crate::recovery::checksum::Checksum;
use crate::recovery::error::Error;
use crate::recovery::rows::{Place, Row, Table};

const READING: &str = "looking whether it is whole";

/// The contents of the small tables, except the seal itself.
const SMALL_TABLES: [&str; 4] = [
    "SELECT store, flow, part_index, part_count FROM meta",
    "SELECT execution, durable_epoch, oldest_resumable, saved_at FROM progress",
    "SELECT number, step, kind, schema, version, fingerprint FROM steps ORDER BY number",
    "SELECT number, resume_epoch, workers, processes, started_at FROM executions ORDER BY number",
];

/// The rows of a table: their count and the sum of their hashes, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u64,
}

/// The sums of the tables that grow.
#[derive(Debug, Default)]
pub(super) struct Sums {
    snaps: Cell<Sum>,
    timers: Cell<Sum>,
    positions: Cell<Sum>,
}

/// The columns of a row of positions, except its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PositionSum {
    pub(super) step: u32,
    pub(super) partition: String,
    pub(super) epoch: Epoch,
    pub(super) checksum: Checksum,
}

impl PositionSum {
    fn hash(&self) -> u64 {
        hash(&[
            self.step.into(),
            xxh3_64(self.partition.as_bytes()),
            self.epoch.0,
            self.checksum.0.cast_unsigned(),
        ])
    }
}

/// Step, slot, epoch and id of a row of an older format.
type OldPlace = (u32, u16, u64, i64);

/// A number for the columns of a row of an older format, except its entries.
fn old_digest(place: Place, row: &Row) -> u64 {
    hash(&[
        place.step.0.into(),
        row.first.index() as u64,
        row.epoch.0,
        row.kept,
        row.removed,
        row.checksum.0.cast_unsigned(),
    ])
}

fn hash(numbers: &[u64]) -> u64 {
    let mut bytes = [0; 48];
    for (to, from) in bytes.chunks_exact_mut(8).zip(numbers) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    xxh3_64(&bytes)
}

fn add(to: &Cell<Sum>, hash: u64) {
    let Sum { rows, hashes } = to.get();
    to.set(Sum {
        rows: rows.wrapping_add(1),
        hashes: hashes.wrapping_add(hash),
    });
}

fn remove(from: &Cell<Sum>, hash: u64) {
    let Sum { rows, hashes } = from.get();
    from.set(Sum {
        rows: rows.wrapping_sub(1),
        hashes: hashes.wrapping_sub(hash),
    });
}

impl Sums {
    fn of(&self, table: Table) -> &Cell<Sum> {
        match table {
            Table::Snaps => &self.snaps,
            Table::Timers => &self.timers,
        }
    }

    pub(super) fn row_added(&self, place: Place, digest: u64) {
        add(self.of(place.table), digest);
    }

    pub(super) fn row_removed(&self, place: Place, digest: u64) {
        remove(self.of(place.table), digest);
    }

    pub(super) fn position_added(&self, row: &PositionSum) {
        add(&self.positions, row.hash());
    }

    pub(super) fn position_removed(&self, row: &PositionSum) {
        remove(&self.positions, row.hash());
    }
}

impl Db {
    /// Counts the contents of the partition and compares them with the seal. From here on, new rows are added
    /// to the count.
    pub(in crate::recovery) fn check_whole(&self) -> Result<(), Error> {
        let is_frozen = !self.connection.is_autocommit();
        if !is_frozen {
            self.run("BEGIN", READING)?;
        }
        let checked = self.count_rows().and_then(|()| {
            // Format 1 has no seal to compare with.
            if self.format() == 1 || self.stored_seal()? == Some(self.seal()?) {
                return Ok(());
            }
            let what = "it does not hold what was written to it, so rows were lost or changed";
            Err(Error::damaged(&self.file, what))
        });
        if !is_frozen {
            self.run("COMMIT", READING)?;
        }
        checked
    }

    /// Seals the contents with the next commit.
    pub(super) fn write_seal(&self) -> Result<(), Error> {
        let seal = self.seal()?;
        let sql = "UPDATE progress SET seal = ?1";
        self.execute(sql, [seal], "sealing what was written")
            .map(drop)
    }

    fn stored_seal(&self) -> Result<Option<i64>, Error> {
        let seals = self.select("SELECT seal FROM progress", [], READING, |row| row.get(0))?;
        Ok(seals.into_iter().next().flatten())
    }

    /// Counts the rows of all growing tables, and checks that their indices find all of them.
    pub(super) fn count_rows(&self) -> Result<(), Error> {
        for table in Table::ALL {
            self.sums.of(table).set(Sum::default());
        }
        let mut places = Vec::new();
        for (place, row) in self.rows()? {
            if self.is_old() {
                self.sums.row_added(place, old_digest(place, &row));
                let at = (
                    place.step.0,
                    row.first.index() as u16,
                    row.epoch.0,
                    row.id.0,
                );
                places.push((place.table, at));
            } else {
                self.sums.row_added(place, row.digest(place));
            }
        }
        if self.is_old() {
            self.check_indices(places)?;
        }
        self.sums.positions.set(Sum::default());
        let positions = self.position_sums()?;
        let key = |row: &PositionSum| (row.step, row.partition.clone(), row.epoch);
        if !positions.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(Error::damaged(&self.file, "the positions are not in order"));
        }
        for row in positions {
            self.sums.position_added(&row);
        }
        self.check_steps()
    }

    /// The tables of older formats have an index each, which must find all rows.
    fn check_indices(&self, mut places: Vec<(Table, OldPlace)>) -> Result<(), Error> {
        places.sort_unstable();
        for table in Table::ALL {
            let rows = places.iter().filter(|(of, _)| *of == table);
            if !rows.map(|(_, at)| *at).eq(self.index_rows(table)?) {
                let what = format!("the index of the {} does not fit its rows", table.name());
                return Err(Error::damaged(&self.file, what));
            }
        }
        Ok(())
    }

    /// The table of steps is small, and the database can check its index.
    fn check_steps(&self) -> Result<(), Error> {
        let complaints = self.select("PRAGMA integrity_check(steps)", [], READING, |row| {
            row.get::<_, String>(0)
        })?;
        match complaints.iter().find(|complaint| *complaint != "ok") {
            Some(complaint) => Err(Error::damaged(&self.file, complaint.clone())),
            None => Ok(()),
        }
    }

    /// One number over the whole contents of the partition.
    fn seal(&self) -> Result<i64, Error> {
        let mut seal = Xxh3::new();
        seal.update(&self.format().to_le_bytes());
        for sql in SMALL_TABLES {
            let rows = self.select(sql, [], READING, |row| {
                let columns = 0..row.as_ref().column_count();
                columns.map(|column| row.get::<_, Value>(column)).collect()
            })?;
            seal.update(&(rows.len() as u64).to_le_bytes());
            let values = rows.into_iter().flat_map(|row: Vec<Value>| row);
            values.for_each(|value| add_value(&mut seal, value));
        }
        for sum in [&self.sums.snaps, &self.sums.timers, &self.sums.positions] {
            seal.update(&sum.get().rows.to_le_bytes());
            seal.update(&sum.get().hashes.to_le_bytes());
        }
        Ok(seal.digest().cast_signed())
    }
}

/// Adds a value with its type and its length.
fn add_value(seal: &mut Xxh3, value: Value) {
    let (kind, bytes) = match value {
        Value::Null => (0, Vec::new()),
        Value::Integer(number) => (1, number.to_le_bytes().to_vec()),
        Value::Real(number) => (2, number.to_le_bytes().to_vec()),
        Value::Text(text) => (3, text.into_bytes()),
        Value::Blob(bytes) => (4, bytes),
    };
    seal.update(&[kind]);
    seal.update(&(bytes.len() as u64).to_le_bytes());
    seal.update(&bytes);
}
