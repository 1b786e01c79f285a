//! Creates items from the rows of a CSV file.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use ::csv::StringRecord;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::cells::{Cells, without_end};
use super::dialect::Dialect;
use super::row::{CsvRow, parse};
use crate::files::Error;
use crate::records::{
    Cut, Fault, FilePosition, Format, Limit, Lines, Place, Reading, Sight, Splitter, Start, Window,
};

/// The conversion of a row into an item.
pub trait ParseRow: 'static {
    type Item: Send + 'static;
    /// Whether an item contains the number of its line.
    const HAS_LINE: bool;

    /// Creates an item from the cells of a row. The error is the name of the column, if it is known, and the
    /// reason.
    fn parse(
        columns: &Arc<StringRecord>,
        cells: &StringRecord,
        line: u64,
    ) -> Result<Self::Item, (Option<String>, String)>;

    /// Whether the cells can become an item.
    fn is_row(columns: &Arc<StringRecord>, cells: &StringRecord) -> bool {
        Self::parse(columns, cells, 0).is_ok()
    }
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
        let columns_hash = columns.as_ref().map(hash);
        cells.columns = Arc::new(columns.unwrap_or_default());
        Ok(Rows {
            columns_hash,
            cells,
            sight: Sight::default(),
            first_line,
            rows: PhantomData,
        })
    }

    fn assumed(&self, rows: &Rows<P>) -> Option<String> {
        Some(self.dialect.told(&rows.cells.columns))
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
        let columns = self.columns_of(place, reading)?.unwrap_or_default();
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
    /// The names of the columns of a file; `None` if it does not contain them yet.
    fn columns_of(&self, place: &Place, reading: &Reading) -> Result<Option<StringRecord>, Error> {
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

/// Splits off rows and converts them into items.
pub(crate) struct Rows<P> {
    columns_hash: Option<u64>,
    cells: Cells,
    sight: Sight,
    /// The number of the line where reading began, if items contain line numbers.
    first_line: u64,
    rows: PhantomData<fn() -> P>,
}

impl<P: ParseRow> Splitter for Rows<P> {
    type Item = P::Item;

    fn next(&mut self, window: &mut Window, lines: &mut u64) -> io::Result<Cut<P::Item>> {
        let line = self.first_line + *lines;
        Ok(match self.cells.next(window, lines, P::is_row)? {
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

    /// Splits off rows without quotes.
    fn next_plain(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        limit: Limit,
        mut give: impl FnMut(P::Item),
    ) {
        if !self.cells.has_plain_rows() {
            return;
        }
        let text = self.sight.lines(window);
        let room = limit.before.saturating_sub(window.position());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (mut begin, mut ended, mut given) = (0, 0, 0);
        while given < limit.records && begin < room {
            let Some(row) = self.cells.take_plain(&text[begin..]) else {
                break;
            };
            let line = self.first_line + *lines + ended;
            let Ok(item) = P::parse(&self.cells.columns, &self.cells.cells, line) else {
                break;
            };
            give(item);
            begin += row;
            ended += 1;
            given += 1;
        }
        window.consume(begin);
        *lines += ended;
    }

    fn columns(&self) -> Option<u64> {
        self.columns_hash
    }

    fn open_quote(&self, bytes: &[u8]) -> Option<(usize, u64)> {
        self.cells.open_quote(bytes)
    }

    fn emit_unended(&mut self) {
        // In a file without columns so far, the last line would be the header.
        self.cells.emit_unended = self.columns_hash.is_some();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dialect::Header;
    use super::*;
    use crate::records::read_all;

    fn rows<P>(dialect: &Dialect, emit_unended: bool) -> Rows<P> {
        let reading = Reading {
            skip_bad: true,
            max_record_bytes: 30,
            ..Reading::USUAL
        };
        let mut cells = Cells::new(dialect, &reading);
        cells.emit_unended = emit_unended;
        cells.columns = Arc::new(StringRecord::from(vec!["a", "b"]));
        Rows {
            columns_hash: Some(1),
            cells,
            sight: Sight::default(),
            first_line: 1,
            rows: PhantomData,
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("\n"),
            Just("\r\n"),
            Just("\r"),
            Just(","),
            Just("\""),
            Just("\"\""),
            Just("\"b,\n\""),
            Just("\\"),
            Just("#"),
            Just(" "),
            Just("\u{feff}"),
            Just("ab"),
            Just("7"),
            Just("ä€"),
        ];
        let pieces = prop::collection::vec(piece, 0..40);
        pieces.prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn rows_cut_together_are_those_cut_one_by_one(
            input in bytes(),
            latin in any::<Option<prop::sample::Index>>(),
            chunk_bytes in 1..60_usize,
            together in 1..9_usize,
            escape in any::<bool>(),
            trim in any::<bool>(),
            emit_unended in any::<bool>(),
        ) {
            let mut input = input;
            if let Some(at) = latin {
                let at = at.index(input.len() + 1);
                input.insert(at, 0xe9);
            }
            let dialect = Dialect {
                delimiter: b',',
                quote: b'"',
                escape: escape.then_some(b'\\'),
                comment: Some(b'#'),
                trim,
                skip_lines: 0,
                header: Header::None,
            };
            let texts = || rows::<CsvRow>(&dialect, emit_unended);
            let expect = read_all(texts(), &input, 7, None);
            prop_assert_eq!(read_all(texts(), &input, chunk_bytes, Some(together)), expect);
            let typed = || rows::<Typed<(u64, String)>>(&dialect, emit_unended);
            let expect = read_all(typed(), &input, 7, None);
            prop_assert_eq!(read_all(typed(), &input, chunk_bytes, Some(together)), expect);
        }
    }
}
