//! Tables that grow into parts hold what tables without parts would.

use std::collections::BTreeSet;

use super::*;
use crate::error::RunError;
use crate::key::Key;
use crate::state::{Changed, KeyTable};

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

/// From one doubling of a table to the next, it has 2.3 to 1.1 buckets for each key.
#[test]
fn parts_do_not_grow_together() {
    let mut slots = with_keys(MANY);
    for key in MANY as u64..(8 * MANY) as u64 {
        slots.insert(key.stable_hash(), slot(key));
        if key.is_multiple_of(10_000) && key > 300_000 {
            let parts = slots.many.iter().flat_map(|parts| parts.iter());
            let buckets: usize = parts.map(HashTable::num_buckets).sum();
            let most = 2 * slots.len();
            assert!(buckets < most, "{buckets} buckets of {} keys", slots.len());
        }
    }
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

/// How many keys the parts have room for.
fn room(slots: &Slots<u64, u64>) -> usize {
    let parts = slots.many.iter().flat_map(|parts| parts.iter());
    slots.few.capacity() + parts.map(HashTable::capacity).sum::<usize>()
}

#[test]
fn many_keys_that_are_forgotten_give_their_memory_back() {
    let count = MANY + MANY / 2;
    let mut slots = with_keys(count);
    let before = room(&slots);
    slots.retain(|slot| slot.key % 2 == 0);
    assert_eq!(slots.len(), count / 2);
    for key in 0..count as u64 {
        slots.remove(key.stable_hash(), &key, |slot| assert_eq!(slot.key, key));
    }
    assert_eq!(slots.len(), 0);
    assert!(before > count);
    assert_eq!(room(&slots), 0, "without keys there is no room for any");
    assert_eq!(slots.drain().count(), 0);
}

#[test]
fn a_sweep_comes_to_each_key_and_takes_out_what_goes() {
    for count in [0, 1, 100, MANY + 100] {
        let mut slots = with_keys(count);
        let mut seen = vec![0; count];
        slots
            .sweep(|slot| {
                seen[slot.key as usize] += 1;
                Ok::<_, ()>(match slot.key % 3 {
                    0 => Swept::Goes,
                    _ => Swept::Stays,
                })
            })
            .unwrap();
        assert!(seen.iter().all(|times| (1..=3).contains(times)));
        assert!(slots.iter().all(|slot| slot.key % 3 != 0));
        assert_eq!(slots.len(), count - count.div_ceil(3));
        // It goes on where it was.
        let mut few = Vec::new();
        for _ in 0..3 {
            let mut looks = 0;
            let swept = slots.sweep(|slot| {
                looks += 1;
                if looks > 10 {
                    return Ok(Swept::Enough);
                }
                few.push(slot.key);
                Ok::<_, ()>(Swept::Stays)
            });
            swept.unwrap();
        }
        if count >= 100 {
            few.sort_unstable();
            few.dedup();
            assert_eq!(few.len(), 30);
        }
        slots.sweep(|_| Ok::<_, ()>(Swept::Goes)).unwrap();
        assert_eq!((slots.len(), room(&slots)), (0, 0));
        assert_eq!(slots.sweep(|_| Err("no key is left")), Ok(()));
    }
}

#[test]
fn the_tables_do_not_grow_while_keys_come_and_go() {
    let count = 40_000;
    let mut slots = with_keys(count);
    for _ in 0..12 {
        let mut gone = Vec::new();
        let swept = slots.sweep(|slot| {
            if gone.len() == count / 2 {
                return Ok(Swept::Enough);
            }
            gone.push(slot.key);
            Ok::<_, ()>(Swept::Goes)
        });
        swept.unwrap();
        assert_eq!(slots.len(), count / 2);
        for key in gone {
            slots.insert(key.stable_hash(), slot(key));
        }
        assert!(room(&slots) <= count / 2 * 5, "{}", room(&slots));
    }
    assert_eq!(slots.len(), count);
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
            Ok::<_, RunError>(())
        });
        taken.unwrap();
    }
    assert_eq!(saved, count);
}

#[test]
fn a_visit_in_parts_sees_each_key_once() {
    for count in [0, 10, MANY + 1] {
        let mut slots = with_keys(count.min(MANY));
        if count > MANY {
            let key = MANY as u64;
            slots.insert(key.stable_hash(), slot(key));
        }
        let (mut seen, mut place, mut visits) = (Vec::new(), TablePlace::default(), 0);
        while slots.visit(&mut place, 1 << 14, |slot| seen.push(slot.key)) {
            visits += 1;
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..count as u64), "{count}");
        assert_eq!(visits > 10, count > MANY);
    }
}
