//! One cluster at a time writes a partition.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;

/// How long a lock that is held is waited for. A process that was killed may still be on its way
/// out when the program is started again, and a program that it was just starting shares its files
/// for a moment.
const WAIT: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);

/// An exclusive lock of the operating system on a file beside the partition.
///
/// The system releases it when the process ends, however it ends. The empty file stays: removing
/// it while another process waits to lock it would let two of them in.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a partition: the lock of `part-0.sqlite3` is on `part-0.lock`.
    pub(super) fn partition(partition: &Path) -> Result<Self, Error> {
        Self::take(partition, &partition.with_extension("lock"))
    }

    /// Locks a directory while partitions are made in it.
    pub(super) fn directory(dir: &Path) -> Result<Self, Error> {
        Self::take(dir, &dir.join("init.lock"))
    }

    fn take(subject: &Path, path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(Error::io(path, "opening its lock"))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if start.elapsed() < WAIT => thread::sleep(TURN),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked {
                        file: subject.to_path_buf(),
                    });
                }
                Err(TryLockError::Error(cause)) => {
                    return Err(Error::io(path, "locking it")(cause));
                }
            }
        }
    }
}
