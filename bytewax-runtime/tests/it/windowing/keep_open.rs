//! A file that grows day by day: windows that stay open at the ends of input give what one run without ends gives.

use std::collections::BTreeMap;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    CountWindower, CumulateWindower, EventClock, GlobalWindower, Lateness, Micros, Once,
    SessionWindower, SlidingWindower, StreamClock, WindowOut, Windowed, Windowing, WithTimes,
};
use chrono::{DateTime, TimeDelta};
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
        let mut elements: Vec<TestingItem<(u8, Value)>> = Vec::new();
        let mut runs = 1;
        for (number, (key, time)) in self.values.iter().enumerate() {
            elements.push(Item((*key, (*time, number as u32))));
            if ends.contains(&number) {
                elements.push(Eof);
                runs += 1;
            }
        }
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
        let dir = tempfile::tempdir().unwrap();
        for run in 0..runs {
            let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
            let config = RunConfig::new()
                .workers(self.workers[run % 4])
                .clock(clock)
                .recovery(RecoveryConfig::new(dir.path()));
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        let mut told = BTreeMap::new();
        for (key, (id, values)) in down.take() {
            *told.entry((key, id, values)).or_default() += 1;
        }
        (told, late.sorted())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_of_input_change_nothing(case in cases()) {
        let whole = case.told(&[]);
        prop_assert!(whole.0.values().all(|times| *times == 1), "each window is told once: {:?}", whole.0);
        prop_assert_eq!(case.told(&case.ends), whole);
    }
}
