//! Tables whose keys are evicted against a model: whatever is done to a table, and whenever keys go and come,
//! it holds what one without a limit would, and so does each snapshot of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::error::RunError;
use crate::state::keys::run::Run;
use crate::state::keys::timer::decode_due;
use crate::state::{Changed, open, seal};

/// A number, and the second that the key waits for, if it is not 0.
type Saved = (u64, u64);

struct Dated(Saved);

fn time(second: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(second as i64, 0).filter(|_| second > 0)
}

impl Cell for Dated {
    type Saved = Saved;

    const TIMED: bool = true;

    fn saved(&self) -> &Saved {
        &self.0
    }

    fn can_be_evicted(&self) -> bool {
        self.0.0 % 5 != 4
    }

    fn restored(saved: Saved) -> Self {
        Self(saved)
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        time(self.0.1)
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Add(u64, u64),
    /// Has a key wait for another second.
    Wait(u64, u64),
    Remove(u64),
    /// Adds to a key, and removes it when the sum is even.
    TakeWhenEven(u64, u64),
    RemoveOdd,
    Evict(usize),
    EvictAll,
    /// Brings the keys into memory whose time has come.
    TakeDue(u64),
    /// Begins a snapshot, after the rest of the one under way.
    Begin,
    /// Encodes a few parts.
    Some(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = || 0_u64..12;
    let act = prop_oneof![
        6 => (key(), 0_u64..9).prop_map(|(key, n)| Act::Add(key, n)),
        2 => (key(), 0_u64..9).prop_map(|(key, second)| Act::Wait(key, second)),
        2 => key().prop_map(Act::Remove),
        2 => (key(), 0_u64..9).prop_map(|(key, n)| Act::TakeWhenEven(key, n)),
        1 => Just(Act::RemoveOdd),
        4 => (0_usize..6).prop_map(Act::Evict),
        1 => Just(Act::EvictAll),
        1 => (0_u64..9).prop_map(Act::TakeDue),
        2 => Just(Act::Begin),
        2 => (0_usize..4).prop_map(Act::Some),
    ];
    prop::collection::vec(act, 0..120)
}

type Model = BTreeMap<u64, Saved>;

struct Tested {
    table: KeyTable<u64, Dated>,
    model: Model,
    /// What a store holds: states, and times.
    store: (Model, BTreeMap<u64, DateTime<Utc>>),
    /// What the table held when the last snapshot began.
    expected: Option<Model>,
}

fn times(model: &Model) -> BTreeMap<u64, DateTime<Utc>> {
    let times = model
        .iter()
        .filter_map(|(key, (_, second))| Some((*key, time(*second)?)));
    times.collect()
}

impl Tested {
    fn new(limit: usize, dir: &Path) -> Self {
        let mut table = KeyTable::new();
        table.note_changes();
        table.limit_memory(Rc::new(MemoryLimit::new(limit, 1)), dir);
        Self {
            table,
            model: Model::new(),
            store: Default::default(),
            expected: None,
        }
    }

    /// Has the store hold keys before the run, of which those that are even are in memory.
    fn resume(&mut self) {
        for key in 0..6_u64 {
            let saved = (100 + key, key % 3);
            let hash = key.stable_hash();
            if key % 2 == 0 {
                self.table.restore(hash, key, Dated(saved), None);
            } else {
                let (mut bytes, mut state) = (Vec::new(), Vec::new());
                codec::encode_stored(&key, &mut bytes).unwrap();
                seal(&saved, &mut state).unwrap();
                let entry = Entry {
                    hash,
                    key: &bytes,
                    state: Some(&state),
                };
                let due = Dated(saved).due();
                self.table.restore_evicted::<RunError>(&entry, due).unwrap();
            }
            self.model.insert(key, saved);
        }
        self.store = (self.model.clone(), times(&self.model));
    }

    fn restore(&mut self, restored: Vec<Restored<u64, Saved>>) -> Vec<u64> {
        let mut keys = Vec::new();
        for Restored {
            hash,
            key,
            saved,
            mark,
        } in restored
        {
            self.table.restore(hash, key, Dated(saved), mark);
            keys.push(key);
        }
        keys
    }

    /// Brings keys into memory that are to be touched.
    fn bring(&mut self, keys: &[u64]) {
        let mut restored = Vec::new();
        let keys = keys.iter().map(|key| (key.stable_hash(), key));
        let taken = self.table.take_evicted::<RunError>(keys, &mut restored);
        taken.unwrap();
        self.restore(restored);
    }

    fn in_memory(&self) -> BTreeSet<u64> {
        self.table.iter().map(|(key, _)| *key).collect()
    }

    fn evicted(&self) -> usize {
        self.table.eviction.as_ref().unwrap().cold.len()
    }

    fn snapshot_some(&mut self, keys: usize) {
        let (states, timers) = &mut self.store;
        let taken = self.table.snapshot_some(keys, |slot, changed| {
            let (run, is_timers) = match changed {
                Changed::States(run) => (run, false),
                Changed::Timers(run) => (run, true),
            };
            let run = Run::decode(run.as_bytes().to_vec(), slot).unwrap();
            for entry in run.iter() {
                let key: u64 = codec::decode_stored(entry.key).unwrap();
                assert_eq!(key.stable_hash(), entry.hash);
                match (entry.state, is_timers) {
                    (Some(due), true) => drop(timers.insert(key, decode_due(due).unwrap())),
                    (None, true) => drop(timers.remove(&key)),
                    (Some(state), false) => drop(states.insert(key, open(state).unwrap())),
                    (None, false) => drop(states.remove(&key)),
                }
            }
            Ok::<_, RunError>(())
        });
        taken.unwrap();
        if !self.table.is_snapshotting()
            && let Some(expected) = self.expected.take()
        {
            assert_eq!(self.store.0, expected);
            assert_eq!(self.store.1, times(&expected));
        }
    }

    fn begin(&mut self) {
        while self.table.is_snapshotting() {
            self.snapshot_some(usize::MAX);
        }
        self.table.begin_snapshot().unwrap();
        self.expected = Some(self.model.clone());
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Add(key, n) => {
                self.bring(&[key]);
                let touched = self.table.touch(key.stable_hash(), &key, || Dated((0, 0)));
                touched.0.0 += n;
                self.model.entry(key).or_default().0 += n;
            }
            Act::Wait(key, second) => {
                self.bring(&[key]);
                let known = self.table.touch_known(key.stable_hash(), &key);
                assert_eq!(known.is_some(), self.model.contains_key(&key));
                if let (Some(cell), Some(saved)) = (known, self.model.get_mut(&key)) {
                    cell.0.1 = second;
                    saved.1 = second;
                }
            }
            Act::Remove(key) => {
                self.bring(&[key]);
                self.table.remove(key.stable_hash(), &key);
                self.model.remove(&key);
            }
            Act::TakeWhenEven(key, n) => {
                self.bring(&[key]);
                let change = |cell: &mut Dated, n| {
                    cell.0.0 += n;
                    cell.0.0.is_multiple_of(2).then_some(cell.0.0)
                };
                let hash = key.stable_hash();
                let make = |n| Dated((n, 0));
                let taken = self.table.take_when(hash, key, n, make, change);
                let known = self.model.contains_key(&key);
                let (sum, _) = self.model.entry(key).or_default();
                *sum += n;
                if known && sum.is_multiple_of(2) {
                    assert_eq!(taken, Some((key, *sum)));
                    self.model.remove(&key);
                } else {
                    assert_eq!(taken, None);
                }
            }
            Act::RemoveOdd => {
                let all: Vec<u64> = self.model.keys().copied().collect();
                self.bring(&all);
                self.table.retain(|cell| cell.0.0.is_multiple_of(2));
                self.model.retain(|_, (sum, _)| sum.is_multiple_of(2));
            }
            Act::Evict(looks) => {
                self.table.evict::<RunError>(looks).unwrap();
            }
            Act::EvictAll => self.table.evict_all::<RunError>().unwrap(),
            Act::TakeDue(second) => {
                let now = DateTime::from_timestamp(second as i64, 0).unwrap();
                let before = self.in_memory();
                let mut restored = Vec::new();
                let next = self.table.take_due::<RunError>(now, &mut restored);
                let next = next.unwrap();
                assert!(next.is_none_or(|next| next > now));
                self.restore(restored);
                let after = self.in_memory();
                for (key, (_, due)) in &self.model {
                    let Some(due) = time(*due).filter(|_| !before.contains(key)) else {
                        continue;
                    };
                    if due <= now {
                        assert!(after.contains(key), "{key} is due");
                    } else if !after.contains(key) {
                        assert!(next.is_some_and(|next| next <= due));
                    }
                }
            }
            Act::Begin => self.begin(),
            Act::Some(keys) => self.snapshot_some(keys),
        }
    }

    /// Has it that what is in memory and what is not are all keys.
    fn check(&self) {
        let in_memory = self.in_memory();
        for (key, cell) in self.table.iter() {
            assert_eq!(self.model.get(key), Some(&cell.0));
        }
        assert_eq!(in_memory.len() + self.evicted(), self.model.len());
    }
}

proptest! {
    #[test]
    fn a_table_holds_what_one_without_a_limit_does(
        acts in acts(),
        limit in prop_oneof![Just(0), 0_usize..600],
        resume in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut tested = Tested::new(limit, dir.path());
        if resume {
            tested.resume();
        }
        for act in acts {
            tested.act(act);
            tested.check();
        }
        tested.begin();
        tested.begin();
        tested.snapshot_some(usize::MAX);
        prop_assert_eq!(&tested.store.0, &tested.model);
        let all: Vec<u64> = tested.model.keys().copied().collect();
        tested.bring(&all);
        prop_assert_eq!(tested.evicted(), 0);
        tested.check();
    }

    #[test]
    fn evicted_keys_come_in_order(
        keys in prop::collection::btree_map(any::<u64>(), 0_u64..100, 0..400),
        stay in 0_usize..20,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut tested = Tested::new(0, dir.path());
        for (key, n) in &keys {
            tested.table.touch(key.stable_hash(), key, || Dated((*n, 0)));
            tested.model.insert(*key, (*n, 0));
            if tested.table.len() > stay {
                tested.table.evict_all::<RunError>().unwrap();
            }
        }
        let mut sorted = tested.table.sort_evicted::<RunError>().unwrap();
        let mut seen = Vec::new();
        loop {
            let mut restored = Vec::new();
            if !tested.table.take_sorted::<RunError>(&mut sorted, &mut restored).unwrap() {
                break;
            }
            let known = seen.len();
            seen.extend(tested.restore(restored));
            for key in &seen[known..] {
                // One of two goes, the others are evicted once more.
                let hash = key.stable_hash();
                if key % 2 == 0 {
                    tested.table.remove(hash, key);
                    tested.model.remove(key);
                }
            }
            tested.table.evict_all::<RunError>().unwrap();
        }
        prop_assert!(keys.keys().eq(&seen));
        tested.check();
        let all: Vec<u64> = keys.keys().copied().collect();
        tested.bring(&all);
        tested.check();
    }
}

fn touched(limit: usize, keys: u64, dir: &Path) -> Tested {
    let mut tested = Tested::new(limit, dir);
    for key in 0..keys {
        tested.act(Act::Add(key, 5));
    }
    tested
}

#[test]
fn keys_go_until_the_rest_takes_no_more_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut tested = touched(10_000, 1000, dir.path());
    while tested.table.evict::<RunError>(1).unwrap() {}
    let bytes = tested.table.bytes();
    let evicted = tested.table.eviction.as_ref().unwrap().cold.bytes();
    assert!(bytes <= 10_000 + evicted / 12);
    assert!(bytes > 5000);
    tested.check();
    let mut tested = touched(0, 1000, dir.path());
    while tested.table.evict::<RunError>(1).unwrap() {}
    assert!(tested.table.len() < 100);
    let mut tested = touched(0, 2, dir.path());
    tested.table.evict::<RunError>(2).unwrap();
    assert_eq!((tested.table.len(), tested.evicted()), (0, 2));
}

#[test]
fn a_key_that_is_used_stays_while_others_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut tested = touched(40 * KeyTable::<u64, Dated>::SLOT_BYTES, 40, dir.path());
    for key in 40..1000 {
        tested.act(Act::Add(7, 5));
        tested.act(Act::Add(key, 5));
        tested.table.evict::<RunError>(1).unwrap();
        assert!(tested.in_memory().contains(&7), "{key}");
    }
    let evicted = tested.table.eviction.as_ref().unwrap().cold.bytes();
    assert!(tested.table.bytes() <= 40 * KeyTable::<u64, Dated>::SLOT_BYTES + evicted / 12);
    tested.check();
}

#[test]
fn a_key_that_is_owed_something_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut tested = touched(0, 10, dir.path());
    tested.act(Act::Add(3, 4));
    while tested.table.evict::<RunError>(100).unwrap() {}
    assert_eq!(tested.in_memory(), BTreeSet::from([3]));
    tested.check();
}

#[test]
fn what_a_key_points_to_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut table: KeyTable<u64, String> = KeyTable::new();
    table.note_changes();
    table.limit_memory(Rc::new(MemoryLimit::new(1 << 20, 1)), dir.path());
    for key in 0..100_u64 {
        table.touch(key.stable_hash(), &key, || "x".repeat(100_000));
        table.evict::<RunError>(1000).unwrap();
        // Ten of them, and one for each twelve that are evicted.
        assert!(table.len() <= 10 + 100 / 12);
    }
    assert!(table.len() >= 8);
}
