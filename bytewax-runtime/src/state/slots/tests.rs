//! Tables that grow into parts hold what tables without parts would.

use std::collections::BTreeSet;

use super::*;
use crate::key::Key;
use crate::state::{Changed, KeyTable, Unsaved};

fn slot(key: u64) -> Slot<u64, u64> {
    Slot {
        key,
        cell: key,
        mark: Default::default(),
    }
}

fn with_keys(count: usize) -> Slots<u64, u64> {
    let mut slots = Slots::new();
    for key in 0..count as u64 {
        match slots.entry(key.stable_hash(), &key) {
            Entry::Occupied(_) => panic!("{key} is new"),
            Entry::Vacant(entry) => drop(entry.insert(slot(key))),
        }
    }
    slots
}

#[test]
fn all_keys_are_found_before_and_after_the_split() {
    let mut slots = with_keys(MANY);
    assert!(slots.many.is_none());
    let key = MANY as u64;
    slots.insert(key.stable_hash(), slot(key));
    assert!(slots.many.is_some());
    assert_eq!(slots.len(), MANY + 1);
    for key in 0..=MANY as u64 {
        let hash = key.stable_hash();
        assert_eq!(slots.find(hash, &key).map(|slot| slot.cell), Some(key));
        assert_eq!(slots.find_mut(hash, &key).map(|slot| slot.cell), Some(key));
        let same = slots.of_hash(hash).filter(|slot| slot.key == key);
        assert_eq!(same.count(), 1);
    }
    let keys: BTreeSet<u64> = slots.iter().map(|slot| slot.key).collect();
    assert!(keys.into_iter().eq(0..=key));
}

#[test]
fn a_key_found_before_the_split_is_the_same_key_after_it() {
    let mut slots = with_keys(MANY);
    let keys = [0, 7, MANY as u64 / 2, MANY as u64];
    let found = keys.map(|key| slots.bucket(key.stable_hash(), &key).map(|found| found.0));
    for (key, bucket) in keys.into_iter().zip(found) {
        let bucket = bucket.unwrap_or(usize::MAX);
        match slots.entry_at(bucket, key.stable_hash(), &key) {
            Entry::Occupied(known) => assert_eq!(known.get().key, key),
            Entry::Vacant(_) => assert_eq!(key, MANY as u64, "the last was never there"),
        }
    }
}

#[test]
fn many_keys_leave_part_by_part_and_give_their_memory_back() {
    let count = MANY + MANY / 2;
    let mut slots = with_keys(count);
    let room =
        |slots: &Slots<u64, u64>| (0..PARTS).map(|part| slots.of_part(part).capacity()).sum();
    let before: usize = room(&slots);
    slots.retain_in(3, |_| false);
    assert_eq!(slots.of_part(3).len(), 0);
    assert_eq!(slots.of_part(3).capacity(), 0);
    let left = slots.len();
    slots.retain(|slot| slot.key % 2 == 0);
    assert!(slots.len() < left);
    for key in 0..count as u64 {
        slots.remove(key.stable_hash(), &key, |slot| assert_eq!(slot.key, key));
    }
    assert_eq!(slots.len(), 0);
    assert!(before > count);
    assert_eq!(room(&slots), 0, "without keys there is no room for any");
    assert_eq!(slots.drain().count(), 0);
}

#[test]
fn a_snapshot_may_begin_before_the_split_and_end_after_it() {
    let mut table: KeyTable<u64, u64> = KeyTable::new();
    table.note_changes();
    let count = MANY as u64;
    for key in 0..count {
        *table.touch(key.stable_hash(), &key, || 0) += 1;
    }
    table.begin_snapshot().unwrap();
    for key in 0..count + 100 {
        *table.touch(key.stable_hash(), &key, || 0) += 1;
    }
    let mut saved = 0;
    while table.is_snapshotting() {
        let taken = table.snapshot_some(1000, |_, changed| {
            if let Changed::States(run) = changed {
                for entry in run.iter() {
                    let value: u64 = crate::state::open(entry.state.unwrap()).unwrap();
                    assert_eq!(value, 1, "as it was when the snapshot began");
                    saved += 1;
                }
            }
            Ok::<_, Unsaved>(())
        });
        taken.unwrap();
    }
    assert_eq!(saved, count);
}
