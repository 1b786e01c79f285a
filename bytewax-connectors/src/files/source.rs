//! A source of the lines of files.

use std::marker::PhantomData;
use std::path::PathBuf;

use super::source_macro::file_source;
use super::{Strict, TooLong};
use crate::records::{Files, Text};

/// Reads the lines of one text file, or of the text files of a directory.
///
/// The items are `String`s: the lines without their line ends. `\n`, `\r\n` and `\r` end a line; blank lines
/// are kept. A last line without a line end is read too, unless a later run can read it completely: see
/// [`unended`](Self::unended). Nothing else is changed: a byte order mark stays at the start of the first
/// line.
///
/// The end of the files ends the input, unless a file is [followed](Self::follow) as it grows, or a directory
/// is [watched](Self::watch) for new files. A file is one partition, named by the given path, and one worker
/// reads it, unless it is read in [ranges](Self::range_bytes). The files of a directory are partitions named
/// by their paths within it. They are distributed over the workers, so lines of several files mix, and lines
/// of one file stay in order. The start of a run determines the files. They must exist for each process of
/// the run.
///
/// A file with the extension `.gz`, `.zst`, `.bz2` or `.xz` is decompressed, which needs the feature `gzip`,
/// `zstd`, `bzip2` or `xz`; byte counts then refer to the decompressed data. A line in the log reports
/// that the extension determined the compression.
///
/// A pipe is read on its own thread, so nothing waits while it is silent; reading a pipe cannot be resumed.
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
/// # Guarantee
///
/// With a recovery store, each line counts once: a run after a kill continues at the saved position, whatever
/// happened to the files in between, or is refused. Pipes and devices are read once, and cannot be read
/// again.
///
/// # Limits
///
/// A line has at most 64 MiB ([`max_line_bytes`](Self::max_line_bytes)); [`too_long`](Self::too_long)
/// determines what happens to a longer one. A process has at most 64 files of one source open at once. In a
/// compressed file, a resumed run decompresses everything before its position. Listing a directory of *n*
/// files and saving a position of each takes time and space proportional to *n*.
///
/// # Errors
///
/// A missing file, an invalid pattern, an unreadable line, and a file that was truncated or replaced since
/// the last run stop the run. [`Error`](super::Error) lists all errors. Lines before an error are emitted
/// first. With [`results`](Self::results), a line that is not UTF-8 or [too long](Self::max_line_bytes) does
/// not stop the run. [`invalid_utf8`](Self::invalid_utf8) can replace such bytes, and
/// [`too_long`](Self::too_long) can truncate such lines.
///
/// # State
///
/// A [`FilePosition`](super::FilePosition) for each file: the start of the next line, the number of the file
/// on its device, and hashes of the bytes before the position, which identify the file. A later run
///
/// - continues a file that has grown;
/// - continues a file of a directory that was renamed within it, under its new name, and reads a new file
///   with the old name from its start;
/// - ignores a missing file of a directory that was read to its end;
/// - is refused if a file was truncated or replaced, or is missing and was not read to its end.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSource<A = Strict> {
    files: Files<Text>,
    answer: PhantomData<fn() -> A>,
}

/// A [`FileSource`] whose path is a directory.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::DirSource;
/// use bytewax_runtime::source::FixedPartitionedSource;
///
/// assert!(DirSource::new("src").partitions().unwrap().contains(&"lib.rs".to_owned()));
/// assert!(DirSource::new("no/such/directory").partitions().is_err());
///
/// let manifests = DirSource::new(".").pattern("*.toml");
/// assert_eq!(manifests.partitions().unwrap(), ["Cargo.toml"]);
///
/// let mains = DirSource::new(".").pattern("**/main.rs");
/// assert_eq!(mains.partitions().unwrap(), ["tests/it/main.rs"]);
/// ```
pub type DirSource<A = Strict> = FileSource<A>;

impl FileSource {
    /// Creates a source of the lines of the file at this path, or of the files in the directory there.
    /// Nothing is opened before the run.
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
            files: Files::new(path.into(), Text),
            answer: PhantomData,
        }
    }
}

file_source!(
    FileSource[] => String,
    "use bytewax_connectors::files::FileSource;\n# let source = |path: &str| FileSource::new(path);"
);

impl<A> FileSource<A> {
    /// Sets the maximum number of lines per batch. The default is 1000, and 0 counts as 1.
    ///
    /// A batch has at most about 64 KiB of text, regardless of the number of lines.
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
    /// let position = file.snapshot();
    /// assert_eq!((position.byte(), position.line()), (8, Some(3)));
    ///
    /// let mut file = source.open(&path, Some(position)).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items(), ["three"]);
    /// assert!(file.next_batch().unwrap().is_end());
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_lines(mut self, lines: usize) -> Self {
        self.files.reading.batch_records = lines.max(1);
        self
    }

    /// Sets the maximum length of a line, without its line end. The default is 64 MiB.
    ///
    /// It bounds the memory for a file that does not consist of lines.
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
    /// assert!(error.to_string().contains("longer than 5 bytes"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.files.reading.max_record_bytes = bytes;
        self
    }

    /// Sets the treatment of a line that is [too long](Self::max_line_bytes). By default, it is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::{FileSource, TooLong};
    /// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("lines.txt").display().to_string();
    /// std::fs::write(&path, "one\nseventeen\n")?;
    ///
    /// let source = FileSource::new(&path).max_line_bytes(5).too_long(TooLong::Truncate);
    /// let mut file = source.open(&path, None).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items(), ["one", "seven…"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn too_long(mut self, too_long: TooLong) -> Self {
        self.files.reading.too_long = too_long;
        self
    }
}
