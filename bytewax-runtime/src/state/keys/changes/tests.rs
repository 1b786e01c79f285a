//! Snapshots against a model: whatever is done to the table while one is under way, it holds what the
//! table held when it began.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::error::RunError;
use crate::key::Key;
use crate::state::{KeyTable, open};

type Model = BTreeMap<u64, u64>;

#[derive(Clone, Debug)]
enum Act {
    /// Adds to the state of a key.
    Add(u64, u64),
    Remove(u64),
    /// Adds to a key, and removes it when the sum is even.
    TakeWhenEven(u64, u64),
    RemoveOdd,
    /// Begins a snapshot, after the rest of the one under way.
    Begin,
    /// Encodes a few parts.
    Some(usize),
}

/// Few keys, so that they meet again; their slots lie in different parts.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0_u64..12;
    let act = prop_oneof![
        6 => (key.clone(), 0_u64..9).prop_map(|(key, n)| Act::Add(key, n)),
        2 => key.clone().prop_map(Act::Remove),
        2 => (key, 0_u64..9).prop_map(|(key, n)| Act::TakeWhenEven(key, n)),
        1 => Just(Act::RemoveOdd),
        2 => Just(Act::Begin),
        2 => (0_usize..4).prop_map(Act::Some),
    ];
    prop::collection::vec(act, 0..80)
}

/// The table, what a store would hold of it, and what it held when the last snapshot began.
struct Saved {
    table: KeyTable<u64, u64>,
    store: Model,
    expected: Option<Model>,
}

impl Saved {
    fn snapshot_some(&mut self, keys: usize) {
        let store = &mut self.store;
        let taken = self.table.snapshot_some(keys, |slot, changed| {
            let Changed::States(run) = changed else {
                panic!("keys without times have no timers");
            };
            let run = Run::decode(run.as_bytes().to_vec(), slot).unwrap();
            for entry in run.iter() {
                let key: u64 = codec::decode_stored(entry.key).unwrap();
                assert_eq!(key.stable_hash(), entry.hash);
                match entry.state {
                    Some(state) => store.insert(key, open(state).unwrap()),
                    None => store.remove(&key),
                };
            }
            Ok::<_, RunError>(())
        });
        taken.unwrap();
        if !self.table.is_snapshotting()
            && let Some(expected) = self.expected.take()
        {
            assert_eq!(self.store, expected);
        }
    }

    fn begin(&mut self, model: &Model) {
        while self.table.is_snapshotting() {
            self.snapshot_some(usize::MAX);
        }
        self.table.begin_snapshot().unwrap();
        self.expected = Some(model.clone());
    }
}

proptest! {
    #[test]
    fn a_snapshot_holds_what_was_there_when_it_began(acts in acts(), resume in any::<bool>()) {
        let mut model = Model::new();
        let mut saved = Saved { table: KeyTable::new(), store: Model::new(), expected: None };
        if resume {
            for key in 0..6_u64 {
                saved.table.restore(key.stable_hash(), key, 100 + key, None);
                model.insert(key, 100 + key);
            }
            saved.store = model.clone();
        }
        saved.table.note_changes();
        for act in acts {
            match act {
                Act::Add(key, n) => {
                    *saved.table.touch(key.stable_hash(), &key, || 0) += n;
                    *model.entry(key).or_default() += n;
                }
                Act::Remove(key) => {
                    saved.table.remove(key.stable_hash(), &key);
                    model.remove(&key);
                }
                Act::TakeWhenEven(key, n) => {
                    let change = |sum: &mut u64, n| {
                        *sum += n;
                        sum.is_multiple_of(2).then_some(*sum)
                    };
                    let hash = key.stable_hash();
                    let taken = saved.table.take_when(hash, key, n, |n| n, change);
                    // A new key is not asked whether it is to be taken.
                    let known = model.contains_key(&key);
                    let sum = model.entry(key).or_default();
                    *sum += n;
                    if known && sum.is_multiple_of(2) {
                        prop_assert_eq!(taken, Some((key, *sum)));
                        model.remove(&key);
                    } else {
                        prop_assert_eq!(taken, None);
                    }
                }
                Act::RemoveOdd => {
                    saved.table.retain(|sum| sum.is_multiple_of(2));
                    model.retain(|_, sum| sum.is_multiple_of(2));
                }
                Act::Begin => saved.begin(&model),
                Act::Some(keys) => saved.snapshot_some(keys),
            }
        }
        saved.begin(&model);
        saved.begin(&model);
        saved.snapshot_some(usize::MAX);
        prop_assert_eq!(saved.store, model);
    }
}

#[test]
fn keys_that_are_made_and_removed_within_an_epoch_leave_nothing() {
    let mut table = KeyTable::new();
    table.note_changes();
    for key in 0..100_u64 {
        table.touch(key.stable_hash(), &key, || 1_u64);
        table.remove(key.stable_hash(), &key);
    }
    table.begin_snapshot().unwrap();
    let nothing = |_, _| -> Result<(), RunError> { panic!("there is nothing to save") };
    table.snapshot_some(usize::MAX, nothing).unwrap();
    assert!(!table.is_snapshotting());
}

#[test]
fn rounds_are_used_again() {
    let mut table = KeyTable::new();
    table.note_changes();
    for round in 0..70_u64 {
        *table.touch(7_u64.stable_hash(), &7, || 0_u64) += 1;
        table.begin_snapshot().unwrap();
        let mut saved = Vec::new();
        let take = |_, changed| {
            if let Changed::States(run) = changed {
                saved.extend(
                    run.iter()
                        .map(|entry| open::<u64>(entry.state.unwrap()).unwrap()),
                );
            }
            Ok::<_, RunError>(())
        };
        table.snapshot_some(usize::MAX, take).unwrap();
        table
            .snapshot_some(usize::MAX, |_, _| Ok::<_, RunError>(()))
            .unwrap();
        assert_eq!(saved, [round + 1]);
    }
}
