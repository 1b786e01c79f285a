//! Cuts what is read into lines.
//!
//! `\n`, `\r\n` and `\r` end a line. What is given, and where, depends on the bytes alone: not on
//! how many of them one read gives.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::{memchr2, memrchr2};

/// How much is read, and given, at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How much one read asks for, and so about how much text a batch has. At least 1.
    pub(super) chunk_bytes: usize,
    /// How many lines a batch has at the most. At least 1.
    pub(super) batch_lines: usize,
    /// How long a line may be, without its end.
    pub(super) max_line_bytes: usize,
}

impl Limits {
    /// The limits of a source that has not been told others.
    pub(super) const USUAL: Self = Self {
        chunk_bytes: 64 << 10,
        batch_lines: 1000,
        max_line_bytes: 64 << 20,
    };
}

/// Why there are no more lines.
#[derive(Debug)]
pub(super) enum Fault {
    Read(io::Error),
    /// The first byte that is not UTF-8.
    InvalidUtf8 {
        byte: u64,
    },
    /// The byte at which the line begins.
    LineTooLong {
        byte: u64,
    },
}

/// The lines of an input.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    limits: Limits,
    /// Whole lines; those before `next` were given.
    text: String,
    next: usize,
    /// What was read after `text`: the beginning of a line.
    rest: Vec<u8>,
    /// Where `next` is in the input.
    position: u64,
    /// Whether the input has ended. It is not read again then, even if it grows.
    ended: bool,
    /// Where the input is not UTF-8; `text` ends before that line.
    invalid: Option<u64>,
}

impl<R: Read> Lines<R> {
    /// The lines of an input of which the next byte to be read is at `position`.
    pub(super) fn new(input: R, position: u64, limits: Limits) -> Self {
        Self {
            input,
            limits,
            text: String::new(),
            next: 0,
            rest: Vec::new(),
            position,
            ended: false,
            invalid: None,
        }
    }

    /// Where the next line begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next lines, without their ends; none at the end of the input.
    ///
    /// Lines before a fault are given first.
    pub(super) fn next_batch(&mut self) -> Result<Vec<String>, Fault> {
        if self.next == self.text.len() {
            self.fill()?;
        }
        let mut lines = Vec::new();
        while lines.len() < self.limits.batch_lines && self.next < self.text.len() {
            let (line, length) = first_line(&self.text[self.next..]);
            if line.len() > self.limits.max_line_bytes {
                if lines.is_empty() {
                    return Err(self.line_too_long());
                }
                break;
            }
            if lines.is_empty() {
                lines.reserve(self.limits.batch_lines.min(1024));
            }
            lines.push(line.to_owned());
            self.next += length;
            self.position += length as u64;
        }
        Ok(lines)
    }

    /// Replaces `text`, all of which was given, by the next whole lines.
    fn fill(&mut self) -> Result<(), Fault> {
        if let Some(byte) = self.invalid {
            return Err(Fault::InvalidUtf8 { byte });
        }
        let whole = self.read()?;
        // The two buffers change places, so that neither is allocated again.
        let mut rest = std::mem::take(&mut self.text).into_bytes();
        rest.clear();
        rest.extend_from_slice(&self.rest[whole..]);
        self.rest.truncate(whole);
        let text = std::mem::replace(&mut self.rest, rest);
        self.next = 0;
        // Once for all lines: an end of a line is never a part of another character.
        self.text = String::from_utf8(text).or_else(|error| {
            let valid = error.utf8_error().valid_up_to();
            let byte = self.position + valid as u64;
            self.invalid = Some(byte);
            let mut text = error.into_bytes();
            text.truncate(last_end(&text[..valid]).unwrap_or(0));
            if text.is_empty() {
                return Err(Fault::InvalidUtf8 { byte });
            }
            Ok(String::from_utf8(text).expect("the text is valid up to there"))
        })?;
        Ok(())
    }

    /// Reads on until `rest` has a whole line, and gives the length of its whole lines.
    fn read(&mut self) -> Result<usize, Fault> {
        let mut searched = 0;
        while !self.ended {
            let length = self.rest.len();
            self.rest.resize(length + self.limits.chunk_bytes, 0);
            let read = self.input.read(&mut self.rest[length..]);
            self.rest
                .truncate(length + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(bytes) => self.ended = bytes == 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::Read(error)),
            }
            // A `\r` that comes last may be the first half of an end.
            let known = self.rest.len() - usize::from(self.rest.ends_with(b"\r"));
            if let Some(end) = last_end(&self.rest[searched..known]) {
                return Ok(searched + end);
            }
            searched = known;
            if searched > self.limits.max_line_bytes {
                return Err(self.line_too_long());
            }
        }
        Ok(self.rest.len())
    }

    fn line_too_long(&self) -> Fault {
        Fault::LineTooLong {
            byte: self.position,
        }
    }
}

/// The first line, without its end, and its length with it.
fn first_line(text: &str) -> (&str, usize) {
    match memchr2(b'\n', b'\r', text.as_bytes()) {
        None => (text, text.len()),
        Some(end) => {
            let crlf = text.as_bytes()[end..].starts_with(b"\r\n");
            (&text[..end], end + if crlf { 2 } else { 1 })
        }
    }
}

/// Where the last line that has an end is over.
fn last_end(bytes: &[u8]) -> Option<usize> {
    Some(memrchr2(b'\n', b'\r', bytes)? + 1)
}

/// Moves the input to the line that begins at a saved position, and says where that is.
///
/// An input that ended with `\r` was given up to there. If a `\n` has come since, it belongs to
/// that end and begins no line.
pub(super) fn seek_line(input: &mut (impl Read + Seek), position: u64) -> io::Result<u64> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(0);
    };
    input.seek(SeekFrom::Start(before))?;
    let mut around = Vec::new();
    input.take(2).read_to_end(&mut around)?;
    input.seek(SeekFrom::Start(position + u64::from(around == b"\r\n")))
}

#[cfg(test)]
mod tests;
