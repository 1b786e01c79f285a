//! Sources that go on with what comes: files that are followed, and directories that are watched.

use std::time::Duration;

use crate::records::Rules;

/// A source of a file that is followed as it grows, and through its rotations; made by
/// [`follow`](super::FileSource::follow).
///
/// When the file has nothing more, it is looked at again [later](Self::every). What then is there is read:
///
/// - *The file has grown*: it is read on. A line without an end waits for it.
/// - *It was renamed*, and another file has its name: what was still written to it is read first, until a
///   look finds nothing more. Then all files are read that had the name in between, and the one that has it
///   now. That is what log rotation does: the files are looked for beside the one that is followed, under
///   its name with a number or a date behind it or before its ending, such as `app.log.1`,
///   `app.log-20240131` or `app-20240131.log`, and may be compressed.
/// - *It was cut*: if there is such a file with what was read before, as when log rotation copies the file,
///   what is not read yet is read there. Else that is lost, and a line on standard error says so. Then the
///   file is read from its beginning.
/// - *There is no file of that name*: one is waited for.
///
/// All of that holds for a run that goes on from a recovery store too, however often the file was rotated
/// in between. If the file that was read is nowhere to be found then, the run is refused.
///
/// The input does not end. The file is one partition, which one worker reads.
///
/// # Examples
///
/// ```
/// use std::fs;
/// use bytewax_connectors::files::FileSource;
/// use bytewax_runtime::source::{FixedPartitionedSource, StatefulSourcePartition};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log").display().to_string();
/// fs::write(&path, "one\ntw")?;
/// let source = FileSource::new(&path).follow();
/// let mut file = source.open(&path, None).unwrap();
/// assert_eq!(file.next_batch().unwrap().items(), ["one"]);
/// assert!(file.next_batch().unwrap().items().is_empty());
///
/// fs::write(&path, "one\ntwo\n")?;
/// assert_eq!(file.next_batch().unwrap().items(), ["two"]);
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// With a recovery store, each line counts once, through kills and rotations, as long as what was not read of a file is
/// still there under one of its names. What was cut away before it was read is lost, and a line on standard error says so.
///
/// # Errors
///
/// A file that is compressed, in ranges or no regular file cannot be followed. The run is refused if the file that was
/// read is nowhere to be found. Other errors are those of the source.
///
/// # Limits
///
/// A rotated file is known by its name, beside the one that is followed. A file that was rotated and gone again between two
/// looks is not seen.
///
/// # State
///
/// A [`FollowPosition`](super::FollowPosition): which file is being read, and where.
#[derive(Clone, Debug)]
#[must_use]
pub struct Followed<S> {
    pub(crate) source: S,
    pub(crate) every: Duration,
}

impl<S> Followed<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            every: Duration::from_millis(250),
        }
    }

    /// How long to wait before the end of the file is looked at again; 250 ms unless set.
    ///
    /// A file that was renamed is left when it has not grown for so long.
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }
}

/// A source of a directory that is watched for new files; made by [`watch`](super::FileSource::watch).
///
/// The files of the directory are read one after another, each from its beginning to its end. When all are
/// read, the directory is looked at again [later](Self::every). Files that a look finds are read in the order
/// of their names; what comes later is read behind them.
///
/// A file is read when it is complete. Which are, the [pattern](super::FileSource::pattern) says, so that a
/// file may be written under another name and renamed; besides, a file may have to stay as it is [for a
/// while](Self::complete_after), or another may have to be there [beside it](Self::complete_by). A file that
/// changes after that is an error. A last line without an end is read.
///
/// A file that was read is remembered as long as it is there, also under another name. When it was moved away or removed, it is
/// forgotten, and a new file may have its name. So tidy up now and then: what is saved grows with the number
/// of files.
///
/// The input does not end, unless a file [says so](Self::end_by). The directory is one partition, which one
/// worker reads.
///
/// # Examples
///
/// ```
/// use std::fs;
/// use bytewax_connectors::files::FileSource;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, run_main};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let inbox = directory.path().to_owned();
/// fs::write(inbox.join("b.txt"), "three")?;
/// fs::write(inbox.join("a.txt"), "one\ntwo\n")?;
/// fs::write(inbox.join("c.txt.part"), "fou")?;
/// fs::write(inbox.join("no-more"), "")?;
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("inbox", |flow| {
///     let source = FileSource::new(&inbox).pattern("*.txt").watch().end_by("no-more");
///     flow.input(source).named("lines").output(out.clone()).named("out");
/// });
/// run_main(flow)?;
/// assert_eq!(out.take(), ["one", "two", "three"]);
/// # Ok(())
/// # }
/// ```
///
/// # Guarantee
///
/// With a recovery store, each line of each complete file counts once, through kills and renamed files.
///
/// # Errors
///
/// A file that changes after it was complete, and another directory of the same name, stop the run. Other errors are
/// those of the source.
///
/// # Limits
///
/// The files are read one after another by one worker. What is saved grows with the number of files in the directory.
///
/// # State
///
/// A [`WatchPosition`](super::WatchPosition): 40 bytes for each file that was read and is still there, and
/// where the next line begins in the one that is being read.
#[derive(Clone, Debug)]
#[must_use]
pub struct Watched<S> {
    pub(crate) source: S,
    pub(crate) rules: Rules,
}

impl<S> Watched<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            rules: Rules {
                every: Duration::from_secs(1),
                quiet: None,
                marker: None,
                end: None,
            },
        }
    }

    /// How long to wait before the directory is looked at again; a second unless set.
    pub fn every(mut self, time: Duration) -> Self {
        self.rules.every = time;
        self
    }

    /// Takes a file for complete when two looks that lie so far apart find it as it was: with the same length
    /// and time of change.
    pub fn complete_after(mut self, time: Duration) -> Self {
        self.rules.quiet = Some(time);
        self
    }

    /// Takes a file for complete when another is there whose name has this behind it: with `.done`, `a.csv` is
    /// complete when there is `a.csv.done`. Files whose names end so are not read.
    pub fn complete_by(mut self, ending: impl Into<String>) -> Self {
        self.rules.marker = Some(ending.into());
        self
    }

    /// Ends the input when a file of this name is in the directory and all others are read. It is not read
    /// itself.
    pub fn end_by(mut self, name: impl Into<String>) -> Self {
        self.rules.end = Some(name.into());
        self
    }
}
