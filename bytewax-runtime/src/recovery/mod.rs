//! The recovery store: the saved state from which an execution resumes an earlier one.
//!
//! A store is a set of *partitions*, each an SQLite file, in one directory or several. The states of a key
//! are in the partition of the key's slot. Within a partition, all changes of one step and one slot in one
//! epoch are a sorted *run*, and the runs of many slots are one row, a `Block`. Rows are kept by epoch until
//! no resume can need them separately, and are then merged, like the levels of a log-structured store.
//! `docs/recovery-format.md`, [`run`](crate::state::run) and the module `block` describe the format; the
//! module `resume` determines where an execution begins.
//!
//! The lifecycle of a partition:
//!
//! 1. [`init`] creates it (module `draft`); a run or a command finds it.
//! 2. All partitions are locked ([`LockedPartition`]) before anything that is acted upon is read.
//! 3. Every process collects the [`PartitionState`]s of the whole cluster, checks them with
//!    [`check_complete`] and computes the same [`Resume`] with [`resume()`].
//! 4. Its one [`PartitionWriter`] begins the execution, which removes the writes of earlier executions from
//!    the resume epoch on. [`PartitionReader`]s load timers and positions at once, and states slot by slot.
//! 5. A [`WriterThread`] writes changes, commits epochs, and collects rows that no resume needs.
//! 6. With a backup, partitions are restored instead of created and found, and writes also go to the backup;
//!    see the module `backup`.
//!
//! The module `sql` contains all SQL.

mod backup;
mod block;
mod checksum;
mod collect;
mod config;
mod cut;
mod draft;
mod error;
pub(crate) mod fuzz;
mod identity;
mod layout;
mod lock;
mod merge;
mod parts;
mod reader;
mod resume;
mod retention;
mod rows;
mod scan;
mod sql;
#[cfg(test)]
mod tests;
mod thread;
mod tools;
mod upgrade;
mod versions;
mod writer;

#[cfg(feature = "object-store")]
pub use backup::ObjectStoreBackup;
pub use backup::{Backup, FileSystemBackup};
pub(crate) use backup::{Restored, Term, Uploads, compare, open_backup};
pub use config::RecoveryConfig;
pub(crate) use error::Error;
pub(crate) use layout::{PartitionFile, init};
pub(crate) use lock::{LockedPartition, lock_all};
pub(crate) use parts::{
    Execution, PartitionCount, PartitionIndex, PartitionState, Position, SavedKind, StepMeta,
};
pub(crate) use reader::{PartitionReader, SavedEntry, newest_positions};
pub(crate) use resume::{
    Resume, beginnings, check_complete, describe_resume, most_workers, resume,
};
pub(crate) use retention::Retention;
pub(crate) use thread::{Message, Room, StepPlace, WriterEvent, WriterStopped, WriterThread};
pub(crate) use tools::{
    Dump, Migrated, MigratedStep, PartitionInfo, Report, StepInfo, StoreInfo, Wanted, drop_step,
    dump, migrate, repartition, restore_all, show, verify,
};
#[cfg(any(test, feature = "serve"))]
pub(crate) use tools::{Own, Reply, Savepoint, SavepointStep};
pub(crate) use versions::SavedVersion;
pub(crate) use writer::PartitionWriter;

#[cfg(test)]
pub(crate) use {
    crate::state::batch::{Batch, TooLong},
    crate::state::run::{Run, Table},
    crate::state::timer::push_timer,
    backup::{
        BackupError, Compared, Share, begin, restore, savepoint_in_backup, shared_parts, take_term,
    },
    error::ResumeError,
    layout::{discover, discover_to_use, init_on_first_use},
    parts::ExecutionNumber,
    tools::{FoundState, savepoint},
};
