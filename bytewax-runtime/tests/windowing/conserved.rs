//! Nothing is lost and nothing is told twice: the values that come in are those in `down` and those in
//! `late`, for every operator, windower and clock, over any number of ends of input and resumes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::{ClockHand, WorkerClock};
use bytewax_runtime::operators::{Emit, JoinInsert};
use bytewax_runtime::prelude::*;
use bytewax_runtime::state::{Field, Schema, State};
use bytewax_runtime::testing::TestingItem::{Abort, Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock, CountWindower, CustomClock, EventClock, Fired, Firing, JoinWindowOut, KeyMarks,
    Labelled, Lateness, Micros, SessionWindower, SlidingWindower, StreamClock, SystemClock,
    WindowId, WindowLogic, WindowOut, Windowing, WithValues,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{
    ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest,
};
use serde::{Deserialize, Serialize};

/// A time, and the numbers of the values that have become one.
type Value = (i64, Vec<u32>);
type Values = KeyedStream<u8, Value>;

/// What comes next: the next value of a key, or a stop; each some time after what was before.
#[derive(Clone, Copy, Debug)]
enum Next {
    Value { key: u8, time: i64, after: i64 },
    End { after: i64 },
    Abort { after: i64 },
}

#[derive(Clone, Copy, Debug)]
enum Windows {
    Sliding {
        length: i64,
        offset: i64,
        align: i64,
    },
    Session {
        gap: i64,
    },
    Count {
        length: u64,
        every: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Keys,
    Partitions,
    System,
    /// By the watermark of the stream, in front of which values may be late, too.
    Stream,
    /// By marks of the program, without the system's time.
    Custom,
}

/// The times of values, and marks some time behind them.
struct Behind(i64);

impl KeyMarks<Value> for Behind {
    type Pace = WithValues;

    const NAME: &'static str = "behind";

    fn time(&self, value: &Value, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + micros(value.0)
    }

    fn watermark(&self, _: &Value, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(time - micros(self.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Window,
    Fold,
    Reduce,
    Collect,
    Count,
    Max,
    Min,
    /// With room for all values.
    Top,
    Join,
    JoinRunning,
}

#[derive(Clone, Debug)]
struct Case {
    operator: Operator,
    windows: Windows,
    time: Time,
    wait: i64,
    forget_after: i64,
    lateness: i64,
    early: Option<i64>,
    arriving: bool,
    script: Vec<Next>,
    workers: [usize; 3],
    /// Bounds the memory for states.
    memory: Option<u64>,
}

fn cases(ends: bool, aborts: bool) -> impl Strategy<Value = Case> {
    let operators = [
        Operator::Window,
        Operator::Fold,
        Operator::Reduce,
        Operator::Collect,
        Operator::Count,
        Operator::Max,
        Operator::Min,
        Operator::Top,
        Operator::Join,
        Operator::JoinRunning,
    ];
    let windows =
        (0_u8..6, 1_i64..30, 1_i64..30, -20_i64..20).prop_map(|(kind, a, b, align)| match kind {
            0 | 1 => Windows::Sliding {
                length: a.max(b),
                offset: a.min(b),
                align,
            },
            2 => Windows::Sliding {
                length: 2 * a,
                offset: a,
                align,
            },
            3 => Windows::Sliding {
                length: a,
                offset: a,
                align,
            },
            4 => Windows::Session { gap: a - 1 },
            _ => Windows::Count {
                length: a.max(b) as u64 / 4 + 1,
                every: a.min(b) as u64 / 4 + 1,
            },
        });
    let times = [
        Time::Keys,
        Time::Partitions,
        Time::System,
        Time::Stream,
        Time::Custom,
    ];
    let after = prop::sample::select(vec![0_i64, 0, 0, 1, 3, 10, 40]);
    let next = (0_u8..6, 0_u8..3, -9_i64..25, after);
    let script = prop::collection::vec(next, 1..25).prop_map(move |all| {
        let mut now = 0;
        all.into_iter()
            .map(|(what, key, step, after)| match what {
                0 if ends => Next::End { after },
                1 if aborts => Next::Abort { after },
                _ => {
                    // Times move on, with disorder.
                    now += step / 4;
                    let time = now + step;
                    Next::Value { key, time, after }
                }
            })
            .collect::<Vec<_>>()
    });
    let options = (
        prop::sample::select(vec![0_i64, 0, 4, 30]),
        prop::sample::select(vec![0_i64, 0, 5, 25]),
        prop::sample::select(vec![None, None, Some(3_i64)]),
        any::<bool>(),
        prop::sample::select(vec![0_i64, 20, 3_600_000_000]),
    );
    let workers = [1_usize..4, 1_usize..4, 1_usize..4];
    let memory = prop::sample::select(vec![None, Some(0), Some(2000)]);
    let operator = prop::sample::select(operators.to_vec());
    let time = prop::sample::select(times.to_vec());
    let kinds = (operator, windows, time);
    (kinds, options, script, workers, memory).prop_map(
        |(kinds, options, script, workers, memory)| Case {
            memory,
            operator: kinds.0,
            windows: kinds.1,
            time: match kinds.0 {
                Operator::Window | Operator::Fold | Operator::Count => kinds.2,
                // They are kept as one of those, whatever the clock; so each is made for one clock alone.
                _ => Time::Keys,
            },
            wait: options.0,
            lateness: options.1,
            early: options.2,
            arriving: options.3,
            forget_after: options.4,
            script,
            workers,
        },
    )
}

/// Collects the values of a window.
#[derive(Default, Serialize, Deserialize)]
struct Numbers(Vec<u32>);

impl State for Numbers {
    const SCHEMA: Schema = Schema::new("Numbers", 1, &[Field::of::<Vec<u32>>("0")]);
}

impl WindowLogic for Numbers {
    type In = Value;
    type Out = Vec<u32>;

    fn on_value(&mut self, value: Value, _: &mut Emit<Vec<u32>>) {
        self.0.extend(value.1);
    }

    fn on_merge(&mut self, other: Self, _: &mut Emit<Vec<u32>>) {
        self.0.extend(other.0);
    }

    fn on_close(&mut self, out: &mut Emit<Vec<u32>>) {
        out.emit(self.0.clone());
    }
}

/// What a window has told: the numbers of its values, or how many they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Numbers(Vec<u32>),
    Count(u64),
}

type Told = (u8, (WindowId, Firing, What));
type Late = (u8, (WindowId, Value));
type Out = (Stream<Told>, Stream<Late>);

fn given<U: 'static>(
    out: WindowOut<u8, Fired<U>, Value>,
    what: impl Fn(U) -> What + Send + Sync + 'static,
) -> Out {
    let out = out.named("windows");
    let told = move |(id, fired): (WindowId, Fired<U>)| (id, fired.firing, what(fired.value));
    (out.down.map_value(told), out.late)
}

type Row = (Option<Value>, Option<Value>);

fn joined(out: JoinWindowOut<u8, Fired<Row>, (Stream<Late>, Stream<Late>)>) -> Out {
    let out = out.named("windows");
    let told = |(id, fired): (WindowId, Fired<Row>)| {
        let (left, right) = fired.value;
        let numbers = left.into_iter().chain(right).flat_map(|value| value.1);
        (id, fired.firing, What::Numbers(numbers.collect()))
    };
    (out.down.map_value(told), out.late.0.merge(out.late.1))
}

fn micros(span: i64) -> TimeDelta {
    TimeDelta::microseconds(span)
}

fn at(value: &Value) -> Micros {
    Micros(value.0)
}

impl Case {
    fn with_clock<C, W>(&self, values: Values, clock: C, windower: W) -> Out
    where
        C: Clock<Value>,
        W: Windowing<Mode = Labelled>,
    {
        match self.operator {
            Operator::Window => given(
                values.window(clock, windower, Numbers::default),
                What::Numbers,
            ),
            Operator::Count => given(values.count_window(clock, windower), What::Count),
            _ => given(
                values.fold_window(
                    clock,
                    windower,
                    Vec::new,
                    |all: &mut Vec<u32>, value: Value| all.extend(value.1),
                    |all, later| all.extend(later),
                ),
                What::Numbers,
            ),
        }
    }

    fn with_windower<W: Windowing<Mode = Labelled>>(&self, values: Values, windower: W) -> Out {
        let (wait, forget_after) = (micros(self.wait), micros(self.forget_after));
        let of_keys = || EventClock::new(at, wait).forget_after(forget_after);
        let numbers = |value: Value| What::Numbers(value.1);
        let joins = |values: Values| {
            let sides = values.branch(|(_, value)| value.1[0] % 2 == 0);
            let clock = EventClock::of_sides((at, at), wait).forget_after(forget_after);
            ((sides.trues, sides.falses), clock, JoinInsert::Product)
        };
        match (self.operator, self.time) {
            (Operator::Reduce, _) => {
                let reduce = |a: Value, b: Value| (a.0, [a.1, b.1].concat());
                given(values.reduce_window(of_keys(), windower, reduce), numbers)
            }
            (Operator::Collect, _) => given(
                values.collect_window::<Vec<_>, _, _>(of_keys(), windower),
                |list| What::Numbers(list.into_iter().flat_map(|value| value.1).collect()),
            ),
            (Operator::Max, _) => given(
                values.max_window(of_keys(), windower, |value| value.1[0]),
                numbers,
            ),
            (Operator::Min, _) => given(
                values.min_window(of_keys(), windower, |value| value.1[0]),
                numbers,
            ),
            (Operator::Top, _) => given(
                values.top_n_window(of_keys(), windower, usize::MAX, |value| value.1[0]),
                |list| What::Numbers(list.into_iter().flat_map(|value| value.1).collect()),
            ),
            (Operator::Join, _) => {
                let (both, clock, all) = joins(values);
                joined(both.join_window(clock, windower, all))
            }
            (Operator::JoinRunning, _) => {
                let (both, clock, all) = joins(values);
                joined(both.join_window_running(clock, windower, all))
            }
            (_, Time::Keys) => self.with_clock(values, of_keys(), windower),
            (_, Time::Partitions) => {
                let clock = EventClock::per_partition(at, wait).forget_after(forget_after);
                self.with_clock(values, clock, windower)
            }
            (_, Time::System) => {
                let clock = SystemClock::new().forget_after(forget_after);
                self.with_clock(values, clock, windower)
            }
            (_, Time::Custom) => {
                let clock = CustomClock::new(Behind(self.wait)).forget_after(forget_after);
                self.with_clock(values, clock, windower)
            }
            (_, Time::Stream) => {
                let timed = values.event_time(|(_, value)| at(value), Lateness::bounded(wait));
                let timed = timed.named("time");
                let clock = StreamClock::new(at).forget_after(forget_after);
                let (told, late) = self.with_clock(timed.down, clock, windower);
                // As the windows would have said.
                let case = self.clone();
                let before = timed.late.flat_map_value(move |value| {
                    let ids = case.windows_of(value.0);
                    let ids = ids.unwrap_or_else(|| BTreeSet::from([WindowId::NONE.0]));
                    ids.into_iter().map(move |id| (WindowId(id), value.clone()))
                });
                (told, late.merge(before))
            }
        }
    }

    fn windows(&self, values: Values) -> Out {
        macro_rules! with_options {
            ($windower:expr) => {{
                let mut windower = $windower.allow_late(micros(self.lateness));
                if let Some(early) = self.early {
                    windower = windower.fire_early(micros(early));
                }
                if self.arriving {
                    windower = windower.in_arrival_order();
                }
                self.with_windower(values, windower)
            }};
        }
        match self.windows {
            Windows::Sliding {
                length,
                offset,
                align,
            } => {
                let align = DateTime::UNIX_EPOCH + micros(align);
                let windower = SlidingWindower::new(micros(length), micros(offset), align);
                with_options!(windower)
            }
            Windows::Session { gap } => with_options!(SessionWindower::new(micros(gap))),
            Windows::Count { length, every } => {
                with_options!(CountWindower::new(length).every(every.min(length)))
            }
        }
    }

    /// The windows of a time, if they follow the calendar.
    fn windows_of(&self, time: i64) -> Option<BTreeSet<i64>> {
        let Windows::Sliding {
            length,
            offset,
            align,
        } = self.windows
        else {
            return None;
        };
        let ids = -400_i64..400;
        let holds = |id: &i64| (0..length).contains(&(time - align - id * offset));
        Some(ids.filter(holds).collect())
    }
}

/// What came in and what came out.
#[derive(Debug, Default)]
struct Seen {
    /// The key and the time of each value.
    came: BTreeMap<u32, (u8, i64)>,
    told: Vec<Told>,
    late: Vec<(u8, i64, u32)>,
}

fn run(case: &Case) -> Seen {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (came, told, late) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
    let mut pauses = Vec::new();
    let mut elements: Vec<TestingItem<(u8, i64, i64, u32)>> = Vec::new();
    for (next, number) in case.script.iter().zip(0..) {
        match *next {
            Next::Value { key, time, after } => elements.push(Item((key, time, after, number))),
            Next::End { after } => {
                elements.push(Eof);
                pauses.push(after);
            }
            Next::Abort { after } => {
                elements.push(Abort);
                pauses.push(after);
            }
        }
    }
    let of_system = case.time == Time::System;
    let flow = {
        let (clock, hand): (WorkerClock, ClockHand) = (clock.clone(), hand.clone());
        Dataflow::build("f", |flow| {
            let source = TestingSource::with_marks(elements);
            let values = flow.input(source).named("in");
            let values = values.map(move |(key, time, after, number)| {
                hand.advance(micros(after));
                let now = clock.now().timestamp_micros();
                let time = if of_system { now } else { time };
                (key, (time, vec![number]))
            });
            values.clone().output(came.clone()).named("came");
            let (down, out_late) = case.windows(values);
            down.output(told.clone()).named("told");
            out_late.output(late.clone()).named("late");
        })
    };
    let dir = tempfile::tempdir().unwrap();
    for run in 0..=pauses.len() {
        let mut recovery = RecoveryConfig::new(dir.path());
        if let Some(bytes) = case.memory {
            recovery = recovery.state_memory(bytes);
        }
        let config = RunConfig::new()
            .workers(case.workers[run % 3])
            .epoch_interval(Duration::ZERO)
            .clock(clock.clone())
            .recovery(recovery);
        if let Err(error) = cluster_main(flow.clone(), config) {
            panic!("{}", error.report());
        }
        if let Some(after) = pauses.get(run) {
            hand.advance(micros(*after));
        }
    }
    let one = |(key, (time, numbers)): (u8, Value)| (numbers[0], (key, time));
    Seen {
        came: came.take().into_iter().map(one).collect(),
        told: told.take(),
        late: late
            .take()
            .into_iter()
            .map(|(key, (id, value))| (key, id.0, value.1[0]))
            .collect(),
    }
}

/// What the law says of a case. With `once`, nothing may be told twice.
fn check(case: &Case, once: bool) -> Result<(), TestCaseError> {
    let seen = run(case);
    let values = case.script.iter();
    let values = values
        .filter(|next| matches!(next, Next::Value { .. }))
        .count();
    prop_assert_eq!(seen.came.len(), values, "all values came");

    // A late value is told as late by each window that it would have belonged to.
    let mut late: BTreeMap<u32, BTreeSet<i64>> = BTreeMap::new();
    for (key, id, number) in &seen.late {
        prop_assert_eq!(seen.came[number].0, *key);
        let is_new = late.entry(*number).or_default().insert(*id);
        prop_assert!(is_new || !once, "{} is told twice as late", number);
    }
    for (number, ids) in &late {
        if let Some(windows) = case.windows_of(seen.came[number].1) {
            prop_assert_eq!(ids, &windows, "late value {}", number);
        }
    }

    let mut held: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    let mut counts: BTreeMap<(u8, i64), u64> = BTreeMap::new();
    for (key, (id, firing, what)) in &seen.told {
        let is_final = *firing != Firing::Early;
        match what {
            What::Numbers(numbers) => {
                for number in numbers {
                    prop_assert_eq!(seen.came[number].0, *key);
                    if is_final || case.operator == Operator::JoinRunning {
                        held.entry(*number).or_default().push(id.0);
                    }
                }
            }
            What::Count(count) if is_final => *counts.entry((*key, id.0)).or_default() += count,
            What::Count(_) => {}
        }
    }
    match case.operator {
        Operator::Count => return counted(case, once, &seen, &late, &counts),
        Operator::Max | Operator::Min => return chosen(case, &seen, &late, &held),
        _ => {}
    }
    for (number, (_, time)) in &seen.came {
        let is_held = held.contains_key(number);
        prop_assert!(
            is_held != late.contains_key(number),
            "value {} is in {:?} and late in {:?}",
            number,
            held.get(number),
            late.get(number)
        );
        let Some(ids) = held.get(number) else {
            continue;
        };
        let set: BTreeSet<i64> = ids.iter().copied().collect();
        let is_join = matches!(case.operator, Operator::Join | Operator::JoinRunning);
        if once && case.lateness == 0 && !is_join {
            // A window of a number of values may be ended by the input, and go on.
            prop_assert_eq!(set.len(), ids.len(), "value {} is told twice", number);
        }
        if let Some(windows) = case.windows_of(*time) {
            prop_assert_eq!(set, windows, "the windows of value {}", number);
        }
    }
    Ok(())
}

/// The counts of windows, where each value is counted once.
fn counted(
    case: &Case,
    once: bool,
    seen: &Seen,
    late: &BTreeMap<u32, BTreeSet<i64>>,
    counts: &BTreeMap<(u8, i64), u64>,
) -> Result<(), TestCaseError> {
    if !once || case.lateness > 0 {
        return Ok(());
    }
    let mut expected: BTreeMap<(u8, i64), u64> = BTreeMap::new();
    let mut all: BTreeMap<u8, u64> = BTreeMap::new();
    for (number, (key, time)) in &seen.came {
        if late.contains_key(number) {
            continue;
        }
        *all.entry(*key).or_default() += 1;
        for id in case.windows_of(*time).into_iter().flatten() {
            *expected.entry((*key, id)).or_default() += 1;
        }
    }
    let is_each_once = match case.windows {
        Windows::Sliding { .. } => {
            prop_assert_eq!(counts, &expected);
            false
        }
        Windows::Session { .. } => true,
        Windows::Count { length, every } => every >= length,
    };
    if is_each_once {
        let mut sums: BTreeMap<u8, u64> = BTreeMap::new();
        for ((key, _), count) in counts {
            *sums.entry(*key).or_default() += count;
        }
        prop_assert_eq!(sums, all);
    }
    Ok(())
}

/// The greatest or least value, over all that the windows of a key have told.
fn chosen(
    case: &Case,
    seen: &Seen,
    late: &BTreeMap<u32, BTreeSet<i64>>,
    held: &BTreeMap<u32, Vec<i64>>,
) -> Result<(), TestCaseError> {
    let is_max = case.operator == Operator::Max;
    // Windows that do not follow the calendar are taken together.
    let mut expected: BTreeMap<(u8, i64), u32> = BTreeMap::new();
    let mut told = expected.clone();
    let keep = |all: &mut BTreeMap<(u8, i64), u32>, at: (u8, i64), number: u32| {
        let best = all.entry(at).or_insert(number);
        *best = if is_max {
            number.max(*best)
        } else {
            number.min(*best)
        };
    };
    for (number, (key, time)) in &seen.came {
        let ids = case.windows_of(*time);
        if !late.contains_key(number) {
            let ids = ids.clone().unwrap_or_else(|| BTreeSet::from([0]));
            for id in ids {
                keep(&mut expected, (*key, id), *number);
            }
        }
        for id in held.get(number).into_iter().flatten() {
            let id = if ids.is_some() { *id } else { 0 };
            keep(&mut told, (*key, id), *number);
        }
    }
    prop_assert_eq!(told, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    /// An end of input closes all windows, and the next run goes on.
    #[test]
    fn each_value_is_told_once_over_any_number_of_ends(case in cases(true, false)) {
        check(&case, true)?;
    }

    /// What was told just before a stop may be told again.
    #[test]
    fn each_value_is_told_over_any_number_of_stops(case in cases(true, true)) {
        check(&case, false)?;
    }
}

/// The shortest script that lost a value.
#[test]
fn a_window_that_an_end_has_closed_takes_values_again() {
    for operator in [
        Operator::Fold,
        Operator::Collect,
        Operator::Count,
        Operator::Window,
    ] {
        let value = |time| Next::Value {
            key: 0,
            time,
            after: 0,
        };
        for (wait, script) in [
            (0, vec![value(15), Next::End { after: 0 }, value(16)]),
            (
                20,
                vec![value(50), Next::End { after: 0 }, value(40), value(100)],
            ),
        ] {
            let case = Case {
                operator,
                windows: Windows::Sliding {
                    length: 10,
                    offset: 5,
                    align: 0,
                },
                time: Time::Keys,
                wait,
                forget_after: 3_600_000_000,
                lateness: 0,
                early: None,
                arriving: false,
                script,
                workers: [1; 3],
                memory: None,
            };
            check(&case, true).unwrap();
        }
    }
}
