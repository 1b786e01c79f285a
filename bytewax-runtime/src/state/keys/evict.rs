//! Evicts keys from memory, and restores them.
//!
//! When the keys take too much memory, keys that were not touched since their last inspection are evicted, and
//! those that were touched only once since they came back.
//! Unsaved changes of an evicted key stay recorded, so that a snapshot finds the key's bytes.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::cold::{Cold, ColdError, Evicted, Record, Spill};
use super::memory::{MemoryLimit, Share};
use super::run::Entry;
use super::slots::Swept;
use super::stored::{self, RestoreError, Restored, Unsaved};
use super::{Cell, KeyMark, KeyTable, Slot};
use crate::key::Key;
use crate::state::State;
use crate::weight::heap_weight;

/// The most keys that are evicted at once beyond the inspected ones, so that items do not wait long.
const AT_ONCE: usize = 1 << 13;

/// The most due keys that are restored at once.
const DUE_AT_ONCE: usize = 1 << 12;

/// The number of keys that are weighed to estimate the total, or fewer if they weigh this much.
const WEIGHED: usize = 16;
const MUCH: usize = 1 << 20;

/// The overhead of an allocator per key.
const ALLOCATED: usize = 16;

/// The keys of a table that are not in memory.
pub(super) struct Eviction {
    pub(super) cold: Cold,
    /// Keys that were encoded before their part of the snapshot in progress was due.
    pub(super) spill: Spill,
    share: Share,
    /// A buffer for hashes of wanted keys.
    hashes: Vec<u64>,
}

impl<K: Key, C: Cell> KeyTable<K, C> {
    /// The approximate bytes per key in the table, a quarter of which is empty, without the heap memory of
    /// the key and its state.
    const SLOT_BYTES: usize = (size_of::<Slot<K, C>>() + 1) * 4 / 3 + ALLOCATED;

    /// Evicts keys into a file in this directory when they take more memory than that.
    pub(crate) fn limit_memory(&mut self, limit: Rc<MemoryLimit>, dir: &Path) {
        self.eviction = Some(Box::new(Eviction {
            cold: Cold::new(dir),
            spill: Spill::new(dir),
            share: Share::new(limit),
            hashes: Vec::new(),
        }));
    }

    /// Whether keys may be evicted.
    pub(crate) fn is_limited(&self) -> bool {
        self.eviction.is_some()
    }

    /// Whether some keys are not in memory.
    #[inline]
    pub(crate) fn has_evicted(&self) -> bool {
        let eviction = self.eviction.as_ref();
        eviction.is_some_and(|eviction| eviction.cold.len() > 0)
    }

    fn bytes(&self) -> usize {
        self.slots.len() * Self::SLOT_BYTES + self.changes.heap.bytes()
    }

    /// The approximate bytes of the keys in memory: estimated from a few of them, unless memory is limited
    /// and all are weighed.
    pub(crate) fn about_bytes(&self) -> usize {
        if self.is_limited() {
            return self.bytes();
        }
        let (mut looked, mut heap) = (0, 0);
        for Slot { key, cell, .. } in self.slots.iter().take(WEIGHED) {
            looked += 1;
            heap += heap_weight(key) + heap_weight(cell.saved());
            if heap > MUCH {
                break;
            }
        }
        self.slots.len() * (Self::SLOT_BYTES + heap / looked.max(1))
    }

    /// Weighs about this many keys again, and evicts keys if all take too much. Returns whether they still
    /// do.
    pub(crate) fn evict<E: From<Unsaved> + From<ColdError>>(
        &mut self,
        looks: usize,
    ) -> Result<bool, E> {
        self.account();
        let Self {
            slots,
            changes,
            eviction: Some(eviction),
        } = self
        else {
            return Ok(false);
        };
        let surplus = eviction.share.surplus();
        let (mut looked, mut gone, mut evicted) = (0, 0, 0);
        slots.sweep(|slot| {
            if gone >= surplus && looked >= looks || evicted >= looks + AT_ONCE {
                return Ok::<_, E>(Swept::Enough);
            }
            looked += 1;
            let Slot { key, cell, mark } = slot;
            if !mark.is_idle() {
                changes.heap.weigh(mark, key, cell.saved());
            }
            if gone >= surplus || !mark.is_idle() || !cell.can_be_evicted() {
                mark.set_idle();
                return Ok(Swept::Stays);
            }
            let hash = key.stable_hash();
            let of_key = changes.evicted(hash, *mark, cell.due());
            put::<_, _, E>(&mut eviction.cold, &of_key, key, cell)?;
            changes.heap.remove(*mark);
            gone += Self::SLOT_BYTES + mark.bytes();
            evicted += 1;
            Ok(Swept::Goes)
        })?;
        changes.clean_touched(slots);
        changes.spill(&mut eviction.spill)?;
        Ok(self.account() > 0 && evicted > 0)
    }

    /// Records the bytes of the keys. Returns how many are too many.
    fn account(&mut self) -> usize {
        let bytes = self.bytes();
        self.eviction.as_mut().map_or(0, |eviction| {
            eviction.share.set(bytes, eviction.cold.bytes());
            eviction.share.surplus()
        })
    }

    /// Evicts all keys.
    pub(crate) fn evict_all<E: From<Unsaved> + From<ColdError>>(&mut self) -> Result<(), E> {
        let Self {
            slots,
            changes,
            eviction: Some(eviction),
        } = self
        else {
            return Ok(());
        };
        for Slot { key, cell, mark } in slots.drain() {
            let of_key = changes.evicted(key.stable_hash(), mark, cell.due());
            put::<_, _, E>(&mut eviction.cold, &of_key, &key, &cell)?;
            changes.heap.remove(mark);
        }
        self.account();
        Ok(())
    }

    /// Adds a key from the store without loading it into memory.
    pub(crate) fn restore_evicted<E: From<ColdError>>(
        &mut self,
        entry: &Entry<'_>,
        due: Option<DateTime<Utc>>,
    ) -> Result<(), E> {
        let (Some(eviction), Some(state)) = (&mut self.eviction, entry.state) else {
            return Ok(());
        };
        let evicted = Evicted {
            hash: entry.hash,
            touched: 0,
            stored: true,
            timer: C::due_in_store(due).is_some(),
            due,
        };
        eviction.cold.put(&evicted, |out| {
            out.extend_from_slice(entry.key);
            out.extend_from_slice(state);
            Ok(entry.key.len())
        })
    }

    /// Restores those of some keys that were evicted.
    pub(crate) fn take_evicted<'a, E: From<RestoreError> + From<ColdError>>(
        &mut self,
        keys: impl Iterator<Item = (u64, &'a K)>,
        into: &mut Vec<Restored<K, C::Saved>>,
    ) -> Result<(), E> {
        let Some(eviction) = &mut self.eviction else {
            return Ok(());
        };
        let slots = &self.slots;
        let absent = keys.filter(|(hash, key)| slots.find(*hash, key).is_none());
        eviction.hashes.clear();
        eviction.hashes.extend(absent.map(|(hash, _)| hash));
        self.take_hashes(into)
    }

    /// Restores some evicted keys that are due. Returns the time of the next one.
    pub(crate) fn take_due<E: From<RestoreError> + From<ColdError>>(
        &mut self,
        now: DateTime<Utc>,
        into: &mut Vec<Restored<K, C::Saved>>,
    ) -> Result<Option<DateTime<Utc>>, E> {
        let Some(eviction) = &mut self.eviction else {
            return Ok(None);
        };
        eviction.hashes.clear();
        let mut next = None;
        while let Some((due, hash)) = eviction.cold.first_due() {
            if due > now || eviction.hashes.len() >= DUE_AT_ONCE {
                next = Some(due);
                break;
            }
            eviction.hashes.push(hash);
            eviction.cold.pop_due();
        }
        self.take_hashes::<E>(into)?;
        Ok(next)
    }

    fn take_hashes<E: From<RestoreError> + From<ColdError>>(
        &mut self,
        into: &mut Vec<Restored<K, C::Saved>>,
    ) -> Result<(), E> {
        let Self {
            changes, eviction, ..
        } = self;
        let Some(eviction) = eviction else {
            return Ok(());
        };
        let hashes = std::mem::take(&mut eviction.hashes);
        eviction.cold.take(hashes.iter().copied(), |record| {
            let mark = changes.mark_restored::<C>(&record.evicted);
            into.push(decoded(&record, mark)?);
            Ok::<_, E>(())
        })?;
        eviction.hashes = hashes;
        Ok(())
    }

    /// Adds a key with its metadata; a key from the store has none.
    pub(crate) fn restore(&mut self, hash: u64, key: K, cell: C, mark: Option<KeyMark>) {
        let of_store = || KeyMark::stored(C::due_in_store(cell.due()).is_some());
        let mut mark = mark.unwrap_or_else(of_store);
        if self.eviction.is_some() {
            self.changes.heap.weigh(&mut mark, &key, cell.saved());
        }
        self.slots.insert(hash, Slot { key, cell, mark });
    }
}

fn put<K: Key, C: Cell, E: From<Unsaved> + From<ColdError>>(
    cold: &mut Cold,
    evicted: &Evicted,
    key: &K,
    cell: &C,
) -> Result<(), E> {
    cold.put(evicted, |out| {
        let start = out.len();
        let unsaved = |error| E::from(Unsaved::new(key, error));
        stored::encode_key(key, out).map_err(unsaved)?;
        let key_bytes = out.len() - start;
        stored::encode_state(cell.saved(), out).map_err(unsaved)?;
        Ok(key_bytes)
    })
}

pub(super) fn decoded<K: Key, S: State>(
    record: &Record<'_>,
    mark: KeyMark,
) -> Result<Restored<K, S>, RestoreError> {
    let key = stored::decode_key(record.key)?;
    Ok(Restored {
        hash: record.evicted.hash,
        saved: stored::decode_state(&key, record.state)?,
        key,
        mark: Some(mark),
    })
}

impl<K: Key, S: State> Restored<K, S> {
    /// Reads a key of the store; `None` if it was removed.
    pub(crate) fn decode(entry: &Entry<'_>) -> Result<Option<Self>, RestoreError> {
        let Some(state) = entry.state else {
            return Ok(None);
        };
        let key = stored::decode_key(entry.key)?;
        Ok(Some(Self {
            hash: entry.hash,
            saved: stored::decode_state(&key, state)?,
            key,
            mark: None,
        }))
    }
}
