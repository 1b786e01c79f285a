//! A sink that writes one file.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::key::Key;
use bytewax_runtime::sink::{FixedPartitionedSink, SinglePartitionSink};

use super::encode::Lines;
use super::writing::{FileSinkPartition, directory_of};
use super::{Compression, Error, FsId};

/// Writes the items of a stream to one file, each as a line, exactly once.
///
/// An item is written in its [`Display`] form, followed by the [line end](Self::line_end). For a keyed
/// stream, only the values are written. One worker writes the whole file; the values of a key stay in order.
///
/// The first value replaces an existing file; without values, the file is not touched. A resumed run first
/// truncates the file to its length at the resume epoch. Later contents, complete or not, are thus removed,
/// and the replayed input writes them again.
///
/// A file with the extension `.gz`, `.zst`, `.bz2` or `.xz` is [compressed](Self::compression).
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::FileSink;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("totals.txt");
/// let flow = Dataflow::build("totals", |flow| {
///     let sales = flow.input(TestingSource::new([('e', 3), ('u', 4), ('e', 5)])).named("sales");
///     let totals = sales.reduce_final(|a, b| a + b).named("totals");
///     totals.output(FileSink::new(&path)).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "8\n4\n");
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// With a recovery store, each item is written exactly once. Items of the current epoch are in the file
/// before the epoch is complete, and are truncated if the run is killed. Pipes and devices cannot be
/// truncated: a run that writes to one cannot be resumed.
///
/// # Limits
///
/// One worker writes the whole file. A line end inside an item is written unchanged. Without a recovery
/// store, data is not synced to disk before the end.
///
/// # Errors
///
/// A missing directory, an unwritable file, a file that another sink writes, and, on resume, a file that is
/// missing or shorter than before, stop the run; see [`Error`].
///
/// # State
///
/// The number of bytes written. All of them are synced to disk before the number is saved, so that it is
/// valid after a power failure too.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSink {
    path: PathBuf,
    lines: Lines,
    compression: Option<Compression>,
}

impl FileSink {
    /// Creates a sink for the file at this path. Nothing is opened before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSink;
    /// use bytewax_runtime::sink::{FixedPartitionedSink, SinglePartitionSink};
    ///
    /// let sink = FileSink::new("Cargo.toml");
    /// let partition = SinglePartitionSink::<u64, _>::partition(&sink);
    /// assert_eq!(partition.unwrap(), "Cargo.toml");
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            lines: Lines {
                end: "\n".to_owned(),
            },
            compression: None,
        }
    }

    /// Sets the line end after each value. The default is `"\n"`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSink;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSource, run_main};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("numbers.txt");
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
    ///     numbers.output(FileSink::new(&path).line_end("; ")).named("out");
    /// });
    /// run_main(flow)?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "1; 2; ");
    /// # Ok(())
    /// # }
    /// ```
    pub fn line_end(mut self, end: impl Into<String>) -> Self {
        self.lines.end = end.into();
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
}

impl<K: Key, V: Display + 'static> FixedPartitionedSink<K, V, Transactional> for FileSink {
    type Position = u64;
    type Partition = FileSinkPartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![partition(&self.path)?])
    }

    fn assign(&self, _: &K, _: usize) -> usize {
        0
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<FileSinkPartition, StepError> {
        FsId::NONE.check(&self.path, partition)?;
        Ok(FileSinkPartition::open(
            &self.path,
            self.compression,
            self.lines.clone(),
            resume,
        )?)
    }
}

impl<T: Display + 'static> SinglePartitionSink<T, Transactional> for FileSink {
    type Position = u64;
    type Partition = FileSinkPartition;

    fn partition(&self) -> Result<String, StepError> {
        Ok(partition(&self.path)?)
    }

    fn open(&self, resume: Option<u64>) -> Result<FileSinkPartition, StepError> {
        let lines = self.lines.clone();
        Ok(FileSinkPartition::open(
            &self.path,
            self.compression,
            lines,
            resume,
        )?)
    }
}

/// Returns the name of the only partition of a sink of one file. Its directory must exist.
pub(crate) fn partition(path: &Path) -> Result<String, Error> {
    check_directory(directory_of(path))?;
    FsId::NONE.partition(path)
}

/// Checks that a path is a directory.
pub(super) fn check_directory(path: &Path) -> Result<(), Error> {
    // A name inside it, so that a file in its place is an error too.
    let checked = std::fs::metadata(path.join("."));
    checked
        .map(|_| ())
        .map_err(|source| Error::MissingDirectory {
            path: path.to_owned(),
            source,
        })
}
