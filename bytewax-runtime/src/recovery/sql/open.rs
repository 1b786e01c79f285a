//! Creates and opens partition files, and reads their header.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Db;
use super::failure::{Doing, failure};
use super::schema::{ADD_2, APPLICATION, BLOCKS, DROP_2, FORMAT, LAYOUT, TABLES};
use super::seal::Sums;
use crate::recovery::error::Error;
use crate::recovery::parts::{Meta, PartitionCount, PartitionIndex, StoreId};
use crate::recovery::upgrade::upgrade;

/// Another process may hold the file for a moment, for a checkpoint or a copy.
const BUSY: Duration = Duration::from_secs(5);

/// The cache size of a reading connection; SQLite expects a negative number. A process may open several
/// connections per partition.
const CACHE_KIB: i32 = -1024;

const OPENING: &str = "opening it";
const MAKING: &str = "making it";
const UPGRADING: &str = "bringing it to the format of this release";

/// A new random identity, from the random numbers of the operating system.
pub(in crate::recovery) fn random_store_id() -> Result<StoreId, Error> {
    let drawn = Connection::open_in_memory()
        .and_then(|memory| memory.query_row("SELECT randomblob(16)", [], |row| row.get(0)));
    let id = drawn.map_err(|cause| failure(Path::new(":memory:"), "drawing a store id", cause))?;
    Ok(StoreId(id))
}

impl Db {
    /// Creates a partition in a file that does not exist yet. The partition is not durable yet: nobody relies
    /// on the file before it is synced as a whole and renamed.
    pub(in crate::recovery) fn create(file: &Path, meta: &Meta) -> Result<(), Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Self::connect(file, flags, MAKING)?;
        let fill = || -> rusqlite::Result<()> {
            db.connection.pragma_update(None, "synchronous", "OFF")?;
            db.connection.execute_batch(LAYOUT)?;
            db.connection.execute_batch("BEGIN")?;
            db.connection.execute_batch(TABLES)?;
            db.connection.execute_batch(BLOCKS)?;
            db.connection
                .pragma_update(None, "application_id", APPLICATION)?;
            db.connection.pragma_update(None, "user_version", FORMAT)?;
            db.connection.execute(
                "INSERT INTO meta VALUES (1, ?1, ?2, ?3, ?4)",
                (meta.store.0, &meta.flow, meta.index.0, meta.count.get()),
            )?;
            Ok(())
        };
        fill().doing(&db, MAKING)?;
        db.commit()?;
        db.connection
            .close()
            .map_err(|(_, cause)| failure(file, MAKING, cause))
    }

    /// Opens a partition for writing. The caller holds its lock.
    pub(in crate::recovery) fn open_to_write(file: &Path) -> Result<Self, Error> {
        let db = Self::connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE, OPENING)?;
        db.check_format()?;
        let settings = || -> rusqlite::Result<()> {
            // FULL: committed data survives a power cut. An epoch is one commit per partition.
            db.connection.pragma_update(None, "synchronous", "FULL")?;
            // Checkpoints run after a commit was reported, never within it.
            db.connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            db.connection
                .pragma_update(None, "journal_size_limit", 64 << 20)?;
            db.connection.pragma_update(None, "cache_size", -256)?;
            Ok(())
        };
        settings().doing(&db, OPENING)?;
        db.check_whole()?;
        db.migrate()?;
        Ok(db)
    }

    /// Upgrades a partition of an older version to the newest, in one transaction. Durable when it returns.
    fn migrate(&self) -> Result<(), Error> {
        if !self.is_old() {
            return Ok(());
        }
        let change = |sql| self.connection.execute_batch(sql).doing(self, UPGRADING);
        self.begin()?;
        if self.format() == 1 {
            change(ADD_2)?;
        }
        change(BLOCKS)?;
        upgrade(self)?;
        change(DROP_2)?;
        let noted = self.connection.pragma_update(None, "user_version", FORMAT);
        noted.doing(self, UPGRADING)?;
        self.format.set(FORMAT);
        self.count_rows()?;
        self.commit()?;
        self.checkpoint()
    }

    /// Opens a partition for reading, beside a writer if there is one.
    pub(in crate::recovery) fn open_to_read(file: &Path) -> Result<Self, Error> {
        let db = Self::connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY, OPENING)?;
        db.check_format()?;
        Ok(db)
    }

    fn connect(file: &Path, flags: OpenFlags, doing: &'static str) -> Result<Self, Error> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connected = Connection::open_with_flags(file, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            // Before the first read: SQLite allocates much of the cache at once.
            connection.pragma_update(None, "cache_size", CACHE_KIB)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        });
        Ok(Self {
            connection: connected.map_err(|cause| failure(file, doing, cause))?,
            file: file.to_path_buf(),
            format: Cell::new(FORMAT),
            sums: Sums::default(),
        })
    }

    /// Reads the format of the file, and refuses an unknown one.
    pub(in crate::recovery) fn check_format(&self) -> Result<(), Error> {
        let pragma = |name| {
            let read = self
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, u32>(0));
            read.doing(self, OPENING)
        };
        if pragma("application_id")? != APPLICATION {
            return Err(Error::Foreign {
                file: self.file.clone(),
                cause: None,
            });
        }
        let found = pragma("user_version")?;
        if found > FORMAT {
            return Err(Error::NewerFormat {
                file: self.file.clone(),
                found,
                known: FORMAT,
            });
        }
        if found == 0 {
            return Err(Error::damaged(&self.file, "it has no format version"));
        }
        self.format.set(found);
        Ok(())
    }

    pub(super) fn format(&self) -> u32 {
        self.format.get()
    }

    /// Whether the file has an older format.
    pub(in crate::recovery) fn is_old(&self) -> bool {
        self.format() < FORMAT
    }

    /// Reads the header of the file.
    pub(in crate::recovery) fn meta(&self) -> Result<Meta, Error> {
        let sql = "SELECT store, flow, part_index, part_count FROM meta";
        let read = self.connection.query_row(sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        let (store, flow, index, count) = read.doing(self, "reading which partition it is")?;
        let count = PartitionCount::new(count).ok_or_else(|| {
            Error::damaged(&self.file, format!("it is one of {count} partitions"))
        })?;
        Ok(Meta {
            store: StoreId(store),
            flow,
            index: PartitionIndex(index),
            count,
        })
    }

    /// Checks the structure of the database itself for damage; returns the complaints.
    pub(in crate::recovery) fn integrity(&self) -> Result<Vec<String>, Error> {
        let checked =
            self.connection
                .prepare("PRAGMA integrity_check")
                .and_then(|mut statement| {
                    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
                    rows.collect::<rusqlite::Result<Vec<_>>>()
                });
        let mut complaints = checked.doing(self, "checking it")?;
        complaints.retain(|complaint| complaint != "ok");
        Ok(complaints)
    }
}
