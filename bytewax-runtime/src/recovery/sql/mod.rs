//! The database behind a partition: all SQL and all uses of the database library.

mod failure;
mod history;
mod open;
mod positions;
mod rows;
mod schema;
mod seal;
mod space;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Params, Row};

pub(super) use open::random_store_id;
pub(super) use rows::checksum;

use super::error::Error;
use failure::Doing;

/// A connection to one partition file.
pub(super) struct Db {
    connection: Connection,
    file: PathBuf,
    /// The version of its layout; a writer may change it.
    format: Cell<u32>,
    sums: seal::Sums,
}

impl Db {
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Whether no transaction is open.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Begins a transaction unless one is open.
    pub(super) fn begin(&self) -> Result<(), Error> {
        if !self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("BEGIN IMMEDIATE", "beginning a transaction")
    }

    /// Commits the open transaction, if any. Afterwards it survives a power cut.
    pub(super) fn commit(&self) -> Result<(), Error> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.write_seal()?;
        self.run("COMMIT", "committing an epoch")
    }

    /// Freezes the view: later reads return the present contents, whatever is written meanwhile.
    pub(super) fn freeze(&self) -> Result<(), Error> {
        self.run("BEGIN", "beginning to read it")?;
        // The first statement that reads fixes the snapshot.
        self.progress().map(drop)
    }

    /// Freezes the view until [`end_reading`](Self::end_reading), unless it is already frozen. Returns
    /// whether that must be called.
    pub(super) fn begin_reading(&self) -> Result<bool, Error> {
        if !self.connection.is_autocommit() {
            return Ok(false);
        }
        self.run("BEGIN", "beginning to read it").map(|()| true)
    }

    pub(super) fn end_reading(&self) -> Result<(), Error> {
        self.run("COMMIT", "reading it")
    }

    /// A number that changes when another connection has committed something.
    pub(super) fn version(&self) -> Result<u64, Error> {
        let sql = "PRAGMA data_version";
        let read = self.select(sql, [], "reading its version", |row| row.get(0));
        read.map(|rows| rows.first().copied().unwrap_or(0))
    }

    fn run(&self, sql: &'static str, doing: &'static str) -> Result<(), Error> {
        self.execute(sql, [], doing).map(drop)
    }

    /// Runs a statement that returns no rows; returns the number of rows it changed.
    fn execute(
        &self,
        sql: &'static str,
        values: impl Params,
        doing: &'static str,
    ) -> Result<usize, Error> {
        let statement = self.connection.prepare_cached(sql);
        let changed = statement.and_then(|mut statement| statement.execute(values));
        changed.doing(self, doing)
    }

    /// Runs a statement and reads all its rows.
    fn select<T>(
        &self,
        sql: &'static str,
        values: impl Params,
        doing: &'static str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let statement = self.connection.prepare_cached(sql);
        let rows = statement.and_then(|mut statement| statement.query_map(values, read)?.collect());
        rows.doing(self, doing)
    }
}

/// Numbers in the database are signed. Epochs and counts stay below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Changes a file without the store's knowledge.
#[cfg(test)]
pub(super) fn tamper(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}
