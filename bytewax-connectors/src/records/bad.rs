//! Unreadable records.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The maximum number of raw bytes of an unreadable record.
const RAW_BYTES: usize = 64 << 10;

/// An unreadable line or row: its place, its contents, and the reason.
///
/// Sources stop the run at the first one, or emit it as an `Err`; see
/// [`FileSource::results`](crate::files::FileSource::results).
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
/// # let path = directory.path().join("places.txt");
/// std::fs::write(&path, b"Graz\ncaf\xe9\n")?;
///
/// let (good, bad) = (TestingSink::new(), TestingSink::new());
/// let flow = Dataflow::build("places", |flow| {
///     let lines = flow.input(FileSource::new(&path).results()).named("lines");
///     let lines = lines.split_result();
///     lines.oks.output(good.clone()).named("good");
///     lines.errs.output(bad.clone()).named("bad");
/// });
/// run_main(flow)?;
/// assert_eq!(good.take(), ["Graz"]);
/// let bad = bad.take();
/// assert_eq!((bad[0].line(), bad[0].raw()), (2, b"caf\xe9".as_slice()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) byte: u64,
    pub(crate) fault: Fault,
}

/// The reason why a record is unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) column: Option<String>,
    pub(crate) why: String,
    pub(crate) raw: Vec<u8>,
}

impl Fault {
    pub(crate) fn new(raw: &[u8], why: impl Into<String>) -> Self {
        Self {
            column: None,
            why: why.into(),
            raw: raw[..raw.len().min(RAW_BYTES)].to_vec(),
        }
    }

    #[cfg(feature = "csv")]
    pub(crate) fn in_column(mut self, column: Option<String>) -> Self {
        self.column = column;
        self
    }
}

impl BadRecord {
    /// Returns the path of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the line at which the record starts, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the byte of the file at which the record starts, counted from 0. In a compressed file, it
    /// counts decompressed bytes.
    #[must_use]
    pub fn byte(&self) -> u64 {
        self.byte
    }

    /// Returns the name of the column, if it is known.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.fault.column.as_deref()
    }

    /// Returns the reason.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.fault.why
    }

    /// Returns the bytes of the record without the line end, at most 64 KiB.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.fault.raw
    }

    /// Returns [`raw`](Self::raw) as text; invalid UTF-8 is replaced by `U+FFFD`.
    #[must_use]
    pub fn raw_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.fault.raw)
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the file `{}`", self.line, self.file)?;
        if let Some(column) = &self.fault.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.fault.why)
    }
}

impl std::error::Error for BadRecord {}

/// The treatment of bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// The record is a [`BadRecord`].
    #[default]
    Refuse,
    /// The bytes are replaced by the character `U+FFFD`.
    Replace,
}

/// The treatment of a line that is longer than the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLong {
    /// The line is a [`BadRecord`].
    #[default]
    Refuse,
    /// The line is truncated before the character that exceeds the limit, and `…` is appended.
    Truncate,
}

impl InvalidUtf8 {
    /// Decodes bytes as text. The error is the index of the first byte that is not UTF-8.
    pub(crate) fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) if self == Self::Replace => Ok(String::from_utf8_lossy(bytes)),
            Err(error) => Err(error.valid_up_to()),
        }
    }
}
