//! The window steps that the law of recovery is checked for.
//!
//! The number of an item is its time, in hours. The watermark is at half hours, so that the time which
//! passes while a test runs makes nothing late.

use bytewax_macros::stateful;
use bytewax_runtime::operators::JoinInsert::{Last, Product};
use bytewax_runtime::prelude::*;
use bytewax_runtime::windowing::{
    Clock, CountWindower, EventClock, Micros, SessionWindower, SlidingWindower, TumblingWindower,
    WindowLogic,
};
use chrono::{DateTime, TimeDelta};

use super::law::{Step, mix, shown, sides};

const WAIT: TimeDelta = TimeDelta::minutes(10 * 60 + 30);

fn time_of(hours: &i64) -> Micros {
    Micros(*hours * 3_600_000_000)
}

fn clock() -> impl Clock<i64> {
    EventClock::new(time_of, WAIT)
}

fn tumbling() -> TumblingWindower {
    TumblingWindower::new(TimeDelta::hours(7), DateTime::UNIX_EPOCH)
}

fn sliding() -> SlidingWindower {
    let hours = TimeDelta::hours;
    SlidingWindower::new(hours(10), hours(4), DateTime::UNIX_EPOCH)
}

fn sessions() -> SessionWindower {
    SessionWindower::new(TimeDelta::hours(2))
}

/// Tells each value, each merge and the end.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Traced(i64);

impl WindowLogic for Traced {
    type In = i64;
    type Out = (char, i64);

    fn on_value(&mut self, n: i64, out: &mut Emit<(char, i64)>) {
        self.0 = mix(self.0, n);
        out.emit(('v', self.0));
    }

    fn on_merge(&mut self, other: Self, out: &mut Emit<(char, i64)>) {
        self.0 = mix(self.0, other.0);
        out.emit(('m', self.0));
    }

    fn on_close(&mut self, out: &mut Emit<(char, i64)>) {
        out.emit(('c', self.0));
    }
}

pub(super) const WINDOWS: &[(&str, Step)] = &[
    ("window_tumbling", |s, name| {
        let traced = s.window(clock(), tumbling(), Traced::default);
        shown(traced.named(name).down)
    }),
    ("window_sliding", |s, name| {
        let traced = s.window(clock(), sliding(), Traced::default);
        shown(traced.named(name).down)
    }),
    ("window_session", |s, name| {
        let traced = s.window(clock(), sessions(), Traced::default);
        shown(traced.named(name).down)
    }),
    ("window_count", |s, name| {
        let traced = s.window(clock(), CountWindower::new(3).every(2), Traced::default);
        shown(traced.named(name).down)
    }),
    ("window_arrival", |s, name| {
        let windower = sessions().in_arrival_order();
        let traced = s.window(clock(), windower, Traced::default);
        shown(traced.named(name).down)
    }),
    ("window_late", |s, name| {
        shown(s.count_window(clock(), tumbling()).named(name).late)
    }),
    ("window_meta", |s, name| {
        shown(s.count_window(clock(), sessions()).named(name).meta)
    }),
    ("fold_window", |s, name| {
        let fold = |list: &mut Vec<i64>, n| list.push(n);
        let folded = s.fold_window(
            clock(),
            tumbling(),
            Vec::new,
            fold,
            |list: &mut Vec<i64>, mut other| list.append(&mut other),
        );
        shown(folded.named(name).down)
    }),
    ("fold_window_corrected", |s, name| {
        let fold = |list: &mut Vec<i64>, n| list.push(n);
        let folded = s.fold_window(
            clock(),
            sliding().allow_late(TimeDelta::hours(12)),
            Vec::new,
            fold,
            |list: &mut Vec<i64>, mut other| list.append(&mut other),
        );
        shown(folded.named(name).down)
    }),
    ("reduce_window", |s, name| {
        let sums = s.reduce_window(clock(), sliding(), |a, b| a + b);
        shown(sums.named(name).down)
    }),
    ("reduce_window_corrected", |s, name| {
        let windower = sessions().allow_late(TimeDelta::hours(12));
        let sums = s.reduce_window(clock(), windower, |a, b| a + b);
        shown(sums.named(name).down)
    }),
    ("collect_window", |s, name| {
        let lists = s.collect_window::<Vec<_>, _, _>(clock(), sessions());
        shown(lists.named(name).down)
    }),
    ("count_window", |s, name| {
        shown(s.count_window(clock(), sliding()).named(name).down)
    }),
    ("max_window", |s, name| {
        let most = s.max_window(clock(), tumbling(), |n: &i64| n % 10);
        shown(most.named(name).down)
    }),
    ("min_window", |s, name| {
        let least = s.min_window(clock(), sliding(), |n: &i64| n % 10);
        shown(least.named(name).down)
    }),
];

pub(super) const JOINED_WINDOWS: &[(&str, Step)] = &[
    ("join_window", |s, name| {
        let (even, odd) = sides(s);
        let clock = EventClock::of_sides((time_of, time_of), WAIT);
        let rows = even.join_window(odd, clock, tumbling(), Last);
        shown(rows.named(name).down)
    }),
    ("join_window_product", |s, name| {
        let (even, odd) = sides(s);
        let clock = EventClock::of_sides((time_of, time_of), WAIT);
        let rows = even.join_window(odd, clock, sessions(), Product);
        shown(rows.named(name).down)
    }),
];
