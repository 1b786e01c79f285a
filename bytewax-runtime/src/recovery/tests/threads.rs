//! The writer thread.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use super::*;

fn runs(changes: impl Iterator<Item = (u64, Option<u8>)>) -> Vec<(Slot, Run)> {
    let mut batch = Batch::default();
    for (key, state) in changes {
        let state = state.as_ref().map(std::slice::from_ref);
        batch.push(hash(key), &key.to_le_bytes(), state).unwrap();
    }
    let mut runs = Vec::new();
    batch
        .drain(|slot, run| {
            runs.push((slot, run));
            Ok::<_, TooLong>(())
        })
        .unwrap();
    runs
}

#[test]
fn epochs_are_reported_in_order_and_all_is_written_on_drop() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 3, "orders").unwrap();
    let (writers, _) = start(dir.path());
    let (events, seen) = mpsc::channel();
    let report = move |event| events.send(event).unwrap();
    let thread = WriterThread::spawn(writers, &[input(), total()], 8, None, report).unwrap();
    for epoch in 1..=20 {
        let changes = Message::Changes {
            step: StepPlace(1),
            table: Table::Snaps,
            epoch: Epoch(epoch),
            runs: runs((0..100).map(|key| (key, Some(epoch as u8)))),
        };
        thread.send(changes).unwrap();
        let position = Message::Position {
            step: StepPlace(0),
            partition: "a".to_owned(),
            epoch: Epoch(epoch),
            bytes: vec![epoch as u8],
        };
        thread.send(position).unwrap();
        thread.send(Message::Commit(Epoch(epoch))).unwrap();
        thread.send(Message::Collect(Epoch(epoch + 1))).unwrap();
    }
    drop(thread);
    let committed: Vec<u64> = seen
        .iter()
        .map(|event| match event {
            WriterEvent::Committed(Epoch(epoch)) => epoch,
            WriterEvent::Failed(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(committed, (1..=20).collect::<Vec<_>>());
    let expected: Vec<_> = (0..100).map(|key| (key, vec![20])).collect();
    assert_eq!(load(dir.path(), Epoch(21)), expected);
    let info = show(&[dir.path()]).unwrap();
    assert_eq!(info.resume.unwrap().epoch, Epoch(21));
    assert_eq!(info.steps.iter().map(|step| step.positions).sum::<u64>(), 1);
    assert_eq!(info.steps[1].keys, 100);
}

#[test]
fn an_error_is_reported_once_and_ends_the_queue() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let (mut writers, _) = start(dir.path());
    writers.pop();
    let (events, seen) = mpsc::channel();
    let report = move |event| events.send(event).unwrap();
    let thread = WriterThread::spawn(writers, &[total()], 1, None, report).unwrap();
    // Slot 1 belongs to the partition that the thread does not have.
    let misrouted = || Message::Changes {
        step: StepPlace(0),
        table: Table::Snaps,
        epoch: Epoch(1),
        runs: vec![(Slot::of(1), Run::default())],
    };
    while thread.send(misrouted()).is_ok() {}
    drop(thread);
    let events: Vec<_> = seen.iter().collect();
    assert!(
        matches!(events[..], [WriterEvent::Failed(Error::Misrouted)]),
        "{events:?}"
    );
}

/// Set in the process that is to be killed: the directory of its store.
const VICTIM: &str = "BYTEWAX_TEST_VICTIM";

/// Commits an epoch, writes more, and waits to be killed.
fn be_killed(dir: &Path) {
    let (mut writers, _) = start(dir);
    write(&mut writers, 1, &[(7, Some(b"committed"))]);
    commit(&mut writers, 1);
    write(&mut writers, 2, &[(7, Some(b"lost"))]);
    println!("\nready");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_leaves_what_it_committed_and_no_lock() {
    if let Some(dir) = env::var_os(VICTIM) {
        be_killed(&PathBuf::from(dir));
    }
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 2, "orders").unwrap();
    let mut victim = Command::new(env::current_exe().unwrap())
        .args([
            "a_killed_process_leaves_what_it_committed_and_no_lock",
            "--nocapture",
        ])
        .env(VICTIM, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "ready"));
    let file = dir.path().canonicalize().unwrap().join("part-0.sqlite3");
    assert!(matches!(open_writer(&file), Err(Error::Locked { .. })));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let (_writers, resume) = start(dir.path());
    assert_eq!(resume.epoch, Epoch(2));
    assert_eq!(load(dir.path(), Epoch(2)), [(7, b"committed".to_vec())]);
}
