//! Restores a whole store from a backup.

use std::path::Path;
use std::sync::Arc;

use crate::ids::Epoch;
use crate::recovery::backup::{Backup, Share, restore, shared_parts};
use crate::recovery::error::Error;
use crate::recovery::lock::{LockedPartition, lock_all};
use crate::recovery::resume::resume;

/// The result of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestoredInfo {
    pub(crate) partitions: usize,
    /// The epoch with which the next execution would begin.
    pub(crate) resume: Epoch,
}

/// Restores all partitions of a flow in a directory to the state that a backup records.
pub(crate) fn restore_all(
    backup: &Arc<dyn Backup>,
    dir: &Path,
    flow: &str,
) -> Result<RestoredInfo, Error> {
    let parts = lock_all(shared_parts(&**backup, dir, flow, Share::ALL)?)?;
    let parts = restore(backup, flow, parts)?.parts;
    let states = parts.iter().map(LockedPartition::state);
    let states: Vec<_> = states.collect::<Result<_, _>>()?;
    Ok(RestoredInfo {
        partitions: parts.len(),
        resume: resume(&states)?.epoch,
    })
}
