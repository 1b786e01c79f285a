//! A file that is read, record by record, from a position on.

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

/// How a file is read, whatever is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// How many records a batch has at the most. At least 1.
    pub(crate) batch_records: usize,
    /// How long a record may be, without the end of its line.
    pub(crate) max_record_bytes: usize,
    /// What becomes of a longer one, if it is a line of text.
    pub(crate) too_long: TooLong,
    /// What becomes of the last record when its line has no end; by whether positions are saved, unless
    /// set.
    pub(crate) unended: Option<Unended>,
    pub(crate) invalid_utf8: InvalidUtf8,
    /// Whether reading goes on behind a record that cannot be read.
    pub(crate) skip_bad: bool,
}

impl Reading {
    /// How a source reads that has not been told otherwise.
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

/// What a file has in it.
pub(crate) trait Format: Clone + Debug + Send + Sync + 'static {
    type Item: Send + 'static;
    type Splitter: Splitter<Item = Self::Item>;

    /// Begins to cut off records.
    fn splitter(&self, reading: &Reading, start: Start<'_>) -> Result<Self::Splitter, Error>;

    /// The byte that stands around text in which a line may end without ending the record.
    fn quote(&self) -> Option<u8> {
        None
    }

    /// How a file is read, as far as that was not looked up in the file; none if there is nothing to choose.
    fn assumed(&self, _: &Self::Splitter) -> Option<String> {
        None
    }

    /// Checks that a file has the columns that it had before.
    fn check_columns(&self, _: &Place, _: &FilePosition, _: &Reading) -> Result<(), Error> {
        Ok(())
    }
}

/// Where a splitter begins.
#[cfg_attr(
    not(feature = "csv"),
    expect(
        dead_code,
        reason = "only CSV files begin with something else than records"
    )
)]
pub(crate) struct Start<'a> {
    pub(crate) place: &'a Place,
    /// At the beginning of the file, or at that of a record.
    pub(crate) window: &'a mut Window,
    /// The line that the window is in, counted on by what is cut off.
    pub(crate) lines: &'a mut Lines,
}

/// Cuts off records.
pub(crate) trait Splitter: 'static {
    type Item;

    /// Cuts off the next record, and adds the lines that it took.
    fn next(&mut self, window: &mut Window, lines: &mut u64) -> io::Result<Cut<Self::Item>>;

    /// Cuts off records that are plain to read, as far as they are in the window, and adds the lines that they took. All
    /// others are left to [`next`](Self::next).
    fn next_plain(
        &mut self,
        window: &mut Window,
        lines: &mut u64,
        limit: Limit,
        give: impl FnMut(Self::Item),
    );

    /// The number of the cell with a quote that is open at the end of these bytes, which begin with a record, and of the
    /// lines that it has by now.
    fn open_quote(&self, _: &[u8]) -> Option<(usize, u64)> {
        None
    }

    /// A hash of the names of the columns, where there are any; `None` while the row that names them
    /// waits for its end.
    fn columns(&self) -> Option<u64> {
        Some(0)
    }

    /// From now on, takes a last record without an end as it is.
    fn emit_unended(&mut self);
}

/// What was cut off.
pub(crate) enum Cut<T> {
    Record(Result<T, Fault>),
    /// Something that is no record, such as a blank line.
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

/// A file of which the records are read. It is opened when it is polled first.
pub(crate) struct Records<F: Format, A> {
    place: Place,
    format: F,
    reading: Reading,
    range: Option<Range>,
    position: Option<FilePosition>,
    open: Option<Open<F::Splitter>>,
    /// How many records the last batch had.
    usual: usize,
    /// What was met behind the records that were given.
    fault: Option<Error>,
    /// Whether more may come behind the end.
    follows: bool,
    /// Whether what is there is not held back for what comes later.
    is_eager: bool,
    /// Whether to tell how the file is read.
    tells: bool,
    answer: PhantomData<fn() -> A>,
}

struct Open<S> {
    opened: Opened,
    splitter: S,
    lines: Lines,
}

impl<S: Splitter> Open<S> {
    /// The position at a byte, behind which so many lines have ended since the file was opened.
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

/// In which line reading is.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Where reading began.
    began: u64,
    /// How many lines end before that, if it is known.
    before: Option<u64>,
    /// How many lines ended since.
    pub(crate) since: u64,
}

impl Lines {
    /// The lines of a file that is read from its beginning.
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

    /// The same, of a file that may grow behind its end, and be cut or replaced by then: whoever reads it
    /// looks for that.
    pub(crate) fn following(self) -> Self {
        Self {
            follows: true,
            ..self
        }
    }

    /// The same, which logs how the file is read, if this is set.
    pub(crate) fn telling(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// Tells what was not looked up in the file, once the columns are known.
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

    /// Closes the file, so that it is opened anew where reading it goes on.
    pub(crate) fn reopen(&mut self) {
        self.position = Some(self.position());
        self.open = None;
    }

    /// The same, of a stream that may be silent for long: records that are there are given at once.
    pub(crate) fn eager(self) -> Self {
        Self {
            is_eager: true,
            ..self
        }
    }

    /// What is open, once records were asked for.
    pub(crate) fn opened(&mut self) -> Option<&mut Opened> {
        self.open.as_mut().map(|open| &mut open.opened)
    }

    /// Whether the names of the columns are known, if there are to be any.
    pub(crate) fn has_columns(&self) -> bool {
        let columns = self.open.as_ref().map(|open| open.splitter.columns());
        !matches!(columns, Some(None))
    }

    /// From now on, takes a last record without an end as it is.
    pub(crate) fn emit_unended(&mut self) {
        if let Some(open) = &mut self.open {
            open.splitter.emit_unended();
        }
    }

    /// Opens the file; none if no record begins in the range yet.
    fn open(&self) -> Result<Option<Open<F::Splitter>>, Error> {
        let (place, quote) = (&self.place, self.format.quote());
        let begin = self.range.as_ref().map_or(0, |range| range.begin);
        // What was not begun is at byte 0, be it a range that begins elsewhere.
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

    /// How many bytes of the file are not read yet; not known of one that is compressed, or no file.
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

    /// Opens the file, if it is not open.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            self.open = self.open()?;
            self.tell();
        }
        Ok(())
    }

    /// The next records; none at the end. Records before a fault are given first.
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
                            // Reading goes on in front of it, when the file has been mended.
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
            // What was read since may be of several files.
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

    /// Closes the file, which has ended or of which the range was read.
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
        // Of a file without columns, also the lines before those were not read for good.
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
            // A partition that has ended is kept for a while, and its file is not needed any more.
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
