//! Why is it open?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::report::{HeldBy, WatermarkReport, WindowsReport};
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{
    EventClock, Micros, SystemClock, WindowOut, WindowProbe, WindowReport,
};
use bytewax_runtime::{Monitor, WorkerIndex};
use chrono::{DateTime, TimeDelta};

use super::support::{Value, clock, seconds, sliding, tumbling, values};
use crate::shared::{Answer, Parts};

type Values = KeyedStream<String, Value>;

/// What `look` returns before each poll of the first of two partitions, each of which gives these values one
/// after the other.
fn looks<R: Clone + Send + 'static>(
    config: RunConfig,
    scripts: [&'static [&'static str]; 2],
    look: impl Fn() -> R + Send + Sync + 'static,
    body: impl FnOnce(Values) -> WindowOut<String, u64, Value>,
) -> Vec<R> {
    let seen: Arc<Mutex<Vec<R>>> = Arc::default();
    let (look, notes) = (Arc::new(look), Arc::clone(&seen));
    let flow = Dataflow::build("f", |flow| {
        let source = Parts(&["0", "1"], move |name: &str| {
            let number: usize = name.parse()?;
            let mut script = scripts[number].iter();
            let (look, notes) = (Arc::clone(&look), Arc::clone(&notes));
            Ok(move || -> Answer<(String, Value)> {
                if number == 0 {
                    notes.lock().unwrap().push(look());
                }
                Ok(script
                    .next()
                    .map_or_else(Poll::end, |text| Poll::batch(values(text))))
            })
        });
        let out = body(flow.input(source).named("in")).named("counts");
        out.down.output(TestingSink::new()).named("out");
    });
    cluster_main(flow, config.epoch_interval(Duration::ZERO)).unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// What the probe tells before each poll of the first partition.
fn reports(
    probe: &WindowProbe,
    scripts: [&'static [&'static str]; 2],
    body: impl FnOnce(Values) -> WindowOut<String, u64, Value>,
) -> Vec<Vec<WindowReport>> {
    let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let probe = probe.clone();
    let look = move || probe.reports();
    looks(RunConfig::new().clock(clock), scripts, look, body)
}

/// The windows and the watermark in the report of the run, before each poll of the first partition and at the end.
/// Two seconds pass before each poll.
fn reported(
    scripts: [&'static [&'static str]; 2],
    body: impl FnOnce(Values) -> WindowOut<String, u64, Value>,
) -> Vec<Option<(WindowsReport, Option<WatermarkReport>)>> {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let monitor = Monitor::new();
    let windows = |monitor: &Monitor| {
        let report = monitor.report()?;
        let numbers = report.step("f.counts")?.workers.first()?.clone();
        Some((numbers.windows?, numbers.watermark))
    };
    let watched = monitor.clone();
    let look = move || {
        hand.advance(TimeDelta::seconds(2));
        windows(&watched)
    };
    let config = RunConfig::new().clock(clock).monitor(&monitor);
    let mut seen = looks(config, scripts, look, body);
    seen.push(windows(&monitor));
    seen
}

#[test]
fn the_report_says_which_windows_are_open_and_which_key_holds_them() {
    let script: &[_] = &["a/x@12 a/y@3 b/z@25", "a/x@14", "a/x@15"];
    let seen = reported([script, &[]], |values| {
        values.count_window(clock(5.0), tumbling(10.0))
    });
    // What was counted when the second batch came.
    let (windows, mark) = seen[2].clone().expect("it is counted within two seconds");
    assert_eq!((windows.open, windows.waiting), (2, 0), "3 was late");
    assert_eq!(windows.oldest, Some(at(10)));
    assert_eq!(windows.closes_at, Some(at(20)));
    assert_eq!(
        windows.watermark,
        Some(at(9)),
        "it was 7 two seconds before"
    );
    assert_eq!(windows.held_by, HeldBy::Key);
    assert_eq!(windows.key.as_deref(), Some(r#""a""#));
    assert_eq!(mark, None, "each key has its own");
    let (windows, _) = seen[3].clone().unwrap();
    assert_eq!(windows.watermark, Some(at(11)), "it passes with time");
    let (end, _) = seen.last().unwrap().clone().unwrap();
    assert_eq!((end.open, end.held_by), (0, HeldBy::Nothing));
}

#[test]
fn the_report_says_which_partition_holds_windows_open() {
    let at_of = |value: &Value| Micros(value.1);
    let watched = EventClock::per_partition(at_of, seconds(5.0));
    let scripts: [&[_]; 2] = [
        &["a/x@100", "a/x@200", "a/x@300", "a/x@400"],
        &["b/y@12", "b/y@14", "b/y@14"],
    ];
    let seen = reported(scripts, |values| {
        values.count_window(watched, tumbling(10.0))
    });
    let (windows, mark) = seen[2].clone().unwrap();
    assert_eq!(windows.held_by, HeldBy::Partition);
    assert_eq!(windows.watermark, Some(at(9)));
    assert_eq!(windows.closes_at, Some(at(20)));
    assert_eq!(windows.key.as_deref(), Some(r#""b""#));
    let mark = mark.unwrap();
    assert_eq!(
        (mark.worker, mark.partition.as_deref()),
        (Some(0), Some("1"))
    );
}

#[test]
fn windows_of_arrival_wait_for_the_clock() {
    let script: &[_] = &["x@0", "x@0", "x@0"];
    let seen = reported([script, &[]], |values| {
        values.count_window(SystemClock::new(), tumbling(60.0))
    });
    let (windows, _) = seen[3].clone().unwrap();
    assert_eq!((windows.open, windows.held_by), (1, HeldBy::Clock));
    assert_eq!(windows.closes_at, Some(at(60)));
}

fn at(second: i64) -> DateTime<chrono::Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

#[test]
fn the_oldest_window_waits_for_its_key() {
    let probe = WindowProbe::new();
    let watched = clock(5.0).probe(&probe);
    let script: &[_] = &["a/x@12 a/y@3 b/z@25", "a/x@14", "a/x@16"];
    let seen = reports(&probe, [script, &[]], |values| {
        values.count_window(watched, tumbling(10.0))
    });
    assert_eq!(seen[0], [], "nothing has been seen");
    let report = &seen[1][0];
    assert_eq!((report.worker, report.keys), (WorkerIndex(0), 2));
    assert_eq!(
        (report.open_windows, report.waiting_values),
        (2, 0),
        "3 was late"
    );
    assert_eq!(report.oldest, Some((at(10), r#""a""#.to_owned())));
    assert_eq!(report.watermark, Some(at(7)));
    assert_eq!(
        report.held_by,
        r#"the newest value of key "a"; it goes on with the system's time"#,
    );
    assert_eq!(seen[3][0].watermark, Some(at(11)));
    assert_eq!(probe.reports()[0].held_by, "nothing is open");
}

#[test]
fn values_that_wait_and_windows_of_slices_are_counted() {
    let probe = WindowProbe::new();
    let watched = clock(5.0).probe(&probe);
    let script: &[_] = &["x@12 y@14 z@16", "x@17"];
    let seen = reports(&probe, [script, &[]], |values| {
        let windower = sliding(10.0, 5.0).in_arrival_order();
        values.count_window(watched, windower)
    });
    // [5, 15), [10, 20) and [15, 25).
    assert_eq!((seen[1][0].open_windows, seen[1][0].waiting_values), (3, 0));
    assert_eq!(
        seen[1][0].oldest.as_ref().map(|oldest| oldest.0),
        Some(at(5))
    );

    let watched = clock(5.0).probe(&probe);
    let seen = reports(&probe, [script, &[]], |values| {
        let out = values.collect_window::<Vec<_>, _, _>(watched, tumbling(10.0));
        let out = out.named("lists");
        WindowOut {
            down: out.down.map_value(|(id, list)| (id, list.len() as u64)),
            late: out.late,
            meta: out.meta,
        }
    });
    assert_eq!((seen[1][0].open_windows, seen[1][0].waiting_values), (0, 3));
}

#[test]
fn a_key_whose_values_all_wait_is_waited_for() {
    let probe = WindowProbe::new();
    let watched = clock(5.0).probe(&probe);
    let script: &[_] = &["a/x@12 b/y@9", "b/y@12"];
    let seen = reports(&probe, [script, &[]], |values| {
        let out = values.collect_window::<Vec<_>, _, _>(watched, tumbling(10.0));
        let out = out.named("lists");
        WindowOut {
            down: out.down.map_value(|(id, list)| (id, list.len() as u64)),
            late: out.late,
            meta: out.meta,
        }
    });
    let report = &seen[1][0];
    assert_eq!((report.open_windows, report.waiting_values), (0, 2));
    assert_eq!(report.oldest, None);
    assert_eq!(report.watermark, Some(at(4)));
    assert_eq!(
        report.held_by,
        r#"the newest value of key "b"; it goes on with the system's time"#,
    );
}

#[test]
fn the_partition_that_is_furthest_behind_is_named() {
    let probe = WindowProbe::new();
    let at_of = |value: &Value| Micros(value.1);
    let watched = EventClock::per_partition(at_of, seconds(5.0)).probe(&probe);
    let scripts: [&[_]; 2] = [
        &["a/x@100", "a/x@200", "a/x@300", "a/x@400"],
        &["b/y@12", "b/y@14"],
    ];
    let seen = reports(&probe, scripts, |values| {
        values.count_window(watched, tumbling(10.0))
    });
    let report = &seen[2][0];
    assert_eq!(report.watermark, Some(at(9)));
    assert_eq!(report.oldest, Some((at(10), r#""b""#.to_owned())));
    assert_eq!(
        report.held_by,
        "partition 1 of the source on worker 0, which is furthest behind",
    );
}
