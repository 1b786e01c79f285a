//! The errors of a store and their messages.

use std::error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::backup::BackupError;
use super::parts::{ExecutionNumber, PartitionCount, PartitionIndex, StoreId};
use crate::error::{RunError, RunErrorKind};
use crate::ids::Epoch;
use crate::state::batch::TooLong;

type Cause = Box<dyn error::Error + Send + Sync>;

/// The reason why the store, or one of its partitions, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "the recovery directory `{}` does not exist; create it, or name the right one",
        dir.display()
    )]
    NoDirectory { dir: PathBuf },
    #[error("`{}` is not a directory; name the right recovery directory", dir.display())]
    NotADirectory { dir: PathBuf },
    #[error(
        "a store has from 1 to 4096 partitions, not {count}; take the most workers that will ever \
         run, or more"
    )]
    Count { count: u32 },
    #[error(
        "`{}` is already a recovery partition, nothing was changed; run the flow on it, or use an \
         empty directory",
        file.display()
    )]
    AlreadyInitialised { file: PathBuf },
    #[error(
        "`{}` is not a recovery partition; move it out of the recovery directory, or name the \
         right directory",
        file.display()
    )]
    Foreign {
        file: PathBuf,
        #[source]
        cause: Option<Cause>,
    },
    #[error(
        "`{}` has store format {found}, this program knows up to {known}; it was written by a \
         newer release. Run that release, or start a fresh recovery store",
        file.display()
    )]
    NewerFormat {
        file: PathBuf,
        found: u32,
        known: u32,
    },
    #[error(
        "`{}` and `{}` are both partition {index}; remove the one that is a stale copy",
        first.display(),
        second.display()
    )]
    Duplicate {
        index: PartitionIndex,
        first: PathBuf,
        second: PathBuf,
    },
    #[error(
        "`{}` is in use by another process; stop that run of the flow first",
        file.display()
    )]
    Locked { file: PathBuf },
    #[error(
        "`{}` was replaced by another partition while it was opened; start again",
        file.display()
    )]
    Replaced { file: PathBuf },
    #[error(
        "the store in `{}` is half made: somebody is making it, or was interrupted; wait, or run the \
         flow on it to finish it, or make it again",
        dir.display()
    )]
    HalfMade { dir: PathBuf },
    #[error(
        "`{}`: the disk is full while {doing}; free some space and run the flow again, it resumes \
         from the last completed epoch",
        file.display()
    )]
    DiskFull {
        file: PathBuf,
        doing: &'static str,
        #[source]
        cause: Cause,
    },
    #[error(
        "`{}`: no access while {doing}; make the file, its directory and its disk writable for \
         this user",
        file.display()
    )]
    ReadOnly {
        file: PathBuf,
        doing: &'static str,
        #[source]
        cause: Cause,
    },
    #[error(
        "`{}`: this process may not open more files while {doing}; raise its limit (`ulimit -n`) to ten \
         for each recovery partition and more for all else, or use more processes",
        file.display()
    )]
    TooManyFiles {
        file: PathBuf,
        doing: &'static str,
        #[source]
        cause: Cause,
    },
    #[error(
        "`{}` is damaged: {what}; restore all partitions from a backup, or start a fresh recovery \
         store",
        file.display()
    )]
    Damaged {
        file: PathBuf,
        what: String,
        #[source]
        cause: Option<Cause>,
    },
    #[error(
        "`{}` was lost while the flow ran: {how}, so nothing more can be saved in it; bring the file \
         back, or mount its volume again, and run the flow again: it resumes from the last epoch that \
         the files hold",
        file.display()
    )]
    Vanished { file: PathBuf, how: &'static str },
    #[error(
        "there is nothing to resume: {what}; mount or name the place that holds the state of the \
         flow, or run with `--resume=allow` to begin anew"
    )]
    NothingToResume { what: String },
    #[error(
        "there is something to resume: `{}` holds what execution {execution} has saved, and \
         `--resume=never` refuses to go on from it; name another place, or omit `--resume`",
        file.display()
    )]
    SomethingToResume {
        file: PathBuf,
        execution: ExecutionNumber,
    },
    #[cfg(any(test, feature = "serve"))]
    #[error(
        "no epoch is complete yet, so there is nothing to save; retry after `--snapshot-interval`"
    )]
    NothingComplete,
    #[cfg(any(test, feature = "serve"))]
    #[error("another savepoint is in progress; retry when it is complete")]
    SavepointInProgress,
    #[cfg(any(test, feature = "serve"))]
    #[error(
        "not all processes take part in the savepoint, because the run has ended or is only starting; make it again"
    )]
    RunEnded,
    #[cfg(any(test, feature = "serve"))]
    #[error("process {process} failed to take part in the savepoint: {text}")]
    OfProcess { process: usize, text: String },
    #[cfg(any(test, feature = "serve"))]
    #[error("the savepoint `{place}` exists; give the new one another name")]
    SavepointExists { place: String },
    #[cfg(any(test, feature = "serve"))]
    #[error(
        "the savepoint `{place}` exists, but partitions of it are missing; bring them back, or remove it, or give the \
         new one another name"
    )]
    SavepointIncomplete { place: String },
    #[error("`{}`: an input or output error while {doing}; look at the disk", file.display())]
    Io {
        file: PathBuf,
        doing: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("`{}`: the database failed while {doing}", file.display())]
    Database {
        file: PathBuf,
        doing: &'static str,
        #[source]
        cause: Cause,
    },
    #[error(
        "the store has no step `{step}`; the steps with saved state are {}",
        List(known)
    )]
    UnknownStep { step: String, known: Vec<String> },
    #[error(
        "state was sent to a writer that does not own its partition; this is a defect of the \
         runtime, please report it"
    )]
    Misrouted,
    #[error("the thread that writes the recovery store could not be started")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl Error {
    pub(super) fn io(file: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_path_buf();
        move |cause| match cause.kind() {
            _ if is_too_many_files(&cause) => Self::TooManyFiles {
                file,
                doing,
                cause: cause.into(),
            },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                file,
                doing,
                cause: cause.into(),
            },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly {
                file,
                doing,
                cause: cause.into(),
            },
            io::ErrorKind::NotADirectory => Self::NotADirectory { dir: file },
            _ => Self::Io { file, doing, cause },
        }
    }

    /// Wraps the error of listing or finding a directory.
    pub(super) fn directory(dir: &Path) -> impl FnOnce(io::Error) -> Self {
        let dir = dir.to_path_buf();
        move |cause| match cause.kind() {
            io::ErrorKind::NotFound => Self::NoDirectory { dir },
            _ => Self::io(&dir, "listing the directory")(cause),
        }
    }

    pub(super) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_path_buf(),
            what: what.into(),
            cause: None,
        }
    }
}

/// Whether no more files can be opened: by this process (EMFILE) or on the whole machine (ENFILE). The
/// numbers are the same on all systems of the Unix family, and the kind has no name of its own.
pub(super) fn is_too_many_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let failed = Self::new(RunErrorKind::Recovery, text);
        match error {
            Error::Foreign { cause, .. } | Error::Damaged { cause, .. } => match cause {
                Some(cause) => failed.caused_by(cause),
                None => failed,
            },
            Error::DiskFull { cause, .. }
            | Error::ReadOnly { cause, .. }
            | Error::TooManyFiles { cause, .. }
            | Error::Database { cause, .. } => failed.caused_by(cause),
            Error::Io { cause, .. }
            | Error::Thread(cause)
            | Error::Backup(BackupError::Io { cause, .. }) => failed.caused_by(cause),
            _ => failed,
        }
    }
}

/// The reason why the partitions cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error(
        "no recovery partition was found on any process; make a store with `recovery init`, or \
         name the directory that holds it"
    )]
    NoPartitions,
    #[error(
        "of {count} recovery partitions, these are missing on all processes: {}; bring the files \
         back to a recovery directory of any process",
        List(indices)
    )]
    Missing {
        indices: Vec<PartitionIndex>,
        count: PartitionCount,
    },
    #[error(
        "partition {index} is on two processes or in two directories, as `{}` and `{}`; remove \
         the one that is a stale copy",
        first.display(),
        second.display()
    )]
    Duplicate {
        index: PartitionIndex,
        first: PathBuf,
        second: PathBuf,
    },
    #[error(
        "recovery partitions disagree: `{}` is of a store of {first_count}, `{}` of one of \
         {second_count}; use the partitions of one store only",
        first.display(),
        second.display()
    )]
    CountsDisagree {
        first: PathBuf,
        first_count: PartitionCount,
        second: PathBuf,
        second_count: PartitionCount,
    },
    #[error(
        "`{}` is of recovery store {first_store}, `{}` of store {second_store}; use the \
         partitions of one store only",
        first.display(),
        second.display()
    )]
    MixedStores {
        first: PathBuf,
        first_store: StoreId,
        second: PathBuf,
        second_store: StoreId,
    },
    #[error(
        "`{}` holds the state of flow `{stored}`, this is flow `{running}`; use another recovery \
         directory, or give the flow its old name",
        file.display()
    )]
    OtherFlow {
        file: PathBuf,
        stored: String,
        running: String,
    },
    #[error(
        "recovery partitions do not fit together: {} would resume at epoch {resume}, but {} can \
         no longer resume before epoch {oldest}; restore newer files of the first, or files of \
         all partitions from the same backup",
        Files(behind),
        Files(ahead)
    )]
    Inconsistent {
        /// The latest resume epoch of the partitions that are too old.
        resume: Epoch,
        /// The earliest resume epoch of the newer partitions.
        oldest: Epoch,
        behind: Vec<PathBuf>,
        ahead: Vec<PathBuf>,
    },
    #[error(
        "recovery partitions have parted ways: `{}` and `{}` know different executions under the \
         number {number}; restore the files of all partitions from the same backup",
        first.display(),
        second.display()
    )]
    PartedWays {
        number: ExecutionNumber,
        first: PathBuf,
        second: PathBuf,
    },
}

/// Displays its items with commas between them.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, item) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

struct Files<'a>(&'a [PathBuf]);

impl fmt::Display for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self
            .0
            .iter()
            .map(|file| format!("`{}`", file.display()))
            .collect();
        List(&files).fmt(f)
    }
}
