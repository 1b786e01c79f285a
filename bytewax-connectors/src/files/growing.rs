//! Sources that keep reading: followed files and watched directories.

use std::time::Duration;

use crate::records::Rules;

/// A source that follows a file as it grows, and through its rotations; created by
/// [`follow`](super::FileSource::follow).
///
/// At the end of the file, the source checks it again [later](Self::every):
///
/// - *The file has grown*: it continues. A line without a line end waits for it.
/// - *The file was renamed*, and another file has its name: it first reads the old file until a check finds
///   nothing more. Then it reads all files that had the name in between, and the current one. This covers log
///   rotation: rotated files are beside the followed file, under its name with a number or a date appended or
///   before the extension, such as `app.log.1`, `app.log-20240131` or `app-20240131.log`, and may be
///   compressed.
/// - *The file was truncated*: if a rotated file contains the data read so far, as when log rotation copies
///   the file, the source reads the rest there. Otherwise the rest is lost, and a line in the log
///   reports this. Then it reads the file from its start.
/// - *No file has the name*: it waits for one.
///
/// This also applies to a run that resumes from a recovery store, however often the file was rotated in
/// between. If the file that was read no longer exists, the run is refused.
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
/// With a recovery store, each line counts once, through kills and rotations, as long as the unread part of a
/// file still exists under one of its names. Data that is truncated before it was read is lost, and a
/// warning in the log reports this.
///
/// # Errors
///
/// A file that is compressed, in ranges or not a regular file cannot be followed. The run is refused if the
/// file that was read no longer exists. Other errors are those of the source.
///
/// # Limits
///
/// A rotated file is found by its name, beside the followed file. A file that is rotated and removed between
/// two checks is missed.
///
/// # State
///
/// A [`FollowPosition`](super::FollowPosition): the current file, and the position in it.
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

    /// Sets the time between two checks at the end of the file. The default is 250 ms.
    ///
    /// The source leaves a renamed file if it has not grown for this time.
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }
}

/// A source that watches a directory for new files; created by [`watch`](super::FileSource::watch).
///
/// The files of the directory are read one after another, each from its start to its end. After the last, the
/// source checks the directory again [later](Self::every). Files found in one check are read in the order of
/// their names; later files are read after them.
///
/// A file is read when it is complete. The [pattern](super::FileSource::pattern) selects complete files, so a
/// file can be written under another name and then renamed. In addition, a file may have to stay unchanged
/// [for a time](Self::complete_after), or a marker file may have to exist [beside it](Self::complete_by). A
/// file that changes afterwards is an error. A last line without a line end is read.
///
/// The position contains a read file as long as it exists, even under another name. When it is moved away or
/// removed, it is dropped, and a new file may use its name. Remove files from time to time, because the saved
/// position grows with their number.
///
/// The input does not end, unless a file [ends it](Self::end_by). The directory is one partition, which one
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
/// A file that changes after it was complete, or another directory with the same name, stops the run. Other
/// errors are those of the source.
///
/// # Limits
///
/// One worker reads the files one after another. The saved position grows with the number of files in the
/// directory.
///
/// # State
///
/// A [`WatchPosition`](super::WatchPosition): 40 bytes for each read file that still exists, and the position
/// in the current file.
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

    /// Sets the time between two checks of the directory. The default is a second.
    pub fn every(mut self, time: Duration) -> Self {
        self.rules.every = time;
        self
    }

    /// Considers a file complete when two checks this time apart find it unchanged: with the same length and
    /// modification time.
    pub fn complete_after(mut self, time: Duration) -> Self {
        self.rules.quiet = Some(time);
        self
    }

    /// Considers a file complete when another file exists whose name has this suffix: with `.done`, `a.csv`
    /// is complete when `a.csv.done` exists. Files with this suffix are not read.
    pub fn complete_by(mut self, ending: impl Into<String>) -> Self {
        self.rules.marker = Some(ending.into());
        self
    }

    /// Ends the input when a file with this name is in the directory and all others are read. The file itself
    /// is not read.
    pub fn end_by(mut self, name: impl Into<String>) -> Self {
        self.rules.end = Some(name.into());
        self
    }
}
