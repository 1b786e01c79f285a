//! Looking up one key.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::Parts;
use crate::key::Slot;
use crate::recovery::error::Error;

/// What a store holds for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) slot: Slot,
    pub(crate) hash: u64,
    pub(crate) state: Vec<u8>,
    /// When the key waits for a time.
    pub(crate) due: Option<DateTime<Utc>>,
}

/// The state with which the next execution would find a key of a step, by the bytes of the key.
///
/// All slots are searched, because the hash depends on the type of the key, which the store does not
/// know.
pub(crate) fn dump(
    dirs: &[impl AsRef<Path>],
    step: &str,
    key: &[u8],
) -> Result<Option<Found>, Error> {
    let parts = Parts::open(dirs)?;
    let step = parts.step(step)?;
    let before = parts.resume_epoch()?;
    for reader in &parts.readers {
        for slot in reader.slots(&step, before)? {
            let run = reader.load_slot(&step, slot, before)?;
            let Some(entry) = run.iter().find(|entry| entry.key == key) else {
                continue;
            };
            let timers = reader.load_timers(&step, before)?;
            let timer = timers.into_iter().find(|timer| timer.key == key);
            return Ok(Some(Found {
                slot,
                hash: entry.hash,
                state: entry.state.unwrap_or_default().to_vec(),
                due: timer.map(|timer| timer.due),
            }));
        }
    }
    Ok(None)
}
