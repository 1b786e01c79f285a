//! Recovery directories: creating and finding partition files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Leftovers};
use super::error::Error;
use super::lock::Lock;
use super::parts::{Meta, PartitionIndex, PartitionState};
use super::sql::Db;

/// The extension of partition files; the rest of the name does not matter.
pub(super) const EXTENSION: &str = "sqlite3";

/// A partition file that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionFile {
    pub(crate) file: PathBuf,
    pub(crate) meta: Meta,
}

impl PartitionFile {
    /// Reads everything that a resume needs from this partition, which the cluster has locked.
    pub(crate) fn state(&self) -> Result<PartitionState, Error> {
        let state = Db::open_to_read(&self.file)?.state()?;
        if state.meta == self.meta {
            return Ok(state);
        }
        let file = self.file.clone();
        Err(Error::Replaced { file })
    }
}

/// Creates a store: `part-0.sqlite3` and so on, in an existing directory without partitions.
pub(crate) fn init(dir: &Path, partitions: u32, flow: &str) -> Result<Vec<PartitionFile>, Error> {
    let lock = Lock::to_make(&[dir])?;
    Draft::begin(dir, lock, partitions, flow)?.publish()
}

/// Creates a store in the first of some directories, which itself is created if it is missing, unless one of
/// them has partitions.
pub(crate) fn init_on_first_use(
    dirs: &[impl AsRef<Path>],
    partitions: u32,
    flow: &str,
) -> Result<(), Error> {
    let Some(first) = dirs.first().map(AsRef::as_ref) else {
        return Ok(());
    };
    fs::create_dir_all(first).map_err(Error::io(first, "making the directory"))?;
    let dirs = existing(dirs);
    let locks = Lock::to_make(&dirs)?;
    dirs.iter().try_for_each(|dir| Leftovers::repair(dir))?;
    if list(&dirs)?.is_empty() {
        Draft::begin(first, locks, partitions, flow)?.publish()?;
    }
    Ok(())
}

/// Those of some directories that exist.
pub(super) fn existing(dirs: &[impl AsRef<Path>]) -> Vec<&Path> {
    let dirs = dirs.iter().map(AsRef::as_ref);
    dirs.filter(|dir| dir.exists()).collect()
}

/// Finds the partitions in some directories, for reading only.
///
/// Refuses an incomplete store, because a reader changes nothing.
pub(crate) fn discover(dirs: &[impl AsRef<Path>]) -> Result<Vec<PartitionFile>, Error> {
    for dir in dirs.iter().map(AsRef::as_ref) {
        if Leftovers::of(dir)?.is_half_made()? {
            let dir = dir.to_path_buf();
            return Err(Error::HalfMade { dir });
        }
    }
    list(dirs)
}

/// Finds the partitions in some directories, to lock and use them.
///
/// Waits for partitions under construction, and completes or removes the leftovers of an interrupted
/// creation.
pub(crate) fn discover_to_use(dirs: &[impl AsRef<Path>]) -> Result<Vec<PartitionFile>, Error> {
    for dir in dirs.iter().map(AsRef::as_ref) {
        if !Leftovers::of(dir)?.is_empty() {
            let _lock = Lock::to_make(&[dir])?;
            Leftovers::repair(dir)?;
        }
    }
    let _locks = Lock::to_look(dirs)?;
    list(dirs)
}

/// The partitions in some directories, in order of their index.
pub(super) fn list(dirs: &[impl AsRef<Path>]) -> Result<Vec<PartitionFile>, Error> {
    let mut found: BTreeMap<PartitionIndex, PartitionFile> = BTreeMap::new();
    for dir in dirs {
        for file in files_with(dir.as_ref(), EXTENSION)? {
            // The same directory may be given twice, by two names.
            let resolved = file.canonicalize();
            let part = read(&resolved.map_err(Error::io(&file, "resolving its name"))?)?;
            let (index, file) = (part.meta.index, part.file.clone());
            let former = found.insert(index, part);
            if let Some(former) = former.filter(|former| former.file != file) {
                return Err(Error::Duplicate {
                    index,
                    first: former.file,
                    second: file,
                });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Reads the metadata of a file.
pub(super) fn read(file: &Path) -> Result<PartitionFile, Error> {
    Ok(PartitionFile {
        file: file.to_path_buf(),
        meta: Db::open_to_read(file)?.meta()?,
    })
}

/// The files in a directory that have an extension, by name.
pub(super) fn files_with(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|cause| Error::directory(dir)(cause))? {
        let file = entry.map_err(|cause| Error::directory(dir)(cause))?.path();
        if file.extension().is_some_and(|found| found == extension) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the path of a partition with this index.
pub(super) fn partition_path(dir: &Path, index: PartitionIndex) -> PathBuf {
    dir.join(format!("part-{index}.{EXTENSION}"))
}

/// Returns the file name with an additional extension.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Removes a file that is not needed.
pub(super) fn remove_if_there(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(file, "removing an unfinished partition")(cause))
        }
        _ => Ok(()),
    }
}
