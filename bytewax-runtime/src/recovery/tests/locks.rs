//! Who has a store, and what others make of it meanwhile.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::recovery::lock::Lock;

fn store(partitions: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), partitions, "orders").unwrap();
    dir
}

fn take(dir: &Path) -> Result<Vec<LockedPartition>, Error> {
    lock_all(discover_to_use(&[dir])?)
}

#[test]
fn all_partitions_are_taken_or_none() {
    let dir = store(4);
    let held = discover(&[dir.path()]).unwrap().swap_remove(3);
    let held = held.lock().unwrap();
    let refused = take(dir.path()).unwrap_err();
    assert!(
        refused.to_string().contains("part-3.sqlite3` is in use"),
        "{refused}"
    );
    // None of the others is held any more.
    let others = discover(&[dir.path()]).unwrap();
    let others = lock_all(others.into_iter().take(3).collect()).unwrap();
    drop((others, held));
    take(dir.path()).unwrap();
}

/// Whoever gets the first gets all, so one of two always gets them.
#[test]
fn partitions_are_taken_in_one_order() {
    let dir = store(8);
    for _ in 0..3 {
        let taken = thread::scope(|scope| {
            let takers = [(); 4].map(|()| scope.spawn(|| take(dir.path())));
            let (sender, ends) = channel();
            for taker in takers {
                // Whoever has them gives them to the next.
                sender
                    .send(taker.join().unwrap().map(|parts| parts.len()))
                    .unwrap();
            }
            drop(sender);
            ends.iter().collect::<Vec<_>>()
        });
        assert!(
            taken.iter().any(|taken| matches!(taken, Ok(8))),
            "{taken:?}"
        );
    }
}

#[test]
fn a_lock_whose_file_is_gone_is_no_lock() {
    let dir = store(1);
    let lock = dir.path().join("part-0.lock");
    let first = take(dir.path()).unwrap();
    std::fs::remove_file(&lock).unwrap();
    // It is made anew, and that is the one that counts.
    let second = take(dir.path()).unwrap();
    drop(first);
    assert!(matches!(take(dir.path()), Err(Error::Locked { .. })));
    drop(second);
}

#[test]
fn a_store_that_was_replaced_is_not_taken_for_what_it_was() {
    let dir = store(2);
    let seen = discover_to_use(&[dir.path()]).unwrap();
    for part in &seen {
        std::fs::remove_file(&part.file).unwrap();
    }
    init(dir.path(), 2, "orders").unwrap();
    let locked = lock_all(seen).unwrap();
    let refused = locked[0].state().unwrap_err().to_string();
    assert!(
        refused.ends_with("was replaced by another partition while it was opened; start again")
    );
}

/// The rule of it all: what is read before the lock is not acted upon.
#[test]
fn a_copy_has_what_the_run_before_it_has_saved_last() {
    let old = store(3);
    let (mut writers, _) = start(old.path());
    write(&mut writers, 1, &[(1, Some(b"old"))]);
    commit(&mut writers, 1);
    let new = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        let (sender, begun) = channel();
        let copier = scope.spawn({
            let (old, new) = (old.path(), new.path());
            move || {
                sender.send(()).unwrap();
                loop {
                    // On a slow disk the run has the store for longer than a copy waits.
                    match repartition(&[old], 2, new) {
                        Err(Error::Locked { .. }) => {}
                        copied => return copied,
                    }
                }
            }
        });
        begun.recv().unwrap();
        for epoch in 2..20 {
            write(
                &mut writers,
                epoch,
                &[(1, Some(b"new")), (epoch, Some(b"more"))],
            );
            commit(&mut writers, epoch);
            for writer in &mut writers {
                writer.collect(Epoch(epoch)).unwrap();
            }
        }
        drop(writers);
        copier.join().unwrap().unwrap();
    });
    let epochs = [old.path(), new.path()].map(|dir| resume(&states(dir)).unwrap().epoch);
    assert_eq!(epochs, [Epoch(20), Epoch(20)]);
    assert_eq!(load(new.path(), Epoch(20)), load(old.path(), Epoch(20)));
}

#[test]
fn a_step_is_not_dropped_while_a_run_has_the_store() {
    let dir = store(2);
    let (mut writers, _) = start(dir.path());
    write(&mut writers, 1, &[(1, Some(b"kept"))]);
    commit(&mut writers, 1);
    let refused = drop_step(&[dir.path()], "orders.total");
    assert!(matches!(refused, Err(Error::Locked { .. })));
    drop(writers);
    assert_eq!(load(dir.path(), Epoch(2)).len(), 1);
}

/// Whoever only looks sees partitions that fit together, or hears that the store is in use.
#[test]
fn a_store_is_shown_while_a_run_changes_it() {
    let dir = store(4);
    let (mut writers, _) = start(dir.path());
    commit(&mut writers, 1);
    let (sender, stop) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut epoch = 2;
            while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                write(&mut writers, epoch, &[(epoch % 50, Some(b"changed"))]);
                commit(&mut writers, epoch);
                for writer in &mut writers {
                    writer.begin_collect(Epoch(epoch + 1)).unwrap();
                    writer.flush().unwrap();
                }
                epoch += 1;
            }
        });
        for _ in 0..20 {
            match verify(&[dir.path()]) {
                Ok(report) => assert!(report.problems.is_empty(), "{:?}", report.problems),
                Err(error) => assert!(matches!(error, Error::Locked { .. }), "{error}"),
            }
        }
        drop(sender);
    });
    let report = verify(&[dir.path()]).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

/// A run that finds a store in the making waits for it, and takes it.
#[test]
fn two_that_find_no_store_make_one() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let orders = [
            [dir.path(), other.path()],
            [other.path(), dir.path()],
            [dir.path(), other.path()],
        ];
        thread::scope(|scope| {
            for dirs in orders {
                scope.spawn(move || init_on_first_use(&dirs, 5, "orders").unwrap());
            }
        });
        assert_eq!(discover(&orders[0]).unwrap().len(), 5);
        check_complete(&discover(&orders[0]).unwrap(), "orders").unwrap();
    }
}

#[test]
fn nobody_looks_while_a_store_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::to_make(&[dir.path()]).unwrap();
    let refused = discover_to_use(&[dir.path()]).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!(matches!(
        init(dir.path(), 1, "orders"),
        Err(Error::Locked { .. })
    ));
    drop(lock);
    let looking = Lock::to_look(&[dir.path()]).unwrap();
    assert!(discover_to_use(&[dir.path()]).unwrap().is_empty());
    drop(looking);
    init(dir.path(), 1, "orders").unwrap();
}

/// What two runs of an earlier release have left that took a store together, each some partitions.
#[test]
fn a_store_that_two_runs_took_together_is_mended_by_the_next() {
    let dir = store(4);
    let (mut writers, _) = start(dir.path());
    write(&mut writers, 1, &[(1, Some(b"one"))]);
    commit(&mut writers, 1);
    drop(writers);
    for (parts, minutes) in [(0..2, 0), (2..3, 1)] {
        for part in &discover(&[dir.path()]).unwrap()[parts] {
            let execution = Execution {
                number: ExecutionNumber(1),
                resume: Epoch(2),
                workers: 4,
                processes: 1,
                started_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes),
            };
            let mut writer = part.clone().lock().unwrap().writer().unwrap();
            writer.begin_execution(&execution).unwrap();
        }
    }
    let executions = |dir| -> Vec<Vec<u64>> {
        let numbers = |state: PartitionState| state.executions.iter().map(|e| e.number.0).collect();
        states(dir).into_iter().map(numbers).collect()
    };
    assert_eq!(
        executions(dir.path()),
        [vec![0, 1], vec![0, 1], vec![0, 1], vec![0]]
    );
    let (mut writers, resume) = start(dir.path());
    assert_eq!((resume.execution.0, resume.epoch), (2, Epoch(2)));
    commit(&mut writers, 2);
    drop(writers);
    assert_eq!(executions(dir.path()), [[0, 2]; 4]);
    assert_eq!(load(dir.path(), Epoch(3)), [(1, b"one".to_vec())]);
    assert!(verify(&[dir.path()]).unwrap().problems.is_empty());
}

/// The wait for a lock is bounded, and as long as a process takes to end.
#[test]
fn a_partition_that_is_given_back_in_time_is_taken() {
    let dir = store(1);
    let first = take(dir.path()).unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| take(dir.path()));
        thread::sleep(Duration::from_millis(50));
        drop(first);
        second.join().unwrap().unwrap();
    });
}
