//! Damaged, full and read-only files.

use super::sql::tamper;
use super::*;

/// A store with a state, a timer and a position, changed behind its back.
#[track_caller]
fn check(sql: &str, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    write(&mut writers, 1, &[(7, Some(b"seven"))]);
    let source = writers[0].step(&input()).unwrap();
    writers[0]
        .write_position(source, "a", Epoch(1), b"12")
        .unwrap();
    commit(&mut writers, 1);
    drop(writers);
    let file = dir.path().join("part-0.sqlite3");
    tamper(&file, sql);
    let reader = PartitionReader::open_frozen(&file).unwrap();
    let slot = Slot::of(hash(7));
    let loaded = reader.load_slot(&total().id, slot, Epoch(2)).map(drop);
    let error = loaded
        .and_then(|()| reader.load_positions(Epoch(2)).map(drop))
        .unwrap_err();
    let expected = format!(
        "`{}` is damaged: {expected}; restore all partitions from a backup, or start a fresh \
         recovery store",
        file.display()
    );
    assert_eq!(error.to_string(), expected);
    let report = verify(&[dir.path()]).unwrap();
    assert_eq!(
        report.problems[0].to_string().replace("/private", ""),
        expected
    );
}

/// A store of which some SQL takes something away; it must be noticed when it is opened.
#[track_caller]
fn assert_lost(sql: &str) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    for epoch in 1..4 {
        write(
            &mut writers,
            epoch,
            &[(7, Some(b"seven")), (9, Some(b"nine"))],
        );
        let source = writers[0].step(&input()).unwrap();
        let written = writers[0].write_position(source, "a", Epoch(epoch), b"12");
        written.unwrap();
        commit(&mut writers, epoch);
    }
    drop(writers);
    let file = dir.path().join("part-0.sqlite3");
    PartitionReader::open(&file).unwrap();
    tamper(&file, sql);
    let expected = format!(
        "`{}` is damaged: it does not hold what was written to it, so rows were lost or changed; \
         restore all partitions from a backup, or start a fresh recovery store",
        file.display()
    );
    let read = PartitionReader::open(&file).map(drop).unwrap_err();
    assert_eq!(read.to_string(), expected, "{sql}");
    let part = discover(&[dir.path()]).unwrap().remove(0);
    let written = part.lock().unwrap().writer().map(drop).unwrap_err();
    assert_eq!(written.to_string(), expected, "{sql}");
    let report = verify(&[dir.path()]).unwrap();
    let last = report.problems.last().unwrap();
    assert_eq!(last.to_string(), expected, "{sql}");
}

#[test]
fn lost_rows_are_noticed() {
    for sql in [
        "DELETE FROM blocks WHERE epoch = 2",
        "DELETE FROM blocks WHERE id = (SELECT max(id) FROM blocks)",
        "UPDATE blocks SET id = 30 WHERE epoch = 2",
        "UPDATE blocks SET kind = 1",
        "UPDATE blocks SET step = step + 1",
        "UPDATE blocks SET first_slot = 0",
        "UPDATE blocks SET last_slot = 4095",
        "UPDATE blocks SET since = 0",
        "UPDATE blocks SET epoch = 2",
        "UPDATE blocks SET kept = 2 * kept",
        "UPDATE blocks SET removed = 1",
        "UPDATE blocks SET bytes = 9",
        "UPDATE blocks SET checksum = 5",
        "DELETE FROM positions WHERE epoch = 3",
        "UPDATE progress SET durable_epoch = 2",
        "UPDATE progress SET oldest_resumable = 2",
        "UPDATE executions SET resume_epoch = 2",
        "DELETE FROM executions",
        "UPDATE steps SET number = number + 5",
        "UPDATE steps SET fingerprint = 5",
        "UPDATE meta SET flow = 'sales'",
    ] {
        assert_lost(sql);
    }
}

#[test]
fn damaged_rows_are_told() {
    let slot = Slot::of(hash(7));
    let row = format!("row 1 with states of step 1, slots {slot} to {slot}, epoch 1");
    check(
        "UPDATE contents SET entries = zeroblob(length(entries))",
        &format!("{row}: its checksum does not fit"),
    );
    check(
        "UPDATE contents SET entries = CAST(substr(entries, 1, 9) AS BLOB)",
        &format!("{row}: its checksum does not fit"),
    );
    check(
        "DELETE FROM contents",
        &format!("{row}: its bytes are not there"),
    );
    check(
        "UPDATE positions SET position = x'3133'",
        "position of partition `a` of step 2, epoch 1: its checksum does not fit",
    );
}

#[test]
fn a_full_disk_is_told_with_its_mend() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    write(&mut writers, 1, &[(7, Some(b"seven"))]);
    commit(&mut writers, 1);
    writers[0].limit_pages();
    let large = vec![0; 10 << 20];
    let mut batch = Batch::default();
    batch.push(8, b"8", Some(&large)).unwrap();
    let step = writers[0].step(&total()).unwrap();
    let full = batch.drain(|slot, run| writers[0].write(Table::Snaps, step, slot, Epoch(2), run));
    let text = full.unwrap_err().to_string();
    assert!(
        text.contains("part-0.sqlite3`: the disk is full while writing states; free"),
        "{text}"
    );
    drop(writers);
    // What was committed is still there.
    let (_writers, resume) = start(dir.path());
    assert_eq!(resume.epoch, Epoch(2));
    assert_eq!(load(dir.path(), Epoch(2)), [(7, b"seven".to_vec())]);
}
