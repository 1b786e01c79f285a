//! Cuts an input into lines.
//!
//! `\n`, `\r\n` and `\r` end a line. Where a line is cut depends on the bytes alone: not on how many
//! of them one read gives.

use std::io;
use std::ops::Range;

use memchr::{memchr2, memchr2_iter};

use super::window::Window;

/// A line that was cut off, without its end. See [`Window::cut`] for its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Range<usize>),
    /// The beginning of a line that is longer than the limit.
    TooLong(Vec<u8>),
    /// The input has ended. What is left of it is a line without an end, or nothing.
    End,
}

/// Cuts off lines one by one.
#[derive(Clone, Debug)]
pub(crate) struct LineCutter {
    pub(crate) max_bytes: usize,
    /// Whether the last line counts as whole when it has no end.
    pub(crate) emit_unended: bool,
    /// Whether a line that is too long is cut off as a whole, so that the next can be.
    pub(crate) skip_long: bool,
    /// The beginning of a line that is too long and has not ended.
    pub(crate) skipped: Option<Vec<u8>>,
}

impl LineCutter {
    /// Cuts off the next line.
    pub(crate) fn next(&mut self, window: &mut Window) -> io::Result<Line> {
        if let Some(first) = self.skipped.take() {
            return self.skip(window, first);
        }
        let mut searched = 0;
        loop {
            let rest = window.rest();
            match memchr2(b'\n', b'\r', &rest[searched..]) {
                // A `\r` that comes last may be the first half of an end.
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

    /// A line of `end` bytes, which takes `length` with its end.
    fn whole(&self, window: &mut Window, end: usize, length: usize) -> Line {
        let begin = window.consume(length).start;
        match end > self.max_bytes {
            true => Line::TooLong(window.cut(begin..begin + self.max_bytes).to_vec()),
            false => Line::Whole(begin..begin + end),
        }
    }

    /// Cuts off a line whose end is not in sight.
    fn too_long(&mut self, window: &mut Window) -> io::Result<Line> {
        let first = window.rest()[..self.max_bytes].to_vec();
        match self.skip_long {
            true => self.skip(window, first),
            false => Ok(Line::TooLong(first)),
        }
    }

    /// Cuts off the rest of a line that is too long; without an end, it may have to wait for that.
    fn skip(&mut self, window: &mut Window, first: Vec<u8>) -> io::Result<Line> {
        if skip_line(window, self.emit_unended)? {
            return Ok(Line::TooLong(first));
        }
        self.skipped = Some(first);
        Ok(Line::End)
    }
}

/// Cuts off all bytes up to the next line. The answer is whether the line has ended, as it has at the end of the input
/// if it is not to wait for its own end. Else the window holds its beginning, and it is to be called again when the
/// input has grown.
pub(crate) fn skip_line(window: &mut Window, emit_unended: bool) -> io::Result<bool> {
    window.hold();
    let has_ended = skip_to_end(window)? || emit_unended;
    // Of a line of which nothing is there, nothing is held.
    if has_ended || window.end() == window.position() {
        window.release();
    }
    Ok(has_ended)
}

/// Cuts off all bytes up to the next line, or to the end of the input. The answer is whether the line has an end.
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
/// A file that ended with `\r` was read up to there. If a `\n` has come since, it belongs to that end
/// and begins no line. A file whose last line had no end may have been read up to there too. Then the
/// end may have come since; if something else has come, the result is `None`, since what was read was
/// no whole line.
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

/// How long the end of a line is that is at the beginning of these bytes.
fn end_bytes(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 1 }
}

/// How many lines end in these bytes. `before` is the byte in front of them: a `\n` behind a `\r`
/// there ends no line.
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
