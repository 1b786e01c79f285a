//! Why is it open?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::WorkerIndex;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{EventClock, Micros, WindowOut, WindowProbe, WindowReport};
use chrono::{DateTime, TimeDelta};

use super::support::{Value, clock, seconds, sliding, tumbling, values};
use crate::support::{Answer, Parts};

type Values = KeyedStream<String, Value>;

/// What the probe tells before each poll of the first of two partitions, each of which gives these values
/// one after the other.
fn reports(
    probe: &WindowProbe,
    scripts: [&'static [&'static str]; 2],
    body: impl FnOnce(Values) -> WindowOut<String, u64, Value>,
) -> Vec<Vec<WindowReport>> {
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let (probe, notes) = (probe.clone(), Arc::clone(&seen));
    let flow = Dataflow::build("f", |flow| {
        let source = Parts(&["0", "1"], move |name: &str| {
            let number: usize = name.parse()?;
            let mut script = scripts[number].iter();
            let (probe, notes) = (probe.clone(), Arc::clone(&notes));
            Ok(move || -> Answer<(String, Value)> {
                if number == 0 {
                    notes.lock().unwrap().push(probe.reports());
                }
                Ok(script
                    .next()
                    .map_or_else(Poll::end, |text| Poll::batch(values(text))))
            })
        });
        let out = body(flow.input(source).named("in")).named("counts");
        out.down.output(TestingSink::new()).named("out");
    });
    let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    cluster_main(flow, config).unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
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
