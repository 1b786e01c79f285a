//! Rows of a table: values as text in, windows as text out.

use std::fmt::Display;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    EventClock, Micros, SessionWindower, SlidingWindower, TimeOf, TumblingWindower, WindowId,
    WindowMetadata, WindowOut,
};
use chrono::{DateTime, TimeDelta};

/// A text, and a time in microseconds.
pub(crate) type Value = (String, i64);

pub(crate) fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

pub(crate) fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::microseconds(micros(seconds))
}

/// `"a@0 k/b@1.5"`: keys, texts and times in seconds; without a key, it is `k`.
pub(crate) fn values(text: &str) -> Vec<(String, Value)> {
    let value = |value: &str| {
        let (name, time) = value.split_once('@').unwrap();
        let (key, name) = name.split_once('/').unwrap_or(("k", name));
        let time = micros(time.parse().unwrap());
        (key.to_owned(), (name.to_owned(), time))
    };
    text.split_whitespace().map(value).collect()
}

pub(crate) type At = TimeOf<fn(&Value) -> Micros>;

pub(crate) fn clock(wait: f64) -> EventClock<At> {
    EventClock::new(|value: &Value| Micros(value.1), seconds(wait))
}

pub(crate) fn endless() -> EventClock<At> {
    EventClock::new(|value: &Value| Micros(value.1), TimeDelta::MAX)
}

pub(crate) fn tumbling(length: f64) -> TumblingWindower {
    TumblingWindower::new(seconds(length), DateTime::UNIX_EPOCH)
}

pub(crate) fn sliding(length: f64, offset: f64) -> SlidingWindower {
    SlidingWindower::new(seconds(length), seconds(offset), DateTime::UNIX_EPOCH)
}

pub(crate) fn session(gap: f64) -> SessionWindower {
    SessionWindower::new(seconds(gap))
}

/// What a window step gives, as text: `"0=ab 1=c"` of windows, `"0:x"` of late values, and
/// `"0=[0,10] 2=[30,45]{1}"` of metadata.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) down: String,
    pub(crate) late: String,
    pub(crate) meta: String,
}

/// The name of a key before what belongs to it, if it is not `k`.
fn label(key: &str) -> String {
    if key == "k" {
        String::new()
    } else {
        format!("{key}/")
    }
}

pub(crate) fn told_down<V: Display>((key, (id, value)): (String, (WindowId, V))) -> String {
    format!("{}{id}={value}", label(&key))
}

pub(crate) fn told_late((key, (id, value)): (String, (WindowId, Value))) -> String {
    format!("{}{id}:{}", label(&key), value.0)
}

pub(crate) fn told_meta((key, (id, meta)): (String, (WindowId, WindowMetadata))) -> String {
    let second = |time: DateTime<_>| time.timestamp_micros() as f64 / 1e6;
    let merged: Vec<_> = meta.merged_ids.iter().map(ToString::to_string).collect();
    let merged = if merged.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", merged.join(","))
    };
    let (open, close) = (second(meta.open_time), second(meta.close_time));
    format!("{}{id}=[{open},{close}]{merged}", label(&key))
}

/// With a clock that stands still, on a number of workers and with a batch size. What keys give is put
/// in the order of keys.
pub(crate) fn run_on<V: Display + 'static>(
    (workers, batch): (usize, usize),
    text: &str,
    body: impl FnOnce(KeyedStream<String, Value>) -> WindowOut<String, V, Value>,
) -> Told {
    let (down, late, meta) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = TestingSource::new(values(text)).batch_size(batch);
        let out = body(flow.input(source).named("in")).named("windows");
        let key = |key: &String| key.clone();
        let keyed = out.down.map(move |item| (key(&item.0), told_down(item)));
        keyed.output(down.clone()).named("down");
        let keyed = out.late.map(move |item| (key(&item.0), told_late(item)));
        keyed.output(late.clone()).named("late");
        let keyed = out.meta.map(move |item| (key(&item.0), told_meta(item)));
        keyed.output(meta.clone()).named("meta");
    });
    let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = RunConfig::new().workers(workers).clock(clock);
    if let Err(error) = cluster_main(flow, config) {
        panic!("{}", error.report());
    }
    let joined = |sink: TestingSink<(String, String)>| {
        let mut items = sink.take();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
        items.join(" ")
    };
    Told {
        down: joined(down),
        late: joined(late),
        meta: joined(meta),
    }
}

/// The same on one worker, whatever the batch size, and on three.
#[track_caller]
pub(crate) fn run<V: Display + 'static>(
    text: &str,
    body: impl Fn(KeyedStream<String, Value>) -> WindowOut<String, V, Value>,
) -> Told {
    let told = run_on((1, 1), text, &body);
    for how in [(1, 3), (1, 100), (3, 2)] {
        assert_eq!(run_on(how, text, &body), told, "workers and batch {how:?}");
    }
    told
}

/// A row of a table: what is done, and the three texts that it gives.
#[track_caller]
pub(crate) fn gives(told: &Told, down: &str, late: &str, meta: Option<&str>) {
    assert_eq!(told.down, down);
    assert_eq!(told.late, late);
    if let Some(meta) = meta {
        assert_eq!(told.meta, meta);
    }
}
