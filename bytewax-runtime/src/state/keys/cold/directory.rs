//! Maps hashes to the places of evicted keys.

use hashbrown::HashTable;

use super::record::UNIT;
use crate::key::Slot;
use crate::state::keys::slots::{PARTS, part_of};

/// Bits for the number of a unit of the file.
const PLACE: u32 = 38;

/// Above them, the round in which the key was touched, if it was not saved since.
const ROUND: u64 = 0b11 << PLACE;

/// Above that, some bits of its hash.
const TAG: u32 = PLACE + 2;

/// The place of a key, in units, and the metadata that is needed without reading the key. Memory contains
/// many of them.
#[derive(Clone, Copy)]
struct Place(u64);

impl Place {
    fn new(hash: u64, at: u64, touched: u64) -> Self {
        Self((tag(hash) << TAG) | round(touched) | (at / UNIT as u64))
    }

    fn tag(self) -> u64 {
        self.0 >> TAG
    }

    fn at(self) -> u64 {
        (self.0 & ((1 << PLACE) - 1)) * UNIT as u64
    }

    fn is(self, hash: u64, at: u64) -> bool {
        self.tag() == tag(hash) && self.at() == at
    }
}

fn tag(hash: u64) -> u64 {
    hash >> TAG
}

/// The form of the round with this number; 0 is none. At most two consecutive rounds are unsaved at a time.
fn round(number: u64) -> u64 {
    match number {
        0 => 0,
        number => (1 + number % 2) << PLACE,
    }
}

/// The hash of a place in its table.
fn spread(tag: u64) -> u64 {
    tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn part(hash: u64) -> usize {
    part_of(Slot::of(hash))
}

/// Maps hashes to the places of evicted keys: nine bytes per key, in tables with a load of 7/16 or more.
pub(super) struct Directory {
    parts: Box<[HashTable<Place>]>,
    len: usize,
}

impl Directory {
    pub(super) fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashTable::new()).collect(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a key with this hash may be here. False positives are very rare.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let tag = tag(hash);
        let part = &self.parts[part(hash)];
        part.find(spread(tag), |place| place.tag() == tag).is_some()
    }

    /// The places of all keys with a hash, and perhaps of others.
    pub(super) fn of(&self, hash: u64) -> impl Iterator<Item = u64> + '_ {
        let tag = tag(hash);
        let part = &self.parts[part(hash)];
        let of_tag = part
            .iter_hash(spread(tag))
            .filter(move |place| place.tag() == tag);
        of_tag.map(|place| place.at())
    }

    /// Whether a key with this hash is at this place.
    pub(super) fn has(&self, hash: u64, at: u64) -> bool {
        self.of(hash).any(|place| place == at)
    }

    /// The places of the keys in some slots, unordered: there are `PARTS` such parts.
    pub(super) fn of_part(&self, part: usize) -> impl Iterator<Item = u64> + '_ {
        self.parts[part].iter().map(|place| place.at())
    }

    /// Appends to a list the places of the keys in a part of the slots that were touched in a round. From now
    /// on they count as saved.
    pub(super) fn take_touched(&mut self, part: usize, number: u64, places: &mut Vec<u64>) {
        let round = round(number);
        for place in &mut self.parts[part] {
            if place.0 & ROUND == round {
                place.0 &= !ROUND;
                places.push(place.at());
            }
        }
    }

    /// Adds a key, which was touched in the round with this number; 0 if it was saved since.
    pub(super) fn add(&mut self, hash: u64, at: u64, touched: u64) {
        let place = Place::new(hash, at, touched);
        let part = &mut self.parts[part(hash)];
        if part.len() == part.capacity() {
            // A table full of places and of marks of removed ones would double.
            let room = part.len() + part.len() / 8 + 1;
            for place in std::mem::replace(part, HashTable::with_capacity(room)) {
                part.insert_unique(spread(place.tag()), place, |place| spread(place.tag()));
            }
        }
        part.insert_unique(spread(place.tag()), place, |place| spread(place.tag()));
        self.len += 1;
    }

    pub(super) fn remove(&mut self, hash: u64, at: u64) {
        let part = &mut self.parts[part(hash)];
        if let Ok(entry) = part.find_entry(spread(tag(hash)), |place| place.is(hash, at)) {
            entry.remove();
            self.len -= 1;
        }
        if part.len() * 4 < part.capacity() {
            part.shrink_to(2 * part.len(), |place| spread(place.tag()));
        }
    }

    /// Records a new place of a key.
    pub(super) fn moved(&mut self, hash: u64, from: u64, to: u64) {
        let part = &mut self.parts[part(hash)];
        if let Some(found) = part.find_mut(spread(tag(hash)), |place| place.is(hash, from)) {
            *found = Place(Place::new(hash, to, 0).0 | found.0 & ROUND);
        }
    }
}

/// The first byte that has no place.
pub(super) const END: u64 = UNIT as u64 * (1 << PLACE);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn the_tables_do_not_grow_while_keys_come_and_go() {
        let mut directory = Directory::new();
        let hash = |key: u64| key.stable_hash();
        for key in 0..100_000 {
            directory.add(hash(key), key * UNIT as u64, 0);
        }
        let room = |directory: &Directory| -> usize {
            directory.parts.iter().map(HashTable::num_buckets).sum()
        };
        let before = room(&directory);
        for round in 1..20 {
            for key in (0..100_000).filter(|key| key % 4 == round % 4) {
                directory.remove(hash(key), (key + (round - 1) / 4 * 200_000) * UNIT as u64);
                directory.add(
                    hash(key),
                    (key + (round - 1) / 4 * 200_000 + 200_000) * UNIT as u64,
                    round,
                );
            }
        }
        assert_eq!(directory.len(), 100_000);
        assert!((0..100_000).all(|key| directory.may_have(hash(key))));
        assert!(room(&directory) <= before * 5 / 4);
    }
}
