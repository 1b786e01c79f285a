//! What can go wrong with CSV files and their rows.

use std::io;
use std::path::PathBuf;

use crate::files;

/// What can go wrong with a CSV file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is missing, may not be read, or is shorter than it was.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Reading the file failed.
    #[error("cannot read the CSV file `{path}` in the row that begins at line {line}")]
    Read {
        /// The path as it was given.
        path: PathBuf,
        /// The line at which the row begins, counted from 1.
        line: u64,
        /// The cause.
        source: io::Error,
    },
    /// A row has bytes that are not UTF-8.
    #[error(
        "the row of the CSV file `{path}` that begins at line {line} is not UTF-8 text in cell \
         {cell}; convert the file to UTF-8, or take out the row"
    )]
    InvalidUtf8 {
        /// The path as it was given.
        path: PathBuf,
        /// The line at which the row begins, counted from 1.
        line: u64,
        /// The number of the cell in its row, counted from 1.
        cell: usize,
    },
    /// A quote is left open: the rest of the file would be in its cell.
    #[error(
        "the quote that opens in cell {cell} at line {line} of the CSV file `{path}` is never closed, \
         so all that follows would belong to this cell; close it, or take it out"
    )]
    OpenQuote {
        /// The path as it was given.
        path: PathBuf,
        /// The line of the quote, counted from 1.
        line: u64,
        /// The number of the cell in its row, counted from 1.
        cell: usize,
    },
    /// A row is longer than the limit.
    #[error(
        "the row of the CSV file `{path}` that begins at line {line} is longer than {max_row_bytes} \
         bytes; if no quote is left open there, raise `max_row_bytes`"
    )]
    RowTooLong {
        /// The path as it was given.
        path: PathBuf,
        /// The line at which the row begins, counted from 1.
        line: u64,
        /// The limit.
        max_row_bytes: usize,
    },
}

/// Why a row is not what it was taken for; see [`CsvRow::parse`](super::CsvRow::parse).
#[derive(Debug, thiserror::Error)]
#[error("line {line}{}: {why}", column.as_ref().map(|name| format!(", column `{name}`")).unwrap_or_default())]
pub struct RowError {
    pub(super) line: u64,
    pub(super) column: Option<String>,
    pub(super) why: String,
}

impl RowError {
    /// The line at which the row begins, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The name of the column, where it is known.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}
