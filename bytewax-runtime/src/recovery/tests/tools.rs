//! The tools.

use chrono::DateTime;

use super::*;

/// A store of two executions with states of 500 keys, timers and a position.
fn store(partitions: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), partitions, "orders").unwrap();
    for epoch in 1..3 {
        let (mut writers, resume) = start(dir.path());
        assert_eq!(resume.epoch, Epoch(epoch));
        let count = writers.len();
        let state = [epoch as u8; 10];
        let changes: Vec<_> = (0..500).map(|key| (key, Some(state.as_slice()))).collect();
        write(&mut writers, epoch, &changes);
        let mut timers = Batch::default();
        let due = DateTime::from_timestamp(60, 5);
        push_timer(&mut timers, hash(7), &7_u64.to_le_bytes(), due).unwrap();
        let written = timers.drain(|slot, run| {
            let writer = &mut writers[slot.index() % count];
            let step = writer.step(&total())?;
            writer.write(Table::Timers, step, slot, Epoch(epoch), run)
        });
        written.unwrap();
        let writer = &mut writers[position_slot(&input().id, "a").index() % count];
        let step = writer.step(&input()).unwrap();
        writer
            .write_position(step, "a", Epoch(epoch), &[epoch as u8])
            .unwrap();
        commit(&mut writers, epoch);
    }
    dir
}

#[test]
fn a_summary_counts_what_is_there() {
    let dir = store(2);
    let info = show(&[dir.path()]).unwrap();
    assert_eq!(info.meta.flow, "orders");
    assert_eq!(info.partitions.len(), 2);
    assert_eq!(info.partitions[1].progress.durable, Epoch(2));
    assert!(info.partitions[0].bytes > 10_000);
    let executions: Vec<_> = info
        .executions
        .iter()
        .map(|e| (e.number.0, e.resume.0))
        .collect();
    assert_eq!(executions, [(0, 1), (1, 2)]);
    let expected = Resume {
        execution: ExecutionNumber(2),
        epoch: Epoch(3),
    };
    assert_eq!(info.resume, Ok(expected));
    let steps = info
        .steps
        .iter()
        .map(|s| (s.meta.id.as_str(), s.keys, s.positions));
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [("orders.input", 0, 1), ("orders.total", 500, 0)]
    );
}

#[test]
fn a_key_is_found_by_its_bytes() {
    let dir = store(3);
    let found = dump_bytes(dir.path(), "orders.total", &7_u64.to_le_bytes());
    let expected = FoundState {
        slot: Slot::of(hash(7)),
        hash: hash(7),
        key: 7_u64.to_le_bytes().to_vec(),
        state: vec![2; 10],
        due: DateTime::from_timestamp(60, 5),
    };
    assert_eq!((found.step, found.states), (total(), vec![expected]));
    let nothing = dump_bytes(dir.path(), "orders.total", b"other");
    assert_eq!((nothing.states, nothing.positions), (vec![], vec![]));
}

fn dump_bytes(dir: &Path, step: &str, key: &[u8]) -> Dump {
    dump(&[dir], step, &Wanted::Bytes(key.to_vec())).unwrap()
}

#[test]
fn a_key_is_found_by_its_text() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    let mut batch = Batch::default();
    let keys = [
        ("7".to_owned().stable_hash(), b"text".as_slice()),
        (7_u8.stable_hash(), b"integer"),
        ((-7_i64).stable_hash(), b"negative"),
        (u128::MAX.stable_hash(), b"wide"),
        ("ada".to_owned().stable_hash(), b"ada"),
    ];
    for (hash, key) in keys {
        batch.push(hash, key, Some(key)).unwrap();
    }
    let written = batch.drain(|slot, run| {
        let writer = &mut writers[slot.index() % 2];
        let step = writer.step(&total())?;
        writer.write(Table::Snaps, step, slot, Epoch(1), run)
    });
    written.unwrap();
    commit(&mut writers, 1);
    let check = |key: &str, expected: &[&str]| {
        let key = Wanted::Text(key.to_owned());
        let found = dump(&[dir.path()], "orders.total", &key).unwrap().states;
        let mut keys: Vec<_> = found
            .iter()
            .map(|found| str::from_utf8(&found.key).unwrap())
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, expected);
    };
    check("7", &["integer", "text"]);
    check("-7", &["negative"]);
    check(&u128::MAX.to_string(), &["wide"]);
    check("ada", &["ada"]);
    check("bob", &[]);
}

#[test]
fn a_position_is_found_by_the_name_of_its_partition() {
    let dir = store(3);
    let key = Wanted::Text("a".to_owned());
    let found = dump(&[dir.path()], "orders.input", &key).unwrap();
    assert_eq!(found.positions.len(), 1);
    assert_eq!(found.positions[0].bytes, [2]);
    let key = Wanted::Text("b".to_owned());
    assert!(
        dump(&[dir.path()], "orders.input", &key)
            .unwrap()
            .positions
            .is_empty()
    );
}

#[test]
fn a_dropped_step_is_gone_and_the_others_stay() {
    let dir = store(2);
    drop_step(&[dir.path()], "orders.total").unwrap();
    assert!(load(dir.path(), Epoch(3)).is_empty());
    let info = show(&[dir.path()]).unwrap();
    assert_eq!(info.steps.len(), 1);
    assert_eq!(info.steps[0].positions, 1);
    assert!(verify(&[dir.path()]).unwrap().problems.is_empty());
}

#[test]
fn any_number_of_partitions_becomes_any_other() {
    let old = store(3);
    let before = load(old.path(), Epoch(3));
    for partitions in [1, 2, 3, 7, 64] {
        let new = tempfile::tempdir().unwrap();
        let files = repartition(&[old.path()], partitions, new.path()).unwrap();
        assert_eq!(files.len(), partitions as usize);
        assert_eq!(load(new.path(), Epoch(3)), before);
        assert!(verify(&[new.path()]).unwrap().problems.is_empty());
        let (_writers, resume) = start(new.path());
        assert_eq!((resume.execution.0, resume.epoch), (2, Epoch(3)));
        let found = dump_bytes(new.path(), "orders.total", &7_u64.to_le_bytes());
        assert_eq!(found.states[0].due, DateTime::from_timestamp(60, 5));
    }
    assert_eq!(load(old.path(), Epoch(3)), before);
}

#[test]
fn a_store_in_use_is_not_repartitioned() {
    let old = store(1);
    let (_writers, _) = start(old.path());
    let new = tempfile::tempdir().unwrap();
    let refused = repartition(&[old.path()], 2, new.path());
    assert!(matches!(refused, Err(Error::Locked { .. })));
    assert!(discover(&[new.path()]).unwrap().is_empty());
}

/// A savepoint of a run of one process.
fn alone(dir: &Path, name: &str) -> Result<Savepoint, Error> {
    savepoint(&[dir], name, 0, &|_| Ok(Vec::new()))
}

#[test]
fn a_savepoint_has_what_is_complete_while_a_run_goes_on() {
    let old = store(4);
    let before = load(old.path(), Epoch(3));
    let (mut writers, _) = start(old.path());
    let place = |name: &str| old.path().join("savepoints").join(name);
    // One partition is ahead, and none of them has ended the epoch behind that.
    let new = [9; 10];
    let changes: Vec<_> = (0..500).map(|key| (key, Some(new.as_slice()))).collect();
    write(&mut writers, 3, &changes);
    commit(&mut writers[..1], 3);
    let made = alone(old.path(), "early").unwrap();
    assert_eq!((made.epoch, made.partitions), (Epoch(2), 4));
    commit(&mut writers, 3);
    write(&mut writers, 4, &changes);
    let made = alone(old.path(), "late").unwrap();
    assert_eq!(made.epoch, Epoch(3));

    assert_eq!(load(&place("early"), Epoch(3)), before);
    let later = load(&place("late"), Epoch(4));
    assert!(later.len() == 500 && later.iter().all(|(_, state)| *state == new));
    for (name, epoch) in [("early", 3), ("late", 4)] {
        assert!(verify(&[place(name)]).unwrap().problems.is_empty());
        let (_writers, resume) = start(&place(name));
        assert_eq!((resume.execution.0, resume.epoch), (3, Epoch(epoch)));
    }
    // The savepoints are no part of the store, and none takes the place of another.
    assert_eq!(discover(&[old.path()]).unwrap().len(), 4);
    let again = alone(old.path(), "late");
    assert!(matches!(again, Err(Error::SavepointExists { .. })));
}

#[test]
fn of_a_new_store_there_is_no_savepoint() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let place = dir.path().join("savepoints").join("one");
    let made = alone(dir.path(), "one");
    assert!(matches!(made, Err(Error::NothingComplete)));
    assert!(!place.exists());
}
