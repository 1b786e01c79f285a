//! A CSV file that is read from a position on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};
use bytewax_runtime::StepError;
use bytewax_runtime::source::{Poll, StatefulSourcePartition};

use super::input::{Input, TooMuch};
use super::{CsvRow, Error};
use crate::files;

/// How much is read at once, and so about how much text a batch has.
const CHUNK_BYTES: usize = 64 << 10;

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) batch_rows: usize,
    pub(super) max_row_bytes: usize,
}

/// The opened file of a [`CsvSource`](super::CsvSource).
#[derive(Debug)]
pub struct CsvSourcePartition(Reading);

#[derive(Debug)]
enum Reading {
    Here(Box<CsvRows>),
    Beside(files::Beside<CsvRow, (u64, u64)>),
}

/// A file that is read by whoever asks.
#[derive(Debug)]
struct CsvRows {
    path: PathBuf,
    form: Form,
    reader: Reader<Input<File>>,
    columns: Arc<StringRecord>,
    /// Behind the row before: the byte and its line. Ends of lines may stand between it and the next row.
    position: (u64, u64),
    /// The row that is read; kept for the next.
    cells: StringRecord,
    /// What was met behind the rows that were given.
    fault: Option<Error>,
}

impl CsvSourcePartition {
    pub(super) fn open(path: &Path, form: Form, resume: Option<(u64, u64)>) -> Result<Self, Error> {
        if !files::may_block(path, resume.map_or(0, |(byte, _)| byte))? {
            let rows = CsvRows::open(path, form, resume)?;
            return Ok(Self(Reading::Here(Box::new(rows))));
        }
        let file = path.to_owned();
        let started = files::Beside::start((0, 1), move || CsvRows::open(&file, form, None));
        let started = started.map_err(|error| files::cannot_open(path, error))?;
        Ok(Self(Reading::Beside(started)))
    }
}

impl CsvRows {
    fn open(path: &Path, form: Form, resume: Option<(u64, u64)>) -> Result<Self, Error> {
        let file = files::open(path, resume.map_or(0, |(byte, _)| byte))?;
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .delimiter(form.delimiter)
            .quote(form.quote)
            .buffer_capacity(CHUNK_BYTES)
            .from_reader(Input::new(file));
        reader.get_mut().allow(form.most(), 0);
        let columns = reader.headers().cloned();
        let line = 1 + reader.get_ref().ends_of_lines(0).1;
        let columns = columns.map_err(|error| fault(path, form, line, error))?;
        check_quotes(path, &reader, &columns, line)?;
        if let Some((byte, line)) = resume {
            let mut position = Position::new();
            position.set_byte(byte).set_line(line);
            let sought = reader.seek(position);
            sought.map_err(|error| fault(path, form, line, error))?;
        }
        Ok(Self {
            path: path.to_owned(),
            form,
            columns: Arc::new(columns),
            position: position(&reader),
            reader,
            cells: StringRecord::new(),
            fault: None,
        })
    }

    /// The next row; none at the end of the file.
    fn next_row(&mut self) -> Result<Option<CsvRow>, Error> {
        let (start, line) = self.position;
        self.reader.get_mut().allow(self.form.most(), start);
        let read = self.reader.read_record(&mut self.cells);
        let line = line + self.reader.get_ref().ends_of_lines(start).1;
        if !read.map_err(|error| fault(&self.path, self.form, line, error))? {
            return Ok(None);
        }
        check_quotes(&self.path, &self.reader, &self.cells, line)?;
        self.position = position(&self.reader);
        Ok(Some(CsvRow::new(&self.columns, &self.cells, line)))
    }

    /// The next rows; none at the end of the file. Rows before a fault are given first.
    fn next_rows(&mut self) -> Result<Vec<CsvRow>, Error> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut rows = Vec::new();
        let (first, _) = self.position;
        while rows.len() < self.form.batch_rows && self.position.0 - first < CHUNK_BYTES as u64 {
            match self.next_row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break,
                Err(fault) if rows.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(rows)
    }
}

/// Behind the row that was read: the byte of the file, and its line.
fn position(reader: &Reader<Input<File>>) -> (u64, u64) {
    let (position, read) = (reader.position(), reader.get_ref().position());
    // The end of the last line may be none of the file.
    let beyond = position.byte().saturating_sub(read);
    (position.byte() - beyond, position.line() - beyond)
}

/// Checks that the row that was read, and began at this line, is over before the text is.
fn check_quotes(
    path: &Path,
    reader: &Reader<Input<File>>,
    cells: &StringRecord,
    line: u64,
) -> Result<(), Error> {
    if cells.is_empty() || !reader.get_ref().is_over() {
        return Ok(());
    }
    let before = cells.iter().take(cells.len() - 1);
    let lines: usize = before.map(|cell| cell.matches('\n').count()).sum();
    Err(Error::OpenQuote {
        path: path.to_owned(),
        line: line + lines as u64,
        cell: cells.len(),
    })
}

impl Form {
    /// How many bytes may be read for one row, with its end.
    fn most(self) -> usize {
        self.max_row_bytes.saturating_add(2)
    }
}

fn fault(path: &Path, form: Form, line: u64, error: ::csv::Error) -> Error {
    let path = path.to_owned();
    match error.into_kind() {
        ErrorKind::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<TooMuch>()) => {
            Error::RowTooLong {
                path,
                line,
                max_row_bytes: form.max_row_bytes,
            }
        }
        ErrorKind::Io(source) => Error::Read { path, line, source },
        ErrorKind::Utf8 { err, .. } => Error::InvalidUtf8 {
            path,
            line,
            cell: err.field() + 1,
        },
        other => Error::Read {
            path,
            line,
            source: std::io::Error::other(format!("{other:?}")),
        },
    }
}

impl StatefulSourcePartition for CsvSourcePartition {
    type Item = CsvRow;
    type Position = (u64, u64);

    fn next_batch(&mut self) -> Result<Poll<CsvRow>, StepError> {
        match &mut self.0 {
            Reading::Here(rows) => rows.next_batch(),
            Reading::Beside(rows) => rows.next_batch(),
        }
    }

    fn snapshot(&self) -> (u64, u64) {
        match &self.0 {
            Reading::Here(rows) => rows.snapshot(),
            Reading::Beside(rows) => rows.position(),
        }
    }
}

impl StatefulSourcePartition for CsvRows {
    type Item = CsvRow;
    type Position = (u64, u64);

    fn next_batch(&mut self) -> Result<Poll<CsvRow>, StepError> {
        let rows = self.next_rows()?;
        Ok(if rows.is_empty() {
            Poll::end()
        } else {
            Poll::batch(rows)
        })
    }

    fn snapshot(&self) -> (u64, u64) {
        self.position
    }
}
