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
/// An item is written as its [`Display`] does, followed by the [end of a line](Self::line_end). Of a keyed
/// stream the values are written, without the keys. One worker writes all of the file; the values of a
/// key stay in order.
///
/// When the first value comes, a file that is there already is replaced; without values nothing is
/// touched. When a run goes on from a recovery store, the file is first cut back to where it was at
/// the resume epoch. So what was written after it, whole or in part, and by whomever, is gone, and
/// comes again from the replayed input.
///
/// A file whose name ends in `.gz`, `.zst`, `.bz2` or `.xz` is [compressed](Self::compression).
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
/// With a recovery store, each item is written exactly once. Those of the epoch under way are in the file before it is
/// complete, and are cut off again if the run is killed. Pipes and devices cannot be cut back: a run on one cannot be
/// resumed.
///
/// # Limits
///
/// One worker writes all of the file. An end of a line inside of an item is written as it is. Without a recovery store, what
/// is written is not forced to the disk before the end.
///
/// # Errors
///
/// A missing directory, a file that cannot be written, a file that another sink writes, and, when a
/// run goes on, a file that is missing or shorter than it was, stop the run; see [`Error`].
///
/// # State
///
/// One number is saved: how many bytes are written. All of them are on the disk before that number
/// is saved, so that it holds after a power cut too.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSink {
    path: PathBuf,
    lines: Lines,
    compression: Option<Compression>,
}

impl FileSink {
    /// A sink of the file at this path. The file is not looked at before the run.
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

    /// What is written after each value; `"\n"` unless set.
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

/// The name of the only partition of a sink of one file. Its directory must be there.
pub(crate) fn partition(path: &Path) -> Result<String, Error> {
    check_directory(directory_of(path))?;
    FsId::NONE.partition(path)
}

/// Checks that files can be looked for in a directory.
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
