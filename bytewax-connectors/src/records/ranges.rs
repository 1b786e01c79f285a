//! Ranges of one file, which several workers read.
//!
//! A range contains the records that begin in it. The bytes of the file alone determine its first record: it
//! follows the first line end outside of quotes that is not before the last byte of the previous range. A
//! worker can therefore read a range without the others.
//!
//! The number of quotes before a byte shows whether it is inside quotes, as long as quotes only enclose
//! cells. As this is not certain, each range checks at its end that the next one begins there: either the
//! file is split correctly, or an error says that it cannot be split.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memchr_iter;

use super::place::{Opened, Place};
use crate::files::Error;

/// The split of a file into ranges.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    bytes: u64,
    /// For the beginning of each range, the number of quotes before it, as far as counted.
    quotes: Arc<Mutex<Vec<u64>>>,
}

/// A range of a file.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) begin: u64,
    /// `None` for the rest of the file.
    pub(crate) end: Option<u64>,
    ranges: Ranges,
}

impl Ranges {
    /// Ranges of this many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            bytes: bytes.max(1),
            quotes: Arc::default(),
        }
    }

    /// The number of ranges of a file of this length.
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
    /// Opens a file at the first record that begins at this byte or later. Returns whether a line end
    /// precedes it; otherwise the file is at its end.
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

    /// The number of quotes before the last byte in front of a range.
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
            // From the last byte in front of one range to that of the next.
            let from = (counts.len() as u64 - 1) * self.ranges.bytes;
            let (from, to) = (from.saturating_sub(1), from + self.ranges.bytes - 1);
            let counted = count(place, from, to, quote)?;
            let before = counts.last().copied().unwrap_or(0);
            counts.push(before + counted);
        }
        Ok(counts[index])
    }
}

/// Counts a byte in a part of a file.
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
