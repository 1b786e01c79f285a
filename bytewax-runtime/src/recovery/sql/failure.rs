//! Translates errors of the database into errors of the store.

use std::fs::File;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::Db;
use crate::recovery::error::{Error, is_too_many_files};

/// Adds the file and the operation to an error of the database.
pub(super) trait Doing<T> {
    fn doing(self, db: &Db, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, db: &Db, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| failure(&db.file, doing, cause))
    }
}

pub(super) fn failure(file: &Path, doing: &'static str, cause: rusqlite::Error) -> Error {
    // First, since each later call of the system may replace it.
    let system = io::Error::last_os_error();
    let file = file.to_path_buf();
    let cause_of = |cause| Box::new(cause);
    match cause.sqlite_error_code() {
        // The database reports only that it cannot open a file. The system's own error is what its last call
        // left behind, as in `sqlite3_system_errno`, unless the database has made others since.
        Some(ErrorCode::CannotOpen) if is_too_many_files(&system) || are_few_left() => {
            Error::TooManyFiles {
                file,
                doing,
                cause: cause_of(cause),
            }
        }
        Some(ErrorCode::DiskFull) => Error::DiskFull {
            file,
            doing,
            cause: cause_of(cause),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::ReadOnly {
                file,
                doing,
                cause: cause_of(cause),
            }
        }
        Some(ErrorCode::NotADatabase) => Error::Foreign {
            file,
            cause: Some(cause_of(cause)),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { file },
        Some(ErrorCode::DatabaseCorrupt) => Error::Damaged {
            file,
            what: "the database is malformed".to_owned(),
            cause: Some(cause_of(cause)),
        },
        _ => Error::Database {
            file,
            doing,
            cause: cause_of(cause),
        },
    }
}

/// More files than the databases of a few threads close before they report that they cannot open one: each
/// its own, its log, the index of the log, and a directory.
const CLOSED: usize = 16;

/// Whether this process cannot open that many files.
fn are_few_left() -> bool {
    let mut open = Vec::with_capacity(CLOSED);
    (0..CLOSED).any(|_| match File::open("/dev/null") {
        Ok(file) => {
            open.push(file);
            false
        }
        Err(error) => is_too_many_files(&error),
    })
}
