//! Runs that start together on one store: none loses what another has saved.

use std::sync::{Barrier, Mutex};
use std::thread;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::backup::FileSystemBackup;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::{RunError, WorkerIndex};

use super::{LONG, config_at};
use crate::shared::{Answer, EachWorker, flow_of};

/// Adds 1 to the one key, in each run, and gives the sum.
fn counting(out: &TestingSink<u32>) -> Dataflow {
    let source = EachWorker(|worker: WorkerIndex| {
        let mut left = vec![(); usize::from(worker.0 == 0)];
        Ok(move || -> Answer<()> { Ok(left.pop().map_or(Poll::end(), Poll::item)) })
    });
    let count = |items: Stream<()>| {
        let counted = items.key_on(|()| 0_u8).stateful_map(|count: &mut u32, ()| {
            *count += 1;
            *count
        });
        counted.named("counted").key_rm()
    };
    flow_of(source, count, out.clone())
}

/// Starts two runs at once on a store.
fn pair(flow: &Dataflow, config: &RunConfig) -> Vec<Result<(), RunError>> {
    let ends = Mutex::new(Vec::new());
    let at_once = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                at_once.wait();
                let ended = cluster_main(flow.clone(), config.clone());
                ends.lock().unwrap().push(ended);
            });
        }
    });
    ends.into_inner().unwrap()
}

/// Starts a pair after some runs: both count, or one is refused and the other counts.
#[track_caller]
fn check(config: &RunConfig, before: usize) {
    let out = TestingSink::new();
    let flow = counting(&out);
    for _ in 0..before {
        cluster_main(flow.clone(), config.clone()).unwrap();
    }
    let ends = pair(&flow, config);
    let refusals: Vec<String> = ends
        .iter()
        .filter_map(|ended| Some(ended.as_ref().err()?.report()))
        .collect();
    assert!(refusals.len() < 2, "{refusals:?}");
    let in_use = |text: &String| text.contains("is in use by another process");
    assert!(refusals.iter().all(in_use), "{refusals:?}");
    out.take();
    cluster_main(flow, config.clone()).unwrap();
    let good = before + 2 - refusals.len();
    assert_eq!(out.take(), [good as u32 + 1], "after {good} good runs");
}

#[test]
fn two_first_runs() {
    for _ in 0..10 {
        for workers in [1, 4] {
            let directory = tempfile::tempdir().unwrap();
            check(&config_at(directory.path(), LONG).workers(workers), 0);
        }
    }
}

#[test]
fn two_runs_after_an_earlier_one() {
    for _ in 0..10 {
        for workers in [1, 4] {
            let directory = tempfile::tempdir().unwrap();
            check(&config_at(directory.path(), LONG).workers(workers), 1);
        }
    }
}

#[test]
fn two_runs_on_one_machine_with_a_backup() {
    for before in [0, 1] {
        for workers in [1, 4] {
            let directory = tempfile::tempdir().unwrap();
            let backup = FileSystemBackup::new(directory.path().join("backup"));
            let recovery = RecoveryConfig::new(directory.path().join("local")).backup(backup);
            let config = RunConfig::new().epoch_interval(LONG).workers(workers);
            check(&config.recovery(recovery), before);
        }
    }
}
