//! The recovery store: what an execution needs to go on where an earlier one ended.
//!
//! A store is a number of *partitions*, each an SQLite file, in one directory or several. The states
//! of a key are in the partition of the key's slot. Within a partition, all changes of one step and
//! one slot in one epoch are a sorted *run*, and the runs of many slots are one row, a `Block`; rows
//! are kept by epoch until no resume can want them one by one and are then merged, like the levels of
//! a log-structured store. The format is described in `docs/recovery-format.md`, in [`run`](crate::state::run) and
//! in the module `block`; where an execution begins, in the module `resume`.
//!
//! The life of a partition:
//!
//! 1. [`init`] makes it (module `draft`), a run or a command finds it.
//! 2. All partitions are locked ([`LockedPartition`]) before anything is read that is acted upon.
//! 3. Every process gathers the [`PartitionState`]s of the whole cluster, checks them with
//!    [`check_complete`] and computes the same [`Resume`] with [`resume()`].
//! 4. Its one [`PartitionWriter`] begins the execution, which removes what earlier executions wrote
//!    from the resume epoch on. [`PartitionReader`]s load timers and positions at once, and states
//!    slot by slot.
//! 5. A [`WriterThread`] writes what changes, commits epochs, and collects what no resume needs.
//! 6. With a backup, partitions are not made and found but restored, and what is written goes there
//!    too; see the module `backup`.
//!
//! All SQL is in the module `sql`.

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
pub(crate) use backup::{Term, Uploads, open_backup};
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
pub(crate) use versions::SavedVersion;
pub(crate) use writer::PartitionWriter;

#[cfg(test)]
pub(crate) use {
    crate::state::batch::{Batch, TooLong},
    crate::state::run::{Run, Table},
    crate::state::timer::push_timer,
    backup::{Restored, Share, begin, restore, shared_parts, take_term},
    error::ResumeError,
    layout::{discover, discover_to_use, init_on_first_use},
    parts::ExecutionNumber,
    tools::FoundState,
};
