//! A flow that runs on one machine after the other, and finds its state in the backup.

use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::backup::FileSystemBackup;
use bytewax_runtime::testing::TestingItem::{Abort, Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};

use crate::shared::*;

fn config(local: &tempfile::TempDir, backup: &tempfile::TempDir, workers: usize) -> RunConfig {
    let recovery = RecoveryConfig::new(local.path()).backup(FileSystemBackup::new(backup.path()));
    workers_of(workers)
        .epoch_interval(Duration::ZERO)
        .recovery(recovery)
}

#[test]
fn state_follows_the_flow_to_other_machines() {
    let backup = tempfile::tempdir().unwrap();
    let machines = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let out = TestingSink::new();
    let item = |key: &str, n: i64| Item((key.to_owned(), n));
    let marks = [
        item("a", 1),
        item("b", 2),
        Abort,
        item("a", 3),
        Eof,
        item("b", 4),
        Eof,
        item("a", 5),
        item("b", 6),
    ];
    let flow = flow_of(
        TestingSource::with_marks(marks),
        |items| {
            let sums = items.stateful_map(|sum: &mut i64, n: i64| {
                *sum += n;
                *sum
            });
            sums.named("sums")
        },
        out.clone(),
    );
    let pair = |key: &str, n: i64| (key.to_owned(), n);
    // The first machine comes back with what it had.
    let runs = [
        (0, 1, vec![pair("a", 1), pair("b", 2)]),
        (1, 3, vec![pair("a", 4)]),
        (0, 2, vec![pair("b", 6)]),
        (1, 1, vec![pair("a", 9), pair("b", 12)]),
    ];
    for (machine, workers, expected) in runs {
        let config = config(&machines[machine], &backup, workers);
        cluster_main(flow.clone(), config).unwrap();
        let mut found = out.take();
        found.sort();
        assert_eq!(found, expected);
    }
}
