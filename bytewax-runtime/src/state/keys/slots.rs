//! The hash tables under a key table.
//!
//! A hash table moves all its keys when it grows, and items wait meanwhile. Many keys are therefore split
//! into parts, each its own hash table, which grow one by one. Few keys are in one table, which is slightly
//! faster.

#[cfg(test)]
mod tests;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::Slot;
use crate::key::{Key, SLOTS, Slot as KeySlot, table_hash};

/// The parts of a table and of a snapshot: keys of neighbouring slots.
pub(super) const PARTS: usize = 256;

/// From this many keys on, the table is split into parts: as many as fit a hash table of 2^18 buckets.
const MANY: usize = (1 << 18) / 8 * 7;

/// The same limit where keys are evicted: parts shrink one by one.
const MANY_EVICTED: usize = 1 << 12;

/// A single table with room for this many keys never shrinks.
const SMALL: usize = 1 << 10;

/// The slots of two neighbouring parts, and of the smaller of them.
///
/// A hash table doubles when it is full, and then half of it is unused. If all parts were equal, all would be half empty
/// at the same time; the larger parts double before the smaller ones.
const PAIR: usize = 2 * SLOTS / PARTS;
const SMALLER: usize = PAIR * 13 / 32;

/// The part with the keys of a slot.
#[inline]
pub(super) fn part_of(slot: KeySlot) -> usize {
    let (pair, place) = (slot.index() / PAIR, slot.index() % PAIR);
    2 * pair + usize::from(place >= SMALLER)
}

type Shard<K, C> = HashTable<Slot<K, C>>;

pub(super) struct Slots<K, C> {
    /// All keys, while they are few.
    few: Shard<K, C>,
    /// The parts, once the keys were many; empty before.
    many: Option<Box<[Shard<K, C>; PARTS]>>,
    hand: Hand,
}

/// The key that [`visit`](Slots::visit) visits next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TablePlace {
    part: usize,
    bucket: usize,
}

/// The key that [`sweep`](Slots::sweep) visits next.
#[derive(Clone, Copy, Default)]
struct Hand {
    part: usize,
    bucket: usize,
}

/// The decision about a visited key.
pub(super) enum Swept {
    Stays,
    Goes,
    /// It stays, and the sweep ends.
    Enough,
}

fn rehash<K: Key, C>(slot: &Slot<K, C>) -> u64 {
    table_hash(slot.key.stable_hash())
}

impl<K: Key, C> Slots<K, C> {
    pub(super) fn new() -> Self {
        Self {
            few: HashTable::new(),
            many: None,
            hand: Hand::default(),
        }
    }

    #[inline]
    fn part(&self, hash: u64) -> &Shard<K, C> {
        match &self.many {
            Some(parts) => &parts[part_of(KeySlot::of(hash))],
            None => &self.few,
        }
    }

    #[inline]
    fn part_mut(&mut self, hash: u64) -> &mut Shard<K, C> {
        match &mut self.many {
            Some(parts) => &mut parts[part_of(KeySlot::of(hash))],
            None => &mut self.few,
        }
    }

    /// Call this before adding a key that may be new.
    #[inline]
    fn make_room(&mut self) {
        if self.few.len() >= MANY {
            self.split();
        }
    }

    #[cold]
    fn split(&mut self) {
        let room = 2 * self.few.len() / PARTS;
        let parts = std::array::from_fn(|_| HashTable::with_capacity(room));
        self.many = Some(Box::new(parts));
        for slot in std::mem::take(&mut self.few) {
            let hash = slot.key.stable_hash();
            self.part_mut(hash)
                .insert_unique(table_hash(hash), slot, rehash);
        }
    }

    pub(super) fn len(&self) -> usize {
        let parts = self.many.iter().flat_map(|parts| parts.iter());
        self.few.len() + parts.map(HashTable::len).sum::<usize>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<K, C>> {
        let parts = self.many.iter().flat_map(|parts| parts.iter());
        self.few.iter().chain(parts.flatten())
    }

    /// Visits so many buckets from a place on. Returns whether there are more. Keys that are moved between two
    /// visits, because a table grows, may be visited twice or not at all.
    pub(super) fn visit(
        &self,
        place: &mut TablePlace,
        most: usize,
        mut look: impl FnMut(&Slot<K, C>),
    ) -> bool {
        let parts = self.many.as_ref().map_or(1, |parts| parts.len());
        let mut left = most;
        while place.part < parts {
            let part = match &self.many {
                Some(parts) => &parts[place.part],
                None => &self.few,
            };
            while place.bucket < part.num_buckets() {
                if left == 0 {
                    return true;
                }
                left -= 1;
                part.get_bucket(place.bucket).map(&mut look);
                place.bucket += 1;
            }
            *place = TablePlace {
                part: place.part + 1,
                bucket: 0,
            };
        }
        false
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<K, C>> {
        let parts = self.many.iter_mut().flat_map(|parts| parts.iter_mut());
        self.few.iter_mut().chain(parts.flatten())
    }

    /// All keys with a hash, and perhaps others.
    pub(super) fn of_hash(&mut self, hash: u64) -> impl Iterator<Item = &mut Slot<K, C>> {
        self.part_mut(hash).iter_hash_mut(table_hash(hash))
    }

    /// Like [`of_hash`](Self::of_hash), to read.
    pub(super) fn of_hash_ref(&self, hash: u64) -> impl Iterator<Item = &Slot<K, C>> {
        self.part(hash).iter_hash(table_hash(hash))
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<&Slot<K, C>> {
        self.part(hash)
            .find(table_hash(hash), |slot| slot.key == *key)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, hash: u64, key: &K) -> Option<&mut Slot<K, C>> {
        self.part_mut(hash)
            .find_mut(table_hash(hash), |slot| slot.key == *key)
    }

    /// The place of a key, existing or new.
    #[inline]
    pub(super) fn entry(&mut self, hash: u64, key: &K) -> Entry<'_, Slot<K, C>> {
        self.make_room();
        // Each case has its own code, so that a look-up in the single table does not wait for the choice.
        match &mut self.many {
            None => entry(&mut self.few, hash, key),
            Some(parts) => entry(&mut parts[part_of(KeySlot::of(hash))], hash, key),
        }
    }

    /// The bucket of a key.
    #[inline]
    pub(super) fn bucket(&self, hash: u64, key: &K) -> Option<(usize, &Slot<K, C>)> {
        let part = self.part(hash);
        let bucket = part.find_bucket_index(table_hash(hash), |slot| slot.key == *key)?;
        Some((bucket, part.get_bucket(bucket)?))
    }

    /// Like [`entry`](Self::entry) for a key that was in this bucket.
    #[inline]
    pub(super) fn entry_at(&mut self, bucket: usize, hash: u64, key: &K) -> Entry<'_, Slot<K, C>> {
        self.make_room();
        let part = match self.part_mut(hash).get_bucket_entry(bucket) {
            Ok(known) if known.get().key == *key => return Entry::Occupied(known),
            Ok(other) => other.into_table(),
            Err(absent) => absent.into_table(),
        };
        entry(part, hash, key)
    }

    /// Adds a key that must not exist.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot<K, C>) {
        self.make_room();
        let part = self.part_mut(hash);
        if part.len() == part.capacity() {
            // A table full of keys and of marks of removed ones would double.
            rebuild(part);
        }
        part.insert_unique(table_hash(hash), slot, rehash);
    }

    /// Removes a key, after a last visit.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, key: &K, look: impl FnOnce(&mut Slot<K, C>)) {
        let small = if self.many.is_some() { 0 } else { SMALL };
        let part = self.part_mut(hash);
        if let Ok(mut entry) = part.find_entry(table_hash(hash), |slot| slot.key == *key) {
            look(entry.get_mut());
            entry.remove();
            give_back(part, small);
        }
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&mut Slot<K, C>) -> bool) {
        self.few.retain(&mut stays);
        for part in self.many.iter_mut().flat_map(|parts| parts.iter_mut()) {
            part.retain(&mut stays);
        }
    }

    /// Visits the keys one after the other, cyclically, until the sweep ends or every key was visited twice.
    pub(super) fn sweep<E>(
        &mut self,
        mut look: impl FnMut(&mut Slot<K, C>) -> Result<Swept, E>,
    ) -> Result<(), E> {
        if self.few.len() >= MANY_EVICTED {
            self.split();
        }
        let parts = self.many.as_ref().map_or(1, |parts| parts.len());
        let mut ended = 0;
        while ended <= 2 * parts {
            let part = match &mut self.many {
                Some(parts) => &mut parts[self.hand.part % PARTS],
                None => &mut self.few,
            };
            if self.hand.bucket >= part.num_buckets() {
                give_back(part, 0);
                if part.capacity() > 2 * part.len() + 64 {
                    rebuild(part);
                }
                self.hand = Hand {
                    part: (self.hand.part + 1) % parts,
                    bucket: 0,
                };
                ended += 1;
                continue;
            }
            if let Ok(mut entry) = part.get_bucket_entry(self.hand.bucket) {
                match look(entry.get_mut())? {
                    Swept::Stays => {}
                    Swept::Goes => drop(entry.remove()),
                    Swept::Enough => return Ok(()),
                }
            }
            self.hand.bucket += 1;
        }
        Ok(())
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Slot<K, C>> {
        let parts = self.many.iter_mut().flat_map(|parts| parts.iter_mut());
        self.few.drain().chain(parts.flat_map(HashTable::drain))
    }
}

#[inline]
fn entry<'a, K: Key, C>(part: &'a mut Shard<K, C>, hash: u64, key: &K) -> Entry<'a, Slot<K, C>> {
    part.entry(table_hash(hash), |slot| slot.key == *key, rehash)
}

/// Moves all keys to a table with room for a few more.
fn rebuild<K: Key, C>(part: &mut Shard<K, C>) {
    let room = part.len() + part.len() / 4 + 1;
    for slot in std::mem::replace(part, HashTable::with_capacity(room)) {
        part.insert_unique(rehash(&slot), slot, rehash);
    }
}

/// Releases memory when most keys are gone, except room for a few.
#[inline]
fn give_back<K: Key, C>(part: &mut Shard<K, C>, few: usize) {
    let (len, capacity) = (part.len(), part.capacity());
    if capacity > few && len * 8 < capacity {
        part.shrink_to(2 * len, rehash);
    }
}
