//! Rows in which the system's time passes: a source moves the clock before it gives a value.

use std::time::Duration;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{Once, SystemClock, WindowOut, Windowing};
use chrono::{DateTime, TimeDelta};

use super::support::{
    Told, Value, clock, gives, micros, seconds, session, told_down, told_late, tumbling, values,
};
use crate::shared::EachWorker;

type Values = KeyedStream<String, Value>;

/// Runs values that each come at a time of the system. A name of `.` gives no value.
fn run(
    script: &[(f64, &str)],
    body: impl FnOnce(Values) -> WindowOut<String, String, Value>,
) -> Told {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let mut steps = Vec::new();
    for (at, text) in script {
        steps.push((micros(*at), values(text)));
    }
    let steps = std::sync::Mutex::new(Some(steps));
    let (down, late) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = EachWorker(move |_| {
            let mut steps = steps.lock().unwrap().take().unwrap().into_iter();
            let hand = hand.clone();
            Ok(move || {
                let Some((at, values)) = steps.next() else {
                    return Ok(Poll::end());
                };
                hand.set(DateTime::UNIX_EPOCH + TimeDelta::microseconds(at));
                Ok(Poll::batch(values))
            })
        });
        let out = body(flow.input(source).named("in")).named("windows");
        out.down.map(told_down).output(down.clone()).named("down");
        out.late.map(told_late).output(late.clone()).named("late");
    });
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    if let Err(error) = cluster_main(flow, config) {
        panic!("{}", error.report());
    }
    Told {
        down: down.take().join(" "),
        late: late.take().join(" "),
        meta: String::new(),
    }
}

fn texts<W: Windowing<Mode = Once>>(
    wait: f64,
    forget_after: f64,
    windower: W,
) -> impl FnOnce(Values) -> WindowOut<String, String, Value> {
    let clock = clock(wait).forget_after(seconds(forget_after));
    move |values| {
        values.fold_window(
            clock,
            windower,
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |texts, later: String| texts.push_str(&later),
        )
    }
}

#[test]
fn x17_the_smallest_time_makes_an_equal_value_late() {
    let script = [(0.0, "a@5"), (0.000_001, "b@5"), (0.000_002, "c@6")];
    gives(
        &run(&script, texts(0.0, 60.0, tumbling(10.0))),
        "0=ac",
        "0:b",
        None,
    );
    let script = [(0.0, "a@5 b@5 c@6")];
    gives(
        &run(&script, texts(0.0, 60.0, tumbling(10.0))),
        "0=abc",
        "",
        None,
    );
}

#[test]
fn x61() {
    let script = [
        (0.0, "a@5"),
        (0.0, "b@5"),
        (1.0, "c@5.5"),
        (1.0, "d@6"),
        (3.0, "e@7"),
        (3.0, "f@8"),
    ];
    gives(
        &run(&script, texts(0.0, 60.0, tumbling(10.0))),
        "0=abdf",
        "0:c 0:e",
        None,
    );
}

/// As long as a key is remembered, it takes no older values; when it has been forgotten, it does.
#[test]
fn x62() {
    let script = [(0.0, "a@5"), (6.0, "b@4"), (6.0, "c@3"), (7.0, "d@2")];
    let told = run(&script, texts(0.0, 60.0, tumbling(10.0)));
    gives(&told, "0=a", "0:b 0:c 0:d", None);
    let told = run(&script, texts(0.0, 0.0, tumbling(10.0)));
    gives(&told, "0=a 0=c", "0:b 0:d", None);
    let told = run(&script, texts(0.0, 60.0, session(3.0)));
    gives(&told, "0=a", "-1:b -1:c -1:d", None);
}

#[test]
fn x63() {
    let minute = |minutes: f64| minutes * 60.0;
    let values = ["a@2100", "b@2280", "c@2340", "d@2160"];
    let script: Vec<_> = [32.0, 34.0, 36.0, 38.0]
        .map(minute)
        .into_iter()
        .zip(values)
        .collect();
    let told = run(&script, texts(300.0, 60.0, tumbling(100_000.0)));
    gives(&told, "0=abc", "0:d", None);
}

#[test]
fn x64() {
    let script = [(0.0, "1@0 2@0"), (0.6, "3@0")];
    let told = run(&script, |values| {
        values.fold_window(
            SystemClock::new(),
            session(0.3),
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |_, _| {},
        )
    });
    gives(&told, "0=12 1=3", "", None);
}

/// A window closes by itself when the watermark, which goes on with the system's time, reaches its end.
#[test]
fn example_e() {
    // At the end of input keys would come in their order.
    let script = [(0.0, "k/z@0"), (0.499_999, "a/b@100"), (0.5, "a/c@100.1")];
    let told = run(&script, texts(0.0, 60.0, tumbling(0.5)));
    assert_eq!(told.down, "0=z a/200=bc");
    let script = [
        (0.0, "k/z@0"),
        (0.499_999, "a/b@100"),
        (0.499_999, "a/c@100.1"),
    ];
    let told = run(&script, texts(0.0, 60.0, tumbling(0.5)));
    assert_eq!(told.down, "a/200=bc 0=z");
}
