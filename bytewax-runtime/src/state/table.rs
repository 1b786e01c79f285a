//! The table of one keyed step on one worker: for each key its state.

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, VacantEntry};

use crate::ids::Epoch;
use crate::key::{Key, table_hash};

struct Slot<K, S> {
    hash: u64,
    touched: Epoch,
    key: K,
    state: S,
}

impl<K, S> Slot<K, S> {
    #[inline]
    fn touch(&mut self, epoch: Epoch) -> (&mut S, Touch) {
        let touch = if self.touched == epoch {
            Touch::Again
        } else {
            Touch::First
        };
        self.touched = epoch;
        (&mut self.state, touch)
    }

    #[inline]
    fn insert(
        entry: VacantEntry<'_, Self>,
        hash: u64,
        key: K,
        epoch: Epoch,
        state: S,
    ) -> (&mut S, Touch) {
        let slot = entry.insert(Slot {
            hash,
            touched: epoch,
            key,
            state,
        });
        (&mut slot.into_mut().state, Touch::First)
    }
}

/// State by key. The hash that routed an item is used again here, never computed twice.
pub(crate) struct KeyTable<K, S> {
    slots: HashTable<Slot<K, S>>,
}

/// Whether a key is met for the first time in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    First,
    Again,
}

impl<K: Key, S> KeyTable<K, S> {
    pub(crate) fn new() -> Self {
        Self {
            slots: HashTable::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn entry(&mut self, hash: u64, key: &K) -> Entry<'_, Slot<K, S>> {
        self.slots.entry(
            table_hash(hash),
            |slot| slot.hash == hash && slot.key == *key,
            |slot| table_hash(slot.hash),
        )
    }

    /// The state of a key, made when it is new; and whether this epoch had touched it.
    #[inline]
    pub(crate) fn touch(
        &mut self,
        hash: u64,
        key: &K,
        epoch: Epoch,
        make: impl FnOnce() -> S,
    ) -> (&mut S, Touch) {
        match self.entry(hash, key) {
            Entry::Occupied(entry) => entry.into_mut().touch(epoch),
            Entry::Vacant(entry) => Slot::insert(entry, hash, key.clone(), epoch, make()),
        }
    }

    /// Like [`touch`](Self::touch) for a key that is not needed afterwards: no clone.
    #[inline]
    pub(crate) fn touch_owned(
        &mut self,
        hash: u64,
        key: K,
        epoch: Epoch,
        make: impl FnOnce() -> S,
    ) -> (&mut S, Touch) {
        match self.entry(hash, &key) {
            Entry::Occupied(entry) => entry.into_mut().touch(epoch),
            Entry::Vacant(entry) => Slot::insert(entry, hash, key, epoch, make()),
        }
    }

    /// The state of a key that is there, without touching it.
    #[inline]
    pub(crate) fn get_mut(&mut self, hash: u64, key: &K) -> Option<&mut S> {
        let slot = self.slot(hash, key)?;
        Some(&mut slot.state)
    }

    /// The state of a key that is there, touched in this epoch.
    #[inline]
    pub(crate) fn touch_known(&mut self, hash: u64, key: &K, epoch: Epoch) -> Option<&mut S> {
        let slot = self.slot(hash, key)?;
        slot.touched = epoch;
        Some(&mut slot.state)
    }

    #[inline]
    fn slot(&mut self, hash: u64, key: &K) -> Option<&mut Slot<K, S>> {
        self.slots.find_mut(table_hash(hash), |slot| {
            slot.hash == hash && slot.key == *key
        })
    }

    /// All keys, in ascending order, touched in this epoch.
    pub(crate) fn touch_all_sorted(
        &mut self,
        epoch: Epoch,
    ) -> impl Iterator<Item = (&K, &mut S)> + use<'_, K, S> {
        let mut all: Vec<_> = self.slots.iter_mut().collect();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all.into_iter().map(move |slot| {
            slot.touched = epoch;
            (&slot.key, &mut slot.state)
        })
    }

    /// Forgets all keys but those whose state passes.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&S) -> bool) {
        self.slots.retain(|slot| stays(&slot.state));
    }

    /// Brings the states of keys into the caches. These reads do not wait for each other, as changes
    /// that depend on states do; it pays for large tables of which little is asked for each key.
    #[inline]
    pub(crate) fn warm<'a>(&self, keys: impl Iterator<Item = (u64, &'a K)>)
    where
        K: 'a,
    {
        let found = keys.filter(|(hash, key)| {
            let same = |slot: &Slot<K, S>| slot.hash == *hash && slot.key == **key;
            self.slots.find(table_hash(*hash), same).is_some()
        });
        std::hint::black_box(found.count());
    }

    /// Changes the state of a key, made when it is new. When `change` gives `true`, the key is
    /// forgotten, and is given with its state.
    #[inline]
    pub(crate) fn take_when(
        &mut self,
        hash: u64,
        key: K,
        epoch: Epoch,
        make: impl FnOnce() -> S,
        change: impl FnOnce(&mut S) -> bool,
    ) -> Option<(K, S)> {
        match self.entry(hash, &key) {
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                slot.touched = epoch;
                if !change(&mut slot.state) {
                    return None;
                }
                let (slot, _) = entry.remove();
                Some((slot.key, slot.state))
            }
            Entry::Vacant(entry) => {
                let mut state = make();
                if change(&mut state) {
                    return Some((key, state));
                }
                Slot::insert(entry, hash, key, epoch, state);
                None
            }
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, hash: u64, key: &K) {
        let found = self.slots.find_entry(table_hash(hash), |slot| {
            slot.hash == hash && slot.key == *key
        });
        if let Ok(entry) = found {
            entry.remove();
        }
    }

    /// Takes everything out, in no order that may be relied on.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, K, S)> + '_ {
        self.slots
            .drain()
            .map(|slot| (slot.hash, slot.key, slot.state))
    }

    /// Takes everything out, in ascending order of keys.
    pub(crate) fn drain_sorted(&mut self) -> impl Iterator<Item = (K, S)> {
        let mut all: Vec<_> = self.drain().map(|(_, key, state)| (key, state)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all.into_iter()
    }
}
