//! A sink of CSV rows.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::sink::SinglePartitionSink;
use serde::Serialize;

use crate::files::{Compression, CsvRows, FileSinkPartition, partition};

/// Writes the items of a stream to one CSV file, each as a row, exactly once.
///
/// Items are of any type that serde can write as a row: structs and tuples of numbers, text and options of
/// them. Of structs, the first row has the names of the fields. In all else the file is written as by a
/// [`FileSink`](crate::files::FileSink).
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
/// That of a [`FileSink`](crate::files::FileSink): exactly once, and so is the row that names the columns.
///
/// # Limits
///
/// Those of a [`FileSink`](crate::files::FileSink). Rows end with `\n`, and cells are put in quotes where they have to be.
///
/// # Errors
///
/// A value that is no row, such as one with a list in it, stops the run. Other errors are those of a
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
    /// A sink of the file at this path. The file is not looked at before the run.
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

    /// What stands between two cells; `b','` unless set.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.rows.delimiter = delimiter;
        self
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

    /// Writes no row that names the columns.
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
