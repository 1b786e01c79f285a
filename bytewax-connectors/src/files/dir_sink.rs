//! A sink that writes several files of one directory.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::key::Key;
use bytewax_runtime::sink::FixedPartitionedSink;

use super::encode::Lines;
use super::sink::check_directory;
use super::writing::FileSinkPartition;
use super::{Compression, Error};

/// Writes the values of a keyed stream to several files of one directory, each as a line, exactly once.
///
/// The key selects the file: by its hash, or by the function in [`assign`](DirSink::assign). The files are
/// distributed over the workers. Otherwise each file is written as by a [`FileSink`](super::FileSink); files
/// without values are not touched.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::DirSink;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSource, run_main};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let flow = Dataflow::build("split", |flow| {
///     let numbers = flow.input(TestingSource::new(0..6_u64)).named("numbers");
///     let keyed = numbers.key_on(|n| n % 2);
///     keyed.output(DirSink::new(directory, 2).assign(|key: &u64| *key as usize)).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(std::fs::read_to_string(directory.join("part_0"))?, "0\n2\n4\n");
/// assert_eq!(std::fs::read_to_string(directory.join("part_1"))?, "1\n3\n5\n");
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// That of a [`FileSink`](super::FileSink), for each file.
///
/// # Limits
///
/// All files with values stay open.
///
/// # Errors
///
/// Those of a [`FileSink`](super::FileSink). An empty list of files, or a duplicate name, is an error too.
///
/// # State
///
/// For each file, the number of bytes written. If the number of files changes between two runs, keys move to
/// other files; if it decreases, the removed files keep their state, and the run is refused.
#[derive(Clone)]
#[must_use]
pub struct DirSink<Assign = ByHash> {
    path: PathBuf,
    names: Vec<String>,
    lines: Lines,
    compression: Option<Compression>,
    assign: Assign,
}

/// Marks a [`DirSink`] that distributes keys over its files by their hash.
#[derive(Clone, Copy, Debug)]
pub struct ByHash;

/// Marks a [`DirSink`] with a function that returns the number of a key's file.
#[derive(Clone, Copy)]
pub struct ByFn<F>(F);

impl<F> fmt::Debug for ByFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByFn")
    }
}

impl DirSink {
    /// Creates a sink for `files` files, named `part_0`, `part_1` and so on, in the directory at this path.
    /// Nothing is opened before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSink;
    /// let sink = DirSink::new("results", 4);
    /// # let _ = sink;
    /// ```
    pub fn new(directory: impl Into<PathBuf>, files: usize) -> Self {
        Self {
            path: directory.into(),
            names: (0..files).map(|index| format!("part_{index}")).collect(),
            lines: Lines {
                end: "\n".to_owned(),
            },
            compression: None,
            assign: ByHash,
        }
    }
}

impl<A> DirSink<A> {
    /// Names the files by their numbers, from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSink;
    /// let sink = DirSink::new("results", 4).names(|index| format!("{index:03}.txt"));
    /// # let _ = sink;
    /// ```
    pub fn names(mut self, name: impl FnMut(usize) -> String) -> Self {
        self.names = (0..self.names.len()).map(name).collect();
        self
    }

    /// Sets the line end after each value. The default is `"\n"`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSink;
    /// let sink = DirSink::new("results", 4).line_end("\r\n");
    /// # let _ = sink;
    /// ```
    pub fn line_end(mut self, end: impl Into<String>) -> Self {
        self.lines.end = end.into();
        self
    }

    /// Sets the compression of the files. By default, the extension determines it: `.gz`, `.zst`, `.bz2` or
    /// `.xz`, which needs the feature `gzip`, `zstd`, `bzip2` or `xz`.
    ///
    /// Each epoch is compressed separately, so a file is complete after each, and can be truncated to it.
    /// Very short epochs compress badly.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Selects the file of each key with a function that returns its number, modulo the number of files.
    ///
    /// It must return the same number for a key in each run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSink;
    /// let sink = DirSink::new("results", 26)
    ///     .names(|index| format!("{}.txt", (b'a' + index as u8) as char))
    ///     .assign(|word: &String| word.bytes().next().map_or(0, |first| usize::from(first - b'a')));
    /// # let _ = sink;
    /// ```
    pub fn assign<K, F: Fn(&K) -> usize>(self, number: F) -> DirSink<ByFn<F>> {
        DirSink {
            path: self.path,
            names: self.names,
            lines: self.lines,
            compression: self.compression,
            assign: ByFn(number),
        }
    }

    fn wrong_files(&self, why: String) -> Error {
        Error::Files {
            path: self.path.clone(),
            why,
        }
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        if self.names.is_empty() {
            return Err(self.wrong_files("their number is 0; give at least 1".to_owned()));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.names.iter().find(|name| !seen.insert(*name)) {
            let why = format!("two have the name `{twice}`; give each a name of its own");
            return Err(self.wrong_files(why));
        }
        check_directory(&self.path)?;
        Ok(self.names.clone())
    }

    fn open_file(&self, name: &str, resume: Option<u64>) -> Result<FileSinkPartition, Error> {
        if !self.names.iter().any(|known| known == name) {
            return Err(Error::UnknownPartition {
                path: self.path.clone(),
                partition: name.to_owned(),
            });
        }
        FileSinkPartition::open(
            &self.path.join(name),
            self.compression,
            self.lines.clone(),
            resume,
        )
    }
}

impl<A> fmt::Debug for DirSink<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirSink")
            .field("path", &self.path)
            .field("names", &self.names)
            .field("line_end", &self.lines.end)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Display + 'static> FixedPartitionedSink<K, V, Transactional> for DirSink {
    type Position = u64;
    type Partition = FileSinkPartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.list()?)
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<FileSinkPartition, StepError> {
        Ok(self.open_file(partition, resume)?)
    }
}

impl<K, V, F> FixedPartitionedSink<K, V, Transactional> for DirSink<ByFn<F>>
where
    K: Key,
    V: Display + 'static,
    F: Fn(&K) -> usize + Send + Sync + 'static,
{
    type Position = u64;
    type Partition = FileSinkPartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.list()?)
    }

    fn assign(&self, key: &K, _: usize) -> usize {
        (self.assign.0)(key)
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<FileSinkPartition, StepError> {
        Ok(self.open_file(partition, resume)?)
    }
}
