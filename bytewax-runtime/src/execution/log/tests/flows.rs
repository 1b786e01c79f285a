//! What runs log.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use tracing::Level;

use crate::logged::testing::Heard;
use crate::prelude::*;
use crate::testing::{TestingItem, TestingSink, TestingSource};
use crate::windowing::{Lateness, Micros, StreamClock, TumblingWindower};
use crate::{RecoveryConfig, RunConfig};

/// A part of items that nobody may see in a log.
const SECRET: i64 = 417_170_417;

/// Numbers, some of which are skipped as errors, and of which the last is late, so often.
fn flow(often: usize) -> Dataflow {
    let numbers = [1, 2, SECRET, SECRET + 1_000_000, SECRET - 1_000_000];
    let numbers: Vec<i64> = (0..often).flat_map(|_| numbers).collect();
    let marks = numbers.into_iter().map(TestingItem::Item);
    let marks: Vec<_> = marks
        .chain([TestingItem::Eof, TestingItem::Item(SECRET + 9)])
        .collect();
    Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::with_marks(marks)).named("in");
        let clock = |number: &i64| Micros(number * 1_000_000);
        let lateness = Lateness::bounded(TimeDelta::zero()).any_future();
        let timed = numbers.event_time(clock, lateness).named("time");
        let large = |number: &i64| match *number < SECRET / 2 {
            true => Err(format!("the item {number} is too small")),
            false => Ok(*number),
        };
        let parsed = timed.down.try_map(large).named("parsed");
        parsed.errs.skip_counted().named("skip");
        let windower = TumblingWindower::new(TimeDelta::seconds(60), DateTime::UNIX_EPOCH);
        let keyed = parsed.oks.key_on(|_| SECRET).named("keys");
        let counts = keyed
            .count_window(StreamClock::new(clock), windower)
            .named("counts");
        counts.down.output(TestingSink::new()).named("out");
    })
}

/// What two runs on one store log, down to a level.
fn heard(most: Level, workers: usize, often: usize) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let config = RunConfig::new()
        .workers(workers)
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir.path()));
    let flow = flow(often);
    Heard::of(most, || {
        config.run(flow.clone()).unwrap();
        config.run(flow).unwrap();
    })
}

#[track_caller]
fn has(heard: &[String], begin: &str) {
    let found = heard.iter().any(|line| line.starts_with(begin));
    assert!(found, "no `{begin}` in\n{}", heard.join("\n"));
}

#[test]
fn what_people_should_know_is_logged_by_every_worker() {
    for workers in [1, 3] {
        let heard = heard(Level::INFO, workers, 1);
        has(
            &heard,
            "INFO recovery: beginning anew at epoch 1: the store of ",
        );
        has(&heard, "INFO recovery: resuming at epoch ");
        let skipped = |worker: usize| {
            format!(
                "WARN step `f.skip`, worker {worker}: 2 errors were skipped step=f.skip worker={worker} skipped=2"
            )
        };
        let by_any = (0..workers).any(|worker| heard.contains(&skipped(worker)));
        assert!(by_any, "{}", heard.join("\n"));
        has(
            &heard,
            "WARN step `f.time`: 1 late items were dropped, because nothing reads them",
        );
        has(&heard, "span run flow=\"f\"");
        let begun = |index| format!("span worker index={index}");
        (0..workers).for_each(|index| has(&heard, &begun(index)));
        has(&heard, "span resume");
    }
}

#[test]
fn epochs_and_snapshots_are_spans_of_the_level_debug() {
    let heard = heard(Level::DEBUG, 1, 1);
    has(&heard, "span epoch epoch=1");
    has(&heard, "DEBUG the epoch is complete");
    has(&heard, "span snapshot step=f.counts epoch=1");
    has(&heard, "DEBUG all of the snapshot is with the writer");
    has(&heard, "DEBUG the worker runs the flow");
}

#[test]
fn no_item_is_logged_at_the_default_level() {
    let heard = heard(Level::INFO, 2, 1);
    let shown: Vec<_> = heard
        .iter()
        .filter(|line| line.contains("417170"))
        .collect();
    assert!(shown.is_empty(), "{shown:?}");
}

#[test]
fn nothing_is_logged_for_each_item_or_batch() {
    // Each item is a batch, and all are of one epoch.
    let lines = |often| {
        let dir = tempfile::tempdir().unwrap();
        let config = RunConfig::new().recovery(RecoveryConfig::new(dir.path()));
        let flow = flow(often);
        Heard::of(Level::TRACE, || config.run(flow).unwrap()).len()
    };
    assert_eq!(lines(1), lines(500));
}

#[test]
fn a_program_keeps_its_subscriber() {
    let heard = Heard::of(Level::INFO, || {
        let ended = crate::run_from(flow(1), ["-w", "2", "--log", "off"]);
        assert_eq!(ended, std::process::ExitCode::SUCCESS);
    });
    has(&heard, "WARN step `f.skip`, worker ");
}
