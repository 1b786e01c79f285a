//! Joins in windows: values whose texts begin with `L` are of the left stream, others of the right.

use std::time::Duration;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    EventClock, JoinWindowOut, Micros, Once, SystemClock, TimeOfSides, TumblingWindower, Windowing,
};
use chrono::{DateTime, TimeDelta};

use JoinInsert::{First, Last, Product};

use super::support::{Value, seconds, session, told_late, tumbling, values};

type At = fn(&Value) -> Micros;
type Values = KeyedStream<String, Value>;
type Late = (
    KeyedStream<String, (bytewax_runtime::windowing::WindowId, Value)>,
    KeyedStream<String, (bytewax_runtime::windowing::WindowId, Value)>,
);

fn clock(wait: TimeDelta) -> EventClock<TimeOfSides<(At, At)>> {
    let at: At = |value| Micros(value.1);
    EventClock::of_sides((at, at), wait)
}

fn name(value: Option<Value>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.0)
}

/// The rows, and the late values of both streams, left first.
fn run<U: 'static>(
    text: &str,
    row: impl Fn(U) -> (Option<Value>, Option<Value>) + Send + Sync + 'static,
    body: impl FnOnce(Values, Values) -> JoinWindowOut<String, U, Late>,
) -> (String, String) {
    let (down, late, right) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = flow.input(TestingSource::new(values(text))).named("in");
        let sides = source.branch(|(_, value)| value.0.starts_with('L'));
        let out = body(sides.trues, sides.falses).named("rows");
        let rows = out.down.map(move |(_, (id, both))| {
            let (left, right) = row(both);
            format!("{id}=({},{})", name(left), name(right))
        });
        rows.output(down.clone()).named("down");
        out.late.0.map(told_late).output(late.clone()).named("late");
        out.late
            .1
            .map(told_late)
            .output(right.clone())
            .named("right");
    });
    // Each value is an epoch, so that they keep their order on their ways.
    let (hand, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(hand);
    if let Err(error) = cluster_main(flow, config) {
        panic!("{}", error.report());
    }
    let mut late = late.take();
    late.append(&mut right.take());
    (down.take().join(" "), late.join(" "))
}

fn complete<W: Windowing<Mode = Once>>(
    text: &str,
    wait: TimeDelta,
    windower: W,
    insert: JoinInsert,
) -> String {
    let row = |(left, right)| (Some(left), Some(right));
    run(text, row, |left, right| {
        left.join_window_complete(right, clock(wait), windower, insert)
    })
    .0
}

fn last<W: Windowing<Mode = Once>>(
    text: &str,
    wait: TimeDelta,
    windower: W,
    insert: JoinInsert,
) -> String {
    run(
        text,
        |row| row,
        |left, right| left.join_window(right, clock(wait), windower, insert),
    )
    .0
}

fn running<W: Windowing<Mode = Once>>(
    text: &str,
    wait: TimeDelta,
    windower: W,
    insert: JoinInsert,
) -> String {
    run(
        text,
        |row| row,
        |left, right| left.join_window_running(right, clock(wait), windower, insert),
    )
    .0
}

const ENDLESS: TimeDelta = TimeDelta::MAX;

#[test]
fn x10_to_x14() {
    let gap = || session(10.0);
    assert_eq!(
        complete("L1@0 R3@2 R2@1", ENDLESS, gap(), First),
        "0=(L1,R2)"
    );
    assert_eq!(complete("L1@0 R2@1", ENDLESS, gap(), Last), "0=(L1,R2)");
    assert_eq!(last("L1@0 R2@1 R3@2", ENDLESS, gap(), Last), "0=(L1,R3)");
    assert_eq!(
        running("L1@0 R2@1 R3@2", ENDLESS, gap(), Last),
        "0=(L1,-) 0=(L1,R2) 0=(L1,R3)",
    );
    assert_eq!(
        last("L1@0 L2@1 R3@1 R4@2", ENDLESS, gap(), Product),
        "0=(L1,R3) 0=(L1,R4) 0=(L2,R3) 0=(L2,R4)",
    );
}

#[test]
fn x47_to_x52() {
    let text = "L0@0 R1@1 R2@2 L3@3 R12@12";
    let (zero, ten) = (TimeDelta::zero(), || tumbling(10.0));
    let both = "0=(L0,R1) 0=(L3,R2)";
    assert_eq!(complete(text, zero, ten(), First), both);
    assert_eq!(last(text, zero, ten(), First), "0=(L0,R1) 1=(-,R12)");
    assert_eq!(complete(text, zero, ten(), Last), both);
    assert_eq!(last(text, zero, ten(), Last), "0=(L3,R2) 1=(-,R12)");
    assert_eq!(
        running(text, zero, ten(), Last),
        "0=(L0,-) 0=(L0,R1) 0=(L0,R2) 0=(L3,R2) 1=(-,R12)",
    );
    assert_eq!(
        last(text, zero, ten(), Product),
        "0=(L0,R1) 0=(L0,R2) 0=(L3,R1) 0=(L3,R2) 1=(-,R12)",
    );
}

#[test]
fn x53_x54() {
    let text = "L0@0 L20@20 R10@10";
    let gap = || session(10.0).in_arrival_order();
    let wait = seconds(100.0);
    assert_eq!(last(text, wait, gap(), Product), "0=(L0,R10) 0=(L20,R10)");
    assert_eq!(last(text, wait, gap(), First), "0=(L0,R10)");
    assert_eq!(last(text, wait, gap(), Last), "0=(L20,R10)");
    // The window that two have become is complete.
    assert_eq!(
        complete("L0@0 R20@20 L10@10", wait, gap(), Last),
        "0=(L10,R20)"
    );
}

#[test]
fn x55() {
    let late = run(
        "L0@0 L20@20 L5@5 R6@6",
        |row| row,
        |left, right| left.join_window(right, clock(TimeDelta::zero()), tumbling(10.0), Last),
    );
    assert_eq!(
        late,
        ("0=(L0,-) 2=(L20,-)".to_owned(), "0:L5 0:R6".to_owned())
    );
}

#[test]
fn x65() {
    let windower = TumblingWindower::new(TimeDelta::days(10_000), DateTime::UNIX_EPOCH);
    let rows = run(
        "L1@0 L2@0 R3@0",
        |row| row,
        |left, right| left.join_window(right, SystemClock::new(), windower, Last),
    );
    assert_eq!(rows.0, "0=(L2,R3)");
}

#[test]
fn three_streams_have_three_times_and_three_streams_of_late_values() {
    let out = TestingSink::new();
    let late = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let stream =
            |name, items: Vec<(char, i64)>| flow.input(TestingSource::new(items)).named(name);
        let (a, b, c) = (
            stream("a", vec![('k', 1)]),
            stream("b", vec![('k', 2)]),
            stream("c", vec![('k', 30), ('k', 3)]),
        );
        let at = |second: &i64| Micros(*second * 1_000_000);
        let clock = EventClock::of_sides((at, at, at), TimeDelta::seconds(20));
        let rows = (a, b, c)
            .join_window(clock, tumbling(10.0), Last)
            .named("rows");
        rows.down.output(out.clone()).named("out");
        rows.late.2.output(late.clone()).named("late");
    });
    let (hand, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(hand);
    cluster_main(flow, config).unwrap();
    let rows: Vec<_> = out
        .take()
        .into_iter()
        .map(|(_, (id, row))| (id.0, row))
        .collect();
    assert_eq!(
        rows,
        [(0, (Some(1), Some(2), None)), (3, (None, None, Some(30)))]
    );
    assert_eq!(late.take().len(), 1);
}
