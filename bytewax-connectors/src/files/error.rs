//! Errors of files.

use std::io;
use std::path::PathBuf;

use super::BadRecord;
#[cfg(feature = "csv")]
use crate::records::{Fault, Place};

/// An error of a file.
///
/// It is the [`source`](std::error::Error::source) of the error of the run:
///
/// ```
/// use std::error::Error;
/// use bytewax_connectors::files::{self, FileSource};
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// let flow = Dataflow::build("lines", |flow| {
///     let lines = flow.input(FileSource::new("/no/such/file")).named("lines");
///     lines.output(TestingSink::new()).named("out");
/// });
/// let error = run_main(flow).unwrap_err();
/// let cause = error.source().unwrap().downcast_ref::<files::Error>();
/// assert!(matches!(cause, Some(files::Error::Open { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is missing or not readable.
    #[error(
        "cannot open the file `{path}`; it must be there, and readable, for each process of the run"
    )]
    Open {
        /// The given path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path is that of a directory.
    #[error("`{path}` is a directory; give the path of one text file in it")]
    Directory {
        /// The given path.
        path: PathBuf,
    },
    /// Reading the file failed.
    #[error("cannot read the file `{path}` after byte {position}")]
    Read {
        /// The given path.
        path: PathBuf,
        /// The byte at which the next line starts.
        position: u64,
        /// The cause.
        source: io::Error,
    },
    /// A record cannot be read; see [`FileSource::results`](super::FileSource::results) to continue without
    /// such records.
    #[error("{0}; to receive such records as items and go on, use `.results()`")]
    Bad(Box<BadRecord>),
    /// The header row of a CSV file cannot be read.
    #[error("the row that names the columns cannot be read: {0}")]
    Header(Box<BadRecord>),
    /// The file is shorter than it was when it was read before.
    #[error(
        "the file `{path}` is {length} bytes long, but was read up to byte {position} before, so \
         it was cut or replaced; put the old file back, or start with a fresh recovery store"
    )]
    Truncated {
        /// The given path.
        path: PathBuf,
        /// The current length of the file.
        length: u64,
        /// The saved position.
        position: u64,
    },
    /// The content that was read before has changed.
    #[error(
        "the file `{path}` is not the one that was read up to byte {position} before: what is before \
         that byte has changed; put the old file back, or give the step another name to read the new \
         one from its beginning"
    )]
    Replaced {
        /// The given path.
        path: PathBuf,
        /// The saved position.
        position: u64,
    },
    /// The name refers to another file than when the run started.
    #[error(
        "the file `{path}` is another one than when the run began: it was renamed, or replaced, before it \
         was read; run the flow again, which finds renamed files by what was saved of them; to read a log \
         file through its rotations, use `follow`"
    )]
    Moved {
        /// The given path.
        path: PathBuf,
    },
    /// The file changed while it was read.
    #[error(
        "the file `{path}` was changed while it was read: what is before byte {position} is not what was \
         read; run the flow again from the last recovery store before that, on a file that only grows"
    )]
    Changed {
        /// The given path.
        path: PathBuf,
        /// The position up to which it was read.
        position: u64,
    },
    /// The last line was read before it was complete.
    #[error(
        "the last line of the file `{path}` had no end when it was read, up to byte {position}, and it \
         goes on now, so that what was read was no whole line; put the old file back, or give the step \
         another name to read the new one from its beginning; without `.unended(Unended::Emit)`, such a \
         line waits for its end"
    )]
    Continued {
        /// The given path.
        path: PathBuf,
        /// The saved position.
        position: u64,
    },
    /// The followed file no longer exists under any name.
    #[error(
        "the file `{path}` was read up to byte {position}, and is not there any more: neither under its \
         name nor, rotated, beside it, so that lines may be lost; put it back, or give the step another \
         name to begin with the file that is there now"
    )]
    Lost {
        /// The given path.
        path: PathBuf,
        /// The saved position.
        position: u64,
    },
    /// The file cannot be followed.
    #[error(
        "the file `{path}` cannot be followed, because it is compressed, in ranges or no regular file; \
         follow the plain file that is written, or leave out `follow`; for the new files of a \
         directory, use `watch`"
    )]
    NotFollowed {
        /// The given path.
        path: PathBuf,
    },
    /// The directory cannot be watched.
    #[error("`{path}` cannot be watched, because it is in ranges or no directory")]
    NotWatched {
        /// The given path.
        path: PathBuf,
    },
    /// A file of a watched directory changed after it was considered complete.
    #[error(
        "the file `{path}` has changed since it was taken for complete and read, up to byte {length}; have \
         files written under another name and renamed, or use `complete_after` or `complete_by`, and write \
         new lines to new files; to go on without what was added, move the file out of the directory"
    )]
    NotComplete {
        /// The path of the file.
        path: PathBuf,
        /// The number of bytes that were read.
        length: u64,
    },
    /// The path of the watched directory refers to another directory.
    #[error(
        "`{path}` is another directory than when the run began, so that it is not known which of its files \
         are new; put the old one back and run the flow again"
    )]
    OtherDirectory {
        /// The path of the directory.
        path: PathBuf,
    },
    /// The columns of a CSV file have changed.
    #[error(
        "the columns of the file `{path}` are `{}` now, and were others when it was read up to byte \
         {position}; put the old file back, or give the step another name to read the new one from \
         its beginning",
        columns.join("`, `")
    )]
    Columns {
        /// The given path.
        path: PathBuf,
        /// The current names of the columns.
        columns: Vec<String>,
        /// The saved position.
        position: u64,
    },
    /// The file has a compression that this program does not support.
    #[error(
        "the file `{path}` is compressed; enable the feature `{feature}` of `bytewax`, or set \
         `.compression(Compression::None)` if its name is misleading"
    )]
    Compressed {
        /// The given path.
        path: PathBuf,
        /// The feature that supports it.
        feature: &'static str,
    },
    /// The file cannot be read in ranges.
    #[error(
        "the file `{path}` cannot be read in ranges, because it is compressed or no regular file; \
         leave out `range_bytes`"
    )]
    NoRanges {
        /// The given path.
        path: PathBuf,
    },
    /// The file was split at a wrong place.
    #[error(
        "the file `{path}` cannot be read in ranges: near byte {position} a `{quote}` stands elsewhere \
         than around a cell; leave out `range_bytes`"
    )]
    Ranges {
        /// The given path.
        path: PathBuf,
        /// The end of a range.
        position: u64,
        /// The quote around cells.
        quote: char,
    },
    /// The path refers to a pipe or a device, which cannot be read again from the saved position.
    #[error(
        "`{path}` is not a regular file, so reading cannot go on at the saved byte {position}; \
         read from a file, or start with a fresh recovery store"
    )]
    NotRegular {
        /// The given path.
        path: PathBuf,
        /// The saved position.
        position: u64,
    },
    /// The requested file does not belong to the source or sink.
    #[error("the source or sink of `{path}` has no partition `{partition}`")]
    UnknownPartition {
        /// The given path.
        path: PathBuf,
        /// The requested partition.
        partition: String,
    },
    /// The id of a file system contains the separator of partition names.
    #[error("`{id}` cannot be the id of a file system, because it has `::` in it; take another")]
    FsId {
        /// The given id.
        id: String,
    },
    /// A directory is missing, not readable, or not a directory.
    #[error(
        "cannot list the directory `{path}`; \
         it must be there, and readable, for each process of the run"
    )]
    List {
        /// The path of the directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The pattern of a directory's files is invalid.
    #[error(
        "the pattern `{pattern}` for the files of `{path}` is wrong at character {character}: {why}"
    )]
    Pattern {
        /// The path of the directory.
        path: PathBuf,
        /// The given pattern.
        pattern: String,
        /// The position of the error, counted from 0.
        character: usize,
        /// The reason.
        why: &'static str,
    },
    /// A file's name is not UTF-8, so no partition can have this name.
    #[error(
        "the name of the file `{path}` is not UTF-8; rename it, or leave it out by the pattern"
    )]
    Name {
        /// The path, with replacement characters.
        path: PathBuf,
    },
    /// The directory of a sink is missing, or not a directory.
    #[error("cannot write in the directory `{path}`; it must be there for each process of the run")]
    MissingDirectory {
        /// The path of the directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The list of files of a sink is empty, or contains a duplicate name.
    #[error("the sink of the directory `{path}` cannot have these files: {why}")]
    Files {
        /// The path of the directory.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The file cannot be created or written.
    #[error("cannot open the file `{path}` to write it; check that this process may write it")]
    Create {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file to continue is missing or not writable.
    #[error(
        "cannot open the file `{path}`, which was written up to byte {position} before; \
         put it back, or start with a fresh recovery store"
    )]
    Reopen {
        /// The path of the file.
        path: PathBuf,
        /// The saved position.
        position: u64,
        /// The cause.
        source: io::Error,
    },
    /// The file is shorter than the data written to it.
    #[error(
        "the file `{path}` is {length} bytes long, but was written up to byte {position} before, \
         so it was cut or replaced; put the old file back, or start with a fresh recovery store"
    )]
    CutShort {
        /// The path of the file.
        path: PathBuf,
        /// The current length of the file.
        length: u64,
        /// The current position of writing.
        position: u64,
    },
    /// The file was renamed, removed or replaced while it was written.
    #[error(
        "the file `{path}` was lost while it was written, up to byte {position}: {how}; put the file \
         back under this name and run the flow again with its recovery store, or start with a fresh \
         one; to begin a new file now and then, stop the flow before the old one is moved"
    )]
    Vanished {
        /// The path of the file.
        path: PathBuf,
        /// What is in its place.
        how: &'static str,
        /// The position up to which the original file is written.
        position: u64,
    },
    /// The path refers to a pipe or a device, which cannot be truncated to the saved position.
    #[error(
        "`{path}` is not a regular file, so writing cannot go on at the saved byte {position}; \
         write to a file, or start with a fresh recovery store"
    )]
    NotCuttable {
        /// The path of the file.
        path: PathBuf,
        /// The saved position.
        position: u64,
    },
    /// Another sink, of this run or another, has the file open.
    #[error(
        "the file `{path}` is being written by another step or run; \
         write to another file, or wait until that run has ended"
    )]
    InUse {
        /// The path of the file.
        path: PathBuf,
    },
    /// Writing the file failed.
    #[error("cannot write the file `{path}` after byte {position}")]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The position up to which it is written.
        position: u64,
        /// The cause.
        source: io::Error,
    },
    /// A value cannot be formatted.
    #[error("a value cannot be written to the file `{path}` after byte {position}: {why}")]
    Format {
        /// The path of the file.
        path: PathBuf,
        /// The position up to which it is written.
        position: u64,
        /// The reason.
        why: String,
    },
}

#[cfg(feature = "csv")]
impl Error {
    /// Creates the error of the header row.
    pub(crate) fn header(place: &Place, line: u64, byte: u64, fault: Fault) -> Self {
        Self::Header(Box::new(BadRecord {
            file: place.path.display().to_string(),
            line,
            byte,
            fault,
        }))
    }
}
