//! Encoded keys of a snapshot in progress that leave memory until their part of the snapshot is due.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::log::{ColdError, Log};
use super::record::{self, Evicted};

/// The place of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spilled(u64);

/// A file of bytes that are read once. It is empty, and takes no disk space, when all of them were read.
pub(crate) struct Spill(Log);

impl Spill {
    /// Creates the file in this directory on first use.
    pub(crate) fn new(dir: &Path) -> Self {
        Self(Log::new(dir))
    }

    /// Stores some bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<Spilled, ColdError> {
        let sum = xxh3_64(bytes);
        // The bytes have no key, so their checksum takes the place of its hash.
        let head = Evicted {
            hash: sum,
            touched: 0,
            stored: false,
            timer: false,
            due: None,
        };
        let append = |out: &mut Vec<u8>| {
            record::encode(&head, out, |out| {
                out.extend_from_slice(bytes);
                Ok::<_, ColdError>(0)
            })
        };
        self.0.append(append).map(Spilled)
    }

    /// Passes some bytes to a function, and removes them.
    ///
    /// The bytes are damaged if their checksum is wrong, or if the function refuses them.
    pub(crate) fn take(
        &mut self,
        Spilled(at): Spilled,
        accept: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), ColdError> {
        let (mut length, mut accept, mut is_whole) = (0, Some(accept), false);
        self.0.read(&[at], |_, record| {
            length = record.len();
            is_whole = xxh3_64(record.state) == record.evicted.hash
                && accept.take().is_some_and(|accept| accept(record.state));
            Ok::<_, ColdError>(())
        })?;
        if !is_whole {
            return Err(self.0.damaged());
        }
        self.0.remove(at, length);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_once_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path());
        // Some are longer than a segment of the file, and some are empty.
        let all: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; usize::from(n) * 37]).collect();
        let mut places: Vec<_> = (all.iter())
            .map(|bytes| (spill.put(bytes).unwrap(), bytes))
            .collect();
        for (place, bytes) in places.split_off(20).into_iter().chain(places) {
            let same = |read: &[u8]| {
                assert_eq!(read, bytes);
                true
            };
            spill.take(place, same).unwrap();
        }
        assert_eq!(spill.bytes(), 0);
    }

    #[test]
    fn refused_bytes_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path());
        let place = spill.put(b"no entry").unwrap();
        let error = spill.take(place, |_| false).unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}
