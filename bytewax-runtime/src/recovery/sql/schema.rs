//! The tables of a partition file.

/// The version of the layout, kept as the database's `user_version`.
pub(in crate::recovery) const FORMAT: u32 = 3;

/// The additions of format 2: the time of the last completed epoch, and the seal.
pub(super) const ADD_2: &str =
    "ALTER TABLE progress ADD COLUMN saved_at TEXT; ALTER TABLE progress ADD COLUMN seal INTEGER;";

/// Marks a database as a recovery partition: `Bxwr`, stored as its `application_id`.
pub(super) const APPLICATION: u32 = u32::from_be_bytes(*b"Bxwr");

/// Settings that must precede the first table.
///
/// 8 KiB pages: a block takes five. Incremental vacuum: the pages that a collection frees return to the file
/// system in small steps.
pub(super) const LAYOUT: &str = "
    PRAGMA page_size = 8192;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
";

pub(super) const TABLES: &str = "
    CREATE TABLE meta (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        store BLOB NOT NULL CHECK (length(store) = 16),
        flow TEXT NOT NULL,
        part_index INTEGER NOT NULL CHECK (part_index >= 0 AND part_index < part_count),
        part_count INTEGER NOT NULL CHECK (part_count > 0 AND part_count <= 4096)
    ) STRICT;

    CREATE TABLE steps (
        number INTEGER PRIMARY KEY,
        step TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('source', 'sink', 'stateful')),
        schema TEXT NOT NULL,
        version INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE executions (
        number INTEGER PRIMARY KEY,
        resume_epoch INTEGER NOT NULL CHECK (resume_epoch > 0),
        workers INTEGER NOT NULL,
        processes INTEGER NOT NULL,
        started_at TEXT NOT NULL
    ) STRICT;

    CREATE TABLE progress (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        execution INTEGER,
        durable_epoch INTEGER NOT NULL,
        oldest_resumable INTEGER NOT NULL CHECK (oldest_resumable > 0),
        saved_at TEXT,
        seal INTEGER
    ) STRICT;
    INSERT INTO progress VALUES (1, NULL, 0, 1, NULL, NULL);

    CREATE TABLE positions (
        step INTEGER NOT NULL,
        partition TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        position BLOB NOT NULL,
        PRIMARY KEY (step, partition, epoch)
    ) STRICT, WITHOUT ROWID;
";

/// The tables of format 3 in place of `snaps` and `timers`. Blocks are stored apart from their metadata,
/// because opening a partition reads all metadata.
pub(super) const BLOCKS: &str = "
    CREATE TABLE blocks (
        id INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL CHECK (kind IN (0, 1)),
        step INTEGER NOT NULL,
        first_slot INTEGER NOT NULL CHECK (first_slot >= 0 AND first_slot <= last_slot),
        last_slot INTEGER NOT NULL CHECK (last_slot < 4096),
        since INTEGER CHECK (since >= 0 AND since <= epoch),
        epoch INTEGER NOT NULL,
        kept INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        entries BLOB NOT NULL
    ) STRICT;
";

/// Removes the tables that blocks replace in format 3.
pub(super) const DROP_2: &str = "
    DROP TABLE snaps;
    DROP TABLE timers;
";
