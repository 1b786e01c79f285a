//! Stores that vanish while they are written.

use std::fs;
use std::sync::mpsc;

use super::*;

/// Changes a store behind the back of its writer, between two epochs: the second must not be reported.
#[track_caller]
fn check(change: impl FnOnce(&Path), expected: &str) {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("store");
    fs::create_dir(&dir).unwrap();
    init(&dir, 2, "orders").unwrap();
    let (writers, _) = start(&dir);
    let (report, events) = mpsc::channel();
    let report = move |event| report.send(event).unwrap();
    let thread = WriterThread::spawn(writers, &[total()], 8, None, report).unwrap();
    thread.send(Message::Commit(Epoch(1))).unwrap();
    let event = events.recv().unwrap();
    assert!(
        matches!(event, WriterEvent::Committed(Epoch(1))),
        "{event:?}"
    );
    change(&dir);
    // A writer that has failed takes nothing more.
    let _ = thread.send(Message::Commit(Epoch(2)));
    let event = events.recv().unwrap();
    let WriterEvent::Failed(error) = event else {
        panic!("{event:?}");
    };
    let error = error.to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_store_that_vanishes_is_noticed_before_an_epoch_counts() {
    let gone = "part-0.sqlite3` was lost while the flow ran: it is not there any more, so nothing";
    check(|dir| fs::remove_dir_all(dir).unwrap(), gone);
    check(
        |dir| fs::rename(dir, dir.with_extension("old")).unwrap(),
        gone,
    );
    check(
        |dir| fs::remove_file(dir.join("part-0.sqlite3")).unwrap(),
        gone,
    );
    check(
        |dir| fs::remove_file(dir.join("part-1.sqlite3-wal")).unwrap(),
        "part-1.sqlite3-wal` was lost while the flow ran",
    );
    // Another run would take it for free.
    check(
        |dir| fs::remove_file(dir.join("part-1.lock")).unwrap(),
        "part-1.lock` was lost while the flow ran",
    );
    check(
        |dir| {
            fs::rename(dir, dir.with_extension("old")).unwrap();
            fs::create_dir(dir).unwrap();
            init(dir, 2, "orders").unwrap();
        },
        "part-0.sqlite3` was lost while the flow ran: another file is in its place",
    );
}
