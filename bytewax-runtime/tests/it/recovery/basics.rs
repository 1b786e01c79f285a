//! A flow stops and goes on, with other numbers of workers.

use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::flow::Dataflow;
use bytewax_runtime::testing::TestingItem::{self, Abort, Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};

use crate::shared::*;

fn saved_in(dir: &tempfile::TempDir, workers: usize) -> RunConfig {
    workers_of(workers)
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir.path()))
}

fn sums(
    marks: impl IntoIterator<Item = TestingItem<(String, i64)>>,
    out: TestingSink<(String, i64)>,
) -> Dataflow {
    flow_of(
        TestingSource::with_marks(marks),
        |items| {
            let sums = items.stateful_map(|sum: &mut i64, n: i64| {
                *sum += n;
                *sum
            });
            sums.named("sums")
        },
        out,
    )
}

fn item(key: &str, n: i64) -> TestingItem<(String, i64)> {
    Item((key.to_owned(), n))
}

fn pair(key: &str, n: i64) -> (String, i64) {
    (key.to_owned(), n)
}

#[test]
fn state_goes_on_after_the_end_of_input() {
    let dir = tempfile::tempdir().unwrap();
    let out = TestingSink::new();
    let flow = sums(
        [
            item("a", 1),
            item("b", 2),
            Eof,
            item("a", 3),
            Eof,
            item("b", 4),
        ],
        out.clone(),
    );
    for (workers, expected) in [
        (1, vec![pair("a", 1), pair("b", 2)]),
        (3, vec![pair("a", 4)]),
        (2, vec![pair("b", 6)]),
        (1, vec![]),
    ] {
        cluster_main(flow.clone(), saved_in(&dir, workers)).unwrap();
        assert_eq!(out.take(), expected);
    }
}

#[test]
fn state_goes_on_after_an_abort() {
    let dir = tempfile::tempdir().unwrap();
    let out = TestingSink::new();
    let flow = sums(
        [item("a", 1), item("a", 2), Abort, item("a", 3)],
        out.clone(),
    );
    cluster_main(flow.clone(), saved_in(&dir, 2)).unwrap();
    assert_eq!(out.take(), [pair("a", 1), pair("a", 3)]);
    cluster_main(flow, saved_in(&dir, 3)).unwrap();
    assert_eq!(out.take(), [pair("a", 6)]);
}

#[test]
fn nothing_is_lost_without_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let out = TestingSink::new();
    let flow = sums(
        [item("a", 1), item("a", 2), Abort, item("a", 3)],
        out.clone(),
    );
    let config = saved_in(&dir, 1).epoch_interval(Duration::from_secs(100));
    cluster_main(flow.clone(), config.clone()).unwrap();
    assert_eq!(out.take(), [pair("a", 1), pair("a", 3)]);
    cluster_main(flow, config).unwrap();
    assert_eq!(out.take(), [pair("a", 1), pair("a", 3), pair("a", 6)]);
}
