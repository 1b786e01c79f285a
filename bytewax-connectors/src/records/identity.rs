//! Which file it is that a path leads to.

use std::fs::Metadata;

/// The device and the number of a file on it, by which it is known whatever its name is. Numbers are
/// given again when files are removed, so what is in the file is looked at too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) number: u64,
}

impl FileId {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            number: metadata.ino(),
        }
    }

    /// Elsewhere files are known by what is in them alone.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Self {
        Self::default()
    }
}
