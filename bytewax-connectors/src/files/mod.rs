//! Text files as sources and sinks.

mod beside;
mod dir_sink;
mod dir_source;
mod error;
mod fs_id;
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
pub(crate) use beside::Beside;
pub(crate) use fs_id::FsId;
#[cfg(feature = "csv")]
pub(crate) use reading::{cannot_open, check, may_block, open};
