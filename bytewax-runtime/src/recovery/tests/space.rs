//! The size of the files.

use std::fs;

use super::*;

const KEYS: u64 = 20_000;

fn size(dir: &Path) -> u64 {
    fs::metadata(dir.join("part-0.sqlite3")).unwrap().len()
}

fn write_all(writers: &mut [PartitionWriter], epoch: u64, state: Option<&[u8]>) {
    let changes: Vec<_> = (0..KEYS).map(|key| (key, state)).collect();
    write(writers, epoch, &changes);
    commit(writers, epoch);
}

#[test]
fn the_file_stays_near_the_live_state_and_shrinks_with_it() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    let state = [7; 200];
    let live = KEYS * (200 + 8 + 11);
    for epoch in 1..8 {
        write_all(&mut writers, epoch, Some(&state));
        writers[0].collect(Epoch(epoch + 1)).unwrap();
        assert!(
            size(dir.path()) < live * 5 / 2,
            "{} of {live}",
            size(dir.path())
        );
    }
    write_all(&mut writers, 8, None);
    writers[0].collect(Epoch(9)).unwrap();
    drop(writers);
    assert!(load(dir.path(), Epoch(9)).is_empty());
    assert!(
        size(dir.path()) < live / 4,
        "{} of {live}",
        size(dir.path())
    );
}

#[test]
fn r92_one_row_a_slot_is_left_of_epochs_that_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    for epoch in [1, 2, 5] {
        write(&mut writers, epoch, &[(7, Some(&[epoch as u8]))]);
        commit(&mut writers, epoch);
    }
    writers[0].collect(Epoch(6)).unwrap();
    drop(writers);
    let step = &show(&[dir.path()]).unwrap().steps[0];
    assert_eq!((step.rows, step.keys), (1, 1));
    assert_eq!(load(dir.path(), Epoch(6)), [(7, vec![5])]);
}

#[test]
fn epochs_that_can_be_resumed_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    for epoch in 1..6 {
        write(&mut writers, epoch, &[(7, Some(&[epoch as u8]))]);
        commit(&mut writers, epoch);
    }
    writers[0].collect(Epoch(4)).unwrap();
    for epoch in 4..7 {
        assert_eq!(load(dir.path(), Epoch(epoch)), [(7, vec![epoch as u8 - 1])]);
    }
}

#[test]
fn a_removal_outlives_merges_that_do_not_reach_the_base() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    // Keys of one slot, with a base that small changes do not outweigh.
    let keys = [0, 8, 16, 24, 32];
    write(
        &mut writers,
        1,
        &keys.map(|key| (key, Some([7; 1000].as_slice()))),
    );
    commit(&mut writers, 1);
    write(&mut writers, 2, &[(8, None)]);
    commit(&mut writers, 2);
    for epoch in 3..40 {
        write(&mut writers, epoch, &[(16, Some(&[epoch as u8]))]);
        commit(&mut writers, epoch);
        writers[0].collect(Epoch(epoch + 1)).unwrap();
    }
    let step = &show(&[dir.path()]).unwrap().steps[0];
    assert!(step.rows > 1 && step.rows < 20, "{} rows", step.rows);
    let loaded = load(dir.path(), Epoch(40));
    assert_eq!(
        loaded.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
        [0, 16, 24, 32]
    );
    assert_eq!(loaded[1].1, [39]);
}
