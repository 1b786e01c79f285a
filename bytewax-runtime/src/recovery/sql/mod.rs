//! The database behind a partition: all SQL, and all that knows of the database library.

mod failure;
mod history;
mod open;
mod positions;
mod rows;
mod schema;
mod seal;
mod space;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Params, Row};

pub(super) use open::random_store_id;
pub(super) use rows::{RowSize, SlotRow, Table};

use super::error::Error;
use failure::Doing;

/// A connection to one partition file.
pub(super) struct Db {
    connection: Connection,
    file: PathBuf,
    /// The version of the layout that was found.
    format: u32,
    sums: seal::Sums,
}

impl Db {
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Begins a transaction unless one is open.
    pub(super) fn begin(&self) -> Result<(), Error> {
        if !self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("BEGIN IMMEDIATE", "beginning a transaction")
    }

    /// Commits the open transaction, if there is one. It survives a power cut afterwards.
    pub(super) fn commit(&self) -> Result<(), Error> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.write_seal()?;
        self.run("COMMIT", "committing an epoch")
    }

    /// From here on, everything is read as it is now, whatever is written meanwhile.
    pub(super) fn freeze(&self) -> Result<(), Error> {
        self.run("BEGIN", "beginning to read it")?;
        // The first statement that reads decides what is seen.
        self.progress().map(drop)
    }

    fn run(&self, sql: &'static str, doing: &'static str) -> Result<(), Error> {
        self.execute(sql, [], doing).map(drop)
    }

    /// Runs one statement that returns no rows; the number of rows it changed.
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

    /// Runs one statement and reads all its rows.
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

/// Changes a file behind the back of the store.
#[cfg(test)]
pub(super) fn tamper(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}
