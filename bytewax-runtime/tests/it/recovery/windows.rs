//! The window steps that the law of recovery is checked for.
//!
//! The number of an item is its time, in hours. The watermark is at half hours, so that the time which
//! passes while a test runs makes nothing late.

use bytewax_macros::stateful;
use bytewax_runtime::operators::JoinInsert::{Last, Product};
use bytewax_runtime::operators::Within;
use bytewax_runtime::prelude::*;
use bytewax_runtime::windowing::{
    AsOf, Clock, CountWindower, CumulateWindower, CustomClock, EventClock, EventTimeOut, FullOuter,
    GlobalWindower, Interval, Kept, KeyMarks, Lateness, LeftOuter, Micros, Pattern,
    SessionWindower, SlidingWindower, StreamClock, SystemClock, TumblingWindower, Versions,
    WindowLogic, Windowed, WithTime,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::law::{Step, mix, shown, sides};

const WAIT: TimeDelta = TimeDelta::minutes(10 * 60 + 30);

fn time_of(hours: &i64) -> Micros {
    Micros(*hours * 3_600_000_000)
}

fn clock() -> impl Clock<i64> {
    EventClock::new(time_of, WAIT)
}

/// The same, as a program defines it.
struct Trailing;

impl KeyMarks<i64> for Trailing {
    type Pace = WithTime;

    const NAME: &'static str = "behind by the wait";

    fn time(&self, hours: &i64, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(*hours)
    }

    fn watermark(&self, _: &i64, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(time - WAIT)
    }
}

/// The same with a time that is declared near the source.
fn timed(s: KeyedStream<u8, i64>, name: &str) -> EventTimeOut<(u8, i64)> {
    let timed = s.event_time(|(_, hours)| time_of(hours), Lateness::bounded(WAIT));
    timed.named(&format!("{name}_time"))
}

/// Sessions of a key are counted on, however far other keys are.
const LONG: TimeDelta = TimeDelta::days(1000);

fn of_stream() -> impl Clock<i64> {
    StreamClock::new(time_of).forget_after(LONG)
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

/// Emits at values what times have made of it.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Waits {
    sum: i64,
    due: Option<DateTime<Utc>>,
}

impl StatefulLogic for Waits {
    type In = i64;
    type Out = i64;

    fn on_item(&mut self, n: i64, out: &mut Emit<i64>) -> Keep {
        self.sum = mix(self.sum, n);
        out.emit(self.sum);
        self.due = (n % 3 != 0).then(|| out.now() + TimeDelta::hours(n % 5));
        if n % 17 == 0 { Keep::No } else { Keep::Yes }
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }

    fn on_notify(&mut self, out: &mut Emit<i64>) -> Keep {
        self.sum = mix(self.sum, out.now().timestamp() / 3600);
        Keep::Yes
    }
}

pub(super) const WINDOWS: &[(&str, Step)] = &[
    ("stateful_by_time", |s, name| {
        let sums = timed(s, name).down;
        let sums = sums.stateful_by_time(of_stream(), Waits::default);
        shown(sums.named(name).down)
    }),
    ("match_pattern", |s, name| {
        let values = timed(s, name).down;
        let pattern = Pattern::within(TimeDelta::hours(9))
            .begin(|n: &i64| n % 2 == 0)
            .without(|n| n % 7 == 0)
            .followed_by(|n| n % 3 == 0)
            .followed_by(|n| n % 2 == 1);
        shown(values.match_pattern(of_stream(), pattern).named(name).down)
    }),
    ("sort_by_time", |s, name| {
        let sorted = timed(s, name).down.sort_by_time(of_stream());
        shown(sorted.named(name).down)
    }),
    ("expire_stream", |s, name| {
        let values = timed(s, name).down;
        let values = values.expire_after(TimeDelta::hours(4), of_stream());
        let sums = values.stateful_map(|sum: &mut i64, n| {
            *sum = mix(*sum, n);
            *sum
        });
        shown(sums.named(name).down)
    }),
    ("expire_dedupe", |s, name| {
        let values = timed(s, name).down;
        let values = values.expire_after(TimeDelta::hours(4), of_stream());
        let once = values.dedupe(Within::Last(3), |n: &i64| n % 7);
        shown(once.named(name).down)
    }),
    ("expire_lag", |s, name| {
        let values = timed(s, name).down;
        let values = values.expire_after(TimeDelta::hours(4), of_stream());
        shown(values.lag(2).named(name).down)
    }),
    ("expire_never", |s, name| {
        let values = s.expire_after(LONG, SystemClock::new());
        let lists = values.stateful_flat_map(|list: &mut Option<Vec<i64>>, n: i64| {
            if n % 3 == 0 {
                return list.take().unwrap_or_default();
            }
            list.get_or_insert_default().push(n);
            vec![]
        });
        shown(lists.named(name).down)
    }),
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
    ("stream_late", |s, name| shown(timed(s, name).late)),
    ("stream_session", |s, name| {
        // At its close only: whether a value of the next window comes before that depends on the batches.
        let lists = timed(s, name).down;
        let lists = lists.collect_window::<Vec<_>, _, _>(of_stream(), sessions());
        shown(lists.named(name).down)
    }),
    ("stream_count", |s, name| {
        let traced = timed(s, name).down.stateful_map(|sum: &mut i64, n| {
            *sum = mix(*sum, n);
            (*sum, n)
        });
        let traced = traced.named(&format!("{name}_state"));
        let clock = StreamClock::new(|(_, hours): &(i64, i64)| time_of(hours));
        let clock = clock.forget_after(LONG);
        let windower = CountWindower::new(3).every(2);
        let lists = traced.collect_window::<Vec<_>, _, _>(clock, windower);
        shown(lists.named(name).down)
    }),
    ("stream_twice", |s, name| {
        let counts = timed(s, name).down;
        let counts = counts.count_window(of_stream(), tumbling().with_times());
        let counts = counts.named(&format!("{name}_first")).down;
        let of_list = counts.map(|(key, (_, count))| (key / 10, count));
        let clock = StreamClock::new(|count: &Windowed<u64>| count.time());
        let sums = of_list.fold_window(
            clock,
            sliding(),
            || 0,
            |sum: &mut u64, count: Windowed<u64>| *sum += count.value,
            |sum, other| *sum += other,
        );
        shown(sums.named(name).down)
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
    ("top_n_window", |s, name| {
        let best = s.top_n_window(clock(), sliding(), 2, |n: &i64| n % 10);
        shown(best.named(name).down)
    }),
    ("cumulate", |s, name| {
        let hours = TimeDelta::hours;
        let windower = CumulateWindower::new(hours(3), hours(12), DateTime::UNIX_EPOCH);
        shown(s.count_window(clock(), windower).named(name).down)
    }),
    ("session_of_a_length", |s, name| {
        let lists = timed(s, name).down;
        let windower = SessionWindower::new(TimeDelta::hours(5)).max_length(TimeDelta::hours(8));
        let lists = lists.collect_window::<Vec<_>, _, _>(of_stream(), windower);
        shown(lists.named(name).down)
    }),
    ("fire_every", |s, name| {
        let windower = sliding().fire_every(2);
        shown(s.count_window(clock(), windower).named(name).down)
    }),
    ("global", |s, name| {
        let windower = GlobalWindower::new().fire_every(3);
        let most = s.max_window(clock(), windower, |n: &i64| n % 10);
        shown(most.named(name).down)
    }),
    ("session_until", |s, name| {
        let lists = timed(s, name).down;
        let windower = SessionWindower::new(TimeDelta::hours(9)).until(|n: &i64| n % 4 == 0);
        let lists = lists.collect_window::<Vec<_>, _, _>(of_stream(), windower);
        shown(lists.named(name).down)
    }),
    ("custom_clock", |s, name| {
        let lists = s.collect_window::<Vec<_>, _, _>(CustomClock::new(Trailing), tumbling());
        shown(lists.named(name).down)
    }),
    ("min_window", |s, name| {
        let least = s.min_window(clock(), sliding(), |n: &i64| n % 10);
        shown(least.named(name).down)
    }),
];

pub(super) const JOINED_WINDOWS: &[(&str, Step)] = &[
    ("expire_join_running", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of));
        let even = even.expire_after(TimeDelta::hours(5), clock);
        shown(even.join_running(odd, Last).named(name).down)
    }),
    ("expire_join", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of));
        let even = even.expire_after(TimeDelta::hours(5), clock);
        shown(even.join(odd).named(name).down)
    }),
    ("join_window", |s, name| {
        let (even, odd) = sides(s);
        let clock = EventClock::of_sides((time_of, time_of), WAIT);
        let rows = even.join_window(odd, clock, tumbling(), Last);
        shown(rows.named(name).down)
    }),
    ("join_window_stream", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of)).forget_after(LONG);
        let rows = even.join_window(odd, clock, sessions(), Last);
        shown(rows.named(name).down)
    }),
    ("join_interval", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of));
        let interval = Interval::within(TimeDelta::hours(4));
        let rows = even.join_interval(odd, clock, interval, FullOuter);
        // When rows that meet none go on depends on other keys.
        rows.named(name).down.map(|(key, row)| {
            let row = format!("{key}{row:?}").replace(' ', "");
            (key, format!("{row} row"))
        })
    }),
    ("join_as_of", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of));
        let as_of = AsOf::nearest().tolerance(TimeDelta::hours(9));
        let rows = even.join_as_of(odd, clock, as_of);
        shown(rows.named(name).down)
    }),
    ("join_table", |s, name| {
        let (even, odd) = sides(timed(s, name).down);
        let clock = StreamClock::of_sides((time_of, time_of));
        let versions = Versions::kept_for(TimeDelta::hours(3));
        let row = |n: i64| (n % 3 != 0).then_some(n);
        let rows = even.join_table(odd, clock, versions, LeftOuter, row);
        shown(rows.named(name).down)
    }),
    ("join_rows", |s, name| {
        let (even, odd) = sides(s);
        shown(even.join_rows(odd, FullOuter, Kept::Unbounded).named(name))
    }),
    ("join_window_product", |s, name| {
        let (even, odd) = sides(s);
        let clock = EventClock::of_sides((time_of, time_of), WAIT);
        let rows = even.join_window(odd, clock, sessions(), Product);
        shown(rows.named(name).down)
    }),
];
