//! A file that grows day by day: windows that stay open at the ends of input give what one run without ends gives.

use std::collections::BTreeMap;

use bytewax_macros::stateful;
use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    AsOf, Clock, CountWindower, CumulateWindower, CustomClock, EventClock, FullOuter,
    GlobalWindower, Interval, JoinClock, KeyMarks, Lateness, LeftOuter, Micros, Once, Pattern,
    SessionWindower, SlidingWindower, StreamClock, TumblingWindower, Versions, WindowOut, Windowed,
    Windowing, WithTimes, WithValues,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::random::{Clocks, with_disorder};

/// A time in microseconds, and the number of the value.
type Value = (i64, u32);
type Values = KeyedStream<u8, Value>;
type Lists = WindowOut<u8, Windowed<Vec<Value>>, Value>;

#[derive(Clone, Debug)]
struct Case {
    clock: Clocks,
    windows: u8,
    length: i64,
    part: i64,
    wait: i64,
    arriving: bool,
    /// Whether results go into a second window step.
    twice: bool,
    values: Vec<(u8, i64)>,
    /// Behind which values a day ends.
    ends: Vec<usize>,
    workers: [usize; 4],
}

fn cases() -> impl Strategy<Value = Case> {
    let clock = prop::sample::select(vec![Clocks::Keys, Clocks::Partitions, Clocks::Stream]);
    let values = prop::collection::vec((0..3_u8, -6..25_i64), 1..50);
    let kinds = (clock, 0..6_u8, 1..6_i64, 1..6_i64);
    let rest = (0..25_i64, any::<bool>(), any::<bool>());
    let ends = prop::collection::vec(0..50_usize, 0..6);
    let workers = [1..4_usize, 1..4_usize, 1..4_usize, 1..4_usize];
    (kinds, rest, values, ends, workers).prop_map(|(kinds, rest, values, ends, workers)| Case {
        clock: kinds.0,
        windows: kinds.1,
        part: kinds.2,
        length: kinds.2 * kinds.3,
        wait: rest.0,
        arriving: rest.1,
        twice: rest.2,
        values: with_disorder(values),
        ends,
        workers,
    })
}

fn micros(span: i64) -> TimeDelta {
    TimeDelta::microseconds(span)
}

fn at(value: &Value) -> Micros {
    Micros(value.0)
}

/// The windows that were told, each as often as it was, and the late values.
type Told = (BTreeMap<(u8, i64, Vec<Value>), usize>, Vec<(u8, Value)>);

/// The values, with ends of input behind some of them, and the number of runs that read them.
fn days(values: &[(u8, i64)], ends: &[usize]) -> (Vec<TestingItem<(u8, Value)>>, usize) {
    let mut elements = Vec::new();
    let mut runs = 1;
    for (number, (key, time)) in values.iter().enumerate() {
        elements.push(Item((*key, (*time, number as u32))));
        if ends.contains(&number) {
            elements.push(Eof);
            runs += 1;
        }
    }
    (elements, runs)
}

fn run_days(flow: &Dataflow, runs: usize, workers: [usize; 4]) {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..runs {
        let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let config = RunConfig::new()
            .workers(workers[run % 4])
            .clock(clock)
            .recovery(RecoveryConfig::new(dir.path()));
        if let Err(error) = cluster_main(flow.clone(), config) {
            panic!("{}", error.report());
        }
    }
}

impl Case {
    fn with_windower<W>(&self, values: Values, windower: W) -> Lists
    where
        W: Windowing<Mode = WithTimes<Once>>,
    {
        let wait = micros(self.wait);
        match self.clock {
            Clocks::Keys => {
                values.collect_window::<Vec<_>, _, _>(EventClock::new(at, wait), windower)
            }
            Clocks::Partitions => {
                values.collect_window::<Vec<_>, _, _>(EventClock::per_partition(at, wait), windower)
            }
            Clocks::Stream => values.collect_window::<Vec<_>, _, _>(StreamClock::new(at), windower),
        }
    }

    fn lists(&self, values: Values) -> Lists {
        macro_rules! open {
            ($windower:expr) => {{
                let windower = $windower.with_times().keep_open();
                if self.arriving {
                    self.with_windower(values, windower.in_arrival_order())
                } else {
                    self.with_windower(values, windower)
                }
            }};
        }
        let (length, part) = (micros(self.length), micros(self.part));
        match self.windows {
            0 => open!(SlidingWindower::new(length, length, DateTime::UNIX_EPOCH)),
            1 => open!(SlidingWindower::new(length, part, DateTime::UNIX_EPOCH)),
            2 => open!(CumulateWindower::new(part, length, DateTime::UNIX_EPOCH)),
            3 => open!(SessionWindower::new(part)),
            4 => open!(CountWindower::new(self.length as u64).every(self.part as u64)),
            _ => open!(GlobalWindower::new()),
        }
    }

    /// What runs give whose input ends behind each of these values.
    fn told(&self, ends: &[usize]) -> Told {
        let (elements, runs) = days(&self.values, ends);
        let (down, late) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let mut values = flow.input(TestingSource::with_marks(elements)).named("in");
            if matches!(self.clock, Clocks::Stream) {
                let lateness = Lateness::bounded(micros(self.wait)).never_idle();
                let timed = values
                    .event_time(|(_, value)| at(value), lateness)
                    .named("time");
                timed.late.output(late.clone()).named("late");
                values = timed.down;
            }
            let lists = self.lists(values).named("lists");
            lists
                .late
                .map_value(|(_, value)| value)
                .output(late.clone())
                .named("lists_late");
            let lists = lists.down.map_value(|(id, list)| (id.0, list));
            if self.twice && matches!(self.clock, Clocks::Stream) && self.windows < 4 {
                let clock = StreamClock::new(|(_, list): &(i64, Windowed<Vec<Value>>)| list.time());
                let twice =
                    SlidingWindower::new(micros(20), micros(20), DateTime::UNIX_EPOCH).keep_open();
                let lists = lists.map(|(key, (_, list))| (key / 2, (0, list)));
                let all = lists
                    .collect_window::<Vec<_>, _, _>(clock, twice)
                    .named("all");
                let none = all.late.flat_map_value(|(_, (_, list))| list.value);
                none.output(late.clone()).named("all_late");
                let all = all.down.map_value(|(id, lists)| {
                    let mut values: Vec<_> =
                        lists.into_iter().flat_map(|(_, list)| list.value).collect();
                    values.sort_unstable();
                    (id.0, values)
                });
                all.output(down.clone()).named("down");
            } else {
                let lists = lists.map_value(|(id, list)| {
                    let mut values = list.value;
                    values.sort_unstable();
                    (id, values)
                });
                lists.output(down.clone()).named("down");
            }
        });
        run_days(&flow, runs, self.workers);
        let mut told = BTreeMap::new();
        for (key, (id, values)) in down.take() {
            *told.entry((key, id, values)).or_default() += 1;
        }
        (told, late.sorted())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_of_input_change_nothing(case in cases()) {
        let whole = case.told(&[]);
        prop_assert!(whole.0.values().all(|times| *times == 1), "each window is told once: {:?}", whole.0);
        prop_assert_eq!(case.told(&case.ends), whole);
    }
}

/// Each value is also the watermark of its key.
struct Newest;

impl KeyMarks<Value> for Newest {
    type Pace = WithValues;

    const NAME: &'static str = "newest";

    fn time(&self, value: &Value, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + micros(value.0)
    }

    fn watermark(&self, value: &Value, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        value.1.is_multiple_of(3).then_some(time)
    }
}

/// The times at which a logic is called, and those of its values.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Times(Option<DateTime<Utc>>);

impl StatefulLogic for Times {
    type In = Value;
    type Out = Value;

    fn on_item(&mut self, value: Value, out: &mut Emit<Value>) -> Keep {
        self.0 = Some(out.now() + micros(3));
        out.emit((out.now().timestamp_micros(), value.1));
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.0
    }

    fn on_notify(&mut self, out: &mut Emit<Value>) -> Keep {
        out.emit((out.now().timestamp_micros(), u32::MAX));
        Keep::No
    }

    fn on_eof(&mut self, out: &mut Emit<Value>) -> Keep {
        out.emit((out.now().timestamp_micros(), u32::MAX - 1));
        Keep::Yes
    }
}

/// What a step emits, by key, each as its values, and the late values.
type Emitted = (BTreeMap<u8, Vec<Vec<Value>>>, Vec<(u8, Value)>);
type Outs = (KeyedStream<u8, Vec<Value>>, Values);

const SORTED: u8 = 0;
const STATEFUL: u8 = 1;
const PATTERN: u8 = 2;
/// The first join.
const INTERVAL: u8 = 4;
const TABLE: u8 = 8;

/// A step that goes by a clock without windows.
fn timed(values: Values, clock: impl Clock<Value>, (step, span): (u8, i64)) -> Outs {
    match step {
        SORTED => {
            let sorted = values.sort_by_time(clock).named("step");
            (sorted.down.map_value(|value| vec![value]), sorted.late)
        }
        STATEFUL => {
            let times = values.stateful_by_time(clock, Times::default).named("step");
            (times.down.map_value(|value| vec![value]), times.late)
        }
        _ => {
            let pattern = Pattern::within(micros(span))
                .begin(|value: &Value| value.1.is_multiple_of(2))
                .followed_by(|value| value.1 % 3 == 0);
            let found = values.match_pattern(clock, pattern).named("step");
            let down = match step {
                PATTERN => found.down,
                _ => found.timed_out,
            };
            (down, found.late)
        }
    }
}

/// A join of the values with even and with odd numbers.
fn joined(
    values: Values,
    clock: impl JoinClock<bytewax_runtime::operators::Of2<Value, Value>>,
    (step, span): (u8, i64),
) -> Outs {
    let odd = values.clone().filter_value(|value| value.1 % 2 == 1);
    let even = values.filter_value(|value| value.1 % 2 == 0);
    let as_of = |as_of: AsOf| as_of.tolerance(micros(span));
    let (even_late, odd_late, rows);
    if step == INTERVAL {
        let out = even.join_interval(odd, clock, Interval::within(micros(span)), FullOuter);
        let out = out.named("step");
        (even_late, odd_late) = out.late;
        rows = out
            .down
            .map_value(|(a, b)| a.into_iter().chain(b).collect());
    } else if step == TABLE {
        let versions = Versions::kept_for(micros(span));
        let row = |value: Value| (!value.1.is_multiple_of(3)).then_some(value);
        let out = even.join_table(odd, clock, versions, LeftOuter, row);
        let out = out.named("step");
        (even_late, odd_late) = out.late;
        rows = out
            .down
            .map_value(|(a, b)| [a].into_iter().chain(b).collect());
    } else {
        let as_of = match step {
            5 => as_of(AsOf::forward()),
            6 => as_of(AsOf::nearest()),
            _ => AsOf::backward(),
        };
        let out = even.join_as_of(odd, clock, as_of).named("step");
        (even_late, odd_late) = out.late;
        rows = out
            .down
            .map_value(|(a, b)| [a].into_iter().chain(b).collect());
    }
    (rows, even_late.merge(odd_late))
}

/// Runs a step on values, with ends of input between.
fn emitted(case: &Case, step: u8, ends: &[usize], keeps: bool) -> Emitted {
    let (elements, runs) = days(&case.values, ends);
    let (down, late) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let mut values = flow.input(TestingSource::with_marks(elements)).named("in");
        let wait = micros(case.wait);
        if matches!(case.clock, Clocks::Stream) || step >= INTERVAL {
            let lateness = Lateness::bounded(wait).never_idle();
            let timed = values.event_time(|(_, value)| at(value), lateness);
            let timed = timed.named("time");
            timed.late.output(late.clone()).named("late");
            values = timed.down;
        }
        macro_rules! with {
            ($clock:expr, $call:ident) => {{
                let clock = $clock;
                let clock = if keeps { clock.keep_open() } else { clock };
                $call(values, clock, (step, case.length))
            }};
        }
        let (rows, step_late) = match case.clock {
            // With a watermark of the key, what is late depends on which side comes first.
            _ if step >= INTERVAL => with!(StreamClock::of_sides((at, at)), joined),
            Clocks::Stream => with!(StreamClock::new(at), timed),
            Clocks::Keys if case.arriving => with!(CustomClock::new(Newest), timed),
            Clocks::Keys => with!(EventClock::new(at, wait), timed),
            Clocks::Partitions => with!(EventClock::per_partition(at, wait), timed),
        };
        rows.output(down.clone()).named("down");
        step_late.output(late.clone()).named("step_late");
    });
    run_days(&flow, runs, case.workers);
    let mut rows: BTreeMap<u8, Vec<Vec<Value>>> = BTreeMap::new();
    for (key, row) in down.take() {
        rows.entry(key).or_default().push(row);
    }
    if step >= INTERVAL {
        rows.values_mut().for_each(|rows| rows.sort_unstable());
    }
    (rows, late.sorted())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_of_input_change_nothing_without_windows(case in cases(), step in 0..=TABLE) {
        let whole = emitted(&case, step, &[], true);
        prop_assert_eq!(emitted(&case, step, &case.ends, true), whole);
    }

    /// What an end of input has processed is not followed by what is older.
    #[test]
    fn ends_of_input_keep_the_order_of_times(case in cases(), step in 0..INTERVAL) {
        let (rows, late) = emitted(&case, step, &case.ends, false);
        let mut values: Vec<_> = late.into_iter().map(|(key, value)| (key, value.1)).collect();
        for (key, rows) in rows {
            let times: Vec<_> = rows.iter().flatten().map(|value| value.0).collect();
            match step {
                SORTED | STATEFUL => {
                    prop_assert!(times.is_sorted(), "{:?}", times);
                    let numbers = rows.iter().flatten().map(|value| value.1);
                    values.extend(numbers.filter(|n| *n < u32::MAX - 1).map(|n| (key, n)));
                }
                _ => {
                    for row in &rows {
                        let (first, last) = (row[0].0, row[row.len() - 1].0);
                        prop_assert!(first <= last && last - first <= case.length, "{:?}", row);
                    }
                }
            }
        }
        if step < PATTERN {
            values.sort_unstable();
            let mut all: Vec<_> = case.values.iter().zip(0..).map(|((key, _), n)| (*key, n)).collect();
            all.sort_unstable();
            prop_assert_eq!(values, all, "each value is emitted once, or late");
        }
    }
}

/// The runs of a step with this clock that an end of input parts: their values and late values.
fn two_days<C: Clock<Value>>(clock: impl Fn() -> C, step: u8) -> (Vec<Vec<Value>>, Vec<i64>) {
    let (down, late) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let values = [5, 3, 4, 7].map(|time| Item((0, (time, time as u32))));
        let mut values = Vec::from(values);
        values.insert(2, Eof);
        let values = flow.input(TestingSource::with_marks(values)).named("in");
        let values = values.event_time(|(_, value)| at(value), Lateness::bounded(micros(9)));
        let (rows, step_late) = match step {
            PATTERN => {
                let pattern = Pattern::within(micros(9))
                    .begin(|value: &Value| value.0 == 5)
                    .followed_by(|value| value.0 == 4 || value.0 == 7);
                let found = values.named("time").down.match_pattern(clock(), pattern);
                let found = found.named("step");
                (found.down, found.late)
            }
            _ => timed(values.named("time").down, clock(), (step, 9)),
        };
        rows.map(|(_, row)| row).output(down.clone()).named("down");
        let times = step_late.map(|(_, value)| value.0);
        times.output(late.clone()).named("step_late");
    });
    run_days(&flow, 2, [1, 2, 1, 2]);
    (down.take(), late.take())
}

#[test]
fn a_value_is_late_if_an_end_has_processed_later_ones() {
    macro_rules! check {
        ($clock:expr) => {{
            let clock = || $clock;
            let one = |time: i64| vec![(time, time as u32)];
            let all = vec![one(3), one(5), one(7)];
            assert_eq!(two_days(clock, SORTED), (all, vec![4]));
            let found = vec![vec![(5, 5), (7, 7)]];
            assert_eq!(two_days(clock, PATTERN), (found, vec![4]));
            let open = || clock().keep_open();
            assert_eq!(two_days(open, SORTED), (vec![], vec![]));
            assert_eq!(two_days(open, PATTERN), (vec![], vec![]));
        }};
    }
    check!(StreamClock::new(at));
    check!(EventClock::new(at, micros(9)));
    check!(CustomClock::new(Never));
}

/// A clock whose watermark never moves.
struct Never;

impl KeyMarks<Value> for Never {
    type Pace = WithValues;

    const NAME: &'static str = "never";

    fn time(&self, value: &Value, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + micros(value.0)
    }

    fn watermark(&self, _: &Value, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }
}

/// A clock keeps windows open, too.
#[test]
fn a_clock_keeps_windows_open() {
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let values = [
            Item(('a', 1)),
            Item(('a', 2)),
            Eof,
            Item(('a', 3)),
            Item(('a', 12)),
        ];
        let values = flow.input(TestingSource::with_marks(values)).named("in");
        let clock = EventClock::per_partition(|at: &i64| Micros(*at), micros(0)).keep_open();
        let tens = TumblingWindower::new(micros(10), DateTime::UNIX_EPOCH);
        let counts = values.count_window(clock, tens).named("counts").down;
        let counts = counts.map(|(_, (_, count))| count);
        counts.output(out.clone()).named("out");
    });
    run_days(&flow, 2, [1, 2, 1, 2]);
    assert_eq!(out.take(), [3]);
}
