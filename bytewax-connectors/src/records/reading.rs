//! Reads a file, record by record, from a position on.

use std::fmt;
use std::fmt::Debug;
use std::fs;
use std::io;
use std::marker::PhantomData;

use bytewax_runtime::StepError;
use bytewax_runtime::source::{Lag, Poll, StatefulSourcePartition};
use memchr::memchr2;

use super::bad::{BadRecord, Fault, InvalidUtf8, TooLong};
use super::place::{CHUNK_BYTES, Opened, Place};
use super::position::FilePosition;
use super::ranges::Range;
use super::sight::Limit;
use super::window::{Traces, Window};
use crate::files::Error;
use crate::note::note;

/// The settings for reading a file of any content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The maximum number of records in a batch, at least 1.
    pub(crate) batch_records: usize,
    /// The maximum length of a record, without its line end.
    pub(crate) max_record_bytes: usize,
    /// The treatment of a longer one, if it is a line of text.
    pub(crate) too_long: TooLong,
    /// The treatment of a last record without a line end; by default, it depends on whether positions are
    /// saved.
    pub(crate) unended: Option<Unended>,
    pub(crate) invalid_utf8: InvalidUtf8,
    /// Whether reading continues after an unreadable record.
    pub(crate) skip_bad: bool,
}

impl Reading {
    /// The default settings of a source.
    pub(crate) const USUAL: Self = Self {
        batch_records: 1000,
        max_record_bytes: 64 << 20,
        too_long: TooLong::Refuse,
        unended: None,
        invalid_utf8: InvalidUtf8::Refuse,
        skip_bad: false,
    };
}

/// The treatment of a last line without a line end, which may still be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unended {
    /// It waits: a later run reads it when it is complete.
    Wait,
    /// It is read as it is. If it grows later, the next run is refused.
    Emit,
}

impl Reading {
    /// Whether a last line without an end is read as it is.
    pub(crate) fn emits_unended(&self) -> bool {
        self.unended == Some(Unended::Emit)
    }
}

/// The format of a file.
pub(crate) trait Format: Clone + Debug + Send + Sync + 'static {
    type Item: Send + 'static;
    type Splitter: Splitter<Item = Self::Item>;

    /// Creates a splitter.
    fn splitter(&self, reading: &Reading, start: Start<'_>) -> Result<Self::Splitter, Error>;

    /// The quote around text in which a line end does not end the record.
    fn quote(&self) -> Option<u8> {
        None
    }

    /// A description of the reading mode, as far as it was assumed rather than found in the file; `None` if
    /// there is no choice.
    fn assumed(&self, _: &Self::Splitter) -> Option<String> {
        None
    }

    /// Checks that a file has the same columns as before.
    fn check_columns(&self, _: &Place, _: &FilePosition, _: &Reading) -> Result<(), Error> {
        Ok(())
    }
}

/// The start of a splitter.
#[cfg_attr(
    not(feature = "csv"),
    expect(
        dead_code,
        reason = "only CSV files begin with something else than records"
    )
)]
pub(crate) struct Start<'a> {
    pub(crate) place: &'a Place,
    /// At the beginning of the file, or of a record.
    pub(crate) window: &'a mut Window,
    /// The line of the window's start, which is updated with each split.
    pub(crate) lines: &'a mut Lines,
}

/// Splits off records.
pub(crate) trait Splitter: 'static {
    type Item;

    /// Splits off the next record, and adds its lines to the count.
    fn next(&mut self, window: &mut Window, lines: &mut u64) -> io::Result<Cut<Self::Item>>;

    /// Splits off simple records, as far as they are in the window, and adds their lines to the count. All
    /// others are left to [`next`](Self::next).
    fn next_plain(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        limit: Limit,
        give: impl FnMut(Self::Item),
    );

    /// The number of the cell whose quote is open at the end of these bytes, which begin with a record, and
    /// the number of its lines so far.
    fn open_quote(&self, _: &[u8]) -> Option<(usize, u64)> {
        None
    }

    /// A hash of the names of the columns, if any; `None` while the header row is incomplete.
    fn columns(&self) -> Option<u64> {
        Some(0)
    }

    /// From now on, accepts a last record without an end.
    fn emit_unended(&mut self);
}

/// The result of a split.
pub(crate) enum Cut<T> {
    Record(Result<T, Fault>),
    /// Text that is not a record, such as a blank line.
    Nothing,
    /// The input has ended.
    End,
}

/// The treatment of unreadable records: [`Strict`] or [`Results`].
pub trait Answer<T>: 'static {
    /// The items of the source.
    type Item: Send + 'static;

    #[doc(hidden)]
    const SKIPS_BAD: bool;

    #[doc(hidden)]
    fn good(item: T) -> Self::Item;

    #[doc(hidden)]
    fn bad(bad: BadRecord) -> Result<Self::Item, BadRecord>;
}

/// Marks sources that stop the run at the first unreadable record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strict;

impl<T: Send + 'static> Answer<T> for Strict {
    type Item = T;
    const SKIPS_BAD: bool = false;

    fn good(item: T) -> T {
        item
    }

    fn bad(bad: BadRecord) -> Result<T, BadRecord> {
        Err(bad)
    }
}

/// Marks sources that emit a `Result` for each record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Results;

impl<T: Send + 'static> Answer<T> for Results {
    type Item = Result<T, BadRecord>;
    const SKIPS_BAD: bool = true;

    fn good(item: T) -> Self::Item {
        Ok(item)
    }

    fn bad(bad: BadRecord) -> Result<Self::Item, BadRecord> {
        Ok(Err(bad))
    }
}

/// A file whose records are read. The first poll opens it.
pub(crate) struct Records<F: Format, A> {
    place: Place,
    format: F,
    reading: Reading,
    range: Option<Range>,
    position: Option<FilePosition>,
    open: Option<Open<F::Splitter>>,
    /// The number of records in the last batch.
    usual: usize,
    /// The error after the emitted records.
    fault: Option<Error>,
    /// Whether the file may grow.
    follows: bool,
    /// Whether available records are emitted immediately instead of waiting for a full batch.
    is_eager: bool,
    /// Whether to log the reading mode.
    tells: bool,
    answer: PhantomData<fn() -> A>,
}

struct Open<S> {
    opened: Opened,
    splitter: S,
    lines: Lines,
}

impl<S: Splitter> Open<S> {
    /// The position at a byte, after this many line ends since the file was opened.
    fn place_at(&self, byte: u64, traces: Traces, since: u64) -> FilePosition {
        let line = self.lines.before.map(|before| before + since + 1);
        match self.splitter.columns() {
            Some(columns) => {
                let position = FilePosition::new(byte, line, traces, columns);
                position.in_file(self.opened.id.number)
            }
            None => FilePosition::default(),
        }
    }
}

/// The current line.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The start of reading.
    began: u64,
    /// The number of lines before it, if known.
    before: Option<u64>,
    /// The number of lines since.
    pub(crate) since: u64,
}

impl Lines {
    /// The count for a file that is read from its beginning.
    #[cfg(feature = "csv")]
    pub(crate) fn first() -> Self {
        Self {
            began: 0,
            before: Some(0),
            since: 0,
        }
    }

    /// The number, counted from 1, of the line that begins after `since` lines.
    pub(crate) fn number(&mut self, since: u64, place: &Place) -> Result<u64, Error> {
        let before = match self.before {
            Some(before) => before,
            None => place.line_of(self.began)? - 1,
        };
        self.before = Some(before);
        Ok(before + since + 1)
    }
}

impl<F: Format, A: Answer<F::Item>> Records<F, A> {
    pub(crate) fn new(
        place: Place,
        format: &F,
        reading: Reading,
        range: Option<Range>,
        position: Option<FilePosition>,
    ) -> Self {
        Self {
            place,
            format: format.clone(),
            reading: Reading {
                skip_bad: A::SKIPS_BAD,
                ..reading
            },
            range,
            position,
            open: None,
            usual: 0,
            fault: None,
            follows: false,
            is_eager: false,
            tells: false,
            answer: PhantomData,
        }
    }

    /// The same for a file that may grow, and may have been truncated or replaced: the caller checks that.
    pub(crate) fn following(self) -> Self {
        Self {
            follows: true,
            ..self
        }
    }

    /// The same, but logs the reading mode if this is set.
    pub(crate) fn telling(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// Logs the assumed reading mode, once the columns are known.
    fn tell(&mut self) {
        let Some(open) = self.open.as_ref().filter(|_| self.tells) else {
            return;
        };
        if open.splitter.columns().is_none() {
            return;
        }
        self.tells = false;
        let assumed = [
            self.format.assumed(&open.splitter),
            self.place.assumed_compression(),
        ];
        let assumed: Vec<String> = assumed.into_iter().flatten().collect();
        if !assumed.is_empty() {
            let path = self.place.path.display();
            note(&format!(
                "the file `{path}` is read as {}",
                assumed.join(", ")
            ));
        }
    }

    /// Closes the file, so that it is reopened at the current position.
    pub(crate) fn reopen(&mut self) {
        self.position = Some(self.position());
        self.open = None;
    }

    /// The same for a stream that may be silent for long: available records are emitted immediately.
    pub(crate) fn eager(self) -> Self {
        Self {
            is_eager: true,
            ..self
        }
    }

    /// The open file, once records were requested.
    pub(crate) fn opened(&mut self) -> Option<&mut Opened> {
        self.open.as_mut().map(|open| &mut open.opened)
    }

    /// Whether the names of the columns are known, if the format has columns.
    pub(crate) fn has_columns(&self) -> bool {
        let columns = self.open.as_ref().map(|open| open.splitter.columns());
        !matches!(columns, Some(None))
    }

    /// From now on, accepts a last record without an end.
    pub(crate) fn emit_unended(&mut self) {
        if let Some(open) = &mut self.open {
            open.splitter.emit_unended();
        }
    }

    /// Opens the file; `None` if no record begins in the range yet.
    fn open(&self) -> Result<Option<Open<F::Splitter>>, Error> {
        let (place, quote) = (&self.place, self.format.quote());
        let begin = self.range.as_ref().map_or(0, |range| range.begin);
        // An unread part is at byte 0, even if its range begins elsewhere.
        let position = self.position.filter(|position| position.byte() > 0);
        let (mut opened, before) = match &position {
            Some(position) => {
                self.format.check_columns(place, position, &self.reading)?;
                let (opened, ended) = place.resume(position)?;
                (opened, position.line().map(|line| line - 1 + ended))
            }
            None if begin > 0 => {
                let range = self.range.as_ref().expect("it begins somewhere");
                match range.open(place, begin, quote)? {
                    (opened, true) => (opened, None),
                    (_, false) => return Ok(None),
                }
            }
            None => (place.open(0)?, Some(0)),
        };
        let mut lines = Lines {
            began: opened.window.position(),
            before: match opened.window.position() {
                0 => Some(0),
                _ => before,
            },
            since: 0,
        };
        let start = Start {
            place,
            window: &mut opened.window,
            lines: &mut lines,
        };
        let splitter = self.format.splitter(&self.reading, start)?;
        Ok(Some(Open {
            opened,
            splitter,
            lines,
        }))
    }

    /// The unread bytes of the file; unknown for a compressed file or a stream.
    pub(crate) fn left(&self) -> Option<u64> {
        if self.place.is_compressed() {
            return None;
        }
        let begin = self.range.as_ref().map_or(0, |range| range.begin);
        let read = match (&self.open, self.position) {
            (Some(open), _) => open.opened.window.position(),
            (None, Some(position)) => position.byte().max(begin),
            (None, None) => begin,
        };
        let length = fs::metadata(&self.place.path).ok()?.len();
        let end = self.range.as_ref().and_then(|range| range.end);
        let end = end.map_or(length, |end| end.min(length));
        Some(end.saturating_sub(read))
    }

    /// Opens the file, unless it is open.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            self.open = self.open()?;
            self.tell();
        }
        Ok(())
    }

    /// The next records; `None` at the end. Records before a fault are emitted first.
    pub(crate) fn next_records(&mut self) -> Result<Vec<A::Item>, Error> {
        self.begin()?;
        let Some(open) = &mut self.open else {
            return Ok(Vec::new());
        };
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let end = self.range.as_ref().and_then(|range| range.end);
        let first = open.opened.window.position();
        let (traces, lines) = (open.opened.window.traces(), open.lines.since);
        let most = self.reading.batch_records;
        let before = first.saturating_add(CHUNK_BYTES as u64);
        let before = end.map_or(before, |end| end.min(before));
        let mut items = Vec::with_capacity(self.usual);
        while items.len() < most {
            let window = &mut open.opened.window;
            let limit = Limit {
                records: most - items.len(),
                before,
            };
            let (splitter, lines) = (&mut open.splitter, &mut open.lines.since);
            splitter.next_plain(window, lines, limit, |item| items.push(A::good(item)));
            if items.len() == most {
                break;
            }
            let position = window.position();
            if !items.is_empty() && position - first >= CHUNK_BYTES as u64 {
                break;
            }
            let is_there = || memchr2(b'\n', b'\r', window.rest()).is_some();
            if self.is_eager && !items.is_empty() && !is_there() {
                break;
            }
            if end.is_some_and(|end| position >= end) {
                self.fault = self.check_range(position).err();
                break;
            }
            let since = open.lines.since;
            match open.splitter.next(window, &mut open.lines.since) {
                Ok(Cut::Record(Ok(item))) => items.push(A::good(item)),
                Ok(Cut::Record(Err(fault))) => {
                    let bad = BadRecord {
                        file: self.place.path.display().to_string(),
                        line: open.lines.number(since, &self.place)?,
                        byte: position,
                        fault,
                    };
                    match A::bad(bad) {
                        Ok(item) => items.push(item),
                        Err(bad) => {
                            // Reading resumes before it, when the file has been corrected.
                            open.opened.window.back_to(position);
                            open.lines.since = since;
                            self.fault = Some(Error::Bad(Box::new(bad)));
                            break;
                        }
                    }
                }
                Ok(Cut::Nothing) => {}
                Ok(Cut::End) => {
                    if !self.follows {
                        self.fault = self.place.check_end(&open.opened).err();
                    }
                    break;
                }
                Err(source) => {
                    self.fault = Some(self.place.cannot_read(position, source));
                    break;
                }
            }
        }
        self.usual = items.len();
        if items.is_empty() {
            return self.fault.take().map_or(Ok(items), Err);
        }
        if let Some(open) = &mut self.open
            && let Err(changed) = self.place.check_more(&mut open.opened, first, traces)
        {
            // The data read since may be from several files.
            self.position = Some(open.place_at(first, traces, lines));
            (self.open, self.fault) = (None, None);
            return Err(changed);
        }
        Ok(items)
    }

    /// Checks that the next range begins where this one ended.
    fn check_range(&self, position: u64) -> Result<(), Error> {
        let Some((range, quote)) = self.range.as_ref().zip(self.format.quote()) else {
            return Ok(());
        };
        range.check_end(&self.place, position, quote)
    }

    pub(crate) fn position(&self) -> FilePosition {
        let Some(open) = &self.open else {
            return self.position.unwrap_or_default();
        };
        let window = &open.opened.window;
        open.place_at(window.position(), window.traces(), open.lines.since)
    }

    /// Closes the file, which has ended or whose range was read.
    fn close(&mut self) {
        let Some(open) = &self.open else {
            // No line begins in the range yet.
            self.position = Some(self.position().at_end());
            return;
        };
        let window = &open.opened.window;
        let rest = window.rest();
        let end = self.range.as_ref().and_then(|range| range.end);
        let is_over = end.is_some_and(|end| window.position() >= end);
        // Without columns, the preceding lines of the file were not consumed either.
        let is_whole = open.splitter.columns().is_some()
            || matches!(window.last_byte(), None | Some(b'\n' | b'\r'));
        let position = self.position();
        if is_over || rest.is_empty() && is_whole && !window.is_held() {
            self.position = Some(position.at_end());
        } else {
            let path = self.place.path.display();
            note(&match open.splitter.open_quote(rest) {
                Some((cell, lines)) => format!(
                    "a quote is open at the end of the file `{path}`, in cell {cell} of the last row, so the \
                     lines from there wait, {lines} by now: a later run reads them when the quote is closed, \
                     or this one, as a row that cannot be read, with `.unended(Unended::Emit)`"
                ),
                None => format!(
                    "the last line of the file `{path}` has no end, so it waits: a later run reads it when it \
                     has one, or this one with `.unended(Unended::Emit)`"
                ),
            });
            self.position = Some(position);
        }
        self.open = None;
    }
}

impl<F: Format, A> fmt::Debug for Records<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("path", &self.place.path)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl<F: Format, A: Answer<F::Item>> StatefulSourcePartition for Records<F, A> {
    type Item = A::Item;
    type Position = FilePosition;

    fn next_batch(&mut self) -> Result<Poll<A::Item>, StepError> {
        let records = self.next_records()?;
        if records.is_empty() {
            // An ended partition is kept for a while, and no longer needs its file.
            self.close();
            return Ok(Poll::end());
        }
        Ok(Poll::batch(records))
    }

    fn snapshot(&self) -> FilePosition {
        self.position()
    }

    fn lag(&self) -> Option<Lag> {
        self.left().map(Lag::Bytes)
    }
}
