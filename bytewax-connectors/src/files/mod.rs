//! Text files as sources and sinks.

use std::path::Path;

mod dir_sink;
mod dir_source;
mod error;
mod lines;
mod reading;
mod sink;
mod source;
mod writing;

pub use dir_sink::{ByFn, ByHash, DirSink};
pub use dir_source::DirSource;
pub use error::Error;
pub use reading::FileSourcePartition;
pub use sink::FileSink;
pub use source::FileSource;
pub use writing::FileSinkPartition;

#[cfg(feature = "csv")]
pub(crate) use reading::{check, open};

/// The name of the only partition of a source or sink of one file: its path as it was given.
pub(crate) fn partition_of(path: &Path) -> String {
    path.display().to_string()
}

/// Checks that it is this partition that is to be opened.
pub(crate) fn check_partition(path: &Path, partition: &str) -> Result<(), Error> {
    if partition == partition_of(path) {
        return Ok(());
    }
    Err(Error::UnknownPartition {
        path: path.to_owned(),
        partition: partition.to_owned(),
    })
}
