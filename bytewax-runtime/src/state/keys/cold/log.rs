//! The file of evicted keys: a sequence of records in *segments* of one size.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::directory::END;
use super::record::{self, Record, Unread};

/// The bytes of a segment.
const SEGMENT: usize = if cfg!(test) { 512 } else { 1 << 20 };

/// The number of segments that may be unused.
const SPARE: usize = 4;

/// Records at most this far apart are read at once.
const NEAR: u64 = 2 << 10;
/// The most bytes of such a read.
const WINDOW: u64 = 64 << 10;

/// The assumed size of a record before any is known.
const USUAL: u64 = 512;

/// The file of evicted keys is unusable.
#[derive(Debug, thiserror::Error)]
#[error("a file of evicted states in `{}` cannot be {doing}{mend}", dir.display())]
pub(crate) struct ColdError {
    dir: PathBuf,
    doing: &'static str,
    mend: &'static str,
    #[source]
    cause: io::Error,
}

impl ColdError {
    fn new(dir: &Path, doing: &'static str, cause: io::Error) -> Self {
        let mend = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; make room there, or let states take more memory (`--state-memory`)"
            }
            _ => "",
        };
        Self {
            dir: dir.to_path_buf(),
            doing,
            mend,
            cause,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// The bytes of live records.
    live: usize,
    /// The bytes written.
    filled: usize,
}

/// Creates a file that disappears with the process, however the process ends.
fn nameless_file(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    for number in 0_u64.. {
        let path = dir.join(format!("evicted-{}-{number}.tmp", std::process::id()));
        match options.open(&path) {
            // Another worker, or a process of another machine, is creating one at this moment.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, at)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(at))?;
    io::Read::read(&mut file, bytes)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(at))?;
    io::Write::write_all(&mut file, bytes)
}

/// A log of records that become obsolete at some time.
pub(super) struct Log {
    dir: PathBuf,
    /// Created on first use.
    file: Option<File>,
    segments: Vec<Segment>,
    /// Segments without live records.
    free: Vec<usize>,
    /// The bytes and the number of all live records.
    live: usize,
    count: usize,
    /// The content of the segment that is being filled; it is written when full.
    tail: Vec<u8>,
    tail_at: usize,
    /// A buffer for reads.
    window: Vec<u8>,
}

/// The place of a segment in the file.
fn start_of(segment: usize) -> u64 {
    segment as u64 * SEGMENT as u64
}

fn segment_of(at: u64) -> usize {
    (at / SEGMENT as u64) as usize
}

impl Log {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            file: None,
            segments: vec![Segment::default()],
            free: Vec::new(),
            live: 0,
            count: 0,
            tail: Vec::new(),
            tail_at: 0,
            window: Vec::new(),
        }
    }

    fn failed(&self, doing: &'static str, cause: io::Error) -> ColdError {
        ColdError::new(&self.dir, doing, cause)
    }

    pub(super) fn damaged(&self) -> ColdError {
        let cause = io::Error::new(
            io::ErrorKind::InvalidData,
            "its bytes are not those that were written",
        );
        self.failed("read", cause)
    }

    /// The bytes of all live records.
    pub(super) fn bytes(&self) -> usize {
        self.live
    }

    /// Adds a record, which `write` appends, and returns its place.
    pub(super) fn append<E: From<ColdError>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let start = self.tail.len();
        write(&mut self.tail)?;
        let bytes = self.tail.len() - start;
        let at = if self.tail.len() <= SEGMENT {
            start_of(self.tail_at) + start as u64
        } else {
            self.go_on(start)?
        };
        let segment = segment_of(at);
        self.segments[segment].live += bytes;
        self.live += bytes;
        self.count += 1;
        if segment == self.tail_at {
            self.segments[segment].filled = self.tail.len();
        }
        Ok(at)
    }

    /// Moves the record at this place of the tail, which has no room for it, elsewhere, and returns its new
    /// place.
    #[cold]
    fn go_on(&mut self, start: usize) -> Result<u64, ColdError> {
        let record = self.tail.split_off(start);
        if record.len() > SEGMENT {
            return self.append_long(&record);
        }
        let full = self.tail_at;
        if self.segments[full].live == 0 {
            self.free.push(full);
        } else {
            let tail = std::mem::take(&mut self.tail);
            self.write(full, &tail)?;
            self.tail = tail;
        }
        self.tail.clear();
        self.tail.extend_from_slice(&record);
        self.tail_at = match self.free.pop() {
            Some(free) => free,
            None => self.add_segments(1)?,
        };
        self.segments[self.tail_at] = Segment::default();
        Ok(start_of(self.tail_at))
    }

    /// Writes a record that needs several segments, at the end of the file.
    fn append_long(&mut self, record: &[u8]) -> Result<u64, ColdError> {
        let segment = self.add_segments(record.len().div_ceil(SEGMENT))?;
        self.write(segment, record)?;
        Ok(start_of(segment))
    }

    /// Adds segments at the end of the file; returns the first.
    fn add_segments(&mut self, count: usize) -> Result<usize, ColdError> {
        let first = self.segments.len();
        if start_of(first + count) > END {
            return Err(self.failed("written", io::ErrorKind::FileTooLarge.into()));
        }
        self.segments.resize(first + count, Segment::default());
        Ok(first)
    }

    fn write(&mut self, segment: usize, bytes: &[u8]) -> Result<(), ColdError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => nameless_file(&self.dir).map_err(|cause| self.failed("made", cause))?,
        };
        let written = write_at(&file, bytes, start_of(segment));
        self.file = Some(file);
        written.map_err(|cause| self.failed("written", cause))
    }

    /// Marks a record as obsolete.
    pub(super) fn remove(&mut self, at: u64, bytes: usize) {
        let segment = segment_of(at);
        self.live -= bytes;
        self.count -= 1;
        self.segments[segment].live -= bytes;
        if self.segments[segment].live == 0 && segment != self.tail_at {
            self.free.extend(segment..segment + bytes.div_ceil(SEGMENT));
        }
        if self.count == 0 {
            self.give_back();
        }
    }

    /// Releases the disk space of all records when no live ones are left.
    #[cold]
    fn give_back(&mut self) {
        if let Some(file) = &self.file {
            // The file may keep its space, because it is reused.
            let _ = file.set_len(0);
        }
        self.segments = vec![Segment::default()];
        self.free = Vec::new();
        self.tail = Vec::new();
        self.tail_at = 0;
    }

    /// Reads records. Their places must ascend.
    pub(super) fn read<E: From<ColdError>>(
        &mut self,
        places: &[u64],
        mut each: impl FnMut(u64, Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut window = std::mem::take(&mut self.window);
        // The part of the file in the window.
        let mut held = 0..0;
        // Most records are shorter than this.
        let mean = self.live.checked_div(self.count);
        let usual = mean.map_or(USUAL, |mean| mean as u64 * 5 / 4 + 32);
        for (index, &at) in places.iter().enumerate() {
            if segment_of(at) == self.tail_at {
                let bytes = self.tail.get((at - start_of(self.tail_at)) as usize..);
                let record = record::decode(bytes.unwrap_or_default());
                each(at, record.map_err(|_| self.damaged())?)?;
                continue;
            }
            if !(held.contains(&at) && at + usual <= held.end) {
                held = at..at + usual;
                for next in &places[index + 1..] {
                    if *next > held.end + NEAR || *next + usual > at + WINDOW {
                        break;
                    }
                    held.end = *next + usual;
                }
                held.end = at + self.fill(&mut window, at, (held.end - at) as usize)?;
            }
            let from = (at - held.start) as usize;
            let record = match record::decode(&window[from..]) {
                Err(Unread::Short(needed)) => {
                    if needed as u64 > start_of(self.segments.len()) - at {
                        return Err(self.damaged().into());
                    }
                    held = at..at + self.fill(&mut window, at, needed)?;
                    // Its head may be cut off too.
                    if let Err(Unread::Short(more)) = record::decode(&window)
                        && more as u64 <= start_of(self.segments.len()) - at
                    {
                        held = at..at + self.fill(&mut window, at, more)?;
                    }
                    record::decode(&window)
                }
                decoded => decoded,
            };
            each(at, record.map_err(|_| self.damaged())?)?;
        }
        self.window = window;
        if self.window.capacity() > 4 * WINDOW as usize {
            self.window = Vec::new();
        }
        Ok(())
    }

    /// Reads this many bytes, or up to the end of the file; returns the number of bytes read.
    fn fill(&self, window: &mut Vec<u8>, at: u64, bytes: usize) -> Result<u64, ColdError> {
        let Some(file) = &self.file else {
            return Err(self.damaged());
        };
        if window.len() < bytes {
            window.resize(bytes, 0);
        }
        window.truncate(bytes);
        let mut done = 0;
        while done < bytes {
            match read_at(file, &mut window[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        window.truncate(done);
        Ok(done as u64)
    }

    /// The segment whose live records are cheapest to rewrite, when most of the file is gaps: the emptiest.
    pub(super) fn gaps(&self) -> Option<usize> {
        let used = self.segments.len() - self.free.len();
        if used <= SPARE + 2 * self.live.div_ceil(SEGMENT) {
            return None;
        }
        let shares = self.segments.iter().enumerate();
        let emptiest = shares
            .filter(|(at, segment)| *at != self.tail_at && (1..SEGMENT).contains(&segment.live))
            .min_by_key(|(_, segment)| segment.live);
        emptiest.map(|(segment, _)| segment)
    }

    /// The whole content of a segment, as far as it is readable.
    pub(super) fn read_segment(&self, segment: usize) -> Result<Written, ColdError> {
        let mut bytes = Vec::new();
        let at = start_of(segment);
        let filled = self.segments[segment].filled;
        if self.fill(&mut bytes, at, filled)? == filled as u64 {
            Ok(Written { at, bytes })
        } else {
            Err(self.damaged())
        }
    }

    /// Rewrites a record.
    pub(super) fn copy(&mut self, record: &[u8]) -> Result<u64, ColdError> {
        self.append(|out| {
            out.extend_from_slice(record);
            Ok(())
        })
    }

    #[cfg(test)]
    pub(super) fn segments(&self) -> (usize, usize) {
        (self.segments.len(), self.free.len())
    }
}

/// The records of a segment.
pub(super) struct Written {
    at: u64,
    bytes: Vec<u8>,
}

impl Written {
    /// Appends the place, the hash and the length of each record to a list; nothing if one of them is
    /// damaged.
    pub(super) fn heads(&self, list: &mut Vec<(u64, u64, usize)>) -> Option<()> {
        let mut from = 0;
        while from < self.bytes.len() {
            let record = record::decode(&self.bytes[from..]).ok()?;
            list.push((self.at + from as u64, record.evicted.hash, record.len()));
            from += record.len();
        }
        Some(())
    }

    /// The bytes of one record.
    pub(super) fn record(&self, at: u64, len: usize) -> &[u8] {
        let from = (at - self.at) as usize;
        &self.bytes[from..from + len]
    }
}
