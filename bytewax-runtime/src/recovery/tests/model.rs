//! The store against a map.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    /// A key changes, or is removed.
    Change(u64, Option<Vec<u8>>),
    /// A key waits for a second of 1970, or for nothing any more.
    Wait(u64, Option<i64>),
    /// A partition of the source moves on.
    Move(u8, u8),
    /// Changes are sent to the store before the epoch ends.
    Send,
    /// The epoch ends.
    Commit,
    /// Epochs are given up, but for so many.
    Collect(u64),
    /// The cluster is killed when so many partitions have committed the epoch.
    Crash(usize),
    /// The files are copied while open, and the copy takes the place of the store.
    Copy,
    /// The number of partitions changes.
    Repartition(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let state = prop::option::weighted(0.6, prop::collection::vec(any::<u8>(), 0..20));
    let op = prop_oneof![
        20 => (0_u64..30, state).prop_map(|(key, state)| Op::Change(key, state)),
        6 => (0_u64..30, prop::option::of(0_i64..9)).prop_map(|(key, due)| Op::Wait(key, due)),
        4 => (0_u8..3, any::<u8>()).prop_map(|(partition, at)| Op::Move(partition, at)),
        2 => Just(Op::Send),
        8 => Just(Op::Commit),
        4 => (0_u64..4).prop_map(Op::Collect),
        2 => (0_usize..5).prop_map(Op::Crash),
        1 => Just(Op::Copy),
        1 => (1_u32..6).prop_map(Op::Repartition),
    ];
    prop::collection::vec(op, 1..120)
}

/// All that is saved at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) states: BTreeMap<u64, Vec<u8>>,
    pub(super) timers: BTreeMap<u64, i64>,
    pub(super) positions: BTreeMap<String, Vec<u8>>,
}

impl Model {
    /// What the store holds at the start of an epoch.
    fn load(dir: &Path, before: Epoch) -> Self {
        Self::load_files(&discover(&[dir]).unwrap(), before)
    }

    pub(super) fn load_files(parts: &[PartitionFile], before: Epoch) -> Self {
        let mut timers = BTreeMap::new();
        let mut positions = Vec::new();
        for part in parts {
            let reader = PartitionReader::open(&part.file).unwrap();
            for timer in reader.load_timers(&total().id, before).unwrap() {
                let key = u64::from_le_bytes(timer.key.try_into().unwrap());
                timers.insert(key, timer.due.timestamp());
            }
            positions.extend(reader.load_positions(before).unwrap());
        }
        let positions = newest_positions(positions).into_iter();
        Self {
            states: load_files(parts, before).into_iter().collect(),
            timers,
            positions: positions
                .map(|position| (position.partition, position.bytes))
                .collect(),
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    writers: Vec<PartitionWriter>,
    /// What was saved at the end of each epoch; the first entry is that of no epoch.
    history: Vec<Model>,
    /// The oldest epoch that can be resumed.
    oldest: Epoch,
    model: Model,
    changes: Batch,
    timers: Batch,
    moves: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    fn new(partitions: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), partitions, "orders").unwrap();
        let (writers, _) = start(dir.path());
        Self {
            dir,
            writers,
            history: vec![Model::default()],
            oldest: Epoch::FIRST,
            model: Model::default(),
            changes: Batch::default(),
            timers: Batch::default(),
            moves: BTreeMap::new(),
        }
    }

    /// The epoch that is under way.
    fn epoch(&self) -> Epoch {
        Epoch(self.history.len() as u64)
    }

    fn send(&mut self) {
        let epoch = self.epoch();
        let count = self.writers.len();
        let writers = &mut self.writers;
        let changes = self.changes.drain(|slot, run| {
            let writer = &mut writers[slot.index() % count];
            let step = writer.step(&total())?;
            writer.write(Table::Snaps, step, slot, epoch, run)
        });
        changes.unwrap();
        let timers = self.timers.drain(|slot, run| {
            let writer = &mut writers[slot.index() % count];
            let step = writer.step(&total())?;
            writer.write(Table::Timers, step, slot, epoch, run)
        });
        timers.unwrap();
        for (partition, bytes) in std::mem::take(&mut self.moves) {
            let slot = position_slot(&input().id, &partition);
            let writer = &mut writers[slot.index() % count];
            let step = writer.step(&input()).unwrap();
            writer
                .write_position(step, &partition, epoch, &bytes)
                .unwrap();
        }
    }

    /// Begins the next execution, on the files as they are.
    fn restart(&mut self) {
        self.changes = Batch::default();
        self.timers = Batch::default();
        self.moves.clear();
        self.writers.clear();
        let (writers, resume) = start(self.dir.path());
        self.writers = writers;
        self.history.truncate(resume.epoch.0 as usize);
        assert_eq!(self.epoch(), resume.epoch);
        self.model = self.history.last().unwrap().clone();
        self.check();
    }

    /// Every epoch that can be resumed is as it was.
    fn check(&self) {
        for epoch in self.oldest.0..=self.epoch().0 {
            let expected = &self.history[epoch as usize - 1];
            assert_eq!(
                &Model::load(self.dir.path(), Epoch(epoch)),
                expected,
                "epoch {epoch}"
            );
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Change(key, state) => {
                let bytes = key.to_le_bytes();
                self.changes
                    .push(hash(key), &bytes, state.as_deref())
                    .unwrap();
                match state {
                    Some(state) => self.model.states.insert(key, state),
                    None => self.model.states.remove(&key),
                };
            }
            Op::Wait(key, due) => {
                let time = due.map(|due| DateTime::from_timestamp(due, 0).unwrap());
                let bytes = key.to_le_bytes();
                push_timer(&mut self.timers, hash(key), &bytes, time).unwrap();
                match due {
                    Some(due) => self.model.timers.insert(key, due),
                    None => self.model.timers.remove(&key),
                };
            }
            Op::Move(partition, at) => {
                let partition = format!("p{partition}");
                self.moves.insert(partition.clone(), vec![at]);
                self.model.positions.insert(partition, vec![at]);
            }
            Op::Send => self.send(),
            Op::Commit => {
                self.send();
                let epoch = self.epoch().0;
                commit(&mut self.writers, epoch);
                self.history.push(self.model.clone());
            }
            Op::Collect(keep) => {
                let oldest = Epoch(self.epoch().0.saturating_sub(keep).max(1));
                self.oldest = self.oldest.max(oldest);
                // What is under way must not be made durable by a collection alone; it may be
                // there, but a resume removes it.
                self.writers
                    .iter_mut()
                    .for_each(|writer| writer.collect(oldest).unwrap());
                self.check();
            }
            Op::Crash(committed) => {
                self.send();
                let epoch = self.epoch().0;
                let count = committed.min(self.writers.len());
                commit(&mut self.writers[..count], epoch);
                if count == self.writers.len() {
                    self.history.push(self.model.clone());
                }
                self.restart();
            }
            Op::Copy => {
                self.send();
                let copy = tempfile::tempdir().unwrap();
                for entry in fs::read_dir(self.dir.path()).unwrap() {
                    let file = entry.unwrap();
                    let name = file.file_name();
                    if !name.to_string_lossy().ends_with("-shm") {
                        fs::copy(file.path(), copy.path().join(name)).unwrap();
                    }
                }
                self.writers.clear();
                self.dir = copy;
                self.restart();
            }
            Op::Repartition(partitions) => {
                self.writers.clear();
                let copy = tempfile::tempdir().unwrap();
                repartition(&[self.dir.path()], partitions, copy.path()).unwrap();
                self.dir = copy;
                self.oldest = self.epoch();
                self.restart();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_map_with_a_history(partitions in 1_u32..6, ops in ops()) {
        let mut bench = Bench::new(partitions);
        ops.into_iter().for_each(|op| bench.apply(op));
        bench.apply(Op::Crash(0));
        let report = verify(&[bench.dir.path()]).unwrap();
        prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}
