//! A source of the lines of the files of one directory.

use std::path::{Path, PathBuf};

use bytewax_runtime::StepError;
use bytewax_runtime::source::FixedPartitionedSource;
use glob::{MatchOptions, Pattern};

use super::lines::Limits;
use super::reading::FileSourcePartition;
use super::{Error, FsId};

/// Reads the lines of the text files of one directory.
///
/// Each file is a partition, named by its path within the directory, and is read as by a
/// [`FileSource`](super::FileSource). The files are spread over the workers, so lines of several
/// files mix; those of one file stay in order. Which files those are is decided when a run begins.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::DirSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// std::fs::write(directory.join("january.txt"), "snow\n")?;
/// std::fs::write(directory.join("july.txt"), "sun\n")?;
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("weather", |flow| {
///     let lines = flow.input(DirSource::new(directory)).named("lines");
///     lines.output(out.clone()).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(out.sorted(), ["snow", "sun"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A missing directory, a pattern that cannot be understood, a name that is not UTF-8, and all that
/// is an error for a [`FileSource`](super::FileSource) stop the run; see [`Error`].
///
/// # State
///
/// One number is saved for each file: the byte at which its next line begins. Files that have come
/// since the last run are read from their beginning. A file that is gone, or renamed, while its
/// number is saved stops the run.
#[derive(Clone, Debug)]
#[must_use]
pub struct DirSource {
    path: PathBuf,
    fs_id: FsId,
    pattern: String,
    limits: Limits,
}

impl DirSource {
    /// A source of the files in the directory at this path, without those in directories within it.
    /// The directory is not looked at before the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// assert!(DirSource::new("src").partitions().unwrap().contains(&"lib.rs".to_owned()));
    /// assert!(DirSource::new("no/such/directory").partitions().is_err());
    /// ```
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            path: directory.into(),
            fs_id: FsId::NONE,
            pattern: "*".to_owned(),
            limits: Limits::USUAL,
        }
    }

    /// Reads those files only whose paths within the directory match a pattern.
    ///
    /// `*` stands for any part of a name, `?` for one character, `[a-f]` for one of several, and
    /// `**/` for any number of directories. Without `**` or `/`, directories are not looked into.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// let manifests = DirSource::new(".").pattern("*.toml");
    /// assert_eq!(manifests.partitions().unwrap(), ["Cargo.toml"]);
    ///
    /// let mains = DirSource::new(".").pattern("**/main.rs");
    /// assert_eq!(mains.partitions().unwrap(), ["tests/it/main.rs"]);
    /// ```
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = pattern.into();
        self
    }

    /// How many lines one batch has at the most; see
    /// [`FileSource::batch_lines`](super::FileSource::batch_lines).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSource;
    /// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
    ///
    /// let source = DirSource::new("src").batch_lines(2);
    /// let mut file = source.open("lib.rs", None).unwrap();
    /// assert_eq!(file.next_batch().unwrap().items().len(), 2);
    /// ```
    pub fn batch_lines(mut self, lines: usize) -> Self {
        self.limits.batch_lines = lines.max(1);
        self
    }

    /// How long a line may be; see
    /// [`FileSource::max_line_bytes`](super::FileSource::max_line_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSource;
    /// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
    ///
    /// let source = DirSource::new("src").max_line_bytes(3);
    /// assert!(source.open("lib.rs", None).unwrap().next_batch().is_err());
    /// ```
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_line_bytes = bytes;
        self
    }

    /// Says that the files are those of this machine alone, or of those with the same id; it becomes part
    /// of the partitions' names.
    ///
    /// Without an id, a path means the same file on all machines, and one of them reads it: files of one name on two machines are
    /// taken for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_connectors::files::DirSource;
    /// use bytewax_runtime::source::FixedPartitionedSource;
    ///
    /// let source = DirSource::new(".").pattern("*.toml").fs_id("host-1");
    /// assert_eq!(source.partitions().unwrap(), ["host-1::Cargo.toml"]);
    /// ```
    pub fn fs_id(mut self, id: impl Into<String>) -> Self {
        self.fs_id = FsId::new(id.into());
        self
    }

    /// The paths of the files within the directory, in order.
    fn list(&self) -> Result<Vec<String>, Error> {
        let pattern = Pattern::new(&self.pattern).map_err(|error| Error::Pattern {
            path: self.path.clone(),
            pattern: self.pattern.clone(),
            character: error.pos,
            why: error.msg,
        })?;
        let mut found = Found {
            pattern,
            deep: self.pattern.contains("**") || self.pattern.contains('/'),
            files: Vec::new(),
        };
        found.look_into(&self.path, Path::new(""))?;
        found.files.sort_unstable();
        Ok(found.files)
    }
}

/// The files that are found in a directory.
struct Found {
    pattern: Pattern,
    /// Whether directories are looked into.
    deep: bool,
    files: Vec<String>,
}

impl Found {
    /// Looks into a directory, which is `within` the one of the source.
    fn look_into(&mut self, path: &Path, within: &Path) -> Result<(), Error> {
        let cannot_list = |source| Error::List {
            path: path.to_owned(),
            source,
        };
        for entry in path.read_dir().map_err(cannot_list)? {
            let entry = entry.map_err(cannot_list)?;
            let within = within.join(entry.file_name());
            // Of what a link leads to. A file that is gone by now, or a link to nothing, is none.
            let Ok(metadata) = entry.path().metadata() else {
                continue;
            };
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if metadata.is_file() {
                self.add(&entry.path(), &within)?;
            } else if metadata.is_dir() && self.deep && !is_link {
                self.look_into(&entry.path(), &within)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, within: &Path) -> Result<(), Error> {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let shown = within.to_string_lossy();
        if !self.pattern.matches_with(&shown, options) {
            return Ok(());
        }
        let name = within.to_str().ok_or_else(|| Error::Name {
            path: path.to_owned(),
        })?;
        self.files.push(name.to_owned());
        Ok(())
    }
}

impl FixedPartitionedSource for DirSource {
    type Item = String;
    type Position = u64;
    type Partition = FileSourcePartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        let files = self.list()?;
        let named = files.iter().map(|path| self.fs_id.partition(path.as_ref()));
        Ok(named.collect::<Result<_, _>>()?)
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<FileSourcePartition, StepError> {
        let path = self.fs_id.path(partition).map(|path| self.path.join(path));
        let path = path.ok_or_else(|| Error::UnknownPartition {
            path: self.path.clone(),
            partition: partition.to_owned(),
        })?;
        Ok(FileSourcePartition::open(&path, self.limits, resume)?)
    }
}
