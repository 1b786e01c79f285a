//! A source of the lines of one file.

use std::path::PathBuf;

use bytewax_runtime::StepError;
use bytewax_runtime::source::FixedPartitionedSource;

use super::FsId;
use super::lines::Limits;
use super::reading::{FileSourcePartition, check};

/// Reads the lines of one text file.
///
/// The items are `String`s: the lines without their ends. `\n`, `\r\n` and `\r` end a line, blank
/// lines are kept, and a last line without an end is given too. Nothing else is changed: a byte
/// order mark stays at the beginning of the first line.
///
/// The end of the file ends the input; the source does not wait for the file to grow. It has one
/// partition, named by the path as it was given, which one worker reads. The file must be there for
/// each process of the run. A pipe can be read as well, by a thread of its own, so that nothing waits
/// while it has nothing; reading it cannot be resumed.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::FileSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("poem.txt");
/// std::fs::write(&path, "It was many\r\n\nand many a year ago")?;
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("poem", |flow| {
///     let lines = flow.input(FileSource::new(&path)).named("lines");
///     lines.output(out.clone()).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(out.take(), ["It was many", "", "and many a year ago"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A missing file, a directory, bytes that are not UTF-8, a line that is
/// [too long](Self::max_line_bytes), and a file that is shorter than the saved position stop the
/// run. [`Error`](super::Error) lists what can go wrong. Lines before a fault are given first.
///
/// # State
///
/// One number is saved: the byte at which the next line begins. A file that has grown since is read
/// on from there. What was its last line is not joined to what was added: if it had no end, then the
/// rest of it comes as a line of its own.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSource {
    path: PathBuf,
    fs_id: FsId,
    limits: Limits,
}

impl FileSource {
    /// A source of the lines of the file at this path. The file is not looked at before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// let source = FileSource::new("src/lib.rs");
    /// assert_eq!(source.partitions().unwrap(), ["src/lib.rs"]);
    /// assert!(FileSource::new("no/such/file").partitions().is_err());
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fs_id: FsId::NONE,
            limits: Limits::USUAL,
        }
    }

    /// How many lines one batch has at the most; 1000 unless set, and 0 counts as 1.
    ///
    /// A batch has about 64 KiB of text at the most, however many lines that are.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSource;
    /// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("lines.txt").display().to_string();
    /// std::fs::write(&path, "one\ntwo\nthree\n")?;
    ///
    /// let source = FileSource::new(&path).batch_lines(2);
    /// let mut file = source.open(&path, None).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items(), ["one", "two"]);
    /// assert_eq!(file.snapshot(), 8);
    ///
    /// let mut file = source.open(&path, Some(8)).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items(), ["three"]);
    /// assert!(file.next_batch().unwrap().is_end());
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_lines(mut self, lines: usize) -> Self {
        self.limits.batch_lines = lines.max(1);
        self
    }

    /// How long a line may be, without its end; 64 MiB unless set.
    ///
    /// It bounds the memory that a file takes which is not one of lines.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSource;
    /// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("lines.txt").display().to_string();
    /// std::fs::write(&path, "one\nseventeen\n")?;
    ///
    /// let source = FileSource::new(&path).max_line_bytes(5);
    /// let mut file = source.open(&path, None).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items(), ["one"]);
    /// let error = file.next_batch().unwrap_err();
    /// assert!(error.to_string().contains("begins at byte 4 is longer than 5 bytes"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_line_bytes = bytes;
        self
    }

    /// Says that the file is one of this machine alone, or of those with the same id; it becomes part
    /// of the partition's name.
    ///
    /// Without an id, a path means the same file on all machines, and one of them reads it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::FileSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// let source = FileSource::new("Cargo.toml").fs_id("host-1");
    /// assert_eq!(source.partitions().unwrap()[0], "host-1::Cargo.toml");
    /// ```
    pub fn fs_id(mut self, id: impl Into<String>) -> Self {
        self.fs_id = FsId::new(id.into());
        self
    }
}

impl FixedPartitionedSource for FileSource {
    type Item = String;
    type Position = u64;
    type Partition = FileSourcePartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        check(&self.path)?;
        Ok(vec![self.fs_id.partition(&self.path)?])
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<FileSourcePartition, StepError> {
        self.fs_id.check(&self.path, partition)?;
        Ok(FileSourcePartition::open(&self.path, self.limits, resume)?)
    }
}
