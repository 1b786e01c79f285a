//! The errors of a backup and their messages.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::super::parts::StoreId;
use crate::ids::Epoch;

/// The reason why a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(
        "the backup failed while {doing} `{name}`; mend the access to it and run the flow again, it \
         resumes from the last epoch that the backup holds"
    )]
    Io {
        doing: &'static str,
        name: String,
        #[source]
        cause: io::Error,
    },
    #[error(
        "`{name}` is missing in the backup; bring it back from a copy of the backup, or, when another \
         run of the flow is using the backup, stop that run first"
    )]
    Missing { name: String },
    #[error(
        "`{name}` in the backup is damaged: {what}; bring it back from a copy of the backup, or move \
         the backup away and run the flow with its local directory on an empty one"
    )]
    Damaged { name: String, what: String },
    #[error(
        "`{name}` is not an object of a backup: {what}; move it away, or name the right backup"
    )]
    Foreign { name: String, what: &'static str },
    #[error(
        "`{name}` in the backup has format {found}, this program knows up to {known}; it was written \
         by a newer release. Run that release, or use another backup"
    )]
    NewerFormat {
        name: String,
        found: u32,
        known: u32,
    },
    #[error(
        "the backup holds nothing of flow `{flow}`; name the backup that does, or give the name of \
         the flow as it is in the program"
    )]
    Empty { flow: String },
    #[error(
        "`{name}` was written to the backup by another run of the flow; stop that run, then run \
         this one again"
    )]
    Conflict { name: String },
    #[error(
        "another run of the flow has taken over the backup at {begun_at} (`{name}`), so nothing more \
         that this one does is saved; let one of the two run, it goes on from the last epoch that is \
         saved"
    )]
    TakenOver {
        name: String,
        begun_at: DateTime<Utc>,
    },
    #[error(
        "`{name}`, which this run has stored, is gone: the backup was removed, emptied or replaced \
         while the flow ran; bring it back, or leave its place empty, and run the flow again: an \
         empty backup is begun anew with the partitions in the local directory of the first process, but not \
         with `--resume=require`"
    )]
    Lost { name: String },
    #[error(
        "the backup holds nothing of flow `{flow}`, and of {count} partitions only {found} are in \
         `{}`; bring the backup back, or bring the partitions in the local directories of all \
         machines together in this one",
        dir.display()
    )]
    Partial {
        flow: String,
        dir: PathBuf,
        found: usize,
        count: u32,
    },
    #[error(
        "the backup holds nothing of flow `{flow}`, but the partitions in `{}` hold its state, and \
         `--resume=require` begins no backup; mount or name the backup of the flow, or, to begin a new \
         one with these partitions, run once with `--resume=allow`",
        dir.display()
    )]
    Unbegun { flow: String, dir: PathBuf },
    #[error(
        "`{}` holds complete epochs up to {local}, but the backup only up to {backup}, so it is another \
         backup or an old copy; mount or name the backup that the last run has used. To go back to epoch \
         {backup}, remove the local partitions of all processes; to keep the later epochs, run once with \
         `--resume=allow` on an empty backup",
        file.display()
    )]
    Behind {
        file: PathBuf,
        local: Epoch,
        backup: Epoch,
    },
    #[error(
        "`{}` is of recovery store {local}, the backup holds store {backup} of this flow; name the \
         backup of this directory, or use an empty directory",
        file.display()
    )]
    OtherStore {
        file: PathBuf,
        local: StoreId,
        backup: StoreId,
    },
}

impl BackupError {
    pub(super) fn io(doing: &'static str, name: &str, cause: io::Error) -> Self {
        Self::Io {
            doing,
            name: name.to_owned(),
            cause,
        }
    }

    pub(super) fn damaged(name: &str, what: impl Into<String>) -> Self {
        Self::Damaged {
            name: name.to_owned(),
            what: what.into(),
        }
    }
}
