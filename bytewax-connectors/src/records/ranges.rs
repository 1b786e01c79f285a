//! Ranges of one file, which several workers read.
//!
//! A range has the records that begin in it. Where the first of them begins is found from the bytes of
//! the file alone: it is behind the first end of a line, outside of quotes, that is not before the last
//! byte of the range before. So a worker that reads a range needs no other worker.
//!
//! Whether a byte is inside of quotes follows from how many quotes are before it, as long as quotes
//! stand around cells and nowhere else. As that cannot be known, each range checks at its end that the
//! next one begins there: the file is either cut right, or an error says that it cannot be cut.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memchr_iter;

use super::place::{Opened, Place};
use crate::files::Error;

/// How a file is cut into ranges.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    bytes: u64,
    /// For the beginning of each range, how many quotes are before it, as far as they were counted.
    quotes: Arc<Mutex<Vec<u64>>>,
}

/// A range of a file.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) begin: u64,
    /// None for the rest of the file.
    pub(crate) end: Option<u64>,
    ranges: Ranges,
}

impl Ranges {
    /// Ranges of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            bytes: bytes.max(1),
            quotes: Arc::default(),
        }
    }

    /// How many ranges a file of this length has.
    pub(crate) fn count(&self, length: u64) -> u64 {
        length.div_ceil(self.bytes).max(1)
    }

    pub(crate) fn range(&self, index: u64) -> Range {
        Range {
            begin: index * self.bytes,
            end: Some((index + 1) * self.bytes),
            ranges: self.clone(),
        }
    }
}

impl Range {
    /// Opens a file at the first record that begins at this byte or behind it. The answer is whether there
    /// is an end of a line that it begins behind; else what is open is at the end.
    pub(super) fn open(
        &self,
        place: &Place,
        begin: u64,
        quote: Option<u8>,
    ) -> Result<(Opened, bool), Error> {
        let mut quoted = match quote {
            Some(quote) => self.quotes_before(place, begin, quote)? % 2 == 1,
            None => false,
        };
        let mut opened = place.open(begin - 1)?;
        let window = &mut opened.window;
        loop {
            if window.rest().is_empty() {
                let at = window.position();
                window
                    .fill()
                    .map_err(|source| place.cannot_read(at, source))?;
                if window.rest().is_empty() {
                    return Ok((opened, false));
                }
            }
            match window.rest()[0] {
                byte if Some(byte) == quote => quoted = !quoted,
                b'\n' if !quoted => {
                    window.consume(1);
                    return Ok((opened, true));
                }
                b'\r' if !quoted => {
                    window.consume(1);
                    let at = window.position();
                    window
                        .fill()
                        .map_err(|source| place.cannot_read(at, source))?;
                    if window.rest().first() == Some(&b'\n') {
                        window.consume(1);
                    }
                    return Ok((opened, true));
                }
                _ => {}
            }
            window.consume(1);
        }
    }

    /// Checks that the next range begins where this one ended.
    pub(super) fn check_end(&self, place: &Place, position: u64, quote: u8) -> Result<(), Error> {
        let Some(end) = self.end else { return Ok(()) };
        let next = self.open(place, end, Some(quote))?.0.window.position();
        if next == position {
            return Ok(());
        }
        Err(Error::Ranges {
            path: place.path.clone(),
            position,
            quote: char::from(quote),
        })
    }

    /// How many quotes are before the last byte in front of the beginning of a range.
    fn quotes_before(&self, place: &Place, begin: u64, quote: u8) -> Result<u64, Error> {
        let index = usize::try_from(begin / self.ranges.bytes).unwrap_or(usize::MAX);
        let mut counts = self
            .ranges
            .quotes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            counts.push(0);
        }
        while counts.len() <= index {
            // From the last byte in front of a range to that in front of the next.
            let from = (counts.len() as u64 - 1) * self.ranges.bytes;
            let (from, to) = (from.saturating_sub(1), from + self.ranges.bytes - 1);
            let counted = count(place, from, to, quote)?;
            let before = counts.last().copied().unwrap_or(0);
            counts.push(before + counted);
        }
        Ok(counts[index])
    }
}

/// How many times a byte is in a part of a file.
fn count(place: &Place, from: u64, to: u64, byte: u8) -> Result<u64, Error> {
    let mut window = place.open(from)?.window;
    let mut found = 0;
    while window.position() < to {
        let at = window.position();
        window
            .fill()
            .map_err(|source| place.cannot_read(at, source))?;
        let left = usize::try_from(to - at).unwrap_or(usize::MAX);
        let length = window.rest().len().min(left);
        if length == 0 {
            break;
        }
        let cut = window.consume(length);
        found += memchr_iter(byte, window.cut(cut)).count() as u64;
    }
    Ok(found)
}
