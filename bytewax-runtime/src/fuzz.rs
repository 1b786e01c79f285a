//! The readers of possibly damaged bytes, for the fuzz targets in `fuzz/`: none of them may panic, run for
//! long or use much memory, whatever the bytes.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::codec;
use crate::recovery;
use crate::state::{self, State};
use crate::worker;

/// A state with all kinds of content.
type Sample = (
    u64,
    Option<String>,
    Vec<(i32, bool)>,
    std::collections::BTreeMap<String, Vec<u8>>,
    char,
);

/// The envelope of a saved value: the bytes unchanged, and with a valid frame around them.
pub fn envelope(bytes: &[u8]) {
    open(bytes);
    let mut whole = Vec::new();
    state::seal(&0_u64, &mut whole).expect("a number can be saved");
    whole.truncate(4);
    whole.extend_from_slice(&Sample::SCHEMA.fingerprint.to_le_bytes());
    whole.extend_from_slice(bytes);
    let checksum = xxh3_64(&whole).to_le_bytes();
    whole.extend_from_slice(&checksum[..4]);
    open(&whole);
}

fn open(bytes: &[u8]) {
    let Ok(saved) = state::peek(bytes) else {
        return;
    };
    let _ = (saved.version(), saved.fingerprint());
    let _ = state::open::<Sample>(bytes);
    let _ = state::open::<u64>(bytes);
    let _ = state::open::<String>(bytes);
}

/// A value without its envelope: a readable value survives writing and reading again.
pub fn codec(bytes: &[u8]) {
    round_trip::<Sample>(bytes);
    round_trip::<Vec<Option<Vec<String>>>>(bytes);
    let mut sealed = Vec::new();
    if let Ok(text) = str::from_utf8(bytes) {
        let text = text.to_owned();
        state::seal(&text, &mut sealed).expect("a text can be saved");
        let opened: String = state::open(&sealed).expect("what was saved can be read");
        assert_eq!(opened, text);
    }
}

fn round_trip<T: State + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = codec::decode_stored::<T>(bytes) else {
        return;
    };
    let mut again = Vec::new();
    codec::encode_stored(&value, &mut again).expect("what was read can be written");
    let read: T = codec::decode_stored(&again).expect("what was written can be read");
    assert_eq!(read, value);
}

/// A run: a row of the store.
pub fn run(bytes: &[u8]) {
    recovery::fuzz::run(bytes);
}

/// An object of a backup.
pub fn object(bytes: &[u8]) {
    recovery::fuzz::object(bytes);
}

/// What a process of a cluster receives.
pub fn network(bytes: &[u8]) {
    worker::fuzz::network(bytes);
}

/// What a client of the page and the metrics sends, besides HTTP itself.
#[cfg(feature = "serve")]
pub fn request(bytes: &[u8]) {
    crate::execution::fuzz(bytes);
}

/// A directory with partitions.
pub fn store(dir: &Path) {
    recovery::fuzz::store(dir);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Saved bytes with some changes.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let value = any::<(u64, Option<String>, Vec<(i32, bool)>)>();
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        (value, changes).prop_map(|((number, text, list), changes)| {
            let value: Sample = (number, text, list, Default::default(), 'a');
            let mut bytes = Vec::new();
            state::seal(&value, &mut bytes).expect("it can be saved");
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            envelope(&bytes);
            codec(&bytes);
            run(&bytes);
            object(&bytes);
            network(&bytes);
            #[cfg(feature = "serve")]
            request(&bytes);
        }

        #[test]
        fn damaged_bytes_are_read_without_a_panic(bytes in damaged()) {
            envelope(&bytes);
            codec(bytes.get(12..).unwrap_or_default());
        }
    }
}
