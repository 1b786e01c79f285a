//! A limit to what is read for one row.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

/// Gives no more bytes than it was allowed, and then an error.
#[derive(Debug)]
pub(super) struct Limited<R> {
    input: R,
    left: usize,
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

impl<R> Limited<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            left: usize::MAX,
        }
    }

    /// Allows so many bytes from now on.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(TooMuch));
        }
        let most = self.left.min(buffer.len());
        loop {
            match self.input.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.left -= read.as_ref().copied().unwrap_or(0);
                    return read;
                }
            }
        }
    }
}

impl<R: Seek> Seek for Limited<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.input.seek(to)
    }
}
