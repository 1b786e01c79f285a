//! Migrations that are killed at each of their steps, and what the next command makes of it.

use std::env;
use std::path::PathBuf;

use super::*;
use crate::state::StateError;

/// The store, for the part of the test that is killed.
const STORE: &str = "BYTEWAX_TEST_MIGRATED";

const KEYS: u64 = 20;

/// A step in version 2; `old` is a value of version 1.
fn second(meta: StepMeta) -> MigratedStep {
    MigratedStep {
        meta: StepMeta {
            version: 2,
            fingerprint: 2,
            ..meta
        },
        rewrite,
        rewrite_position: |_, position| Ok(rewrite(position)?),
    }
}

fn rewrite(value: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
    Ok((value == b"old").then(|| b"new".to_vec()))
}

fn migrated(dir: &Path) -> Vec<Migrated> {
    let steps = [second(total()), second(input())];
    migrate(&[dir], "orders", &steps, |_, _| Ok(())).unwrap()
}

/// The part of the test that is killed.
#[test]
fn migrate_and_be_killed() {
    if let Some(dir) = env::var_os(STORE) {
        migrated(&PathBuf::from(dir));
    }
}

/// A store of three partitions that is complete up to epoch 2, with old values.
fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 3, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    for epoch in 1..=2 {
        let changes: Vec<_> = (0..KEYS).map(|key| (key, Some(&b"old"[..]))).collect();
        write(&mut writers, epoch, &changes);
        let writer = &mut writers[position_slot(&input().id, "file").index() % 3];
        let step = writer.step(&input()).unwrap();
        writer
            .write_position(step, "file", Epoch(epoch), b"old")
            .unwrap();
        commit(&mut writers, epoch);
    }
    dir
}

/// The values at the start of an epoch, of keys and of the source, each once.
fn values(dir: &Path, before: Epoch) -> Vec<Vec<u8>> {
    let states = load(dir, before);
    assert_eq!(states.len() as u64, KEYS);
    let mut values: Vec<Vec<u8>> = states.into_iter().map(|(_, state)| state).collect();
    let readers = discover(&[dir]).unwrap();
    let readers = readers
        .iter()
        .map(|part| PartitionReader::open(&part.file).unwrap());
    let positions = readers.flat_map(|reader| reader.load_positions(before).unwrap());
    let newest = newest_positions(positions);
    assert_eq!(newest.len(), 1);
    values.extend(newest.into_iter().map(|position| position.bytes));
    values.sort();
    values.dedup();
    values
}

/// The versions that the values of both steps may have, by what all partitions record.
fn versions(dir: &Path) -> Vec<u32> {
    let mut versions = Vec::new();
    for part in discover(&[dir]).unwrap() {
        let reader = PartitionReader::open(&part.file).unwrap();
        let saved = reader.steps().flat_map(StepMeta::versions);
        versions.extend(saved.map(|saved| saved.version));
    }
    versions.sort_unstable();
    versions.dedup();
    versions
}

#[test]
fn a_kill_at_any_step_leaves_all_values_old_or_all_new_and_the_next_one_finishes() {
    let test = "recovery::tests::migrations::migrate_and_be_killed";
    let mut seen = Vec::new();
    for step in 0.. {
        let dir = store();
        let killed = is_killed_at(step, test, &[(STORE, dir.path().as_os_str())]);
        assert!(verify(&[dir.path()]).unwrap().problems.is_empty());
        let epoch = resume(&states(dir.path())).unwrap().epoch;
        let found = values(dir.path(), epoch);
        match epoch {
            Epoch(3) => assert_eq!(found, [b"old"]),
            Epoch(4) => assert_eq!(found, [b"new"]),
            epoch => panic!("{epoch}"),
        }
        seen.push(epoch.0);
        if step % 2 == 0 {
            // A run of the program that wrote the values goes on, as long as they are old.
            let (mut writers, resume) = start(dir.path());
            assert_eq!(resume.epoch, epoch);
            commit(&mut writers, epoch.0);
            drop(writers);
            assert_eq!(values(dir.path(), epoch.next()), found);
        }
        let done = migrated(dir.path());
        let rewritten: u64 = done.iter().map(|done| done.rewritten).sum();
        assert_eq!(rewritten, if epoch == Epoch(3) { KEYS + 1 } else { 0 });
        let epoch = resume(&states(dir.path())).unwrap().epoch;
        assert_eq!(values(dir.path(), epoch), [b"new"]);
        assert_eq!(versions(dir.path()), [2]);
        // No older value can be resumed.
        let oldest = states(dir.path())
            .iter()
            .map(|state| state.progress.oldest)
            .min();
        assert_eq!(oldest, Some(epoch));
        assert!(verify(&[dir.path()]).unwrap().problems.is_empty());
        if !killed {
            break;
        }
    }
    // Each of the three partitions has two steps; the commit of the last makes all new.
    assert_eq!(seen, [3, 3, 3, 4, 4, 4, 4]);
}
