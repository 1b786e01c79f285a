//! Splits an input into lines.
//!
//! `\n`, `\r\n` and `\r` end a line. The split depends on the bytes alone, not on how many of them one read
//! returns.

use std::io;
use std::ops::Range;

use memchr::{memchr2, memchr2_iter};

use super::window::Window;

/// A line that was split off, without its end. See [`Window::cut`] for its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Range<usize>),
    /// The beginning of a line that exceeds the limit.
    TooLong(Vec<u8>),
    /// The input has ended. The rest is a line without an end, or nothing.
    End,
}

/// Splits off lines one by one.
#[derive(Clone, Debug)]
pub(crate) struct LineCutter {
    pub(crate) max_bytes: usize,
    /// Whether a last line without an end is complete.
    pub(crate) emit_unended: bool,
    /// Whether a line that is too long is split off as a whole, so that the next can follow.
    pub(crate) skip_long: bool,
    /// The beginning of a line that is too long and has not ended.
    pub(crate) skipped: Option<Vec<u8>>,
}

impl LineCutter {
    /// Splits off the next line.
    pub(crate) fn next(&mut self, window: &mut Window) -> io::Result<Line> {
        if let Some(first) = self.skipped.take() {
            return self.skip(window, first);
        }
        let mut searched = 0;
        loop {
            let rest = window.rest();
            match memchr2(b'\n', b'\r', &rest[searched..]) {
                // A `\r` at the end may be the first half of a line end.
                Some(end) if rest[searched + end] == b'\n' || searched + end + 1 < rest.len() => {
                    let end = searched + end;
                    let length = end + end_bytes(&rest[end..]);
                    return Ok(self.whole(window, end, length));
                }
                Some(end) if window.has_ended() => {
                    let end = searched + end;
                    return Ok(self.whole(window, end, end + 1));
                }
                Some(end) => searched += end,
                None => searched = rest.len(),
            }
            if searched > self.max_bytes {
                return self.too_long(window);
            }
            if window.has_ended() {
                let left = window.rest().len();
                return Ok(match left > 0 && self.emit_unended {
                    true => self.whole(window, left, left),
                    false => Line::End,
                });
            }
            window.fill()?;
        }
    }

    /// A line of `end` bytes, or `length` bytes with its end.
    fn whole(&self, window: &mut Window, end: usize, length: usize) -> Line {
        let begin = window.consume(length).start;
        match end > self.max_bytes {
            true => Line::TooLong(window.cut(begin..begin + self.max_bytes).to_vec()),
            false => Line::Whole(begin..begin + end),
        }
    }

    /// Splits off a line whose end is not in sight.
    fn too_long(&mut self, window: &mut Window) -> io::Result<Line> {
        let first = window.rest()[..self.max_bytes].to_vec();
        match self.skip_long {
            true => self.skip(window, first),
            false => Ok(Line::TooLong(first)),
        }
    }

    /// Splits off the rest of a line that is too long; without an end, it may have to wait.
    fn skip(&mut self, window: &mut Window, first: Vec<u8>) -> io::Result<Line> {
        if skip_line(window, self.emit_unended)? {
            return Ok(Line::TooLong(first));
        }
        self.skipped = Some(first);
        Ok(Line::End)
    }
}

/// Splits off all bytes up to the next line. Returns whether the line has ended; the end of the input ends it
/// too, unless it must wait for its own end. Otherwise the window contains its beginning: call this again
/// when the input has grown.
pub(crate) fn skip_line(window: &mut Window, emit_unended: bool) -> io::Result<bool> {
    window.hold();
    let has_ended = skip_to_end(window)? || emit_unended;
    // Nothing is held of an empty line.
    if has_ended || window.end() == window.position() {
        window.release();
    }
    Ok(has_ended)
}

/// Splits off all bytes up to the next line, or to the end of the input. Returns whether the line has an end.
fn skip_to_end(window: &mut Window) -> io::Result<bool> {
    loop {
        let rest = window.rest();
        match memchr2(b'\n', b'\r', rest) {
            Some(end) if rest[end] == b'\n' || end + 1 < rest.len() || window.has_ended() => {
                let length = end + end_bytes(&rest[end..]);
                window.consume(length);
                return Ok(true);
            }
            Some(end) => {
                window.consume(end);
            }
            None => {
                let length = rest.len();
                window.consume(length);
            }
        }
        if window.has_ended() && window.rest().is_empty() {
            return Ok(false);
        }
        window.fill()?;
    }
}

/// Moves on to the line that begins at a saved position, and returns how many lines end by that.
///
/// A file that ended with `\r` was read up to there. If a `\n` has been appended since, it belongs to that
/// end and begins no line. A file whose last line had no end may have been read up to there too. Its end may
/// have been appended since; if anything else was appended, the result is `None`, because the line was
/// incomplete when it was read.
pub(crate) fn begin_line(window: &mut Window) -> io::Result<Option<u64>> {
    let last = window.last_byte();
    if matches!(last, None | Some(b'\n')) {
        return Ok(Some(0));
    }
    while window.rest().len() < 2 && !window.has_ended() {
        window.fill()?;
    }
    let next = window.rest().first().copied();
    if last == Some(b'\r') {
        window.consume(usize::from(next == Some(b'\n')));
        return Ok(Some(0));
    }
    Ok(match next {
        None => Some(0),
        Some(b'\n' | b'\r') => {
            let length = end_bytes(window.rest());
            window.consume(length);
            Some(1)
        }
        Some(_) => None,
    })
}

/// The length of the line end at the beginning of these bytes.
fn end_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 1 }
}

/// The number of lines that end in these bytes. `before` is the preceding byte: a `\n` after a `\r` there
/// ends no line.
pub(crate) fn count_ends(bytes: &[u8], before: Option<u8>) -> u64 {
    let is_second_half = |at: usize| {
        let before = at.checked_sub(1).map_or(before, |at| Some(bytes[at]));
        bytes[at] == b'\n' && before == Some(b'\r')
    };
    let ends = memchr2_iter(b'\n', b'\r', bytes);
    ends.filter(|at| !is_second_half(*at)).count() as u64
}

#[cfg(test)]
mod tests;
