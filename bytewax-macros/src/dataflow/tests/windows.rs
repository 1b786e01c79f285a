//! What the compiler is asked of the parameters of clocks and windowers. What is said of them is the
//! runtime's to know.

use super::diagnostics::check_in_flow;
use super::expand_body;

/// A body with a window step of these.
fn step(clock: &str, windower: &str) -> String {
    format!("let x = a.clone().count_window({clock}, {windower}); x.down.output(s);")
}

/// What is asked in front of a flow with this step, without paths.
fn asked(clock: &str, windower: &str) -> Vec<String> {
    let body = format!("let a = flow.input(one); {}", step(clock, windower));
    let text = expand_body(&body).to_string().replace(' ', "");
    let Some((front, _)) = text.split_once("::bytewax::Dataflow::build") else {
        panic!("{text}");
    };
    let checks = front.split("Some(text)=").skip(1).map(|check| {
        let check = check.split('{').next().unwrap_or_default();
        let check = check.replace("::bytewax::windowing::", "");
        check.replace("compiled::", "").replace("i64", "")
    });
    checks.collect()
}

#[test]
fn windowers_that_can_be_read() {
    for (windower, check) in [
        (
            "TumblingWindower::new(TimeDelta::seconds(0), t)",
            "TumblingWindower::new(micros(0),EPOCH).fault_text()",
        ),
        (
            "TumblingWindower::new(-TimeDelta::days(1), t).allow_late(l)",
            "TumblingWindower::new(micros(-86400000000),EPOCH).fault_text()",
        ),
        (
            "windowing::TumblingWindower::new(TimeDelta::MAX, t)",
            "TumblingWindower::new(micros(9223372036854775807),EPOCH).fault_text()",
        ),
        (
            "SlidingWindower::new(TimeDelta::minutes(1), TimeDelta::zero(), t)",
            "SlidingWindower::new(micros(60000000),micros(0),EPOCH).fault_text()",
        ),
        (
            "CumulateWindower::new(TimeDelta::minutes(1), TimeDelta::zero(), t)",
            "CumulateWindower::new(micros(60000000),micros(0),EPOCH).fault_text()",
        ),
        (
            "SessionWindower::new(TimeDelta::hours(-1))",
            "SessionWindower::new(micros(-3600000000)).fault_text()",
        ),
        (
            "CountWindower::new(2 - 2)",
            "CountWindower::new(0u64).fault_text()",
        ),
    ] {
        assert_eq!(asked("c", windower), [check], "{windower}");
    }
    assert_eq!(
        asked("c", "CountWindower::new(3).every(0)"),
        [
            "CountWindower::new(3u64).fault_text()",
            "CountWindower::new(3u64).every(0u64).fault_text()"
        ]
    );
}

#[test]
fn spans_of_clocks_and_options() {
    for (clock, check) in [
        (
            "EventClock::new(f, TimeDelta::seconds(-1))",
            "wait(micros(-1000000))",
        ),
        (
            "EventClock::of_sides(f, TimeDelta::zero())",
            "wait(micros(0))",
        ),
        (
            "EventClock::per_partition(f, TimeDelta::milliseconds(5))",
            "wait(micros(5000))",
        ),
        (
            "SystemClock::new().forget_after(TimeDelta::zero())",
            "forget_after(micros(0))",
        ),
        (
            "EventClock::per_partition(f, w).idle_after(TimeDelta::zero())",
            "idle_after(micros(0))",
        ),
        (
            "EventClock::per_partition(f, w).idle_after(i).max_lead(TimeDelta::seconds(2))",
            "max_lead(micros(2000000))",
        ),
    ] {
        assert_eq!(asked(clock, "w"), [check], "{clock}");
    }
    for windower in ["TumblingWindower::new(l, t)", "SessionWindower::new(gap)"] {
        let late = format!("{windower}.allow_late(TimeDelta::seconds(-5))");
        assert_eq!(asked("c", &late), ["allow_late(micros(-5000000))"]);
        let early = format!("{windower}.allow_late(l).fire_early(TimeDelta::zero())");
        assert_eq!(asked("c", &early), ["fire_early(micros(0))"]);
    }
}

#[test]
fn what_cannot_be_read_is_left_to_the_check_of_the_flow() {
    for windower in [
        "TumblingWindower::new(length, t)",
        "SlidingWindower::new(length, TimeDelta::seconds(60), t)",
        "CountWindower::new(n).every(0)",
        "CountWindower::new(n)",
        "other.every(0)",
        "other.allow_late(TimeDelta::seconds(-5))",
        "mine::Windower::new(TimeDelta::seconds(-5))",
    ] {
        assert_eq!(asked("c", windower), [""; 0], "{windower}");
    }
}

#[test]
fn a_span_that_is_none_is_an_error() {
    let span = "TimeDelta::weeks(9_223_372_036_854_775_807)";
    for windower in [
        format!("TumblingWindower::new({span}, t)"),
        format!("SessionWindower::new(gap).allow_late({span})"),
    ] {
        let expect = format!(
            "`{span}` is longer than a `TimeDelta` can be\n\
             help: give a shorter time, or `TimeDelta::MAX` for one without end"
        );
        check_in_flow(&step("c", &windower), &[&expect]);
    }
}
