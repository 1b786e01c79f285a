//! One time for all keys: that of the partition that is furthest behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::clock::{ClockHand, WorkerClock};
use bytewax_runtime::operators::Emit;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::state::{Schema, State};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock as WindowClock, EventClock, Lateness, Micros, PartitionClock, StreamClock, TimeOf,
    WindowLogic,
};
use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::support::{
    Told, Value, gives, run_on, seconds, session, sliding, told_down, told_late, tumbling, values,
};
use crate::shared::{Answer, Log, Parts};

type At = TimeOf<fn(&Value) -> Micros>;

fn clock(wait: f64) -> PartitionClock<At> {
    EventClock::per_partition(|value: &Value| Micros(value.1), seconds(wait))
}

/// Counts windows of ten seconds on one worker and on three, in batches of one and of many.
fn counts(text: &str, wait: f64) -> Told {
    let told = |how| {
        run_on(how, text, |values| {
            values.count_window(clock(wait), tumbling(10.0))
        })
    };
    let one = told((1, 1));
    for how in [(1, 100), (3, 2)] {
        assert_eq!(told(how), one, "workers and batch {how:?}");
    }
    one
}

#[test]
fn a_key_is_over_when_another_moves_on() {
    let told = counts("a/x@1 b/x@12 a/x@4 a/x@13", 0.0);
    gives(
        &told,
        "a/0=1 a/1=1 b/1=1",
        "a/0:x",
        Some("a/0=[0,10] a/1=[10,20] b/1=[10,20]"),
    );
}

#[test]
fn late_is_what_is_behind_the_wait() {
    gives(
        &counts("a/x@20 b/y@10 c/z@9", 10.0),
        "a/2=1 b/1=1",
        "c/0:z",
        None,
    );
}

#[test]
fn sessions_of_a_key_are_counted_on() {
    let told = run_on((1, 1), "a/x@0 b/y@100 b/y@150 a/z@200", |values| {
        values.count_window(clock(0.0), session(10.0))
    });
    gives(&told, "a/0=1 a/1=1 b/0=1 b/1=1", "", None);
    let told = run_on((1, 1), "a/x@0 b/y@100 b/y@150 a/z@200", |values| {
        let clock = clock(0.0).forget_after(seconds(20.0));
        values.count_window(clock, session(10.0))
    });
    // At 100 the session was over, at 150 its key is forgotten.
    gives(&told, "a/0=1 a/0=1 b/0=1 b/1=1", "", None);
}

#[test]
fn windows_that_overlap() {
    let told = run_on((3, 2), "k/a@4 k/b@9 k/c@7 x/x@18", |values| {
        values.fold_window(
            clock(3.0),
            sliding(10.0, 5.0),
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |texts, later: String| texts.push_str(&later),
        )
    });
    gives(&told, "-1=a 0=acb 1=cb x/2=x x/3=x", "", None);
}

/// What a partition does when it is polled: gives values, or gives none.
type Script = Vec<Option<&'static str>>;

/// Two partitions, which take turns: in each round both are polled once, and then `round` is called. Gives
/// what was told in each round.
fn rounds(
    left: Script,
    right: Script,
    workers: usize,
    clock_of: PartitionClock<At>,
    round: impl Fn(usize, &ClockHand) + Send + Sync + 'static,
) -> Vec<String> {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (down, late) = (TestingSink::new(), TestingSink::new());
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = {
        let (down, late, told) = (down.clone(), late.clone(), Arc::clone(&told));
        move || {
            let mut all = down.take();
            all.sort();
            all.append(&mut late.take());
            told.lock().unwrap().push(all.join(" "));
        }
    };
    let last = note.clone();
    let flow = Dataflow::build("f", |flow| {
        let scripts = Mutex::new((Some(left), Some(right)));
        let round = Arc::new(round);
        let source = Parts(&["left", "right"], move |name: &str| {
            let mut scripts = scripts.lock().unwrap();
            let is_left = name == "left";
            let script = if is_left {
                scripts.0.take()
            } else {
                scripts.1.take()
            };
            let mut script = script.unwrap().into_iter();
            let (round, hand, note) = (Arc::clone(&round), hand.clone(), note.clone());
            let mut number = 0;
            Ok(move || -> Answer<(String, Value)> {
                if is_left {
                    if number > 0 {
                        note();
                    }
                    round(number, &hand);
                    number += 1;
                }
                match script.next() {
                    None => Ok(Poll::end()),
                    Some(Some(text)) => Ok(Poll::batch(values(text))),
                    Some(None) => Ok(Poll::idle(Duration::ZERO)),
                }
            })
        });
        let values = flow.input(source).named("in");
        let out = values
            .count_window(clock_of, tumbling(10.0))
            .named("counts");
        out.down.map(told_down).output(down).named("down");
        out.late.map(told_late).output(late).named("late");
    });
    let config = RunConfig::new()
        .workers(workers)
        .epoch_interval(Duration::ZERO)
        .clock(clock);
    if let Err(error) = cluster_main(flow, config) {
        panic!("{}", error.report());
    }
    last();
    told.lock().unwrap().clone()
}

#[test]
fn a_partition_that_is_behind_holds_the_others_back() {
    let told = rounds(
        vec![
            Some("a/x@1"),
            Some("a/x@100"),
            Some("a/x@101"),
            Some("a/x@102"),
        ],
        vec![
            Some("b/y@2"),
            Some("b/y@3"),
            Some("b/y@30"),
            Some("b/y@1 b/y@31"),
        ],
        1,
        clock(0.0),
        |_, _| {},
    );
    assert_eq!(told[..2], ["", ""]);
    assert_eq!(told[2], "a/0=1 b/0=2");
    assert_eq!(told[3], "b/0:y");
    let all = told.join(" ");
    assert!(all.contains("a/10=3") && all.contains("b/3=2"), "{told:?}");
}

#[test]
fn a_partition_that_has_ended_does_not() {
    let told = rounds(
        vec![
            Some("a/x@1"),
            Some("a/x@100"),
            Some("a/x@101"),
            Some("a/x@102"),
        ],
        vec![Some("b/y@2")],
        1,
        clock(0.0),
        |_, _| {},
    );
    let first = told.iter().position(|told| !told.is_empty());
    assert!(first.is_some_and(|first| first < 4), "{told:?}");
    assert_eq!(told[first.unwrap()], "a/0=1 b/0=1");
}

#[test]
fn an_idle_partition_is_waited_for_no_longer() {
    let quiet = || {
        vec![
            Some("b/y@2"),
            None,
            None,
            None,
            Some("b/y@3"),
            Some("b/y@200"),
        ]
    };
    let busy = || {
        let texts = [
            "a/x@1", "a/x@100", "a/x@101", "a/x@102", "a/x@103", "a/x@104",
        ];
        texts.map(Some).to_vec()
    };
    let tick = |_: usize, hand: &ClockHand| hand.advance(TimeDelta::seconds(10));
    let patient = rounds(busy(), quiet(), 1, clock(0.0), tick);
    assert_eq!(
        patient[..5],
        [""; 5],
        "it waits for as long as it takes: {patient:?}"
    );
    let told = rounds(
        busy(),
        quiet(),
        1,
        clock(0.0).idle_after(seconds(15.0)),
        tick,
    );
    assert!(told[..4].contains(&"a/0=1 b/0=1".to_owned()), "{told:?}");
    assert!(
        told.contains(&"b/0:y".to_owned()),
        "when it comes again, it may be late: {told:?}"
    );
}

#[test]
fn a_partition_that_is_too_far_ahead_is_not_polled() {
    let log = Log::default();
    let noted = log.clone();
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let source = Parts(&["ahead", "behind"], move |name: &str| {
            let (log, name) = (noted.clone(), name.to_owned());
            let mut polls = 0;
            Ok(move || -> Answer<(String, Value)> {
                log.note(&name);
                polls += 1;
                match (name.as_str(), polls) {
                    ("ahead", 1..=5) => Ok(Poll::batch(values(&format!("a/x@{polls}00")))),
                    ("behind", 1..=20) => Ok(Poll::idle(Duration::ZERO)),
                    ("behind", 21) => Ok(Poll::batch(values("b/y@700"))),
                    _ => Ok(Poll::end()),
                }
            })
        });
        let values = flow.input(source).named("in");
        let clock = clock(0.0).max_lead(seconds(150.0));
        let counts = values.count_window(clock, tumbling(10.0)).named("counts");
        counts.down.map(told_down).output(out.clone()).named("down");
    });
    cluster_main(flow, RunConfig::new()).unwrap();
    let calls = log.calls();
    assert_eq!(calls[0], "ahead");
    assert_eq!(
        calls[1..22],
        ["behind"; 21],
        "it is held until the other has come nearer"
    );
    assert_eq!(log.count("ahead"), 6, "and then it is polled");
    let mut out = out.take();
    out.sort_unstable();
    assert_eq!(
        out,
        ["a/10=1", "a/20=1", "a/30=1", "a/40=1", "a/50=1", "b/70=1"]
    );
}

/// The same for a time that is declared near the source, with the partitions on one worker or on two.
#[test]
fn a_declared_time_aligns_partitions() {
    for (workers, reads) in [(1, true), (2, true), (2, false)] {
        let (ahead, before) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let (ahead, before) = (Arc::clone(&ahead), Arc::clone(&before));
            let source = Parts(&["ahead", "behind"], move |name: &str| {
                let (ahead, before) = (Arc::clone(&ahead), Arc::clone(&before));
                let (name, mut polls) = (name.to_owned(), 0);
                Ok(move || -> Answer<(String, Value)> {
                    // Without a step that follows the time, nothing is held: the one behind waits for all polls of the other.
                    if name == "behind" && !reads && ahead.load(Ordering::SeqCst) < 6 {
                        return Ok(Poll::idle(Duration::ZERO));
                    }
                    polls += 1;
                    if name == "ahead" {
                        ahead.fetch_add(1, Ordering::SeqCst);
                    }
                    match (name.as_str(), polls) {
                        ("ahead", 1..=5) => Ok(Poll::batch(values(&format!("a/x@{polls}00")))),
                        ("behind", 1..=50) => Ok(Poll::idle(Duration::ZERO)),
                        ("behind", 51) => {
                            before.store(ahead.load(Ordering::SeqCst), Ordering::SeqCst);
                            Ok(Poll::batch(values("b/y@700")))
                        }
                        _ => Ok(Poll::end()),
                    }
                })
            });
            let lateness = Lateness::bounded(seconds(0.0)).max_lead(seconds(150.0));
            let at = |(_, value): &(String, Value)| Micros(value.1);
            let values = flow.input(source).named("in").event_time(at, lateness);
            let values = values.named("time").down;
            if reads {
                let clock = StreamClock::new(|value: &Value| Micros(value.1));
                let counts = values.count_window(clock, tumbling(10.0)).named("counts");
                counts.down.map(told_down).output(out.clone()).named("down");
            } else {
                let texts = values.map(|(_, value)| value.0);
                texts.output(out.clone()).named("down");
            }
        });
        cluster_main(flow, RunConfig::new().workers(workers)).unwrap();
        if reads {
            let before = before.load(Ordering::SeqCst);
            assert!(
                before <= 1,
                "it is held until the other comes: {before} polls"
            );
            let expect = ["a/10=1", "a/20=1", "a/30=1", "a/40=1", "a/50=1", "b/70=1"];
            assert_eq!(out.sorted(), expect);
        } else {
            assert_eq!(out.sorted(), ["x", "x", "x", "x", "x", "y"]);
        }
    }
}

#[test]
fn workers_agree() {
    let told = rounds(
        vec![Some("a/x@1 c/x@2"), Some("a/x@100"), Some("c/x@101")],
        vec![Some("b/y@2 d/y@3"), Some("b/y@300"), Some("d/y@301")],
        2,
        clock(0.0),
        |_, _| {},
    );
    let mut all: Vec<_> = told
        .iter()
        .flat_map(|told| told.split_whitespace())
        .collect();
    all.sort_unstable();
    assert_eq!(
        all,
        [
            "a/0=1", "a/10=1", "b/0=1", "b/30=1", "c/0=1", "c/10=1", "d/0=1", "d/30=1"
        ]
    );
}

/// The third value of a batch of five makes a fold panic.
#[test]
fn a_panic_tells_its_key_and_its_item() {
    let told = |clock_of: fn(KeyedStream<String, Value>) -> Stream<String>| {
        let flow = Dataflow::build("f", |flow| {
            let all = values("a/x@1 a/x@2 b/bang@3 a/x@4 a/x@5");
            let source = TestingSource::new(all).batch_size(5);
            let down = clock_of(flow.input(source).named("in"));
            down.output(TestingSink::new()).named("out");
        });
        cluster_main(flow, RunConfig::new()).unwrap_err().report()
    };
    fn texts<C: WindowClock<Value>>(
        values: KeyedStream<String, Value>,
        clock: C,
    ) -> Stream<String> {
        let windower = tumbling(10.0).in_arrival_order();
        let texts = values.fold_window(
            clock,
            windower,
            String::new,
            |texts, value: Value| {
                assert_ne!(value.0, "bang");
                texts.push_str(&value.0);
            },
            |texts, later: String| texts.push_str(&later),
        );
        texts.named("texts").down.map(told_down)
    }
    for report in [
        told(|values| texts(values, super::support::clock(0.0))),
        told(|values| texts(values, clock(0.0))),
    ] {
        assert!(report.contains("key `\"b\"`"), "{report}");
        assert!(report.contains("item 3 of a batch of 5"), "{report}");
    }
}

/// Tells what time it is when a value is taken, and at the end.
#[derive(Default, Serialize, Deserialize)]
struct Times;

impl State for Times {
    const SCHEMA: Schema = Schema::new("Times", 1, &[]);
}

impl WindowLogic for Times {
    type In = Value;
    type Out = i64;

    fn on_value(&mut self, _: Value, out: &mut Emit<i64>) {
        out.emit(out.now().timestamp());
    }

    fn on_merge(&mut self, _: Self, _: &mut Emit<i64>) {}

    fn on_close(&mut self, out: &mut Emit<i64>) {
        out.emit(out.now().timestamp());
    }
}

#[test]
fn a_logic_sees_the_time_of_the_worker() {
    fn seen<C: WindowClock<Value>>(clock: C) -> Vec<i64> {
        let sink = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let values = flow.input(TestingSource::new(values("a/x@1"))).named("in");
            let times = values
                .window(clock, tumbling(10.0), Times::default)
                .named("times");
            let times = times.down.map(|(_, (_, time))| time);
            times.output(sink.clone()).named("out");
        });
        let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH + TimeDelta::seconds(77));
        cluster_main(flow, RunConfig::new().clock(clock)).unwrap();
        sink.take()
    }
    assert_eq!(seen(super::support::clock(0.0)), [77, 77]);
    assert_eq!(seen(clock(0.0)), [77, 77]);
}
