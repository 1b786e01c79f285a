//! Values before and after the end of a window.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::operators::Emit;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::state::{Field, Schema, State};
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{
    CountWindower, Fired, Labelled, WindowId, WindowLogic, WindowOut, Windowing,
};
use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::support::{
    Value, clock, micros, seconds, session, sliding, told_late, told_meta, tumbling, values,
};
use crate::shared::EachWorker;

type Values = KeyedStream<String, Value>;

fn texts<W: Windowing<Mode = Labelled>>(
    wait: f64,
    windower: W,
) -> impl FnOnce(Values) -> WindowOut<String, Fired<String>, Value> {
    move |values| {
        values.fold_window(
            clock(wait),
            windower,
            String::new,
            |texts, value: Value| texts.push_str(&value.0),
            |texts, later: String| texts.push_str(&later),
        )
    }
}

fn told((_, (id, fired)): (String, (WindowId, Fired<String>))) -> String {
    format!("{id}={:?}:{}", fired.firing, fired.value)
}

/// Runs values that each come at a time of the system. Gives what was told at each time: windows, late
/// values and metadata, in this order.
fn run(
    script: &[(f64, &str)],
    body: impl FnOnce(Values) -> WindowOut<String, Fired<String>, Value>,
) -> Vec<String> {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let sinks = [TestingSink::new(), TestingSink::new(), TestingSink::new()];
    let all: Arc<Mutex<Vec<String>>> = Arc::default();
    let [down, late, meta] = sinks.clone();
    let steps: Vec<_> = script
        .iter()
        .map(|(at, text)| (micros(*at), values(text)))
        .collect();
    let steps = Mutex::new(Some(steps));
    let note = {
        let all = Arc::clone(&all);
        move || {
            let told: Vec<_> = sinks.iter().flat_map(TestingSink::take).collect();
            all.lock().unwrap().push(told.join(" "));
        }
    };
    let end = note.clone();
    let flow = Dataflow::build("f", |flow| {
        let source = EachWorker(move |_| {
            let mut steps = steps.lock().unwrap().take().unwrap().into_iter();
            let (hand, note) = (hand.clone(), note.clone());
            let mut first = true;
            Ok(move || {
                // With an interval of zero, a source is polled when the epoch before is complete.
                if !std::mem::take(&mut first) {
                    note();
                }
                let Some((at, values)) = steps.next() else {
                    return Ok(Poll::end());
                };
                hand.set(DateTime::UNIX_EPOCH + TimeDelta::microseconds(at));
                Ok(Poll::batch(values))
            })
        });
        let out = body(flow.input(source).named("in")).named("windows");
        out.down.map(told).output(down).named("down");
        out.late.map(told_late).output(late).named("late");
        out.meta.map(told_meta).output(meta).named("meta");
    });
    let config = RunConfig::new().epoch_interval(Duration::ZERO).clock(clock);
    if let Err(error) = cluster_main(flow, config) {
        panic!("{}", error.report());
    }
    end();
    all.lock().unwrap().clone()
}

#[test]
fn late_values_correct_what_was_told() {
    let script = [
        (0.0, "a@1"),
        (0.0, "b@12"),
        (0.0, "c@5"),
        (0.0, "d@18"),
        (0.0, "e@2 f@9"),
    ];
    assert_eq!(
        run(
            &script,
            texts(0.0, tumbling(10.0).allow_late(seconds(10.0)))
        ),
        [
            "",
            "0=OnTime:a",
            "0=Correction:ac",
            "",
            "0=Correction:acf 0:e",
            "1=OnTime:bd 0=[0,10] 1=[10,20]",
        ],
    );
}

#[test]
fn a_window_that_late_values_open_is_a_correction() {
    let script = [(0.0, "a@21"), (0.0, "b@15"), (0.0, "c@16"), (0.0, "d@100")];
    assert_eq!(
        run(
            &script,
            texts(0.0, tumbling(10.0).allow_late(seconds(10.0)))
        ),
        [
            "",
            "1=Correction:b",
            "1=Correction:bc",
            "2=OnTime:a 2=[20,30] 1=[10,20]",
            "10=OnTime:d 10=[100,110]",
        ],
    );
}

#[test]
fn slices_are_corrected_too() {
    let windower = sliding(10.0, 5.0).allow_late(seconds(20.0));
    let script = [
        (0.0, "a@7"),
        (0.0, "b@16"),
        (0.0, "c@8"),
        (0.0, "d@3"),
        (0.0, "e@34"),
    ];
    assert_eq!(
        run(&script, texts(0.0, windower)),
        [
            "",
            "0=OnTime:a 1=OnTime:a",
            // Window 2 holds b, and nothing of it has changed.
            "0=Correction:ac 1=Correction:ac",
            "-1=Correction:d 0=Correction:dac",
            "2=OnTime:b 3=OnTime:b -1=[-5,5] 0=[0,10]",
            "5=OnTime:e 6=OnTime:e 1=[5,15] 2=[10,20] 3=[15,25] 5=[25,35] 6=[30,40]",
        ],
    );
}

#[test]
fn a_late_value_makes_one_of_two_sessions_that_were_told() {
    let windower = session(5.0).allow_late(seconds(100.0));
    let script = [(0.0, "a@0"), (0.0, "b@10"), (0.0, "c@30"), (0.0, "d@5")];
    assert_eq!(
        run(&script, texts(0.0, windower)),
        [
            "",
            "0=OnTime:a",
            "1=OnTime:b",
            "0=Correction:adb",
            "2=OnTime:c 0=[0,10]{1} 2=[30,30]",
        ],
    );
}

#[test]
fn windows_tell_what_they_hold_so_far() {
    let windower = tumbling(10.0).in_arrival_order().fire_early(seconds(2.0));
    let script = [
        (0.0, "a@1"),
        (1.0, "b@2"),
        (2.0, "x/x@0"),
        (3.0, "x/y@0"),
        (3.5, "c@3"),
        (5.5, "x/z@0"),
        (9.0, "d@10"),
    ];
    assert_eq!(
        run(&script, texts(100.0, windower)),
        [
            "",
            "",
            "0=Early:ab",
            "",
            "",
            // Each key has a time of its own; both had come, and that of x was the first.
            "0=Early:xyz 0=Early:abc",
            "",
            "0=OnTime:abc 1=OnTime:d 0=OnTime:xyz 0=[0,10] 1=[10,20] x/0=[0,10]",
        ]
    );
}

/// How long windows wait before they emit is a span of time, whatever the date is meanwhile.
#[test]
fn windows_emit_early_when_the_clock_of_the_system_was_set_back() {
    let windower = tumbling(10.0).in_arrival_order().fire_early(seconds(2.0));
    let script = [
        (0.0, "a@1"),
        (-3600.0, "b@2"),
        (-3599.0, "x/x@0"),
        (-3597.5, "x/y@0"),
        (-3596.5, "x/z@0"),
    ];
    assert_eq!(
        run(&script, texts(100.0, windower)),
        [
            "",
            "",
            "",
            "0=Early:ab",
            "0=Early:xyz",
            "0=OnTime:ab 0=OnTime:xyz 0=[0,10] x/0=[0,10]",
        ]
    );
}

/// Without values, a watermark advances by spans of time, whatever the date is meanwhile.
#[test]
fn windows_close_when_the_clock_of_the_system_was_set_back() {
    let script = [(0.0, "a@1"), (-3600.0, "x/x@3"), (-3588.0, "y/y@0")];
    let windower = tumbling(10.0).in_arrival_order().fire_early(seconds(100.0));
    let told = run(&script, texts(2.0, windower));
    assert_eq!(told[2], "0=OnTime:a 0=OnTime:x 0=[0,10] x/0=[0,10]");
}

#[test]
fn what_has_not_changed_is_not_told_again() {
    let windower = sliding(10.0, 5.0)
        .in_arrival_order()
        .fire_early(seconds(2.0));
    let script = [
        (0.0, "a@7"),
        (2.0, "x/x@0"),
        (8.0, "x/y@0"),
        (8.0, "b@12"),
        (10.0, "x/z@0"),
    ];
    let told = run(&script, texts(100.0, windower));
    assert_eq!(told[1], "0=Early:a 1=Early:a");
    // The value comes before the time.
    assert_eq!(told[2], "-1=Early:xy 0=Early:xy");
    assert_eq!(told[3], "");
    assert_eq!(told[4], "1=Early:ab 2=Early:b");
}

/// Tells each value as it is taken, and the texts of all at the end.
#[derive(Default, Serialize, Deserialize)]
struct Echo(String);

impl State for Echo {
    const SCHEMA: Schema = Schema::new("Echo", 1, &[Field::of::<String>("0")]);
}

impl WindowLogic for Echo {
    type In = Value;
    type Out = String;

    fn on_value(&mut self, value: Value, out: &mut Emit<String>) {
        self.0.push_str(&value.0);
        out.emit(format!("+{}", value.0));
    }

    fn on_merge(&mut self, other: Self, _: &mut Emit<String>) {
        self.0.push_str(&other.0);
    }

    fn on_close(&mut self, out: &mut Emit<String>) {
        out.emit(self.0.clone());
    }
}

#[test]
fn what_a_late_value_has_a_window_tell_that_was_over_is_a_correction() {
    let script = [(0.0, "a@31"), (0.0, "b@15"), (0.0, "c@16"), (0.0, "d@32")];
    let late = seconds(100.0);
    let echo = |windower| move |values: Values| values.window(clock(0.0), windower, Echo::default);
    assert_eq!(
        run(&script, echo(tumbling(10.0).allow_late(late))),
        [
            "3=Early:+a",
            "1=Correction:+b 1=Correction:b",
            "1=Correction:+c 1=Correction:bc",
            "3=Early:+d",
            "3=OnTime:ad 3=[30,40] 1=[10,20]",
        ],
    );
    let of_sessions = |values: Values| {
        let windower = session(5.0).allow_late(late);
        values.window(clock(0.0), windower, Echo::default)
    };
    assert_eq!(
        run(&script, of_sessions),
        [
            "0=Early:+a",
            "1=Correction:+b 1=Correction:b",
            "1=Correction:+c 1=Correction:bc",
            "0=Early:+d",
            "0=OnTime:ad 0=[31,32] 1=[15,16]",
        ],
    );
}

/// A window of a number of values is over by its last value, however late that is.
#[test]
fn a_late_value_that_completes_a_window_corrects_nothing() {
    let windower = CountWindower::new(2).allow_late(seconds(100.0));
    let script = [(0.0, "a@31"), (0.0, "b@15")];
    let told = run(&script, |values| {
        values.window(clock(0.0), windower, Echo::default)
    });
    assert_eq!(told, ["0=Early:+a", "0=Early:+b 0=OnTime:ab 0=[15,31]", ""]);
}

/// The value waits for longer than windows do before they emit.
#[test]
fn a_lone_value_that_has_waited_is_told_before_the_end() {
    let windower = tumbling(100.0).fire_early(seconds(2.0));
    let script = [
        (0.0, "a@10"),
        (3.0, "x/x@0"),
        (5.0, "x/x@0"),
        (6.5, "x/x@0"),
        (7.0, "x/x@0"),
    ];
    assert_eq!(
        run(&script, texts(5.0, windower)),
        [
            "",
            "",
            "",
            "",
            "0=Early:a",
            "0=OnTime:a 0=OnTime:xxxx 0=[0,100] x/0=[0,100]",
        ]
    );
}
