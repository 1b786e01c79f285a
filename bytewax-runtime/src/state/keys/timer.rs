//! Timers: when a step next wakes a key.

use chrono::{DateTime, Utc};

use super::batch::{Batch, TooLong};

/// A key with a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) hash: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) due: DateTime<Utc>,
}

/// Adds a key with its timer, or with none, to a batch for the table of timers.
pub(crate) fn push_timer(
    batch: &mut Batch,
    hash: u64,
    key: &[u8],
    due: Option<DateTime<Utc>>,
) -> Result<(), TooLong> {
    batch.push(
        hash,
        key,
        due.map(encode_due).as_ref().map(<[u8; 12]>::as_slice),
    )
}

/// Seconds since 1970 as `i64`, then nanoseconds as `u32`, both little endian.
fn encode_due(due: DateTime<Utc>) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&due.timestamp().to_le_bytes());
    bytes[8..].copy_from_slice(&due.timestamp_subsec_nanos().to_le_bytes());
    bytes
}

/// Reads the output of [`push_timer`]; `None` if the bytes are invalid.
pub(crate) fn decode_due(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = bytes.split_first_chunk()?;
    let nanoseconds = nanoseconds.try_into().ok()?;
    DateTime::from_timestamp(
        i64::from_le_bytes(*seconds),
        u32::from_le_bytes(nanoseconds),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_nanosecond() {
        let times = [
            DateTime::<Utc>::MIN_UTC,
            DateTime::<Utc>::MAX_UTC,
            DateTime::UNIX_EPOCH,
            DateTime::from_timestamp(-5, 999_999_999).unwrap(),
        ];
        for time in times {
            assert_eq!(decode_due(&encode_due(time)), Some(time));
        }
        assert_eq!(decode_due(&[0; 11]), None);
        assert_eq!(decode_due(&[0xff; 12]), None);
    }
}
