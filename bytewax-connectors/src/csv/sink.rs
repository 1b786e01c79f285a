//! A sink of CSV rows.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::sink::SinglePartitionSink;
use serde::Serialize;

use crate::files::{Compression, CsvRows, FileSinkPartition, partition};

/// Writes the items of a stream to one CSV file, each as a row, exactly once.
///
/// Items may have any type that serde can serialize as a row: structs and tuples of numbers, text and options
/// of them. For structs, the first row contains the names of the fields. Otherwise the file is written as by
/// a [`FileSink`](crate::files::FileSink).
///
/// # Examples
///
/// ```
/// use bytewax_connectors::csv::CsvSink;
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
/// # let path = directory.path().join("sales.csv");
/// let flow = Dataflow::build("sales", |flow| {
///     let sales = [Sale { shop: "Wien, Mitte".to_owned(), cents: 150 }];
///     let sales = flow.input(TestingSource::new(sales)).named("sales");
///     sales.output(CsvSink::new(&path)).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "shop,cents\n\"Wien, Mitte\",150\n");
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// That of a [`FileSink`](crate::files::FileSink): exactly once, including the header row.
///
/// # Limits
///
/// Those of a [`FileSink`](crate::files::FileSink). Rows end with `\n`, and cells are quoted if necessary.
///
/// # Errors
///
/// A value that is not a row, such as one that contains a list, stops the run. Other errors are those of a
/// [`FileSink`](crate::files::FileSink).
///
/// # State
///
/// That of a [`FileSink`](crate::files::FileSink).
#[derive(Clone, Debug)]
#[must_use]
pub struct CsvSink {
    path: PathBuf,
    rows: CsvRows,
    compression: Option<Compression>,
}

impl CsvSink {
    /// Creates a sink for the file at this path. Nothing is opened before the run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            rows: CsvRows {
                delimiter: b',',
                has_header: true,
            },
            compression: None,
        }
    }

    /// Sets the delimiter between two cells. The default is `b','`.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.rows.delimiter = delimiter;
        self
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

    /// Writes no header row.
    pub fn no_header(mut self) -> Self {
        self.rows.has_header = false;
        self
    }
}

impl<T: Serialize> SinglePartitionSink<T, Transactional> for CsvSink {
    type Position = u64;
    type Partition = FileSinkPartition<CsvRows>;

    fn partition(&self) -> Result<String, StepError> {
        Ok(partition(&self.path)?)
    }

    fn open(&self, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        Ok(FileSinkPartition::open(
            &self.path,
            self.compression,
            self.rows,
            resume,
        )?)
    }
}
