//! The table of one keyed step on one worker, which maps each key to its state. It implements the life of a
//! key: it is *touched*, *saved* in snapshots, *evicted* from memory, and *restored*.

pub(crate) mod batch;
mod changes;
mod cold;
mod evict;
mod few;
mod mark;
mod memory;
pub(crate) mod run;
mod slots;
mod sorted;
mod stored;
pub(crate) mod timer;

use chrono::{DateTime, Utc};
use hashbrown::hash_table::{Entry, VacantEntry};

use super::State;
use crate::key::Key;
use changes::Changes;
use evict::Eviction;
use slots::Slots;

pub(crate) use changes::Changed;
pub(crate) use cold::ColdError;
pub(crate) use few::{FEW, Few, Found};
pub(crate) use mark::KeyMark;
pub(crate) use memory::MemoryLimit;
pub(crate) use slots::TablePlace;
pub(crate) use stored::{RestoreError, Restored, Unsaved};

/// The value of a table for a key, and the saved part of it.
pub(crate) trait Cell: 'static {
    type Saved: State;

    /// Whether keys have timers.
    const TIMED: bool = false;

    fn saved(&self) -> &Self::Saved;

    /// Whether the key may be evicted: not while its logic has pending work that is not saved.
    fn can_be_evicted(&self) -> bool {
        true
    }

    /// The value for a key with this saved part.
    fn restored(saved: Self::Saved) -> Self;

    /// The timer of the key, in the time of its step.
    fn due(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// The system time at which a resume restores a key with the timer `due`.
    fn due_in_store(due: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        due
    }
}

impl<S: State> Cell for S {
    type Saved = S;

    fn saved(&self) -> &S {
        self
    }

    fn restored(saved: S) -> S {
        saved
    }
}

struct Slot<K, C> {
    key: K,
    cell: C,
    mark: KeyMark,
}

/// State by key. It reuses the hash that routed an item.
///
/// When the step is saved, the table records which keys were touched since the last snapshot, so every change
/// of a state must use one of the methods that touch its key.
pub(crate) struct KeyTable<K, C> {
    slots: Slots<K, C>,
    /// The touched keys; always empty when the step is not saved.
    changes: Changes<K>,
    /// The keys that are not in memory, if any may be evicted.
    eviction: Option<Box<Eviction>>,
}

#[inline]
fn insert<'a, K: Key, C: Cell>(
    entry: VacantEntry<'a, Slot<K, C>>,
    changes: &mut Changes<K>,
    hash: u64,
    key: K,
    cell: C,
) -> &'a mut Slot<K, C> {
    let mark = changes.mark_new(hash);
    entry.insert(Slot { key, cell, mark }).into_mut()
}

#[inline]
fn touch_entry<'a, K: Key, C: Cell>(
    entry: Entry<'a, Slot<K, C>>,
    changes: &mut Changes<K>,
    hash: u64,
    key: &K,
    make: impl FnOnce() -> C,
) -> &'a mut C {
    let slot = match entry {
        Entry::Occupied(entry) => {
            let slot = entry.into_mut();
            changes.touch(hash, slot);
            slot
        }
        Entry::Vacant(entry) => insert(entry, changes, hash, key.clone(), make()),
    };
    &mut slot.cell
}

impl<K: Key, C: Cell> KeyTable<K, C> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            changes: Changes::default(),
            eviction: None,
        }
    }

    /// All keys, unordered, without touching them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &C)> {
        self.slots.iter().map(|slot| (&slot.key, &slot.cell))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Visits a part of the keys from a place on, without touching them: those of so many buckets. Returns
    /// whether there are more.
    pub(crate) fn visit(
        &self,
        place: &mut TablePlace,
        most: usize,
        mut look: impl FnMut(&K, &C),
    ) -> bool {
        self.slots
            .visit(place, most, |slot| look(&slot.key, &slot.cell))
    }

    /// The state of a key, created if the key is new.
    #[inline]
    pub(crate) fn touch(&mut self, hash: u64, key: &K, make: impl FnOnce() -> C) -> &mut C {
        let entry = self.slots.entry(hash, key);
        touch_entry(entry, &mut self.changes, hash, key, make)
    }

    /// Like [`touch`](Self::touch) for a key that is not needed afterwards: avoids a clone.
    #[inline]
    pub(crate) fn touch_owned(
        &mut self,
        hash: u64,
        key: K,
        make: impl FnOnce() -> C,
    ) -> (&K, &mut C) {
        let slot = match self.slots.entry(hash, &key) {
            Entry::Occupied(entry) => {
                let slot = entry.into_mut();
                self.changes.touch(hash, slot);
                slot
            }
            Entry::Vacant(entry) => insert(entry, &mut self.changes, hash, key, make()),
        };
        (&slot.key, &mut slot.cell)
    }

    /// The value of an existing key, without touching it: its saved part must not change.
    #[inline]
    pub(crate) fn get_mut(&mut self, hash: u64, key: &K) -> Option<&mut C> {
        self.slots.find_mut(hash, key).map(|slot| &mut slot.cell)
    }

    /// The state of an existing key.
    #[inline]
    pub(crate) fn touch_known(&mut self, hash: u64, key: &K) -> Option<&mut C> {
        let slot = self.slots.find_mut(hash, key)?;
        self.changes.touch(hash, slot);
        Some(&mut slot.cell)
    }

    /// The state of an existing key that passes.
    #[inline]
    pub(crate) fn touch_if(
        &mut self,
        hash: u64,
        key: &K,
        passes: impl FnOnce(&C) -> bool,
    ) -> Option<&mut C> {
        let slot = self.slots.find_mut(hash, key)?;
        if !passes(&slot.cell) {
            return None;
        }
        self.changes.touch(hash, slot);
        Some(&mut slot.cell)
    }

    /// All keys, in ascending order.
    pub(crate) fn touch_all_sorted(&mut self) -> impl Iterator<Item = (&K, &mut C)> {
        let mut all: Vec<_> = self.slots.iter_mut().collect();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let changes = &mut self.changes;
        all.into_iter().map(move |slot| {
            if changes.are_noted() {
                changes.touch(slot.key.stable_hash(), slot);
            }
            (&slot.key, &mut slot.cell)
        })
    }

    /// Removes all keys except those whose state passes.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&C) -> bool) {
        let changes = &mut self.changes;
        self.slots.retain(|slot| {
            let stays = stays(&slot.cell);
            if !stays && changes.are_noted() {
                changes.remove_ref(slot.key.stable_hash(), slot);
            }
            stays
        });
    }

    /// Prefetches the states of keys, as far as `look` reads them. Unlike dependent changes of states, these
    /// reads do not wait for each other; this pays for large tables and cheap operations per key.
    #[inline]
    pub(crate) fn prefetch<'a>(
        &self,
        keys: impl Iterator<Item = (u64, &'a K)>,
        look: impl Fn(&C) -> i64,
    ) where
        K: 'a,
    {
        let looks = keys.map(|(hash, key)| {
            let found = self.slots.find(hash, key);
            found.map_or(0, |slot| look(&slot.cell))
        });
        std::hint::black_box(looks.fold(0, i64::wrapping_add));
    }

    /// Finds the keys of a chunk that are about to be touched, and prefetches their states as
    /// [`prefetch`](Self::prefetch) does.
    #[inline]
    pub(crate) fn find_few<'a>(
        &self,
        keys: impl Iterator<Item = (u64, &'a K)>,
        found: &mut Found,
        look: impl Fn(&C) -> i64,
    ) where
        K: 'a,
    {
        let mut looks = 0_i64;
        found.buckets.clear();
        found.buckets.extend(keys.map(|(hash, key)| {
            let Some((bucket, slot)) = self.slots.bucket(hash, key) else {
                return usize::MAX;
            };
            looks = looks.wrapping_add(look(&slot.cell));
            bucket
        }));
        std::hint::black_box(looks);
    }

    /// Like [`touch`](Self::touch) for one of the found keys.
    #[inline]
    pub(crate) fn touch_found(
        &mut self,
        found: &Found,
        index: usize,
        hash: u64,
        key: &K,
        make: impl FnOnce() -> C,
    ) -> &mut C {
        let bucket = found.buckets.get(index).copied().unwrap_or(usize::MAX);
        let entry = self.slots.entry_at(bucket, hash, key);
        touch_entry(entry, &mut self.changes, hash, key, make)
    }

    /// Adds a new key, with the state that `make` creates from a value. Returns the value of an existing key,
    /// after `look` has read its state, which is then in the caches.
    #[inline]
    pub(crate) fn add<T>(
        &mut self,
        hash: u64,
        key: K,
        value: T,
        make: impl FnOnce(T) -> C,
        look: impl FnOnce(&C),
    ) -> Result<(), (K, T)> {
        match self.slots.entry(hash, &key) {
            Entry::Occupied(entry) => {
                look(&entry.get().cell);
                Err((key, value))
            }
            Entry::Vacant(entry) => {
                insert(entry, &mut self.changes, hash, key, make(value));
                Ok(())
            }
        }
    }

    /// Changes the state of a key with a value, or creates it with `make` from the value if the key is new.
    /// If `change` returns a result, removes the key and returns the key with the result.
    #[inline]
    pub(crate) fn take_when<T, R>(
        &mut self,
        hash: u64,
        key: K,
        value: T,
        make: impl FnOnce(T) -> C,
        change: impl FnOnce(&mut C, T) -> Option<R>,
    ) -> Option<(K, R)> {
        match self.slots.entry(hash, &key) {
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                self.changes.touch(hash, slot);
                let result = change(&mut slot.cell, value)?;
                self.changes.remove_ref(hash, slot);
                entry.remove();
                Some((key, result))
            }
            Entry::Vacant(entry) => {
                insert(entry, &mut self.changes, hash, key, make(value));
                None
            }
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, hash: u64, key: &K) {
        let changes = &mut self.changes;
        self.slots
            .remove(hash, key, |slot| changes.remove_ref(hash, slot));
    }

    /// Removes and returns everything, unordered.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, K, C)> + '_ {
        let changes = &mut self.changes;
        self.slots.drain().map(move |mut slot| {
            let hash = slot.key.stable_hash();
            changes.remove_ref(hash, &mut slot);
            (hash, slot.key, slot.cell)
        })
    }

    /// Removes and returns everything, in ascending order of keys.
    pub(crate) fn drain_sorted(&mut self) -> impl Iterator<Item = (K, C)> {
        let mut all: Vec<_> = self.drain().map(|(_, key, cell)| (key, cell)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all.into_iter()
    }
}
