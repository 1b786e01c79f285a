//! Windows that emit after a number of values, windows of all values, and clocks of a program, against loops.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Abort, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock, CustomClock, EventClock, Fired, Firing, GlobalWindower, KeyMarks, Micros,
    SessionWindower, SlidingWindower, TumblingWindower, WindowId, WindowOut, WithTime, WithValues,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use crate::shared::by_hand::ByHand;
use crate::shared::failure;

/// A time in microseconds, and whether no values before it follow.
#[stateful(crate = "bytewax_runtime")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    time: i64,
    is_mark: bool,
}

type Values = KeyedStream<u8, Value>;
type Counts = WindowOut<u8, Fired<u64>, Value>;

fn micros(span: i64) -> TimeDelta {
    TimeDelta::microseconds(span)
}

fn at(value: &Value) -> Micros {
    Micros(value.time)
}

/// How values come, and where runs stop.
#[derive(Clone, Debug)]
struct Script {
    values: Vec<(u8, Value)>,
    batch: usize,
    workers: [usize; 3],
    stops: BTreeSet<usize>,
}

fn scripts() -> impl Strategy<Value = Script> {
    let values = prop::collection::vec((0..3_u8, -5..25_i64, 0..4_u8), 0..60);
    let workers = [1..5_usize, 1..5_usize, 1..5_usize];
    let stops = prop::collection::btree_set(0..60_usize, 0..3);
    (values, 1..20_usize, workers, stops).prop_map(|(values, batch, workers, stops)| {
        let mut now = 0;
        let mut value = |(key, step, what): (u8, i64, u8)| {
            now += step / 4;
            let value = Value {
                time: now + step,
                is_mark: what == 0,
            };
            (key, value)
        };
        Script {
            values: values.into_iter().map(&mut value).collect(),
            batch,
            workers,
            stops,
        }
    })
}

/// What windows told, and the late values.
type Told<U> = (BTreeSet<(u8, i64, Firing, U)>, BTreeMap<(u8, i64), usize>);

impl Script {
    /// In one run, or stopped and resumed; what was told in the epoch of a stop is told again.
    fn run<U: Ord + Send + 'static>(
        &self,
        stopped: bool,
        body: impl FnOnce(Values) -> WindowOut<u8, Fired<U>, Value>,
    ) -> Told<U> {
        let mut elements: Vec<TestingItem<(u8, Value)>> = Vec::new();
        for (place, value) in self.values.iter().enumerate() {
            if stopped && self.stops.contains(&place) {
                elements.push(Abort);
            }
            elements.push(Item(*value));
        }
        let stops = elements.iter().filter(|element| matches!(element, Abort));
        let stops = stops.count();
        let (down, late) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let batch = if stopped { 1 } else { self.batch };
            let source = TestingSource::with_marks(elements).batch_size(batch);
            let out = body(flow.input(source).named("in")).named("counts");
            out.down.output(down.clone()).named("down");
            out.late.output(late.clone()).named("late");
        });
        let dir = tempfile::tempdir().unwrap();
        for run in 0..=stops {
            let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
            let mut config = RunConfig::new().workers(self.workers[run % 3]).clock(clock);
            if stops > 0 {
                let recovery = RecoveryConfig::new(dir.path());
                config = config.epoch_interval(Duration::ZERO).recovery(recovery);
            }
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        let told =
            |(key, (id, fired)): (u8, (WindowId, Fired<U>))| (key, id.0, fired.firing, fired.value);
        let mut too_late = BTreeMap::new();
        for (key, (_, value)) in late.take() {
            *too_late.entry((key, value.time)).or_default() += 1;
        }
        (down.take().into_iter().map(told).collect(), too_late)
    }
}

/// What counts tell that emit after every so many values.
fn tell(counts: BTreeMap<(u8, i64), u64>, every: u64) -> BTreeSet<(u8, i64, Firing, u64)> {
    let mut told = BTreeSet::new();
    for ((key, id), count) in counts {
        let early = (1..=count / every).map(|times| (key, id, Firing::Early, times * every));
        told.extend(early);
        told.insert((key, id, Firing::OnTime, count));
    }
    told
}

/// The watermark of a key is that of its last mark.
struct Marks;

impl KeyMarks<Value> for Marks {
    type Pace = WithValues;

    const NAME: &'static str = "marks";

    fn time(&self, value: &Value, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + micros(value.time)
    }

    fn watermark(&self, value: &Value, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        value.is_mark.then_some(time)
    }
}

/// The same as an `EventClock` with this wait.
struct Trailing(i64);

impl KeyMarks<Value> for Trailing {
    type Pace = WithTime;

    const NAME: &'static str = "trailing";

    fn time(&self, value: &Value, _: DateTime<Utc>) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + micros(value.time)
    }

    fn watermark(&self, _: &Value, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(time - micros(self.0))
    }
}

fn tumbling(length: i64) -> TumblingWindower {
    TumblingWindower::new(micros(length), DateTime::UNIX_EPOCH)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_emit_after_a_number_of_values(
        script in scripts(),
        (wait, length, every) in (0..30_i64, 1..25_i64, 1..5_u64),
        stopped in any::<bool>(),
    ) {
        let clock = || EventClock::per_partition(at, micros(wait));
        let in_order = || EventClock::per_partition(at, micros(0));
        let (mut newest, mut windows, mut all) = (i64::MIN, BTreeMap::new(), BTreeMap::new());
        let (mut sessions, mut last) = (BTreeMap::new(), BTreeMap::<u8, (i64, i64)>::new());
        for (key, Value { time, .. }) in &script.values {
            newest = newest.max(*time);
            if *time >= newest - wait {
                *windows.entry((*key, time.div_euclid(length))).or_default() += 1;
                *all.entry((*key, 0)).or_default() += 1;
            }
            // In order, so that no sessions become one.
            if *time == newest {
                let (before, id) = *last.get(key).unwrap_or(&(i64::MIN / 2, -1));
                let id = if time - before > length { id + 1 } else { id };
                last.insert(*key, (*time, id));
                *sessions.entry((*key, id)).or_default() += 1;
            }
        }
        let told = script.run(stopped, |values| values.count_window(clock(), tumbling(length).fire_every(every)));
        prop_assert_eq!(told.0, tell(windows, every));
        let told = script.run(stopped, |values| values.count_window(clock(), GlobalWindower::new().fire_every(every)));
        prop_assert_eq!(told.0, tell(all, every));
        let told = script.run(stopped, |values| {
            values.count_window(in_order(), SessionWindower::new(micros(length)).fire_every(every))
        });
        prop_assert_eq!(told.0, tell(sessions, every));
    }

    #[test]
    fn windows_that_overlap_count_their_values(
        script in scripts(),
        (wait, every) in (0..30_i64, 1..5_u64),
        stopped in any::<bool>(),
    ) {
        let (mut newest, mut expect) = (i64::MIN, BTreeSet::new());
        let mut windows: BTreeMap<(u8, i64), u64> = BTreeMap::new();
        for (key, Value { time, .. }) in &script.values {
            newest = newest.max(*time);
            let mark = newest - wait;
            if *time < mark {
                continue;
            }
            let last = time.div_euclid(5);
            for id in [last - 1, last] {
                let count = windows.entry((*key, id)).or_default();
                *count += 1;
                if count.is_multiple_of(every) && id * 5 + 10 > mark {
                    expect.insert((*key, id, Firing::Early, *count));
                }
            }
        }
        expect.extend(windows.into_iter().map(|((key, id), count)| (key, id, Firing::OnTime, count)));
        let told = script.run(stopped, |values| {
            let sliding = SlidingWindower::new(micros(10), micros(5), DateTime::UNIX_EPOCH);
            values.count_window(EventClock::per_partition(at, micros(wait)), sliding.fire_every(every))
        });
        prop_assert_eq!(told.0, expect);
    }

    /// The values of a key in the order of their times, where marks end sessions.
    #[test]
    fn values_close_sessions(
        script in scripts(),
        (wait, gap) in (0..30_i64, 0..12_i64),
        stopped in any::<bool>(),
    ) {
        let (mut newest, mut keys) = (i64::MIN, BTreeMap::<u8, Vec<Value>>::new());
        for (key, value) in &script.values {
            newest = newest.max(value.time);
            if value.time >= newest - wait {
                keys.entry(*key).or_default().push(*value);
            }
        }
        let mut expect = BTreeSet::new();
        for (key, mut values) in keys {
            values.sort_by_key(|value| value.time);
            let mut sessions: Vec<Vec<Value>> = Vec::new();
            for value in values {
                match sessions.last_mut() {
                    Some(session)
                        if session.last().is_some_and(|last| value.time - last.time <= gap)
                            && session.iter().all(|other| !other.is_mark || other.time == value.time) =>
                    {
                        session.push(value);
                    }
                    _ => sessions.push(vec![value]),
                }
            }
            expect.extend(sessions.into_iter().zip(0..).map(|(session, id)| (key, id, Firing::OnTime, session)));
        }
        let told = script.run(stopped, |values| {
            let sessions = SessionWindower::new(micros(gap)).until(|value: &Value| value.is_mark);
            let clock = EventClock::per_partition(at, micros(wait));
            values.collect_window::<Vec<_>, _, _>(clock, sessions.fire_every(u64::MAX))
        });
        prop_assert_eq!(told.0, expect);
    }

    #[test]
    fn values_move_the_watermarks_of_a_program(script in scripts(), length in 1..25_i64, stopped in any::<bool>()) {
        let (mut marks, mut windows, mut late) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (key, value) in &script.values {
            let mark = marks.entry(*key).or_insert(i64::MIN);
            if value.is_mark {
                *mark = value.time.max(*mark);
            }
            let place = (*key, value.time.div_euclid(length));
            if value.time < *mark {
                *late.entry((*key, value.time)).or_default() += 1;
            } else {
                *windows.entry(place).or_default() += 1;
            }
        }
        let told = script.run(stopped, |values| {
            values.count_window(CustomClock::new(Marks), tumbling(length).fire_every(u64::MAX))
        });
        prop_assert_eq!(told.0, tell(windows, u64::MAX));
        if !stopped {
            prop_assert_eq!(told.1, late);
        }
    }

    #[test]
    fn a_clock_of_a_program_can_be_one_of_the_library(script in scripts(), length in 1..25_i64, wait in 0..30_i64) {
        let of = |body: &dyn Fn(Values) -> Counts| script.run(true, body);
        let windower = tumbling(length).fire_every(2);
        let own = of(&|values| values.count_window(CustomClock::new(Trailing(wait)), windower));
        let other = of(&|values| values.count_window(EventClock::new(at, micros(wait)), windower));
        prop_assert_eq!(own, other);
    }
}

fn windows_of<C: Clock<Value>>(values: Values, clock: C) -> KeyedStream<u8, (i64, u64)> {
    let counts = values.count_window(clock, tumbling(10)).named("counts");
    counts.down.map_value(|(id, count)| (id.0, count))
}

#[test]
fn time_moves_watermarks_if_the_program_says_so() {
    let value = |time| {
        let is_mark = false;
        (1, Value { time, is_mark })
    };
    let run = ByHand::start(2, |values: Values| {
        windows_of(values, CustomClock::new(Trailing(0)))
    });
    run.give([value(3)]);
    assert_eq!(
        run.next_after(TimeDelta::seconds(1)),
        (1, (0, 1)),
        "the window is over without a value"
    );
    assert_eq!(run.end(), []);

    let run = ByHand::start(2, |values: Values| {
        windows_of(values, CustomClock::new(Marks))
    });
    run.give([value(3)]);
    run.hand.advance(TimeDelta::days(1));
    let mark = Value {
        time: 10,
        is_mark: true,
    };
    run.give([value(7), (1, mark)]);
    assert_eq!(run.next(), (1, (0, 2)), "time alone has not closed it");
    assert_eq!(run.end(), [(1, (1, 1))]);
}

#[test]
fn what_cannot_be_is_refused() {
    struct Unnamed;

    impl KeyMarks<Value> for Unnamed {
        type Pace = WithValues;

        const NAME: &'static str = "two\nlines";

        fn time(&self, _: &Value, now: DateTime<Utc>) -> DateTime<Utc> {
            now
        }

        fn watermark(&self, _: &Value, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
            None
        }
    }

    let flow = Dataflow::build("f", |flow| {
        let values = flow
            .input(TestingSource::new(Vec::<(u8, Value)>::new()))
            .named("in");
        let windower = tumbling(10).fire_every(0);
        let counts = values
            .clone()
            .count_window(CustomClock::new(Unnamed), windower)
            .named("counts");
        counts.down.output(TestingSink::new()).named("out");
        let sessions = SessionWindower::new(micros(1)).until(|text: &String| text.is_empty());
        let counts = values
            .count_window(CustomClock::new(Marks), sessions)
            .named("sessions");
        counts
            .down
            .output(TestingSink::new())
            .named("out_of_sessions");
    });
    let told = failure(flow, 1);
    assert!(
        told.contains(": windows are to emit after no values\n"),
        "{told}"
    );
    assert!(
        told.contains(": the function that closes sessions is for other values\n"),
        "{told}"
    );
    assert!(
        told.contains(": the name of its watermarks is not one line\n"),
        "{told}"
    );
}
