//! Checksums of rows.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// xxh3-64 over the bytes of a row, seeded with that of the row's place: bytes that appear in another row are
/// damage too. Signed, because the database stores it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum(pub(super) i64);

impl Checksum {
    pub(super) fn of(place: &[u64; 3], bytes: &[u8]) -> Self {
        let mut seed = [0; 24];
        for (to, from) in seed.chunks_exact_mut(8).zip(place) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        Self(xxh3_64_with_seed(bytes, xxh3_64(&seed)).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_bytes_both_count() {
        let sum = Checksum::of(&[1, 2, 3], b"run");
        assert_eq!(sum, Checksum::of(&[1, 2, 3], b"run"));
        assert_ne!(sum, Checksum::of(&[1, 2, 4], b"run"));
        assert_ne!(sum, Checksum::of(&[1, 2, 3], b"ruN"));
    }
}
