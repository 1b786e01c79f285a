//! Which parameters of clocks and windowers are refused, word for word.

use super::diagnostics::check_in_flow;

/// A body with a window step of these.
fn step(clock: &str, windower: &str) -> String {
    format!("let x = a.clone().count_window({clock}, {windower}); x.down.output(s);")
}

#[track_caller]
fn refuses_windower(windower: &str, fault: &str, help: &str) {
    let expect = format!("{fault}\nhelp: {help}");
    check_in_flow(&step("c", windower), &[&expect]);
}

#[track_caller]
fn refuses_clock(clock: &str, fault: &str, help: &str) {
    let expect = format!("{fault}\nhelp: {help}");
    check_in_flow(&step(clock, "w"), &[&expect]);
}

#[test]
fn windows_of_no_length_or_of_all_time() {
    for none in [
        "TimeDelta::seconds(0)",
        "TimeDelta::nanoseconds(999)",
        "-TimeDelta::days(1)",
    ] {
        refuses_windower(
            &format!("TumblingWindower::new({none}, t)"),
            "windows have no length",
            "give windows a length of a microsecond or more",
        );
    }
    refuses_windower(
        "TumblingWindower::new(TimeDelta::MAX, t)",
        "windows are longer than 292,000 years, and so far no time is told",
        "give windows a length that is shorter",
    );
    refuses_windower(
        "TumblingWindower::new(TimeDelta::weeks(9_223_372_036_854_775_807), t)",
        "`TimeDelta::weeks(9_223_372_036_854_775_807)` is longer than a `TimeDelta` can be",
        "give a shorter time, or `TimeDelta::MAX` for one without end",
    );
}

#[test]
fn windows_that_begin_too_near_or_too_far_from_each_other() {
    refuses_windower(
        "windowing::SlidingWindower::new(TimeDelta::minutes(1), TimeDelta::zero(), t)",
        "windows begin at the same time",
        "give windows an offset of a microsecond or more",
    );
    refuses_windower(
        "SlidingWindower::new(TimeDelta::seconds(59), TimeDelta::minutes(1), t).allow_late(d)",
        "the offset of windows is longer than their length, so that values between them would be lost",
        "give windows an offset that is no longer than their length",
    );
    refuses_windower(
        "SlidingWindower::new(TimeDelta::hours(1), TimeDelta::microseconds(3), t)",
        "each value would be in 1200000000 windows",
        "have windows begin no nearer to each other than their length / 1000000",
    );
}

#[test]
fn sessions_and_counts_that_cannot_be() {
    refuses_windower(
        "SessionWindower::new(TimeDelta::hours(-1))",
        "the gap of sessions is negative",
        "give sessions a gap of zero or more",
    );
    refuses_windower(
        "CountWindower::new(0)",
        "windows have no values",
        "give windows a number of values of at least 1",
    );
    refuses_windower(
        "CountWindower::new(3).every(0)",
        "windows begin at the same value",
        "have a window begin at every first value or more",
    );
    refuses_windower(
        "CountWindower::new(3).every(4)",
        "windows begin further apart than they are long, so that values between them would be lost",
        "have windows begin no further apart than their number of values",
    );
    refuses_windower(
        "CountWindower::new(2_000_001).every(2 - 1)",
        "each value would be in 2000001 windows",
        "have windows begin no nearer to each other than their number of values / 1000000",
    );
}

#[test]
fn options_of_windowers() {
    for windower in [
        "TumblingWindower::new(l, t)",
        "CountWindower::new(3).every(2)",
    ] {
        refuses_windower(
            &format!("{windower}.allow_late(TimeDelta::seconds(-5))"),
            "the time for which late values are allowed is negative",
            "allow late values for zero or more",
        );
        refuses_windower(
            &format!("{windower}.allow_late(l).fire_early(TimeDelta::zero())"),
            "windows are to emit early without any time between",
            "fire early after a microsecond or more",
        );
    }
}

#[test]
fn clocks_that_cannot_be() {
    for new in ["new", "of_sides", "per_partition"] {
        refuses_clock(
            &format!("EventClock::{new}(f, TimeDelta::seconds(-1))"),
            "the wait of the clock is negative",
            "give the clock a wait of zero or more",
        );
    }
    for clock in ["SystemClock::new()", "EventClock::new(f, w)"] {
        refuses_clock(
            &format!("{clock}.forget_after(TimeDelta::days(-1))"),
            "the time after which keys are forgotten is negative",
            "forget keys after zero or more",
        );
    }
    refuses_clock(
        "EventClock::per_partition(f, w).idle_after(TimeDelta::zero())",
        "each partition would be idle at once",
        "call partitions idle after a microsecond or more",
    );
    refuses_clock(
        "EventClock::per_partition(f, w).idle_after(i).max_lead(TimeDelta::minutes(-1))",
        "the lead of partitions is negative",
        "let partitions be ahead by zero or more",
    );
}

#[test]
fn what_may_be_is_not_refused() {
    for windower in [
        "TumblingWindower::new(TimeDelta::seconds(1), t)",
        "TumblingWindower::new(length, t)",
        "SlidingWindower::new(TimeDelta::minutes(1), TimeDelta::seconds(60), t)",
        "SlidingWindower::new(length, TimeDelta::seconds(60), t)",
        "SessionWindower::new(TimeDelta::zero())",
        "SessionWindower::new(TimeDelta::MAX).allow_late(TimeDelta::zero())",
        "CountWindower::new(3).every(1).fire_early(TimeDelta::milliseconds(1))",
        "other.every(0)",
    ] {
        check_in_flow(&step("c", windower), &[]);
    }
    for clock in [
        "EventClock::new(f, TimeDelta::zero()).forget_after(TimeDelta::zero())",
        "EventClock::per_partition(f, w).idle_after(TimeDelta::minutes(1)).max_lead(l)",
    ] {
        check_in_flow(&step(clock, "w"), &[]);
    }
}
