//! A sink of JSON Lines.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::sink::SinglePartitionSink;
use serde::Serialize;

use crate::files::{Compression, FileSinkPartition, JsonLines, partition};

/// Writes the items of a stream to one file, each as a line of JSON, exactly once.
///
/// Items may have any type that serde can serialize. Otherwise the file is written as by a
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
/// A value without a JSON form, such as a map whose keys are not text, stops the run. Other errors are those
/// of a [`FileSink`](crate::files::FileSink).
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
    /// Creates a sink for the file at this path. Nothing is opened before the run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            compression: None,
        }
    }

    /// Sets the compression of the file. By default, the extension determines it: `.gz`, `.zst`, `.bz2` or
    /// `.xz`, which needs the feature `gzip`, `zstd`, `bzip2` or `xz`.
    ///
    /// Each epoch is compressed separately, so the file is complete after each, and can be truncated to it.
    /// Very short epochs compress badly.
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
