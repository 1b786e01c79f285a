//! The part of an input that is in memory: the bytes split off last, and the next ones.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

/// The number of bytes that identify an input: its first ones, and those before a position.
pub(crate) const TRACE_BYTES: usize = 1024;

/// A window that moves over an input. Records are split off at its beginning.
pub(crate) struct Window {
    input: Box<dyn Read>,
    chunk_bytes: usize,
    /// The last bytes split off, then the unread ones, then free room.
    bytes: Vec<u8>,
    /// Where the next record begins in `bytes`.
    begin: usize,
    /// Where the free room begins in `bytes`.
    end: usize,
    /// Where the next record begins in the input.
    position: u64,
    /// The first bytes of the input.
    head: Vec<u8>,
    ended: bool,
    /// The start of a record that was partly split off, and the bytes before it.
    held: Option<(u64, Traces)>,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("position", &self.position)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// The data that identifies an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    /// A hash of the first bytes.
    pub(crate) head: u64,
    /// A hash of the bytes before the position.
    pub(crate) tail: u64,
}

impl Window {
    /// A window at a position of an input, whose next byte to be read is the one there.
    pub(crate) fn at(input: impl Read + 'static, chunk_bytes: usize, before: Before) -> Self {
        Self {
            input: Box::new(input),
            chunk_bytes: chunk_bytes.max(1),
            begin: before.tail.len(),
            end: before.tail.len(),
            bytes: before.tail,
            position: before.position,
            head: before.head,
            ended: false,
            held: None,
        }
    }

    /// The bytes that were read and not yet split off.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    /// Bytes of [`rest`](Self::rest) that were split off since the last read.
    pub(crate) fn cut(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Where the next record begins.
    pub(crate) fn position(&self) -> u64 {
        self.held.map_or(self.position, |(position, _)| position)
    }

    /// The end of the input that was read so far.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.rest().len() as u64
    }

    /// Fixes the start of the next record here, whatever is split off, until it is [released](Self::release).
    pub(crate) fn hold(&mut self) {
        let held = (self.position(), self.traces());
        self.held.get_or_insert(held);
    }

    /// Records that the held record has ended.
    pub(crate) fn release(&mut self) {
        self.held = None;
    }

    /// Whether part of an incomplete record was split off.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the input has ended. It is not read again then, even if it grows.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The last byte that was split off.
    pub(crate) fn last_byte(&self) -> Option<u8> {
        self.bytes[..self.begin].last().copied()
    }

    /// Reads more. Bytes that were split off before are no longer accessible.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let forget = self.begin.saturating_sub(TRACE_BYTES);
        if forget > 0 {
            self.bytes.copy_within(forget..self.end, 0);
            self.begin -= forget;
            self.end -= forget;
        }
        let room = self.end + self.chunk_bytes;
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        let read = loop {
            match self.input.read(&mut self.bytes[self.end..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count = read.as_ref().copied().unwrap_or(0);
        let offset = self.end();
        if offset == self.head.len() as u64 && self.head.len() < TRACE_BYTES {
            let wanted = (TRACE_BYTES - self.head.len()).min(count);
            let first = &self.bytes[self.end..self.end + wanted];
            self.head.extend_from_slice(first);
        }
        self.end += count;
        self.ended = read? == 0;
        Ok(())
    }

    /// Reads more from a file that had ended and has grown.
    pub(crate) fn grow(&mut self) {
        self.ended = false;
    }

    /// Splits off this many bytes, and returns their range for [`cut`](Self::cut).
    pub(crate) fn consume(&mut self, length: usize) -> Range<usize> {
        let begin = self.begin;
        self.begin += length;
        self.position += length as u64;
        begin..self.begin
    }

    /// Undoes splits since the last read, down to a position.
    pub(crate) fn back_to(&mut self, position: u64) {
        let length = usize::try_from(self.position - position).unwrap_or(usize::MAX);
        assert!(
            length <= self.begin,
            "bytes are in sight until the next read"
        );
        self.begin -= length;
        self.position = position;
    }

    /// The data that identifies the input at the present position.
    pub(crate) fn traces(&self) -> Traces {
        if let Some((_, traces)) = self.held {
            return traces;
        }
        let cut = &self.bytes[..self.begin];
        let head = usize::try_from(self.position).map_or(TRACE_BYTES, |at| at.min(TRACE_BYTES));
        Before::traces(&self.head[..head.min(self.head.len())], cut)
    }
}

/// The bytes before a position of an input.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) position: u64,
    /// The first bytes, at most [`TRACE_BYTES`].
    pub(crate) head: Vec<u8>,
    /// The last bytes, at most [`TRACE_BYTES`].
    pub(crate) tail: Vec<u8>,
}

impl Before {
    /// Reads an input from its beginning up to a position, or up to its end if that comes first.
    pub(crate) fn skip(input: &mut impl Read, position: u64) -> io::Result<Self> {
        let mut before = Self::default();
        let mut chunk = vec![0; 64 << 10];
        while before.position < position {
            let left = position - before.position;
            let wanted = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            match input.read(&mut chunk[..wanted]) {
                Ok(0) => break,
                Ok(count) => before.add(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(before)
    }

    /// Reads the bytes before a byte of a file, and restores the file's read position.
    pub(crate) fn of_file(mut file: &File, byte: u64) -> io::Result<Self> {
        let traced = byte.min(TRACE_BYTES as u64);
        let at = file.stream_position()?;
        let mut read = |from: u64| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.take(traced).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let parts = read(0).and_then(|head| Ok((head, read(byte - traced)?)));
        file.seek(SeekFrom::Start(at))?;
        let (head, tail) = parts?;
        Ok(Self {
            position: byte,
            head,
            tail,
        })
    }

    pub(crate) fn as_traces(&self) -> Traces {
        Self::traces(&self.head, &self.tail)
    }

    fn add(&mut self, bytes: &[u8]) {
        let wanted = (TRACE_BYTES - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        let last = &bytes[bytes.len().saturating_sub(TRACE_BYTES)..];
        self.tail.extend_from_slice(last);
        let surplus = self.tail.len().saturating_sub(TRACE_BYTES);
        self.tail.drain(..surplus);
        self.position += bytes.len() as u64;
    }

    fn traces(head: &[u8], cut: &[u8]) -> Traces {
        Traces {
            head: xxh3_64(head),
            tail: xxh3_64(&cut[cut.len().saturating_sub(TRACE_BYTES)..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn traces_of_a_position_do_not_depend_on_chunks_or_on_where_reading_began() {
        let bytes = input(5000);
        for at in [0, 1, 700, 1023, 1024, 1025, 3000, 5000] {
            let mut expect = None;
            for chunk in [1, 7, 1000, 9000] {
                for from in [0, at / 2, at] {
                    let mut rest = std::io::Cursor::new(bytes.clone());
                    let before = Before::skip(&mut rest, from as u64).unwrap();
                    assert_eq!(before.position, from as u64);
                    let mut window = Window::at(rest, chunk, before);
                    while window.position() < at as u64 {
                        window.fill().unwrap();
                        let left = at - window.position() as usize;
                        let length = window.rest().len().min(left);
                        let cut = window.consume(length);
                        let end = window.position() as usize;
                        assert_eq!(window.cut(cut), &bytes[end - length..end]);
                    }
                    let traces = window.traces();
                    assert_eq!(*expect.get_or_insert(traces), traces, "{at} {chunk} {from}");
                }
            }
        }
    }

    #[test]
    fn a_skip_beyond_the_end_stops_there() {
        let before = Before::skip(&mut input(10).as_slice(), 20).unwrap();
        assert_eq!(before.position, 10);
    }
}
