//! Text files as sources.

mod error;
mod lines;
mod source;

pub use error::Error;
pub use source::{FileSource, FileSourcePartition};
