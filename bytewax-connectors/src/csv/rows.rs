//! Cuts a CSV file into rows, and makes items of them.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use ::csv::StringRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::row::{CsvRow, parse};
use crate::files::Error;
use crate::records::{
    Cut, Fault, FilePosition, Format, InvalidUtf8, Lines, Place, Reading, Splitter, Start, Window,
    count_ends, not_utf8, skip_line,
};

/// The byte order mark, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How a CSV file is written.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// What stands before a quote inside of quotes; none if it is written twice.
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) trim: bool,
    /// How many lines are before the first row.
    pub(super) skip_lines: u64,
    pub(super) header: Header,
}

/// Where the names of the columns are.
#[derive(Clone, Debug)]
pub(super) enum Header {
    FirstRow,
    Given(Vec<String>),
    None,
}

/// What a row is made into.
pub trait ParseRow: 'static {
    type Item: Send + 'static;
    /// Whether an item has the number of its line.
    const HAS_LINE: bool;

    /// Makes an item of the cells of a row. The error is the name of a column, where it is known, and
    /// what is wrong.
    fn parse(
        columns: &Arc<StringRecord>,
        cells: &StringRecord,
        line: u64,
    ) -> Result<Self::Item, (Option<String>, String)>;
}

impl ParseRow for CsvRow {
    type Item = Self;
    const HAS_LINE: bool = true;

    fn parse(
        columns: &Arc<StringRecord>,
        cells: &StringRecord,
        line: u64,
    ) -> Result<Self, (Option<String>, String)> {
        Ok(Self::new(columns, cells, line))
    }
}

/// Marks a [`CsvSource`](super::CsvSource) of values of a type.
#[derive(Debug)]
pub struct Typed<T>(PhantomData<fn() -> T>);

impl<T: DeserializeOwned + Send + 'static> ParseRow for Typed<T> {
    type Item = T;
    const HAS_LINE: bool = false;

    fn parse(
        columns: &Arc<StringRecord>,
        cells: &StringRecord,
        _: u64,
    ) -> Result<T, (Option<String>, String)> {
        parse(columns, cells)
    }
}

/// A CSV file of rows of one kind.
pub(crate) struct Csv<P> {
    pub(super) dialect: Dialect,
    rows: PhantomData<fn() -> P>,
}

impl<P> Csv<P> {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            rows: PhantomData,
        }
    }
}

impl<P> Clone for Csv<P> {
    fn clone(&self) -> Self {
        Self {
            dialect: self.dialect.clone(),
            rows: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Csv<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dialect.fmt(f)
    }
}

impl<P: ParseRow> Format for Csv<P> {
    type Item = P::Item;
    type Splitter = Rows<P>;

    fn splitter(&self, reading: &Reading, start: Start<'_>) -> Result<Rows<P>, Error> {
        let Start {
            place,
            window,
            lines,
        } = start;
        let mut cells = Cells::new(&self.dialect, reading);
        let columns = match window.position() {
            0 => cells.read_columns(place, window, lines)?,
            _ => self.columns_of(place, reading)?,
        };
        let first_line = match P::HAS_LINE {
            true => lines.number(0, place)?,
            false => 0,
        };
        cells.columns = Arc::new(columns);
        Ok(Rows {
            columns_hash: hash(&cells.columns),
            cells,
            first_line,
            rows: PhantomData,
        })
    }

    fn quote(&self) -> Option<u8> {
        Some(self.dialect.quote)
    }

    fn check_columns(
        &self,
        place: &Place,
        position: &FilePosition,
        reading: &Reading,
    ) -> Result<(), Error> {
        let Some(saved) = position.columns() else {
            return Ok(());
        };
        let columns = self.columns_of(place, reading)?;
        if hash(&columns) == saved {
            return Ok(());
        }
        Err(Error::Columns {
            path: place.path.clone(),
            columns: columns.iter().map(str::to_owned).collect(),
            position: position.byte(),
        })
    }
}

impl<P> Csv<P> {
    /// The names of the columns of a file.
    fn columns_of(&self, place: &Place, reading: &Reading) -> Result<StringRecord, Error> {
        let mut cells = Cells::new(&self.dialect, reading);
        let mut window = place.open(0)?.window;
        cells.read_columns(place, &mut window, &mut Lines::first())
    }
}

/// A hash of the names of columns, which is not 0.
fn hash(columns: &StringRecord) -> u64 {
    let mut bytes = Vec::new();
    for column in columns {
        bytes.extend_from_slice(column.as_bytes());
        bytes.push(0xff);
    }
    xxh3_64(&bytes).max(1)
}

/// Cuts off rows and makes items of them.
pub(crate) struct Rows<P> {
    columns_hash: u64,
    cells: Cells,
    /// The number of the line where reading began, if items have one.
    first_line: u64,
    rows: PhantomData<fn() -> P>,
}

impl<P: ParseRow> Splitter for Rows<P> {
    type Item = P::Item;

    fn next(&mut self, window: &mut Window, lines: &mut u64) -> io::Result<Cut<P::Item>> {
        let line = self.first_line + *lines;
        Ok(match self.cells.next(window, lines)? {
            Cut::End => Cut::End,
            Cut::Nothing => Cut::Nothing,
            Cut::Record(Err(fault)) => Cut::Record(Err(fault)),
            Cut::Record(Ok(raw)) => {
                let parsed = P::parse(&self.cells.columns, &self.cells.cells, line);
                Cut::Record(parsed.map_err(|(column, why)| {
                    Fault::new(without_end(window.cut(raw)), why).in_column(column)
                }))
            }
        })
    }

    fn columns(&self) -> u64 {
        self.columns_hash
    }
}

/// Bytes without the end of a line.
fn without_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Cuts off the cells of rows.
struct Cells {
    reader: Reader,
    dialect: Dialect,
    max_bytes: usize,
    give_unended: bool,
    skip_bad: bool,
    invalid: InvalidUtf8,
    /// The bytes of the cells of a row, without quotes, and where each of them ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// The row that was cut off last.
    cells: StringRecord,
    /// The names of the columns, once they are known.
    columns: Arc<StringRecord>,
}

/// What the parser found in the bytes at hand.
enum Found {
    /// A row of so many bytes, which has so many cells.
    Row { bytes: usize, cells: usize },
    /// The row is longer than what is allowed.
    TooLong,
    /// The input ended within the row.
    Unended,
}

impl Cells {
    fn new(dialect: &Dialect, reading: &Reading) -> Self {
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(dialect.delimiter)
            .quote(dialect.quote)
            .escape(dialect.escape)
            .double_quote(dialect.escape.is_none());
        Self {
            reader: builder.build(),
            dialect: dialect.clone(),
            max_bytes: reading.max_record_bytes,
            give_unended: reading.give_unended,
            skip_bad: reading.skip_bad,
            invalid: reading.invalid_utf8,
            text: vec![0; 1024],
            ends: vec![0; 32],
            cells: StringRecord::new(),
            columns: Arc::default(),
        }
    }

    /// Reads what is before the first row of values, and gives the names of the columns.
    fn read_columns(
        &mut self,
        place: &Place,
        window: &mut Window,
        lines: &mut Lines,
    ) -> Result<StringRecord, Error> {
        let cannot_read = |source| place.cannot_read(0, source);
        while window.rest().len() < MARK.len() && !window.has_ended() {
            window.fill().map_err(cannot_read)?;
        }
        if window.rest().starts_with(MARK) {
            window.consume(MARK.len());
        }
        for _ in 0..self.dialect.skip_lines {
            skip_line(window).map_err(cannot_read)?;
            lines.since += 1;
        }
        match &self.dialect.header {
            Header::Given(names) => return Ok(StringRecord::from(names.as_slice())),
            Header::None => return Ok(StringRecord::new()),
            Header::FirstRow => {}
        }
        loop {
            let (at, since) = (window.position(), lines.since);
            let cut = self.next(window, &mut lines.since);
            match cut.map_err(|source| place.cannot_read(at, source))? {
                Cut::Nothing => {}
                Cut::End => return Ok(StringRecord::new()),
                Cut::Record(Ok(_)) => return Ok(self.cells.clone()),
                Cut::Record(Err(fault)) => {
                    return Err(Error::bad(place, lines.number(since, place)?, at, fault));
                }
            }
        }
    }

    /// Cuts off the next row, and gives where its bytes are.
    fn next(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
    ) -> io::Result<Cut<std::ops::Range<usize>>> {
        if window.rest().is_empty() {
            window.fill()?;
        }
        let Some(first) = window.rest().first().copied() else {
            return Ok(Cut::End);
        };
        if first == b'\n' || first == b'\r' || Some(first) == self.dialect.comment {
            skip_line(window)?;
            *lines += 1;
            return Ok(Cut::Nothing);
        }
        match self.find(window)? {
            Found::Row { bytes, cells } => {
                let begin = window.position();
                let raw = window.consume(bytes);
                *lines += count_ends(window.cut(raw.clone()), None);
                Ok(Cut::Record(match self.take(cells) {
                    Ok(()) => Ok(raw),
                    Err(cell) => {
                        let raw = without_end(window.cut(raw));
                        let column = self.columns.get(cell).map(str::to_owned);
                        Err(Fault::new(raw, not_utf8(begin + first_invalid(raw))).in_column(column))
                    }
                }))
            }
            Found::TooLong | Found::Unended => {
                self.reader.reset();
                self.broken(window, lines)
            }
        }
    }

    /// Parses the next row, which stays in the window.
    fn find(&mut self, window: &mut Window) -> io::Result<Found> {
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let rest = window.rest();
            // At the end of the input, no more bytes are the end of the last row.
            let input = &rest[read..];
            if input.is_empty() && !window.has_ended() {
                if read > self.max_bytes {
                    return Ok(Found::TooLong);
                }
                window.fill()?;
                continue;
            }
            if input.is_empty() && !(self.give_unended && open_quote(rest, &self.dialect).is_none())
            {
                return Ok(Found::Unended);
            }
            let (result, nin, nout, nends) =
                self.reader
                    .read_record(input, &mut self.text[written..], &mut self.ends[ended..]);
            read += nin;
            written += nout;
            ended += nends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        if read > self.max_bytes.saturating_add(2) {
            return Ok(Found::TooLong);
        }
        if window.rest()[..read].ends_with(b"\r") {
            if read == window.rest().len() {
                window.fill()?;
            }
            read += usize::from(window.rest().get(read) == Some(&b'\n'));
        }
        Ok(Found::Row {
            bytes: read,
            cells: ended,
        })
    }

    /// Makes text of the cells. The error is the number of a cell that is no text.
    fn take(&mut self, count: usize) -> Result<(), usize> {
        self.cells.clear();
        let mut begin = 0;
        for (cell, end) in self.ends[..count].iter().enumerate() {
            let text = self.invalid.text(&self.text[begin..*end]);
            let text = text.map_err(|_| cell)?;
            match self.dialect.trim {
                true => self.cells.push_field(text.trim()),
                false => self.cells.push_field(&text),
            }
            begin = *end;
        }
        Ok(())
    }

    /// Cuts off the first line of what is no row: its quotes are open, or it is too long, or its end
    /// is still to be written.
    fn broken(
        &self,
        window: &mut Window,
        lines: &mut u64,
    ) -> io::Result<Cut<std::ops::Range<usize>>> {
        let rest = window.rest();
        let quote = open_quote(rest, &self.dialect);
        let has_lines = count_ends(rest, None) > 0;
        let is_long = rest.len() > self.max_bytes;
        if !is_long && !has_lines && !self.give_unended {
            return Ok(Cut::End);
        }
        let why = match quote {
            Some((quote, cell)) => {
                let line = count_ends(&rest[..quote], None);
                let on = match line {
                    0 => String::new(),
                    line => format!(", on line {} of the row,", line + 1),
                };
                format!(
                    "the quote in cell {cell}{on} is never closed; close it, or write it twice if \
                     it belongs to the text"
                )
            }
            None => format!(
                "the row is longer than {} bytes; if this is a file of rows, raise `max_row_bytes`",
                self.max_bytes
            ),
        };
        let first = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let fault = Fault::new(&rest[..first.unwrap_or(rest.len())], why);
        if self.skip_bad {
            skip_line(window)?;
            *lines += 1;
        }
        Ok(Cut::Record(Err(fault)))
    }
}

/// The first byte that is not UTF-8.
fn first_invalid(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to() as u64, |_| 0)
}

/// Where the quote is that is open at the end of these bytes, which begin with a row, and the number of
/// the cell that it is in.
fn open_quote(bytes: &[u8], dialect: &Dialect) -> Option<(usize, usize)> {
    let (mut opened, mut cell, mut at_begin, mut index) = (None, 1, true, 0);
    while let Some(byte) = bytes.get(index).copied() {
        match opened {
            Some(_) if Some(byte) == dialect.escape => index += 1,
            Some(_) if byte == dialect.quote => {
                let is_double = bytes.get(index + 1) == Some(&dialect.quote);
                match is_double && dialect.escape.is_none() {
                    true => index += 1,
                    false => opened = None,
                }
            }
            Some(_) => {}
            None if at_begin && byte == dialect.quote => {
                (opened, at_begin) = (Some((index, cell)), false);
            }
            None if byte == dialect.delimiter => (cell, at_begin) = (cell + 1, true),
            None if matches!(byte, b'\n' | b'\r') => (cell, at_begin) = (1, true),
            None => at_begin = false,
        }
        index += 1;
    }
    opened
}
