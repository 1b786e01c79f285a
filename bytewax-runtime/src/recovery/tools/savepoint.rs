//! Copying a store while a run goes on.

use std::fs;
use std::path::{Path, PathBuf};

use super::Parts;
use super::repartition::copy;
use crate::ids::Epoch;
use crate::recovery::error::Error;

/// A store that was copied from that of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Savepoint {
    pub(crate) dir: PathBuf,
    /// The last epoch that is in it.
    pub(crate) epoch: Epoch,
    pub(crate) partitions: usize,
}

/// Copies what is complete of the store in some directories to another directory, also while a run changes it. An execution on the
/// copy begins behind the last epoch that is complete now. When it is interrupted, no new store is there.
pub(crate) fn savepoint(dirs: &[impl AsRef<Path>], dir: &Path) -> Result<Savepoint, Error> {
    let parts = Parts::look(dirs)?;
    let epoch = Epoch(parts.resume_epoch()?.0.saturating_sub(1));
    if epoch == Epoch(0) {
        return Err(Error::NothingComplete);
    }
    fs::create_dir_all(dir).map_err(Error::io(dir, "making its directory"))?;
    let partitions = parts.states.len() as u32;
    let copied = copy(&parts, partitions, dir)?;
    Ok(Savepoint {
        dir: dir.to_path_buf(),
        epoch,
        partitions: copied.len(),
    })
}
