//! Copies a store while a run continues.

use std::fs;
use std::path::{Path, PathBuf};

use super::Parts;
use super::repartition::copy;
use crate::ids::Epoch;
use crate::recovery::error::Error;

/// A copy of a run's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Savepoint {
    pub(crate) dir: PathBuf,
    /// The last epoch in it.
    pub(crate) epoch: Epoch,
    pub(crate) partitions: usize,
}

/// Copies the complete epochs of the store in some directories to another directory, even while a run changes
/// the store. An execution on the copy begins after the last epoch that is complete now. An interruption
/// leaves no new store.
pub(crate) fn savepoint(dirs: &[impl AsRef<Path>], dir: &Path) -> Result<Savepoint, Error> {
    let parts = Parts::look(dirs)?;
    let epoch = Epoch(parts.resume_epoch()?.0.saturating_sub(1));
    if epoch == Epoch(0) {
        return Err(Error::NothingComplete);
    }
    fs::create_dir_all(dir).map_err(Error::io(dir, "creating its directory"))?;
    let partitions = parts.states.len() as u32;
    let copied = copy(&parts, partitions, dir)?;
    Ok(Savepoint {
        dir: dir.to_path_buf(),
        epoch,
        partitions: copied.len(),
    })
}
