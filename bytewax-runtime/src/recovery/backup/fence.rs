//! Writes to a backup as long as no other run has taken it over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::compact::Compaction;
use super::log::Names;
use super::term::Term;
use super::{Backup, BackupError, put_once};
use crate::recovery::error::Error;

/// The number of objects that are written to the backup concurrently.
const AT_ONCE: usize = 8;

/// A backup, and the right to write to it.
pub(super) struct Fence {
    backup: Arc<dyn Backup>,
    names: Names,
    term: Term,
}

impl Fence {
    pub(super) fn new(backup: Arc<dyn Backup>, names: Names, term: Term) -> Self {
        Self {
            backup,
            names,
            term,
        }
    }

    /// Stores the segments of an epoch. Afterwards, every run that takes over will find them.
    pub(super) fn upload(&self, segments: &[Vec<(String, Vec<u8>)>]) -> Result<(), BackupError> {
        // Write nothing to the place of a removed backup.
        self.term.check_present(&*self.backup, &self.names)?;
        upload(&*self.backup, segments)?;
        self.term.check(&*self.backup, &self.names)
    }

    /// Runs a part of a compaction.
    pub(super) fn compact(&self, compaction: &mut Compaction) -> Result<bool, Error> {
        self.term.check(&*self.backup, &self.names)?;
        compaction.do_some(&*self.backup)
    }
}

/// Stores the segments of all partitions, those of each partition in order.
fn upload(backup: &dyn Backup, segments: &[Vec<(String, Vec<u8>)>]) -> Result<(), BackupError> {
    let next = AtomicUsize::new(0);
    let some = || {
        while let Some(segments) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
            for (name, bytes) in segments {
                put_once(backup, name, bytes)?;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..AT_ONCE.min(segments.len()))
            .map(|_| scope.spawn(some))
            .collect();
        let mut done = some();
        for other in others {
            let panicked = |_| {
                let cause = std::io::ErrorKind::Other.into();
                BackupError::io("writing", "segments", cause)
            };
            done = done.and(other.join().unwrap_or_else(|cause| Err(panicked(cause))));
        }
        done
    })
}
