//! Looks up one key.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::Parts;
use crate::ids::{Epoch, StepId};
use crate::key::{Key, Slot};
use crate::recovery::error::Error;
use crate::recovery::parts::{Position, SavedKind, StepMeta};
use crate::recovery::reader::{PartitionReader, newest_positions};

/// The key to look for. The store knows keys by hash and bytes, not by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// In the user's notation: a text, an integer of any width, or the name of a partition.
    Text(String),
    /// The bytes of a key of any type; all slots are searched.
    Bytes(Vec<u8>),
}

impl Wanted {
    /// The possible hashes of the key; none if they depend on its type.
    fn hashes(&self) -> Option<Vec<u64>> {
        let Self::Text(text) = self else { return None };
        let mut hashes = vec![text.clone().stable_hash()];
        // The same number is the same key in every integer type.
        hashes.extend(text.parse::<i128>().ok().map(|number| number.stable_hash()));
        if hashes.len() == 1 {
            hashes.extend(text.parse::<u128>().ok().map(|number| number.stable_hash()));
        }
        Some(hashes)
    }

    fn is_partition(&self, partition: &str) -> bool {
        match self {
            Self::Text(text) => text == partition,
            Self::Bytes(bytes) => bytes == partition.as_bytes(),
        }
    }
}

/// The contents of a store for a step and a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) step: StepMeta,
    pub(crate) states: Vec<FoundState>,
    pub(crate) positions: Vec<Position>,
}

/// The state of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundState {
    pub(crate) slot: Slot,
    pub(crate) hash: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) state: Vec<u8>,
    /// The time of the key's timer.
    pub(crate) due: Option<DateTime<Utc>>,
}

/// Returns what the next execution would find for a key of a stateful step, or for a partition of a source or
/// a sink. A text that is a number can be two keys.
pub(crate) fn dump(dirs: &[impl AsRef<Path>], step: &str, key: &Wanted) -> Result<Dump, Error> {
    let parts = Parts::look(dirs)?;
    let step = parts.step(step)?;
    let before = parts.resume_epoch()?;
    let mut dump = Dump {
        step: step.clone(),
        states: Vec::new(),
        positions: Vec::new(),
    };
    for reader in &parts.readers {
        if step.kind == SavedKind::Stateful {
            find_states(reader, &step.id, before, key, &mut dump.states)?;
        } else {
            dump.positions.extend(reader.load_positions(before)?);
        }
    }
    dump.positions = newest_positions(dump.positions);
    dump.positions
        .retain(|found| found.step == step.id && key.is_partition(&found.partition));
    Ok(dump)
}

fn find_states(
    reader: &PartitionReader,
    step: &StepId,
    before: Epoch,
    key: &Wanted,
    found: &mut Vec<FoundState>,
) -> Result<(), Error> {
    let hashes = key.hashes();
    let mut slots = reader.slots(step, before)?;
    if let Some(hashes) = &hashes {
        slots.retain(|slot| hashes.iter().any(|&hash| Slot::of(hash) == *slot));
    }
    for slot in slots {
        let run = reader.load_slot(step, slot, before)?;
        let wanted = run.iter().filter(|entry| match (&hashes, key) {
            (Some(hashes), _) => hashes.contains(&entry.hash),
            (None, Wanted::Bytes(bytes)) => entry.key == bytes,
            (None, Wanted::Text(_)) => false,
        });
        for entry in wanted {
            let timers = reader.load_timers(step, before)?;
            let timer = timers
                .into_iter()
                .find(|timer| timer.hash == entry.hash && timer.key == entry.key);
            found.push(FoundState {
                slot,
                hash: entry.hash,
                key: entry.key.to_vec(),
                state: entry.state.unwrap_or_default().to_vec(),
                due: timer.map(|timer| timer.due),
            });
        }
    }
    Ok(())
}
