//! A source of the lines of files.

use std::marker::PhantomData;
use std::path::PathBuf;

use super::source_macro::file_source;
use super::{Strict, TooLong};
use crate::records::{Files, Text};

/// Reads the lines of one text file, or of the text files of a directory.
///
/// The items are `String`s: the lines without their ends. `\n`, `\r\n` and `\r` end a line, blank
/// lines are kept. A last line without an end is read as well, unless a later run can read it whole: see
/// [`unended`](Self::unended). Nothing else is changed: a byte order mark stays at the beginning of the
/// first line.
///
/// The end of the files ends the input, unless a file is [followed](Self::follow) as it grows, or a directory
/// is [watched](Self::watch) for new files. A file is one
/// partition, named by the path as it was given, and read by one worker, unless it is read in
/// [ranges](Self::range_bytes). The files of a directory are partitions named by their paths within it;
/// they are spread over the workers, so lines of several files mix, and those of one file stay in order.
/// Which files those are is decided when a run begins. They must be there for each process of the run.
///
/// A file whose name ends in `.gz`, `.zst`, `.bz2` or `.xz` is decompressed, which needs the feature
/// `gzip`, `zstd`, `bzip2` or `xz`; what is said of bytes then means those that come out of it. A line on standard
/// error says that the name was taken at its word.
///
/// A pipe can be read as well, by a thread of its own, so that nothing waits while it has nothing; reading
/// it cannot be resumed.
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
/// With a recovery store, each line counts once: a run that was killed goes on behind what is saved, whatever became
/// of the files meanwhile, or is refused. Pipes and devices are read once, and cannot be read again.
///
/// # Limits
///
/// A line has 64 MiB at most ([`max_line_bytes`](Self::max_line_bytes)); what becomes of a longer one is a
/// [choice](Self::too_long). A process has 64 files of one source open at
/// once. In a compressed file, a run that goes on decompresses all that is before its position. To list a directory
/// of *n* files and to save a position of each takes time and room in proportion to *n*.
///
/// # Errors
///
/// A missing file, a pattern that cannot be understood, a line that cannot be read, and a file that was
/// cut or replaced since it was read last stop the run. [`Error`](super::Error) lists what can go wrong.
/// Lines before a fault are given first. With [`results`](Self::results), a line that is not UTF-8 or
/// [too long](Self::max_line_bytes) does not stop the run. [`invalid_utf8`](Self::invalid_utf8) and
/// [`too_long`](Self::too_long) have such bytes replaced, and such lines truncated.
///
/// # State
///
/// A [`FilePosition`](super::FilePosition) is saved for each file: where the next line begins, the number of the file on its
/// device, and hashes of the bytes before the position, by which the file is known again. A later run
///
/// - reads a file on that has grown;
/// - reads a file of a directory on that was renamed within it, under its new name, and a new file that has the old
///   name from its beginning;
/// - does not miss a file of a directory that was read to its end and is gone;
/// - is refused if a file was cut or replaced, or is gone and was not read to its end.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileSource<A = Strict> {
    files: Files<Text>,
    answer: PhantomData<fn() -> A>,
}

/// A [`FileSource`] of which the path is that of a directory.
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
    /// A source of the lines of the file at this path, or of the files in the directory there. It is not
    /// looked at before the run.
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
    /// assert!(error.to_string().contains("longer than 5 bytes"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.files.reading.max_record_bytes = bytes;
        self
    }

    /// What is done with a line that is [longer](Self::max_line_bytes). Unless set, it cannot be read.
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
