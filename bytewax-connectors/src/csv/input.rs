//! The text of a file as the parser of rows gets it.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

/// Gives no more bytes for a row than it was allowed, and then an error. It ends the last line if the
/// file does not.
///
/// So a row that is over only where the text is over has a quote that is left open: every other row
/// is over with its line.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    left: usize,
    /// What was read and is not given up, from the byte `first` of the file on.
    kept: Vec<u8>,
    first: u64,
    /// Whether the end of the last line was added.
    closed: bool,
    /// Whether it was said that there is no more.
    over: bool,
}

/// More was asked for than was allowed.
#[derive(Debug)]
pub(super) struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the limit is reached")
    }
}

impl std::error::Error for TooMuch {}

impl<R> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            left: usize::MAX,
            kept: Vec::new(),
            first: 0,
            closed: false,
            over: false,
        }
    }

    /// Allows so many bytes from now on, for a row behind the byte `start` of the file.
    pub(super) fn allow(&mut self, bytes: usize, start: u64) {
        self.left = bytes;
        // So seldom that no row pays for more than its own bytes.
        let done = self.index(start);
        if done > self.kept.len() / 2 {
            self.kept.drain(..done);
            self.first = start;
        }
    }

    /// How many of the bytes from `start` on are ends of lines before anything else; and how many of
    /// those are `\n`.
    pub(super) fn ends_of_lines(&self, start: u64) -> (u64, u64) {
        let bytes = self.kept[self.index(start)..].iter();
        let ends = bytes.take_while(|byte| matches!(byte, b'\r' | b'\n'));
        ends.fold((0, 0), |(all, lines), end| {
            (all + 1, lines + u64::from(*end == b'\n'))
        })
    }

    /// Up to which byte of the file was read.
    pub(super) fn position(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Whether it was said that there is no more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    fn index(&self, byte: u64) -> usize {
        let index = usize::try_from(byte.saturating_sub(self.first)).unwrap_or(usize::MAX);
        index.min(self.kept.len())
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(TooMuch));
        }
        let most = self.left.min(buffer.len());
        let read = loop {
            match self.inner.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.left -= read;
        self.kept.extend_from_slice(&buffer[..read]);
        if read > 0 || most == 0 {
            return Ok(read);
        }
        if std::mem::replace(&mut self.closed, true) {
            self.over = true;
            return Ok(0);
        }
        buffer[0] = b'\n';
        Ok(1)
    }
}

impl<R: Seek> Seek for Input<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.first = self.inner.seek(to)?;
        self.kept.clear();
        self.closed = false;
        self.over = false;
        Ok(self.first)
    }
}
