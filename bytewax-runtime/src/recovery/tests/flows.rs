//! What flows leave in a store: rows 103 to 105 of the conformance table.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::clock::WorkerClock;
use crate::flow::Dataflow;
use crate::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use crate::windowing::SystemClock;

const LONG: Duration = Duration::from_secs(3600);

/// Runs a flow with one step that keeps state.
fn run(dir: &Path, interval: Duration, source: TestingSource<char>) {
    let flow = Dataflow::build("sums", |flow| {
        let items = flow.input(source).named("in");
        let counts = items.key_on(|key| *key).stateful_map(|count: &mut u64, _| {
            *count += 1;
            *count
        });
        counts
            .named("counts")
            .output(TestingSink::new())
            .named("out");
    });
    let recovery = RecoveryConfig::new(dir);
    let config = RunConfig::new().epoch_interval(interval).recovery(recovery);
    cluster_main(flow, config).unwrap();
}

fn store(partitions: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), partitions, "sums").unwrap();
    dir
}

/// The executions: number, first epoch and workers.
fn executions(info: &StoreInfo) -> Vec<(u64, u64, u32)> {
    let told = |execution: &Execution| (execution.number.0, execution.resume.0, execution.workers);
    info.executions.iter().map(told).collect()
}

/// Keys, and partitions with a position, of a step.
fn kept(info: &StoreInfo, step: &str) -> (u64, u64) {
    let found = info.steps.iter().find(|info| info.meta.id.as_str() == step);
    found.map_or((0, 0), |step| (step.keys, step.positions))
}

#[test]
fn r103_r104_one_epoch_and_an_idle_run() {
    let dir = store(1);
    let source = TestingSource::new(['a', 'b', 'a']);
    run(dir.path(), LONG, source.clone());
    let info = show(&[dir.path()]).unwrap();
    let first = executions(&info);
    assert_eq!(
        first
            .iter()
            .map(|told| (told.1, told.2))
            .collect::<Vec<_>>(),
        [(1, 1)]
    );
    assert_eq!(info.partitions[0].progress.durable, Epoch(1));
    assert_eq!(info.resume.as_ref().unwrap().epoch, Epoch(2));
    assert_eq!(
        (kept(&info, "sums.in"), kept(&info, "sums.counts")),
        ((0, 1), (2, 0))
    );

    run(dir.path(), LONG, source);
    let info = show(&[dir.path()]).unwrap();
    let (number, resume, _) = *executions(&info).last().unwrap();
    assert_eq!((number, resume), (first[0].0 + 1, 2));
    assert_eq!(info.partitions[0].progress.durable, Epoch(2));
    assert_eq!(
        (kept(&info, "sums.in"), kept(&info, "sums.counts")),
        ((0, 1), (2, 0))
    );
}

/// Of all epochs, one row a slot is left, and one position.
#[test]
fn r105_nothing_older_is_kept() {
    let dir = store(1);
    run(
        dir.path(),
        Duration::ZERO,
        TestingSource::new("abababab".chars()),
    );
    // What was collected is cleared away when the next execution begins, at the latest.
    run(
        dir.path(),
        Duration::ZERO,
        TestingSource::new("abababab".chars()),
    );
    let info = show(&[dir.path()]).unwrap();
    let counts = info
        .steps
        .iter()
        .find(|step| step.meta.id.as_str() == "sums.counts");
    let (keys, rows) = counts.map(|step| (step.keys, step.rows)).unwrap();
    assert_eq!(keys, 2);
    // The newest epoch may be beside what was merged.
    assert!(rows <= 2, "{rows} rows");
}

/// Keys that are forgotten leave nothing behind.
#[test]
fn a_key_that_is_forgotten() {
    let dir = store(2);
    let elements = "ab".chars().map(TestingItem::Item);
    let source = TestingSource::with_marks(elements.chain([TestingItem::Eof]));
    for _ in 0..2 {
        let flow = Dataflow::build("sums", |flow| {
            let items = flow.input(source.clone()).named("in");
            let counts = items.key_on(|key| *key).count_final().named("counts");
            counts.output(TestingSink::new()).named("out");
        });
        let config = RunConfig::new().recovery(RecoveryConfig::new(dir.path()));
        cluster_main(flow, config.epoch_interval(Duration::ZERO)).unwrap();
        let info = show(&[dir.path()]).unwrap();
        assert_eq!(kept(&info, "sums.counts"), (0, 0));
    }
}

/// States that expire are gone from memory and from the store; those that expire while nothing runs, with the next run.
#[test]
fn keys_whose_states_expire() {
    const KEYS: u64 = 5000;
    let dir = store(2);
    let keys = (0..KEYS).map(TestingItem::Item);
    // The last one comes when the others have expired.
    let elements = keys.chain([TestingItem::Abort, TestingItem::Item(KEYS)]);
    let source = TestingSource::with_marks(elements).batch_size(1000);
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let run = |workers| {
        let expired = TestingSink::new();
        let flow = Dataflow::build("sums", |flow| {
            let items = flow.input(source.clone()).named("in").key_on(|key| *key);
            let items = items.expire_after(TimeDelta::hours(1), SystemClock::new());
            let counts = items.stateful_map(|count: &mut u64, _| {
                *count += 1;
                *count
            });
            let counts = counts.named("counts");
            counts.expired.output(expired.clone()).named("expired");
        });
        let config = RunConfig::new().workers(workers).clock(clock.clone());
        let config = config.recovery(RecoveryConfig::new(dir.path()));
        cluster_main(flow, config.epoch_interval(Duration::ZERO)).unwrap();
        let info = show(&[dir.path()]).unwrap();
        (kept(&info, "sums.counts").0, expired.sorted())
    };
    assert_eq!(run(1), (KEYS, Vec::new()));
    hand.advance(TimeDelta::minutes(59));
    let unexpired = run(2);
    assert_eq!(unexpired, (KEYS + 1, Vec::new()));
    hand.advance(TimeDelta::minutes(1));
    let all: Vec<_> = (0..KEYS).map(|key| (key, 1)).collect();
    assert_eq!(run(3), (1, all), "the last one came later");
    hand.advance(TimeDelta::minutes(59));
    assert_eq!(run(1), (0, vec![(KEYS, 1)]));
    let info = show(&[dir.path()]).unwrap();
    let rows = |step: &StepInfo| step.meta.id.as_str() == "sums.counts" && step.rows > 0;
    assert!(!info.steps.iter().any(rows), "nothing is left of them");
}

/// Runs that are each shorter than the backup interval.
#[test]
fn the_backup_interval_goes_on_over_runs() {
    let dir = store(2);
    let items = (0..9).flat_map(|_| [TestingItem::Item('a'), TestingItem::Eof]);
    let source = TestingSource::with_marks(items);
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let oldest: Vec<u64> = (0..9)
        .map(|_| {
            let flow = Dataflow::build("sums", |flow| {
                let items = flow.input(source.clone()).named("in");
                let counts = items.key_on(|key| *key).stateful_map(|count: &mut u64, _| {
                    *count += 1;
                    *count
                });
                let counts = counts.named("counts");
                counts.output(TestingSink::new()).named("out");
            });
            let recovery = RecoveryConfig::new(dir.path()).backup_interval(Duration::from_secs(10));
            let config = RunConfig::new().epoch_interval(LONG).workers(2);
            cluster_main(flow, config.clock(clock.clone()).recovery(recovery)).unwrap();
            hand.advance(TimeDelta::seconds(4));
            let info = show(&[dir.path()]).unwrap();
            let oldest = info.partitions.iter().map(|part| part.progress.oldest.0);
            oldest.max().unwrap()
        })
        .collect();
    // Each run is an epoch. At 4 seconds a run, the three runs before are within the interval, and what
    // the one before them began with is the oldest that files of them can need.
    assert_eq!(oldest, [1, 1, 1, 1, 2, 3, 4, 5, 6]);
}
