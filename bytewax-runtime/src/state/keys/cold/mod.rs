//! Keys that were evicted from memory: their bytes are in a file, and their places in memory.
//!
//! The file is a log. Restoring a key leaves a gap. Segments without records are reused, and when most of the
//! file is gaps, the remaining records are compacted. The file has no name, so nothing here outlives the
//! process: the recovery store contains everything that must.

mod directory;
mod log;
mod record;
mod spill;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use chrono::{DateTime, Utc};

use directory::Directory;
use log::Log;

pub(crate) use log::ColdError;
pub(crate) use record::{Evicted, Record};
pub(crate) use spill::{Spill, Spilled};

/// This many obsolete times are never worth a clean-up.
const SPARE_TIMES: usize = 64;

/// The number of keys that are put into the directory at once, and after which the need for a clean-up is
/// checked.
const AT_ONCE: usize = 256;

/// The evicted keys of one step on one worker.
pub(super) struct Cold {
    directory: Directory,
    log: Log,
    keeps_places: bool,
    /// The timers of keys, with their hashes. Some are obsolete.
    times: BinaryHeap<Reverse<(DateTime<Utc>, u64)>>,
    /// Keys that are in the log but not yet in the directory: their hashes, places and rounds.
    added: Vec<(u64, u64, u64)>,
    /// The number of keys put in since the last clean-up.
    put: usize,
    /// Buffers for places, hashes and lengths.
    places: Vec<u64>,
    lengths: Vec<(u64, u64, usize)>,
}

impl Cold {
    /// Stores evicted keys in a file in this directory. The file is created on first use.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            directory: Directory::new(),
            log: Log::new(dir),
            keeps_places: false,
            times: BinaryHeap::new(),
            added: Vec::new(),
            put: 0,
            places: Vec::new(),
            lengths: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.directory.len() + self.added.len()
    }

    /// The bytes of all keys.
    pub(super) fn bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Whether a key with this hash may be here. False positives are very rare.
    fn may_have(&self, hash: u64) -> bool {
        self.directory.may_have(hash)
    }

    /// Adds a key, which must not be here. `write` appends its bytes and then those of its state, and returns
    /// the length of the key.
    pub(super) fn put<E: From<ColdError>>(
        &mut self,
        evicted: &Evicted,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        let append = |out: &mut Vec<u8>| record::encode(evicted, out, write);
        let at = self.log.append(append)?;
        self.added.push((evicted.hash, at, evicted.touched));
        if let Some(due) = evicted.due {
            self.times.push(Reverse((due, evicted.hash)));
        }
        self.put += 1;
        if self.put >= AT_ONCE {
            self.put = 0;
            self.list_added();
            self.clean_times();
            while self.close_gaps()? {}
        }
        Ok(())
    }

    /// Puts keys into the directory. For many keys at once, cache misses overlap.
    fn list_added(&mut self) {
        for (hash, at, touched) in self.added.drain(..) {
            self.directory.add(hash, at, touched);
        }
    }

    /// Visits all keys of a part of the slots that were touched in the round with this number. From now on
    /// they count as saved.
    pub(super) fn look_at_touched<E: From<ColdError>>(
        &mut self,
        part: usize,
        number: u64,
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.list_added();
        self.places.clear();
        self.directory.take_touched(part, number, &mut self.places);
        self.places.sort_unstable();
        self.log.read(&self.places, |_, record| each(record))
    }

    /// Removes and returns all keys with these hashes.
    pub(super) fn take<E: From<ColdError>>(
        &mut self,
        hashes: impl Iterator<Item = u64>,
        each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.find(hashes);
        self.take_found(each)
    }

    /// Visits all keys of a part of the slots, with their places.
    pub(super) fn look_at_part<E: From<ColdError>>(
        &mut self,
        part: usize,
        each: impl FnMut(u64, Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.list_added();
        self.places.clear();
        self.places.extend(self.directory.of_part(part));
        self.places.sort_unstable();
        self.log.read(&self.places, each)
    }

    /// Removes and returns the keys at these places.
    pub(super) fn take_at<E: From<ColdError>>(
        &mut self,
        places: impl Iterator<Item = u64>,
        each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.places.clear();
        self.places.extend(places);
        self.places.sort_unstable();
        self.list_added();
        self.take_found(each)
    }

    /// Keeps all keys at their places from now on.
    pub(super) fn keep_places(&mut self) {
        self.keeps_places = true;
    }

    /// Finds the places of keys, in the order of the file, without duplicates. They may include those of a
    /// few other keys.
    fn find(&mut self, hashes: impl Iterator<Item = u64>) {
        self.list_added();
        self.places.clear();
        for hash in hashes {
            self.places.extend(self.directory.of(hash));
        }
        self.places.sort_unstable();
        self.places.dedup();
    }

    fn take_found<E: From<ColdError>>(
        &mut self,
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let lengths = &mut self.lengths;
        lengths.clear();
        self.log.read(&self.places, |at, record| {
            lengths.push((at, record.evicted.hash, record.len()));
            each(record)
        })?;
        for (at, hash, len) in self.lengths.drain(..) {
            self.directory.remove(hash, at);
            self.log.remove(at, len);
        }
        Ok(())
    }

    /// Rewrites keys that lie among gaps when most of the file is gaps.
    fn close_gaps(&mut self) -> Result<bool, ColdError> {
        let Some(segment) = self.log.gaps().filter(|_| !self.keeps_places) else {
            return Ok(false);
        };
        let bytes = self.log.read_segment(segment)?;
        self.lengths.clear();
        bytes
            .heads(&mut self.lengths)
            .ok_or_else(|| self.log.damaged())?;
        let directory = &mut self.directory;
        self.lengths
            .retain(|(at, hash, _)| directory.has(*hash, *at));
        for (at, hash, len) in self.lengths.drain(..) {
            let to = self.log.copy(bytes.record(at, len))?;
            directory.moved(hash, at, to);
            self.log.remove(at, len);
        }
        Ok(true)
    }

    /// The earliest possible timer, with its key's hash.
    pub(super) fn first_due(&mut self) -> Option<(DateTime<Utc>, u64)> {
        self.list_added();
        while let Some(Reverse((due, hash))) = self.times.peek().copied() {
            if self.may_have(hash) {
                return Some((due, hash));
            }
            self.times.pop();
        }
        None
    }

    /// Removes the earliest timer.
    pub(super) fn pop_due(&mut self) {
        self.times.pop();
    }

    /// Drops obsolete timers when they are more than half of all.
    fn clean_times(&mut self) {
        if self.times.len() <= 2 * self.len() + SPARE_TIMES {
            return;
        }
        let mut times = std::mem::take(&mut self.times).into_vec();
        times.sort_unstable_by_key(|Reverse((due, hash))| (*hash, *due));
        // A key that was evicted repeatedly has several. The first may wake it in vain; its real timer is
        // known then.
        times.dedup_by_key(|Reverse((_, hash))| *hash);
        times.retain(|Reverse((_, hash))| self.may_have(*hash));
        self.times = times.into();
    }
}
