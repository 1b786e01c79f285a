//! The bytes of an evicted key.
//!
//! ```text
//! record := checksum:u32, head, key, state, padding up to a multiple of 16 bytes
//! head   := hash:u64, touched:u64, flags:u8, seconds:i64, nanoseconds:u32, length of the key:u32, length of the state:u32
//! ```
//!
//! Numbers are little endian. The checksum is the lower half of the XXH3 of head and key; a state has its
//! own.

use chrono::{DateTime, Utc};
use xxhash_rust::xxh3::xxh3_64;

const SUM: usize = 4;
const HEAD: usize = 8 + 8 + 1 + 8 + 4 + 4 + 4;
const BEFORE_KEY: usize = SUM + HEAD;

/// The places of records are multiples of this.
pub(super) const UNIT: usize = 16;

const STORED: u8 = 1;
const TIMER: u8 = 2;
const DUE: u8 = 4;

/// The metadata of an evicted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evicted {
    pub(crate) hash: u64,
    /// The number of the round in which it was touched, if it was not saved before its eviction; or 0.
    pub(crate) touched: u64,
    /// Whether the store may contain its state.
    pub(crate) stored: bool,
    /// Whether the store may contain its timer.
    pub(crate) timer: bool,
    /// Its timer.
    pub(crate) due: Option<DateTime<Utc>>,
}

/// An evicted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) evicted: Evicted,
    pub(crate) key: &'a [u8],
    pub(crate) state: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is this long, or longer.
    Short(usize),
    Damaged,
}

impl Record<'_> {
    /// The bytes of the record.
    pub(super) fn len(&self) -> usize {
        (BEFORE_KEY + self.key.len() + self.state.len()).next_multiple_of(UNIT)
    }
}

/// Adds a record. `write` appends the key and then the state, and returns the length of the key. An error
/// leaves `out` unchanged.
pub(super) fn encode<E>(
    evicted: &Evicted,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
) -> Result<(), E> {
    let start = out.len();
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(evicted.stored, STORED)
        | flag(evicted.timer, TIMER)
        | flag(evicted.due.is_some(), DUE);
    let due = evicted.due.unwrap_or(DateTime::UNIX_EPOCH);
    out.extend_from_slice(&[0; SUM]);
    out.extend_from_slice(&evicted.hash.to_le_bytes());
    out.extend_from_slice(&evicted.touched.to_le_bytes());
    out.push(flags);
    out.extend_from_slice(&due.timestamp().to_le_bytes());
    out.extend_from_slice(&due.timestamp_subsec_nanos().to_le_bytes());
    let lengths = out.len();
    out.extend_from_slice(&[0; 8]);
    let key = match write(out) {
        Ok(key) => key,
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    };
    let state = out.len() - start - BEFORE_KEY - key;
    // The store refuses longer ones too, with an error.
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    out[lengths..lengths + 4].copy_from_slice(&length(key));
    out[lengths + 4..lengths + 8].copy_from_slice(&length(state));
    let sum = checksum(&out[start + SUM..start + BEFORE_KEY + key]);
    out[start..start + SUM].copy_from_slice(&sum);
    out.resize(start + (out.len() - start).next_multiple_of(UNIT), 0);
    Ok(())
}

fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

/// Reads the record at the start of some bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Record<'_>, Unread> {
    let Some((before_key, rest)) = bytes.split_first_chunk::<BEFORE_KEY>() else {
        return Err(Unread::Short(BEFORE_KEY));
    };
    let (sum, mut head) = before_key.split_at(SUM);
    let mut u64 = || u64::from_le_bytes(take(&mut head));
    let (hash, touched) = (u64(), u64());
    let [flags] = take(&mut head);
    let seconds = i64::from_le_bytes(take(&mut head));
    let mut u32 = || u32::from_le_bytes(take(&mut head));
    let (nanoseconds, key, state) = (u32(), u32() as usize, u32() as usize);
    let Some((both, _)) = rest.split_at_checked(key + state) else {
        return Err(Unread::Short(BEFORE_KEY + key + state));
    };
    if checksum(&bytes[SUM..BEFORE_KEY + key]) != *sum {
        return Err(Unread::Damaged);
    }
    let due = DateTime::from_timestamp(seconds, nanoseconds).ok_or(Unread::Damaged)?;
    let (key, state) = both.split_at(key);
    Ok(Record {
        evicted: Evicted {
            hash,
            touched,
            stored: flags & STORED != 0,
            timer: flags & TIMER != 0,
            due: (flags & DUE != 0).then_some(due),
        },
        key,
        state,
    })
}

/// Splits bytes off the front of a slice, which must have them.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((first, rest)) = bytes.split_first_chunk() else {
        unreachable!("a head has a fixed length");
    };
    *bytes = rest;
    *first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evicted() -> impl Strategy<Value = Evicted> {
        let due = prop::option::of((-5_i64..5, 0_u32..1_000_000_000));
        (
            any::<u64>(),
            any::<u64>(),
            any::<bool>(),
            any::<bool>(),
            due,
        )
            .prop_map(|(hash, touched, stored, timer, due)| Evicted {
                hash,
                touched,
                stored,
                timer,
                due: due.and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos)),
            })
    }

    fn encoded(evicted: &Evicted, key: &[u8], state: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(evicted, &mut bytes, |out| {
            out.extend_from_slice(key);
            out.extend_from_slice(state);
            Ok::<_, ()>(key.len())
        })
        .unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(evicted in evicted(), key: Vec<u8>, state: Vec<u8>, after: Vec<u8>) {
            let mut bytes = encoded(&evicted, &key, &state);
            let (key, state) = (key.as_slice(), state.as_slice());
            let record = Record { evicted, key, state };
            prop_assert_eq!(bytes.len(), record.len());
            prop_assert_eq!(bytes.len() % UNIT, 0);
            bytes.extend(after);
            prop_assert_eq!(decode(&bytes), Ok(record));
        }

        #[test]
        fn a_part_of_a_record_says_how_much_is_needed(
            evicted in evicted(),
            key: Vec<u8>,
            state: Vec<u8>,
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encoded(&evicted, &key, &state);
            let whole = BEFORE_KEY + key.len() + state.len();
            match decode(&bytes[..cut.index(whole)]) {
                Err(Unread::Short(needed)) => prop_assert!(needed == BEFORE_KEY || needed == whole),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn a_damaged_head_or_key_is_not_read(evicted in evicted(), key: Vec<u8>, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = encoded(&evicted, &key, b"state");
            let at = at.index(BEFORE_KEY + key.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn after_an_error_nothing_was_written() {
        let evicted = Evicted {
            hash: 1,
            touched: 0,
            stored: false,
            timer: false,
            due: None,
        };
        let mut out = b"before".to_vec();
        let failed = encode(&evicted, &mut out, |out| {
            out.push(1);
            Err("broken")
        });
        assert_eq!(failed, Err("broken"));
        assert_eq!(out, b"before");
    }
}
