//! The file of evicted keys against a model: whatever was put in, taken out and moved, what is there is found.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::key::Key;
use crate::key::Slot;
use crate::state::keys::slots::{PARTS, part_of};

#[derive(Clone, Debug)]
enum Act {
    /// Evicts a key with a state of so many bytes, which may be longer than a segment of the file.
    Put(u16, usize),
    Take(Vec<u16>),
    /// Looks at those of some slots that were touched in rounds with odd numbers, or with even ones.
    LookAtTouched(usize, bool),
    /// Looks at some slots, and takes some of what is there by its places.
    TakePart(usize, usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = || 0_u16..300;
    let keys = || vec(key(), 0..40);
    let bytes = prop_oneof![20 => 0_usize..120, 1 => 400_usize..2000];
    let act = prop_oneof![
        30 => (key(), bytes).prop_map(|(key, bytes)| Act::Put(key, bytes)),
        3 => keys().prop_map(Act::Take),
        2 => (0..PARTS, any::<bool>()).prop_map(|(part, odd)| Act::LookAtTouched(part, odd)),
        1 => (0..PARTS, 0_usize..3).prop_map(|(part, count)| Act::TakePart(part, count)),
    ];
    vec(act, 0..1500)
}

/// The state of each key, and the round in which it was touched.
type Model = BTreeMap<u16, (Vec<u8>, u64)>;

fn hash(key: u16) -> u64 {
    key.stable_hash()
}

fn key_of(record: &Record<'_>) -> u16 {
    let key = u16::from_le_bytes(record.key.try_into().unwrap());
    assert_eq!(record.evicted.hash, hash(key));
    key
}

/// Has it that all these keys are in the model, as they are there.
fn agree(model: &Model, found: &BTreeMap<u16, (Vec<u8>, u64)>) {
    for (key, state) in found {
        assert_eq!(model.get(key), Some(state), "{key}");
    }
}

struct Tested {
    cold: Cold,
    model: Model,
    unsaved: BTreeSet<u16>,
    rounds: u64,
}

impl Tested {
    fn new(dir: &Path) -> Self {
        Self {
            cold: Cold::new(dir),
            model: Model::new(),
            unsaved: BTreeSet::new(),
            rounds: 0,
        }
    }

    fn put(&mut self, key: u16, bytes: usize) {
        if self.model.contains_key(&key) {
            return;
        }
        self.rounds += 1;
        let evicted = Evicted {
            hash: hash(key),
            touched: self.rounds,
            stored: true,
            timer: false,
            due: None,
        };
        let state = vec![self.rounds as u8; bytes];
        let put = self.cold.put(&evicted, |out| {
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&state);
            Ok::<_, ColdError>(2)
        });
        put.unwrap();
        self.model.insert(key, (state, self.rounds));
        self.unsaved.insert(key);
    }

    fn take(&mut self, keys: &[u16]) {
        let mut found = Model::new();
        let hashes = keys.iter().map(|key| hash(*key));
        let taken = self.cold.take(hashes, |record| {
            found.insert(
                key_of(&record),
                (record.state.to_vec(), record.evicted.touched),
            );
            Ok::<_, ColdError>(())
        });
        taken.unwrap();
        agree(&self.model, &found);
        for key in keys {
            assert_eq!(found.contains_key(key), self.model.contains_key(key));
        }
        self.model.retain(|key, _| !found.contains_key(key));
    }

    fn look_at_touched(&mut self, part: usize, odd: bool) {
        let mut found = Model::new();
        let number = if odd { 1 } else { 2 };
        let looked = self.cold.look_at_touched(part, number, |record| {
            found.insert(
                key_of(&record),
                (record.state.to_vec(), record.evicted.touched),
            );
            Ok::<_, ColdError>(())
        });
        looked.unwrap();
        agree(&self.model, &found);
        let expected = self.unsaved.iter().copied().filter(|key| {
            part_of(Slot::of(hash(*key))) == part
                && self
                    .model
                    .get(key)
                    .is_some_and(|(_, round)| (round % 2 == 1) == odd)
        });
        assert!(found.keys().copied().eq(expected));
        self.unsaved.retain(|key| !found.contains_key(key));
    }

    fn take_part(&mut self, part: usize, count: usize) {
        let mut found = BTreeMap::new();
        let looked = self.cold.look_at_part(part, |at, record| {
            found.insert(at, key_of(&record));
            Ok::<_, ColdError>(())
        });
        looked.unwrap();
        let in_part = |key: &&u16| part_of(Slot::of(hash(**key))) == part;
        let mut keys: Vec<u16> = found.values().copied().collect();
        keys.sort_unstable();
        assert!(self.model.keys().filter(in_part).eq(&keys));
        let places: Vec<u64> = found.keys().copied().take(count).collect();
        let mut taken = Vec::new();
        let took = self.cold.take_at(places.into_iter(), |record| {
            taken.push(key_of(&record));
            Ok::<_, ColdError>(())
        });
        took.unwrap();
        assert_eq!(taken.len(), found.len().min(count));
        for key in taken {
            assert!(self.model.remove(&key).is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn what_is_evicted_is_found(acts in acts()) {
        let dir = tempfile::tempdir().unwrap();
        let mut tested = Tested::new(dir.path());
        for act in acts {
            match act {
                Act::Put(key, bytes) => tested.put(key, bytes),
                Act::Take(keys) => tested.take(&keys),
                Act::LookAtTouched(part, odd) => tested.look_at_touched(part, odd),
                Act::TakePart(part, count) => tested.take_part(part, count),
            }
            prop_assert_eq!(tested.cold.len(), tested.model.len());
        }
        let all: Vec<u16> = (0..300).collect();
        for part in 0..PARTS {
            tested.look_at_touched(part, true);
            tested.look_at_touched(part, false);
        }
        tested.take(&all);
        prop_assert_eq!(tested.cold.len(), 0);
        // The file has no name, so nothing is left of it.
        prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_file_does_not_grow_while_keys_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut tested = Tested::new(dir.path());
    let all: Vec<u16> = (0..600).collect();
    for key in &all {
        tested.put(*key, 64);
    }
    let (full, _) = tested.cold.log.segments();
    for round in 0..50_u16 {
        // Two of three keys stay where they are, among the gaps of the others.
        let some: Vec<u16> = (0..200).map(|n| (n * 3 + round) % 600).collect();
        tested.take(&some);
        for key in some {
            tested.put(key, 64);
        }
    }
    let (segments, free) = tested.cold.log.segments();
    assert!(
        segments <= 2 * full + 8,
        "{segments} segments, {free} free, {full} at first"
    );
    tested.take(&all);
    assert_eq!(tested.cold.log.segments(), (1, 0));
}

#[test]
fn times_come_in_order_and_of_keys_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut cold = Cold::new(dir.path());
    let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let put = |cold: &mut Cold, key: u16, due| {
        let evicted = Evicted {
            hash: hash(key),
            touched: 0,
            stored: true,
            timer: true,
            due: Some(time(due)),
        };
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&key.to_le_bytes());
            Ok::<_, ColdError>(2)
        };
        cold.put(&evicted, key).unwrap();
    };
    for (key, due) in [(1, 50), (2, 20), (3, 70)] {
        put(&mut cold, key, due);
    }
    assert_eq!(cold.first_due(), Some((time(20), hash(2))));
    let take = |cold: &mut Cold, key: u16| {
        let taken = cold.take(std::iter::once(hash(key)), |_| Ok::<_, ColdError>(()));
        taken.unwrap();
    };
    take(&mut cold, 2);
    assert_eq!(cold.first_due(), Some((time(50), hash(1))));
    cold.pop_due();
    assert_eq!(cold.first_due(), Some((time(70), hash(3))));
    // Keys that come and go leave times behind, which do not become more and more.
    for round in 0..10_000 {
        put(&mut cold, 4, 100 + round);
        take(&mut cold, 4);
    }
    assert!(cold.times.len() < 1000, "{}", cold.times.len());
    assert_eq!(cold.first_due(), Some((time(70), hash(3))));
}

#[test]
fn a_file_that_cannot_be_made_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let mut tested = Tested::new(&gone);
    let mut failed = None;
    for key in 0..100_u16 {
        let evicted = Evicted {
            hash: hash(key),
            touched: 0,
            stored: true,
            timer: false,
            due: None,
        };
        let put = tested.cold.put(&evicted, |out| {
            out.extend_from_slice(&[1; 100]);
            Ok::<_, ColdError>(2)
        });
        if let Err(error) = put {
            failed = Some(error.to_string());
            break;
        }
    }
    let expected = format!(
        "a file of evicted states in `{}` cannot be made",
        gone.display()
    );
    assert_eq!(failed, Some(expected));
}
