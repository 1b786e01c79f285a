//! One cluster at a time works on a partition.
//!
//! **Lock all partitions of a store, and keep them locked, before you read anything that you act upon.** Code
//! that changes a partition, or decides by its contents, holds it as a [`LockedPartition`].
//!
//! All users lock the partitions of a store in the order of their indices, and release all if one is
//! unavailable. Of two that start at once, the one that locks partition 0 therefore locks all. In a cluster,
//! the worker of partition 0 locks it before the others lock theirs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::layout::PartitionFile;
use super::parts::{Meta, PartitionState};
use super::reader::PartitionReader;
use super::writer::PartitionWriter;

/// How long to wait for a lock that is held. A killed process may still be exiting when the program is
/// restarted, and a program that it was just starting shares its files for a moment.
const WAIT: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);

/// A lock of the operating system on a file beside the locked one.
///
/// The system releases it when the process ends, in any way. The empty file stays: removing it while another
/// process waits to lock it would let both in.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Whether others may have the same lock.
#[derive(Clone, Copy)]
enum Mode {
    Alone,
    Shared,
}

impl Lock {
    /// Locks a partition: the lock of `part-0.sqlite3` is on `part-0.lock`, and so is that of its draft.
    pub(super) fn partition(partition: &Path) -> Result<Self, Error> {
        Self::take(partition, &partition.with_extension("lock"), Mode::Alone)
    }

    /// Locks directories to create partitions in them.
    pub(super) fn to_make(dirs: &[impl AsRef<Path>]) -> Result<Vec<Self>, Error> {
        Self::directories(dirs, Mode::Alone)
    }

    /// Locks directories to search for partitions, while none is created.
    pub(super) fn to_look(dirs: &[impl AsRef<Path>]) -> Result<Vec<Self>, Error> {
        Self::directories(dirs, Mode::Shared)
    }

    /// Locks them in one order, regardless of the given order.
    fn directories(dirs: &[impl AsRef<Path>], mode: Mode) -> Result<Vec<Self>, Error> {
        let resolve = |dir: &Path| {
            let resolved = dir.canonicalize().map_err(Error::directory(dir))?;
            if resolved.is_dir() {
                return Ok(resolved);
            }
            let dir = dir.to_path_buf();
            Err(Error::NotADirectory { dir })
        };
        let dirs = dirs.iter().map(|dir| resolve(dir.as_ref()));
        let mut dirs: Vec<PathBuf> = dirs.collect::<Result<_, _>>()?;
        dirs.sort_unstable();
        dirs.dedup();
        dirs.iter()
            .map(|dir| Self::take(dir, &dir.join("init.lock"), mode))
            .collect()
    }

    fn take(subject: &Path, path: &Path, mode: Mode) -> Result<Self, Error> {
        let start = Instant::now();
        loop {
            let mut options = OpenOptions::new();
            let opened = options.write(true).create(true).truncate(false).open(path);
            let file = opened.map_err(Error::io(path, "opening its lock"))?;
            let locked = match mode {
                Mode::Alone => file.try_lock(),
                Mode::Shared => file.try_lock_shared(),
            };
            match locked {
                Ok(()) if is_at(&file, path).map_err(Error::io(path, "locking it"))? => {
                    return Ok(Self { _file: file });
                }
                // The file was removed: others would lock another one.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(cause)) => {
                    return Err(Error::io(path, "locking it")(cause));
                }
            }
            if start.elapsed() >= WAIT {
                return Err(Error::Locked {
                    file: subject.to_path_buf(),
                });
            }
            thread::sleep(TURN);
        }
    }
}

/// Whether a file still has its name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// A partition that no other process changes as long as this lives.
#[derive(Debug)]
pub(crate) struct LockedPartition {
    part: PartitionFile,
    lock: Lock,
}

impl PartitionFile {
    /// Locks the partition. Those of a store are locked by [`lock_all`], or in its order.
    pub(crate) fn lock(self) -> Result<LockedPartition, Error> {
        let lock = Lock::partition(&self.file)?;
        Ok(LockedPartition { part: self, lock })
    }
}

/// Locks all of some partitions, or none, in the order of their indices.
pub(crate) fn lock_all(mut parts: Vec<PartitionFile>) -> Result<Vec<LockedPartition>, Error> {
    parts.sort_by_key(|part| part.meta.index);
    parts.into_iter().map(PartitionFile::lock).collect()
}

impl LockedPartition {
    pub(super) fn new(part: PartitionFile, lock: Lock) -> Self {
        Self { part, lock }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.part.file
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.part.meta
    }

    /// Returns everything that a resume needs from it.
    pub(crate) fn state(&self) -> Result<PartitionState, Error> {
        self.part.state()
    }

    pub(crate) fn reader(&self) -> Result<PartitionReader, Error> {
        PartitionReader::open(&self.part.file)
    }

    /// Passes the lock to a writer.
    pub(crate) fn writer(self) -> Result<PartitionWriter, Error> {
        PartitionWriter::open(&self.part.file, self.lock)
    }

    pub(super) fn into_parts(self) -> (PartitionFile, Lock) {
        (self.part, self.lock)
    }
}
