//! Parameters of clocks and windowers that cannot be: all are told before the run, with their step.

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingSink, TestingSource, run_main};
use bytewax_runtime::windowing::{
    Clock, CountWindower, EventClock, Micros, SystemClock, TumblingWindower, Windowing,
};
use chrono::{DateTime, TimeDelta};

use super::support::{seconds, session, sliding, tumbling};

/// Checks that a step with this clock and windower is refused for these reasons, and no other.
#[track_caller]
fn refused<C: Clock<i64>, W: Windowing>(clock: C, windower: W, reasons: &[&str]) {
    let flow = Dataflow::build("f", |flow| {
        let values = flow.input(TestingSource::new([('a', 1_i64)])).named("in");
        let counts = values.count_window(clock, windower).named("counts");
        let keys = counts.down.map(|(key, _)| key).named("keys");
        keys.output(TestingSink::new()).named("out");
    });
    let text = run_main(flow).unwrap_err().report();
    let told = text.matches("step `f.counts` at ").count();
    assert_eq!(told, reasons.len(), "{text}");
    for reason in reasons {
        let reason = format!(": {reason}\n    help: ");
        assert!(text.contains(&reason), "{text}");
    }
}

fn time_of(at: &i64) -> Micros {
    Micros(*at)
}

#[test]
fn windowers_by_time() {
    let now = SystemClock::new;
    refused(now(), tumbling(0.0), &["windows have no length"]);
    refused(now(), tumbling(-1.0), &["windows have no length"]);
    let endless = TumblingWindower::new(TimeDelta::MAX, DateTime::UNIX_EPOCH);
    refused(
        now(),
        endless,
        &["the window length exceeds the supported range of ±292,000 years"],
    );
    refused(
        now(),
        sliding(1.0, 0.0),
        &["windows begin at the same time"],
    );
    refused(
        now(),
        sliding(1.0, 2.0),
        &[
            "the offset of windows is longer than their length, so that values between them would be lost",
        ],
    );
    refused(
        now(),
        sliding(10.0, 0.000_001),
        &["each value would be in 10000000 windows"],
    );
    refused(now(), session(-1.0), &["the gap of sessions is negative"]);
}

#[test]
fn windows_without_values() {
    let most = tumbling(1.0).emit_empty(1_000_000);
    let flow = |windower| {
        Dataflow::build("f", |flow| {
            let values = flow.input(TestingSource::new([('a', 1_i64)])).named("in");
            let most = values.max_window(SystemClock::new(), windower, |at| *at);
            most.named("most")
                .down
                .output(TestingSink::new())
                .named("out");
        })
    };
    let text = run_main(flow(most)).unwrap_err().report();
    let reason = ": `max_window` has no result for windows without values\n    help: ";
    assert!(text.contains(reason), "{text}");
    assert!(!text.contains("each key may emit"), "{text}");
    run_main(flow(tumbling(1.0).emit_empty(0))).unwrap();
    refused(
        SystemClock::new(),
        tumbling(1.0).emit_empty(1_000_001),
        &["each key may emit 1000001 windows without values in a row"],
    );
}

#[test]
fn windowers_by_number() {
    let now = SystemClock::new;
    refused(now(), CountWindower::new(0), &["windows have no values"]);
    refused(
        now(),
        CountWindower::new(3).every(0),
        &["windows begin at the same value"],
    );
    refused(
        now(),
        CountWindower::new(3).every(4),
        &[
            "windows begin further apart than they are long, so that values between them would be lost",
        ],
    );
    refused(
        now(),
        CountWindower::new(2_000_001).every(1),
        &["each value would be in 2000001 windows"],
    );
}

#[test]
fn options() {
    let (late, early) = (
        "the time for which late values are allowed is negative",
        "windows are to emit early without any time between",
    );
    let now = SystemClock::new;
    refused(now(), tumbling(1.0).allow_late(seconds(-1.0)), &[late]);
    refused(now(), tumbling(1.0).fire_early(seconds(0.0)), &[early]);
    let both = session(-1.0)
        .allow_late(seconds(-1.0))
        .fire_early(seconds(-1.0));
    refused(
        now(),
        both,
        &["the gap of sessions is negative", late, early],
    );
}

#[test]
fn clocks() {
    let (wait, forget) = (
        "the wait of the clock is negative",
        "the time after which keys are forgotten is negative",
    );
    let (ago, minute) = (seconds(-1.0), || tumbling(60.0));
    refused(SystemClock::new().forget_after(ago), minute(), &[forget]);
    let clock = EventClock::new(time_of, ago).forget_after(ago);
    refused(clock, minute(), &[wait, forget]);
    let clock = EventClock::per_partition(time_of, ago)
        .idle_after(seconds(0.0))
        .max_lead(ago)
        .forget_after(ago);
    let expect = [
        wait,
        "each partition would be idle at once",
        "the lead of partitions is negative",
        forget,
    ];
    refused(clock, minute(), &expect);
}
