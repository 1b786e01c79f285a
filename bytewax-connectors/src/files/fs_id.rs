//! Which file system files are on, and the names of partitions that follow from it.

use std::path::Path;

use super::Error;

/// What stands between the id of a file system and a path.
const SEPARATOR: &str = "::";

/// The id of a file system, for files that are not the same on all machines.
#[derive(Clone, Debug)]
pub(crate) struct FsId(Option<String>);

impl FsId {
    /// For files that are the same on all machines.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn new(id: String) -> Self {
        Self(Some(id))
    }

    /// The name of the partition of a file: its path as it was given, behind the id.
    pub(crate) fn partition(&self, path: &Path) -> Result<String, Error> {
        match &self.0 {
            None => Ok(path.display().to_string()),
            Some(id) if id.contains(SEPARATOR) => Err(Error::FsId { id: id.clone() }),
            Some(id) => Ok(format!("{id}{SEPARATOR}{}", path.display())),
        }
    }

    /// The path in the name of a partition; none if it is on another file system.
    pub(crate) fn path<'a>(&self, partition: &'a str) -> Option<&'a str> {
        match &self.0 {
            None => Some(partition),
            Some(id) => partition.strip_prefix(id.as_str())?.strip_prefix(SEPARATOR),
        }
    }

    /// Checks that a partition is that of a file.
    pub(crate) fn check(&self, path: &Path, partition: &str) -> Result<(), Error> {
        if self.partition(path)? == partition {
            return Ok(());
        }
        Err(Error::UnknownPartition {
            path: path.to_owned(),
            partition: partition.to_owned(),
        })
    }
}
