//! A sink of JSON lines.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::sink::SinglePartitionSink;
use serde::Serialize;

use crate::files::{Compression, FileSinkPartition, JsonLines, partition};

/// Writes the items of a stream to one file, each as a line of JSON, exactly once.
///
/// Items are of any type that serde can write. In all else the file is written as by a
/// [`FileSink`](crate::files::FileSink).
///
/// # Examples
///
/// ```
/// use bytewax_connectors::json::JsonLinesSink;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Sale {
///     shop: String,
///     cents: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sales.jsonl");
/// let flow = Dataflow::build("sales", |flow| {
///     let sales = [Sale { shop: "Graz".to_owned(), cents: 150 }];
///     let sales = flow.input(TestingSource::new(sales)).named("sales");
///     sales.output(JsonLinesSink::new(&path)).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"shop\":\"Graz\",\"cents\":150}\n");
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// That of a [`FileSink`](crate::files::FileSink): exactly once.
///
/// # Limits
///
/// Those of a [`FileSink`](crate::files::FileSink).
///
/// # Errors
///
/// A value that is not to be said in JSON, such as a map whose keys are no text, stops the run. Other
/// errors are those of a [`FileSink`](crate::files::FileSink).
///
/// # State
///
/// That of a [`FileSink`](crate::files::FileSink).
#[derive(Clone, Debug)]
#[must_use]
pub struct JsonLinesSink {
    path: PathBuf,
    compression: Option<Compression>,
}

impl JsonLinesSink {
    /// A sink of the file at this path. The file is not looked at before the run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            compression: None,
        }
    }

    /// How the file is compressed. Unless set, its name says it: one that ends in `.gz`, `.zst`, `.bz2` or
    /// `.xz` is, which needs the feature `gzip`, `zstd`, `bzip2` or `xz`.
    ///
    /// What is written in an epoch is compressed by itself, so that the file is whole after each, and can be
    /// cut back to it. Very short epochs compress badly.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }
}

impl<T: Serialize> SinglePartitionSink<T, Transactional> for JsonLinesSink {
    type Position = u64;
    type Partition = FileSinkPartition<JsonLines>;

    fn partition(&self) -> Result<String, StepError> {
        Ok(partition(&self.path)?)
    }

    fn open(&self, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        Ok(FileSinkPartition::open(
            &self.path,
            self.compression,
            JsonLines,
            resume,
        )?)
    }
}
