//! Text files as sources and sinks.

mod dir_sink;
mod encode;
mod error;
mod fs_id;
mod growing;
mod sink;
mod source;
mod source_macro;
mod writing;

pub use dir_sink::{ByFn, ByHash, DirSink};
pub use error::Error;
pub use growing::{Followed, Watched};
pub use sink::FileSink;
pub use source::{DirSource, FileSource};
pub use writing::FileSinkPartition;

pub use crate::records::{
    Answer, BadRecord, Compression, FilePartition, FilePosition, FollowPosition, GrowingPartition,
    InvalidUtf8, Results, Strict, TooLong, Unended, WatchPosition,
};

#[cfg(feature = "csv")]
pub(crate) use encode::CsvRows;
#[cfg(feature = "json")]
pub(crate) use encode::JsonLines;
pub(crate) use fs_id::FsId;
#[cfg(any(feature = "csv", feature = "json"))]
pub(crate) use {sink::partition, source_macro::file_source};
