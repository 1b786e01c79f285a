//! Edits of windows.

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::windowing::{
    CountWindower, CumulateWindower, EventClock, Millis, SessionWindower, SlidingWindower,
    SystemClock, TumblingWindower,
};

use super::table::Mend::*;
use super::*;

const ZERO: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// So long that the time of arrival does not matter.
const CENTURY: i64 = 36_525 * 86_400_000;

fn ms(ms: i64) -> TimeDelta {
    TimeDelta::milliseconds(ms)
}

fn tumbling(length: i64) -> TumblingWindower {
    TumblingWindower::new(ms(length), ZERO)
}

/// So long that nothing is late, however slow the machine is.
macro_rules! by_key {
    ($wait:literal) => {
        EventClock::new(|n: &u64| Millis(*n as i64), TimeDelta::hours($wait))
    };
}

macro_rules! counts {
    ($clock:expr, $windower:expr) => {
        counts!(|keyed, name| keyed.count_window($clock, $windower).named(name).down)
    };
    (|$keyed:ident, $name:ident| $step:expr) => {
        |out: &TestingSink<String>, patch: &Patch| {
            flow!("f", |flow| {
                patch.say(flow);
                let $keyed = flow
                    .input(numbers_cut_off(patch))
                    .named("in")
                    .map(|n| (n % 2, n));
                let name = patch.name("x");
                let $name = name.as_str();
                let lines = $step.map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

const WINDOWER: &str = "the windower of the step `f.x`";

rows! {
    "Windows"
    "Saved windows depend on their windower and clock, so the store and the lock file record both."

    another_length "windows have another length":
        row(counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)), counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(2000), DateTime::UNIX_EPOCH)))
            .refused(&[WINDOWER, "is `tumbling 2s`", "with `tumbling 1s`"], &[Back, Anew])
            .by_compiler("in `dataflow.lock`, but differs here");
    another_kind "tumbling windows to sliding ones":
        row(
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), SlidingWindower::new(TimeDelta::milliseconds(1000), TimeDelta::milliseconds(500), DateTime::UNIX_EPOCH)),
        )
        .refused(&[WINDOWER, "sliding"], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    to_sessions "tumbling windows to sessions":
        row(
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), SessionWindower::new(TimeDelta::milliseconds(1000))),
        )
        .refused(&[WINDOWER, "session"], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    another_gap "sessions end after another gap":
        row(
            counts!(by_key!(1), SessionWindower::new(TimeDelta::milliseconds(1000))),
            counts!(by_key!(1), SessionWindower::new(TimeDelta::milliseconds(3000))),
        )
        .refused(&[WINDOWER], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    another_offset "sliding windows begin more often":
        row(
            counts!(by_key!(1), SlidingWindower::new(TimeDelta::milliseconds(1000), TimeDelta::milliseconds(500), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), SlidingWindower::new(TimeDelta::milliseconds(1000), TimeDelta::milliseconds(250), DateTime::UNIX_EPOCH)),
        )
        .refused(&[WINDOWER], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    another_count "windows have another number of values":
        row(
            counts!(by_key!(1), CountWindower::new(10)),
            counts!(by_key!(1), CountWindower::new(20)),
        )
        .refused(&[WINDOWER], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    another_step "cumulated windows end more often":
        row(
            counts!(by_key!(1), CumulateWindower::new(TimeDelta::milliseconds(1000), TimeDelta::milliseconds(4000), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), CumulateWindower::new(TimeDelta::milliseconds(500), TimeDelta::milliseconds(4000), DateTime::UNIX_EPOCH)),
        )
        .refused(&[WINDOWER], &[Back, Anew])
        .by_compiler("in `dataflow.lock`, but differs here");
    another_alignment "windows begin at another time":
        row(
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), ZERO + TimeDelta::milliseconds(100))),
        )
        .refused(&["the align_to of the step `f.x`"], &[Back, Anew]);
    another_clock "event time to the time of arrival":
        row(counts!(by_key!(1), tumbling(CENTURY)), counts!(SystemClock::new(), tumbling(CENTURY)))
            .refused(&["the clock of the step `f.x`"], &[Back, Anew])
            .by_compiler("in `dataflow.lock`, but differs here");
    another_wait "the watermark waits longer":
        row(counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)), counts!(by_key!(2), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)));
    late_values "windows accept late values with `allow_late`":
        row(
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)),
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH).allow_late(TimeDelta::milliseconds(50))),
        ).asks(
            "the results of windows then have another type",
            &[
                "(0, (WindowId(0), Fired { firing: OnTime, value: 6 }))",
                "(1, (WindowId(0), Fired { firing: OnTime, value: 6 }))",
            ],
        );
    another_operator "`count_window` to `collect_window`":
        row(
            counts!(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH)),
            counts!(|keyed, name| keyed
                .collect_window::<Vec<_>, _, _>(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH))
                .named(name)
                .down),
        )
        .refused(&["the operator of the step `f.x`"], &[Back, Anew])
        .by_compiler("the operator of `x` was `");
    max_to_min_window "`max_window` to `min_window`":
        row(
            counts!(|keyed, name| keyed
                .max_window(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH), |n| *n)
                .named(name)
                .down),
            counts!(|keyed, name| keyed
                .min_window(by_key!(1), TumblingWindower::new(TimeDelta::milliseconds(1000), DateTime::UNIX_EPOCH), |n| *n)
                .named(name)
                .down),
        )
        .refused(&["the operator of the step `f.x`"], &[Back, Anew])
        .by_compiler("the operator of `x` was `");
}
