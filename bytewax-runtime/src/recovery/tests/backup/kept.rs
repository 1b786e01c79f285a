//! Runs that are shorter than what is kept: the objects of earlier runs are replaced, too.

use super::*;
use crate::recovery::tests::model::Model;

/// The number of epochs that are kept.
const KEPT: u64 = 25;

/// Does an epoch that changes some keys and a position.
fn epoch(cluster: &mut Cluster) {
    let epoch = cluster.history.len() as u64;
    let mut changes: Vec<_> = (0..3)
        .map(|key| state(epoch * 5 % 9 + key, epoch as u8))
        .collect();
    changes.push(Change::Position((epoch % 2) as u8, epoch as u8));
    changes.push(Change::Timer(epoch % 4, Some(epoch as i64)));
    cluster.apply(Op::Epoch(changes));
    cluster.apply(Op::Collect(KEPT));
}

/// Each epoch that is kept can be resumed, on a machine that has never seen it.
#[track_caller]
fn check_kept(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let backup: Arc<dyn Backup> = cluster.backup.clone();
    let parts = restored(&backup, dir.path(), "orders").unwrap().parts;
    let states: Vec<_> = parts.iter().map(|part| part.state().unwrap()).collect();
    let resume = resume(&states).unwrap().epoch;
    let files: Vec<_> = parts
        .into_iter()
        .map(|part| PartitionFile {
            file: part.file().to_path_buf(),
            meta: part.meta().clone(),
        })
        .collect();
    for before in resume.0.saturating_sub(KEPT).max(1)..=resume.0 {
        assert!(
            states
                .iter()
                .all(|state| state.progress.oldest <= Epoch(before))
        );
        let expected = &cluster.history[before as usize - 1];
        assert_eq!(Model::load_files(&files, Epoch(before)), *expected);
    }
}

fn objects(cluster: &Cluster) -> usize {
    let objects = cluster.backup.names();
    let of_logs = objects.iter().filter(|name| name.contains("/part-"));
    of_logs.count()
}

#[test]
fn short_runs_replace_what_earlier_ones_have_written() {
    let mut cluster = Cluster::new(2, 1);
    let mut most = 0;
    for run in 0..30 {
        for _ in 0..4 {
            epoch(&mut cluster);
        }
        if run % 3 == 0 {
            // What is in the log is discarded by the next run.
            cluster.apply(Op::Kill {
                changes: (0..9).map(|key| state(key, 99)).collect(),
                objects: run % 4,
                processes: 1 + run as usize % MACHINES,
                lost: [run % 2 == 0, false, run % 5 == 0],
            });
        } else {
            cluster.processes.clear();
            cluster.start(1);
        }
        if run % 6 == 5 {
            check_kept(&cluster);
        }
        most = most.max(objects(&cluster));
    }
    // In each partition those that are kept, a few to be replaced, and the pieces of a base.
    assert!(most < 2 * (KEPT as usize + 4 + 20), "{most}");
    let report = verify(&[cluster.dirs[0].path()]).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

/// A run is killed while it writes a base among the objects of earlier runs, after each number of objects.
#[test]
fn a_base_of_earlier_runs_is_written_wholly_or_counts_for_nothing() {
    for cut_off in 0..24 {
        let mut cluster = Cluster::new(1, 1);
        for _ in 0..4 {
            for _ in 0..9 {
                let next = cluster.history.len() as u64;
                cluster.apply(Op::Epoch(vec![state(next % 9, next as u8)]));
            }
            cluster.processes.clear();
            cluster.start(1);
        }
        cluster.apply(Op::Epoch(vec![state(1, 1)]));
        cluster.backup.left.store(cut_off, Ordering::Relaxed);
        cluster.apply(Op::Collect(KEPT));
        cluster.processes.clear();
        cluster.backup.left.store(i64::MAX, Ordering::Relaxed);
        cluster.start(1);
        check_kept(&cluster);
        epoch(&mut cluster);
        cluster.processes.clear();
        check_kept(&cluster);
    }
}

/// A run that was taken over from writes a base among the objects of earlier runs too late.
#[test]
fn a_base_of_earlier_runs_that_is_too_late_changes_nothing() {
    for call in [
        Call::Put(".base-3-00000"),
        Call::Put("-last"),
        Call::Delete(".segment-1-"),
    ] {
        for epochs in [0, 1, 30] {
            let mut first = Cluster::new(1, 1);
            for run in 0..3 {
                for _ in 0..12 {
                    let next = first.history.len() as u64;
                    first.apply(Op::Epoch(vec![state(next % 9, next as u8)]));
                }
                if run < 2 {
                    first.processes.clear();
                    first.start(1);
                }
            }
            let second = Arc::new(Mutex::new(first.beside()));
            let act = {
                let second = Arc::clone(&second);
                move || {
                    let mut second = second.lock().unwrap();
                    second.start(1);
                    check_kept(&second);
                    for _ in 0..epochs {
                        epoch(&mut second);
                    }
                }
            };
            *first.backup.meanwhile.lock().unwrap() = Some((call, Box::new(act)));
            let _ = first.processes[0].thread.send(Message::Collect(Epoch(9)));
            first.processes.clear();
            let second = Arc::into_inner(second);
            let second = second.unwrap_or_else(|| panic!("{call:?} did not happen"));
            let mut second = second.into_inner().unwrap();
            assert_eq!(second.processes.len(), 1);
            // It compacts on its own.
            second.processes.clear();
            check_kept(&second);
        }
    }
}
