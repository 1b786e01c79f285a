//! Joins with a table that changes, against its whole history.

use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::report::RunReport;
use bytewax_runtime::testing::TestingItem::{Abort, Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{Inner, Lateness, LeftOuter, Micros, StreamClock, Versions};
use bytewax_runtime::{Monitor, RecoveryConfig};
use chrono::TimeDelta;
use proptest::prelude::*;

/// The number of an item, its time, and of a change, whether it sets a row.
type Row = (u32, i64, Option<bool>);

fn at(row: &Row) -> Micros {
    Micros(row.1)
}

const WAIT: i64 = 8;

/// Each value with the number of its change, and those without, or not.
fn joined(
    rows: KeyedStream<u8, Row>,
    versions: Versions,
    outer: bool,
) -> KeyedStream<u8, (u32, Option<u32>)> {
    let lateness = Lateness::bounded(TimeDelta::microseconds(WAIT)).never_idle();
    let rows = rows.event_time(|(_, row)| at(row), lateness.any_future());
    let rows = rows.named("time").down;
    let changes = rows.clone().filter_value(|row| row.2.is_some());
    let values = rows.filter_value(|row| row.2.is_none());
    let clock = StreamClock::of_sides((at, at));
    let row = |(number, _, sets): Row| (sets == Some(true)).then_some(number);
    if outer {
        let out = values.join_table(changes, clock, versions, LeftOuter, row);
        let out = out.named("table");
        out.down.map_value(|(value, row)| (value.0, row))
    } else {
        let out = values.join_table(changes, clock, versions, Inner, row);
        let out = out.named("table");
        out.down.map_value(|(value, row)| (value.0, Some(row)))
    }
}

fn flow(
    elements: Vec<TestingItem<(u8, Row)>>,
    versions: Versions,
    outer: bool,
    out: &TestingSink<(u8, (u32, Option<u32>))>,
) -> Dataflow {
    Dataflow::build("f", |flow| {
        let rows = flow.input(TestingSource::with_marks(elements)).named("in");
        let joined = joined(rows, versions, outer);
        joined.output(out.clone()).named("out");
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_meets_the_row_of_its_time(
        rows in prop::collection::vec((0..3_u8, 0..6_i64, 0..12_i64, 0..5_u8), 0..60),
        kept_for in 0..10_i64,
        outer in any::<bool>(),
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        workers in prop::collection::vec(1..5_usize, 4),
    ) {
        let (mut now, mut newest) = (0, i64::MIN);
        let (mut all, mut on_time) = (Vec::new(), Vec::new());
        for (number, (key, step, back, kind)) in (0..).zip(rows) {
            now += step;
            let time = now - back;
            newest = newest.max(time);
            // Most are values.
            let change = [None, None, None, Some(true), Some(false)][usize::from(kind)];
            all.push(Item((key, (number, time, change))));
            if time >= newest - WAIT {
                on_time.push((key, (number, time, change)));
            }
        }
        let mut expect = Vec::new();
        for (key, (number, time, _)) in on_time.iter().filter(|(_, row)| row.2.is_none()) {
            let of_key = on_time.iter().filter(|(other, row)| other == key && row.2.is_some());
            let before = of_key.map(|(_, row)| row).filter(|row| row.1 <= *time);
            // Of one time, the last counts.
            let valid = before.max_by_key(|row| row.1);
            let found = valid.filter(|row| row.2 == Some(true)).map(|row| row.0);
            if outer || found.is_some() {
                expect.push((*key, (*number, found)));
            }
        }
        for stop in &stops {
            all.insert(stop.index(all.len() + 1), Abort);
        }
        let out = TestingSink::new();
        let versions = Versions::kept_for(TimeDelta::microseconds(kept_for));
        let flow = flow(all, versions, outer, &out);
        let dir = tempfile::tempdir().unwrap();
        for workers in workers.iter().take(stops.len() + 1) {
            let config = RunConfig::new().workers(*workers).epoch_interval(Duration::ZERO);
            let config = config.recovery(RecoveryConfig::new(dir.path()));
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        // A stop may repeat what its epoch has emitted.
        let mut got = out.sorted();
        got.dedup();
        expect.sort_unstable();
        prop_assert_eq!(got, expect);
    }
}

fn keys(report: &RunReport) -> u64 {
    let workers = &report.step("f.table").unwrap().workers;
    workers.iter().filter_map(|worker| worker.keys).sum()
}

/// A key is dropped from memory and from the store once nothing can need its deletion.
#[test]
fn deleted_keys_are_dropped() {
    const KEYS: u8 = 100;
    const KEPT: i64 = 1000;
    let change = |key, time, sets| Item((key, (0, time, Some(sets))));
    let mut elements: Vec<_> = (0..KEYS)
        .map(|key| change(key, i64::from(key), true))
        .collect();
    // The first ten stay, however old they are.
    elements.extend((10..KEYS).map(|key| change(key, 200, false)));
    elements.push(Eof);
    elements.push(change(0, 200 + KEPT + WAIT - 1, true));
    elements.push(Eof);
    elements.push(change(0, 200 + KEPT + WAIT, true));
    elements.push(Eof);
    elements.push(Item((3, (7, 500_000, None))));
    let (dir, out) = (tempfile::tempdir().unwrap(), TestingSink::new());
    let flow = flow(
        elements,
        Versions::kept_for(TimeDelta::microseconds(KEPT)),
        true,
        &out,
    );
    // Each run restores what the store has.
    let found = [3, 1, 2, 4].map(|workers| {
        let monitor = Monitor::new();
        let config = RunConfig::new().workers(workers).monitor(&monitor);
        cluster_main(
            flow.clone(),
            config.recovery(RecoveryConfig::new(dir.path())),
        )
        .unwrap();
        keys(&monitor.report().unwrap())
    });
    assert_eq!(found, [100, 100, 10, 10]);
    assert_eq!(out.take(), [(3, (7, Some(0)))]);
}
