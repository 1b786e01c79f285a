//! A file that is read, line by line, from a position on.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Poll, StatefulSourcePartition};

use super::Error;
use super::beside::Beside;
use super::lines::{Fault, Limits, Lines, seek_line};

/// An opened file of a [`FileSource`](super::FileSource) or a [`DirSource`](super::DirSource).
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
/// std::fs::write(&path, "one\n")?;
/// let mut file = FileSource::new(&path).open(&path, None).unwrap();
/// assert_eq!(file.next_batch().unwrap().items(), ["one"]);
/// assert_eq!(file.snapshot(), 4);
/// assert!(file.next_batch().unwrap().is_end());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileSourcePartition(Reading);

#[derive(Debug)]
enum Reading {
    Here(FileLines),
    Beside(Beside<String, u64>),
}

/// A file that is read by whoever asks.
#[derive(Debug)]
struct FileLines {
    path: PathBuf,
    lines: Lines<File>,
    max_line_bytes: usize,
}

/// Checks that a file of lines is there.
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_open(path, error))?;
    check_kind(path, &metadata)
}

pub(crate) fn cannot_open(path: &Path, source: io::Error) -> Error {
    Error::Open {
        path: path.to_owned(),
        source,
    }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    if metadata.is_dir() {
        return Err(Error::Directory {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Checks that the file can be read on from a saved position.
fn check_position(path: &Path, metadata: &Metadata, position: u64) -> Result<(), Error> {
    let path = || path.to_owned();
    if position > 0 && !metadata.is_file() {
        return Err(Error::NotRegular {
            path: path(),
            position,
        });
    }
    if position > metadata.len() {
        return Err(Error::Truncated {
            path: path(),
            length: metadata.len(),
            position,
        });
    }
    Ok(())
}

/// Opens a file, and checks that it can be read on from a saved position.
pub(crate) fn open(path: &Path, position: u64) -> Result<File, Error> {
    let file = File::open(path).map_err(|error| cannot_open(path, error))?;
    let metadata = file.metadata().map_err(|error| cannot_open(path, error))?;
    check_kind(path, &metadata)?;
    check_position(path, &metadata, position)?;
    Ok(file)
}

impl FileSourcePartition {
    /// Opens a file at a saved position, or at its beginning; what may have nothing to read for now, such as a pipe, beside
    /// the worker.
    pub(super) fn open(path: &Path, limits: Limits, resume: Option<u64>) -> Result<Self, Error> {
        if !may_block(path, resume.unwrap_or(0))? {
            return Ok(Self(Reading::Here(FileLines::open(path, limits, resume)?)));
        }
        let file = path.to_owned();
        let started = Beside::start(0, move || FileLines::open(&file, limits, None));
        let started = started.map_err(|error| cannot_open(path, error))?;
        Ok(Self(Reading::Beside(started)))
    }
}

/// Whether to open and to read a file may take any time. It can be read on from a saved position only if not.
pub(crate) fn may_block(path: &Path, position: u64) -> Result<bool, Error> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_open(path, error))?;
    check_kind(path, &metadata)?;
    check_position(path, &metadata, position)?;
    Ok(!metadata.is_file())
}

impl FileLines {
    fn open(path: &Path, limits: Limits, resume: Option<u64>) -> Result<Self, Error> {
        let saved = resume.unwrap_or(0);
        let mut file = open(path, saved)?;
        let position = seek_line(&mut file, saved).map_err(|source| Error::Read {
            path: path.to_owned(),
            position: saved,
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(file, position, limits),
            max_line_bytes: limits.max_line_bytes,
        })
    }

    fn fault(&self, fault: Fault) -> Error {
        let path = self.path.clone();
        match fault {
            Fault::Read(source) => Error::Read {
                path,
                position: self.lines.position(),
                source,
            },
            Fault::InvalidUtf8 { byte } => Error::InvalidUtf8 { path, byte },
            Fault::LineTooLong { byte } => Error::LineTooLong {
                path,
                byte,
                max_line_bytes: self.max_line_bytes,
            },
        }
    }
}

impl StatefulSourcePartition for FileSourcePartition {
    type Item = String;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
        match &mut self.0 {
            Reading::Here(lines) => lines.next_batch(),
            Reading::Beside(lines) => lines.next_batch(),
        }
    }

    fn snapshot(&self) -> u64 {
        match &self.0 {
            Reading::Here(lines) => lines.snapshot(),
            Reading::Beside(lines) => lines.position(),
        }
    }
}

impl StatefulSourcePartition for FileLines {
    type Item = String;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
        let lines = self.lines.next_batch().map_err(|fault| self.fault(fault))?;
        Ok(if lines.is_empty() {
            Poll::end()
        } else {
            Poll::batch(lines)
        })
    }

    fn snapshot(&self) -> u64 {
        self.lines.position()
    }
}
