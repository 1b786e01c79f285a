//! Splits a CSV file into the cells of its rows.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use ::csv::StringRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::{memchr, memchr3};

use super::dialect::{Dialect, Header};
use crate::files::Error;
use crate::records::{
    Cut, Fault, InvalidUtf8, Lines, Place, Reading, Window, count_ends, not_utf8, skip_line,
};

/// The byte order mark, in UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Splits off the cells of rows.
pub(super) struct Cells {
    reader: Reader,
    dialect: Dialect,
    max_bytes: usize,
    pub(super) emit_unended: bool,
    skip_bad: bool,
    /// The defect of an incomplete line, part of which was split off.
    skipped: Option<Fault>,
    invalid: InvalidUtf8,
    /// The bytes of a row's cells, without quotes, and the end of each.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// The last row that was split off.
    pub(super) cells: StringRecord,
    /// The names of the columns, once known.
    pub(super) columns: Arc<StringRecord>,
}

/// The parser's result for the available bytes.
enum Found {
    /// A row of this many bytes and cells.
    Row { bytes: usize, cells: usize },
    /// The row exceeds the limit.
    TooLong,
    /// The input ended within the row.
    Unended,
}

impl Cells {
    pub(super) fn new(dialect: &Dialect, reading: &Reading) -> Self {
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(dialect.delimiter)
            .quote(dialect.quote)
            .escape(dialect.escape)
            .double_quote(dialect.escape.is_none());
        Self {
            reader: ready(builder.build()),
            dialect: dialect.clone(),
            max_bytes: reading.max_record_bytes,
            emit_unended: reading.emits_unended(),
            skip_bad: reading.skip_bad,
            skipped: None,
            invalid: reading.invalid_utf8,
            text: vec![0; 1024],
            ends: vec![0; 32],
            cells: StringRecord::new(),
            columns: Arc::default(),
        }
    }

    /// Reads everything before the first row of values, and returns the names of the columns; `None` if the
    /// file is not that long yet.
    pub(super) fn read_columns(
        &mut self,
        place: &Place,
        window: &mut Window,
        lines: &mut Lines,
    ) -> Result<Option<StringRecord>, Error> {
        let cannot_read = |source| place.cannot_read(0, source);
        while window.rest().len() < MARK.len() && !window.has_ended() {
            window.fill().map_err(cannot_read)?;
        }
        if window.rest().starts_with(MARK) {
            window.consume(MARK.len());
        }
        for _ in 0..self.dialect.skip_lines {
            if !skip_line(window, false).map_err(cannot_read)? {
                return Ok(None);
            }
            lines.since += 1;
        }
        match &self.dialect.header {
            Header::Given(names) => return Ok(Some(StringRecord::from(names.as_slice()))),
            Header::None => return Ok(Some(StringRecord::new())),
            Header::FirstRow => {}
        }
        loop {
            let (at, since) = (window.position(), lines.since);
            let cut = self.next(window, &mut lines.since, |_, _| true);
            match cut.map_err(|source| place.cannot_read(at, source))? {
                Cut::Nothing => {}
                Cut::End => return Ok(None),
                Cut::Record(Ok(_)) => return Ok(Some(self.cells.clone())),
                Cut::Record(Err(fault)) => {
                    return Err(Error::header(place, lines.number(since, place)?, at, fault));
                }
            }
        }
    }

    /// Whether rows without quotes can be split at their delimiters alone.
    pub(super) fn has_plain_rows(&self) -> bool {
        let is_end = |byte| matches!(byte, b'\n' | b'\r');
        let Dialect {
            delimiter, quote, ..
        } = self.dialect;
        delimiter.is_ascii() && !is_end(delimiter) && !is_end(quote)
    }

    /// Splits the row at the beginning of a text into cells, and returns its length with its end; `None` if
    /// it has quotes or is incomplete.
    pub(super) fn take_plain(&mut self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let end = memchr3(b'\n', b'\r', self.dialect.quote, bytes)?;
        let length = match (bytes[end], bytes.get(end + 1)) {
            (b'\n', _) => end + 1,
            (b'\r', Some(b'\n')) => end + 2,
            (b'\r', Some(_)) => end + 1,
            // A quote, or the possible first half of a line end.
            _ => return None,
        };
        if end == 0 || end > self.max_bytes || bytes.first().copied() == self.dialect.comment {
            return None;
        }
        let mut row = &text[..end];
        self.cells.clear();
        while let Some(end) = memchr(self.dialect.delimiter, row.as_bytes()) {
            self.push(&row[..end]);
            row = &row[end + 1..];
        }
        self.push(row);
        Some(length)
    }

    fn push(&mut self, cell: &str) {
        match self.dialect.trim {
            true => self.cells.push_field(cell.trim()),
            false => self.cells.push_field(cell),
        }
    }

    /// Splits off the next row, and returns the range of its bytes.
    pub(super) fn next(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        is_row: IsRow,
    ) -> io::Result<Cut<Range<usize>>> {
        if window.is_held() {
            return self.skip(window, lines);
        }
        if window.rest().is_empty() {
            window.fill()?;
        }
        let Some(first) = window.rest().first().copied() else {
            return Ok(Cut::End);
        };
        if first == b'\n' || first == b'\r' || Some(first) == self.dialect.comment {
            return self.skip(window, lines);
        }
        match self.find(window)? {
            Found::Row { bytes, cells } => {
                let begin = window.position();
                let raw = window.consume(bytes);
                *lines += self.ends_of(window.cut(raw.clone()), cells);
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
                self.reader = ready(std::mem::take(&mut self.reader));
                self.broken(window, lines, is_row)
            }
        }
    }

    /// Parses the next row, which stays in the window.
    fn find(&mut self, window: &mut Window) -> io::Result<Found> {
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let rest = window.rest();
            // At the end of the input, an empty read ends the last row.
            let input = &rest[read..];
            if input.is_empty() && !window.has_ended() {
                if read > self.max_bytes {
                    return Ok(Found::TooLong);
                }
                window.fill()?;
                continue;
            }
            if input.is_empty() && !(self.emit_unended && self.dialect.open_quote(rest).is_none()) {
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
        if without_end(&window.rest()[..read]).len() > self.max_bytes {
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

    /// The number of lines that end in a row with this many cells.
    fn ends_of(&self, row: &[u8], cells: usize) -> u64 {
        let text = self.ends[..cells].last().copied().unwrap_or(0);
        match row.last() {
            // Exactly one byte follows each cell: no cell has quotes, so none contains a line end.
            Some(b'\n' | b'\r') if row.len() == text + cells => 1,
            _ => count_ends(row, None),
        }
    }

    /// Validates the cells as text. The error is the number of the first invalid cell.
    fn take(&mut self, count: usize) -> Result<(), usize> {
        self.cells.clear();
        let ends = &self.ends[..count];
        // Checking all of them at once is faster.
        let all = ends
            .last()
            .map(|end| std::str::from_utf8(&self.text[..*end]));
        let all = all.and_then(Result::ok);
        let mut begin = 0;
        for (cell, end) in ends.iter().enumerate() {
            let text = match all.and_then(|all| all.get(begin..*end)) {
                Some(text) => Cow::Borrowed(text),
                None => {
                    let text = self.invalid.text(&self.text[begin..*end]);
                    text.map_err(|_| cell)?
                }
            };
            match self.dialect.trim {
                true => self.cells.push_field(text.trim()),
                false => self.cells.push_field(&text),
            }
            begin = *end;
        }
        Ok(())
    }

    /// Splits off the first line of text that is not a row: its quotes are open, or it is too long. A row
    /// whose end is still to be written stays.
    fn broken(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        is_row: IsRow,
    ) -> io::Result<Cut<Range<usize>>> {
        let rest = window.rest();
        let is_long = rest.len() > self.max_bytes;
        // The verdict on a row must not depend on how much text behind it is in sight.
        let rest = &rest[..rest.len().min(self.max_bytes)];
        let quote = self.dialect.open_quote(rest);
        let has_rows = |quote| self.has_rows_behind(rest, quote, is_row);
        if !is_long && !self.emit_unended && !quote.is_some_and(has_rows) {
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
        if !self.skip_bad {
            return Ok(Cut::Record(Err(fault)));
        }
        self.skipped = Some(fault);
        self.skip(window, lines)
    }

    /// Splits off a line, which may have to wait for its end.
    fn skip(&mut self, window: &mut Window, lines: &mut u64) -> io::Result<Cut<Range<usize>>> {
        if !skip_line(window, self.emit_unended)? {
            return Ok(Cut::End);
        }
        *lines += 1;
        Ok(match self.skipped.take() {
            Some(fault) => Cut::Record(Err(fault)),
            None => Cut::Nothing,
        })
    }

    /// Whether the lines behind an open quote are rows by themselves, so that the quote is one that is never
    /// closed. One line is enough if it converts to an item and the conversion does not accept every text;
    /// otherwise several are needed, most of which must be rows. If rows have one cell, any text is one.
    fn has_rows_behind(&self, bytes: &[u8], (quote, cell): (usize, usize), is_row: IsRow) -> bool {
        let is_row = |cells: &StringRecord| {
            let has_all = match self.columns.len() {
                0 => cells.len() >= cell,
                columns => cells.len() == columns,
            };
            has_all && cells.len() > 1 && is_row(&self.columns, cells)
        };
        let mut lines = bytes[quote..].split_inclusive(|byte| *byte == b'\n');
        lines.next();
        let whole = lines.filter(|line| line.ends_with(b"\n") && !line.trim_ascii().is_empty());
        let (mut rows, mut others) = (0, 0);
        for line in whole.take(LINES_BEHIND) {
            match self.dialect.row_alone(line).filter(is_row) {
                Some(cells) => {
                    let any_text = StringRecord::from(vec!["\u{fffd}"; cells.len()]);
                    if !is_row(&any_text) {
                        return true;
                    }
                    rows += 1;
                }
                None => others += 1,
            }
        }
        rows > 1 && rows > others
    }

    /// The number of the cell whose quote is open at the end of these bytes, which begin with a row, and the
    /// number of its lines so far.
    pub(super) fn open_quote(&self, bytes: &[u8]) -> Option<(usize, u64)> {
        let (_, cell) = self.dialect.open_quote(bytes)?;
        let begun = !matches!(bytes.last(), Some(b'\n' | b'\r'));
        Some((cell, count_ends(bytes, None) + u64::from(begun)))
    }
}

/// Whether cells form a row with these columns.
pub(super) type IsRow = fn(&Arc<StringRecord>, &StringRecord) -> bool;

/// The number of lines behind an open quote that are examined.
const LINES_BEHIND: usize = 1000;

/// A parser at the beginning of a row. A byte order mark there belongs to the row.
fn ready(mut reader: Reader) -> Reader {
    reader.reset();
    reader.read_record(b"\n", &mut [0], &mut [0]);
    reader
}

/// The first byte that is not UTF-8.
fn first_invalid(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to() as u64, |_| 0)
}

/// Bytes without their line end.
pub(super) fn without_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
