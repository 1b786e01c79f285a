//! Making a whole store from a backup.

use std::path::Path;
use std::sync::Arc;

use crate::ids::Epoch;
use crate::recovery::backup::{Backup, Share, restore};
use crate::recovery::error::Error;
use crate::recovery::resume::resume;

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestoredInfo {
    pub(crate) partitions: usize,
    /// Where the next execution would begin.
    pub(crate) resume: Epoch,
}

/// Makes all partitions of a flow in a directory what a backup says they are.
pub(crate) fn restore_all(
    backup: &Arc<dyn Backup>,
    dir: &Path,
    flow: &str,
) -> Result<RestoredInfo, Error> {
    let parts = restore(backup, dir, flow, Share::ALL)?.parts;
    let states: Vec<_> = parts
        .iter()
        .map(|part| part.state())
        .collect::<Result<_, _>>()?;
    Ok(RestoredInfo {
        partitions: parts.len(),
        resume: resume(&states)?.epoch,
    })
}
