//! Windows without values, against a model of a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Abort, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock, CumulateWindower, EventClock, Fired, FixedWindows, Labelled, Lateness, Micros,
    SlidingWindower, StreamClock, TumblingWindower, WindowId, WindowOut, Windowed, WithOptions,
};
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::random::{Clocks, numbered, with_disorder};
use super::support::tumbling;
use crate::shared::by_hand::ByHand;

/// The time of a value in microseconds, and its number.
type Value = (i64, u32);
type Values = KeyedStream<u8, Value>;
type Lists = WindowOut<u8, Fired<Vec<Value>>, Value>;
/// The values of each window of each key.
type Windows = BTreeMap<(u8, i64), Vec<Value>>;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tumbling,
    Sliding,
    Cumulate,
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    clock: Clocks,
    /// The offset or the step of windows, and how many of them are a length.
    part: i64,
    parts: i64,
    empty: u32,
    wait: i64,
    lateness: i64,
    ordered: bool,
    values: Vec<(u8, i64)>,
    batch: usize,
    workers: [usize; 3],
    stops: BTreeSet<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    use Clocks::{Keys, Partitions, Stream};
    let kind = prop::sample::select(vec![Kind::Tumbling, Kind::Sliding, Kind::Cumulate]);
    let clock = prop::sample::select(vec![Keys, Partitions, Stream]);
    let spans = (1..12_i64, 1..5_i64, 0..6_u32);
    let times = (0..40_i64, prop::sample::select(vec![0_i64, 0, 5, 25]));
    let values = prop::collection::vec((0..3_u8, -5..60_i64), 0..50);
    let workers = [1..4_usize, 1..4_usize, 1..4_usize];
    let stops = prop::collection::btree_set(0..50_usize, 0..3);
    let rest = (any::<bool>(), 1..20_usize, workers, stops);
    (kind, clock, spans, times, values, rest).prop_map(
        |(kind, clock, spans, times, values, rest)| Case {
            kind,
            clock,
            part: spans.0,
            parts: spans.1,
            empty: spans.2,
            wait: times.0,
            lateness: times.1,
            ordered: rest.0,
            values: with_disorder(values),
            batch: rest.1,
            workers: rest.2,
            stops: rest.3,
        },
    )
}

fn micros(span: i64) -> TimeDelta {
    TimeDelta::microseconds(span)
}

fn at(value: &Value) -> Micros {
    Micros(value.0)
}

impl Case {
    /// The windows of a time.
    fn ids(&self, time: i64) -> Vec<i64> {
        let length = self.part * self.parts;
        match self.kind {
            Kind::Tumbling => vec![time.div_euclid(length)],
            Kind::Sliding => {
                let is_in = |id: &i64| (id * self.part..id * self.part + length).contains(&time);
                (-100..2000).filter(is_in).collect()
            }
            Kind::Cumulate => {
                let ends_after = |id: &i64| {
                    let period = id.div_euclid(self.parts) * length;
                    let step = id.rem_euclid(self.parts) + 1;
                    (period..period + step * self.part).contains(&time)
                };
                (-100..2000).filter(ends_after).collect()
            }
        }
    }

    /// Each window with values, and those behind it.
    fn expected(&self) -> Windows {
        let (mut marks, mut windows) = (BTreeMap::new(), Windows::new());
        for (key, value) in numbered(&self.values) {
            let whose = if matches!(self.clock, Clocks::Keys) {
                key
            } else {
                0
            };
            let mark = marks.entry(whose).or_insert(i64::MIN);
            *mark = (*mark).max(value.0 - self.wait);
            // What is declared near the source is late there, without allowance.
            let allowed = if matches!(self.clock, Clocks::Stream) {
                0
            } else {
                self.lateness
            };
            if value.0 < mark.saturating_sub(allowed) {
                continue;
            }
            for id in self.ids(value.0) {
                windows.entry((key, id)).or_default().push(value);
                for empty in 1..=i64::from(self.empty) {
                    windows.entry((key, id + empty)).or_default();
                }
            }
        }
        windows
    }

    fn with_clock<C: Clock<Value>, W: FixedWindows>(
        &self,
        values: Values,
        clock: C,
        windower: WithOptions<W, Labelled>,
    ) -> Lists {
        let windower = windower.emit_empty(self.empty);
        if self.ordered {
            values.collect_window(clock, windower)
        } else {
            values.collect_window(clock, windower.in_arrival_order())
        }
    }

    fn lists(&self, values: Values) -> Lists {
        let wait = micros(self.wait);
        let (late, part, length) = (
            micros(self.lateness),
            micros(self.part),
            micros(self.part * self.parts),
        );
        macro_rules! collect {
            ($windower:expr) => {{
                let windower = $windower.allow_late(late);
                match self.clock {
                    Clocks::Keys => self.with_clock(values, EventClock::new(at, wait), windower),
                    Clocks::Partitions => {
                        let clock = EventClock::per_partition(at, wait);
                        self.with_clock(values, clock, windower)
                    }
                    Clocks::Stream => self.with_clock(values, StreamClock::new(at), windower),
                }
            }};
        }
        match self.kind {
            Kind::Tumbling => collect!(TumblingWindower::new(length, DateTime::UNIX_EPOCH)),
            Kind::Sliding => collect!(SlidingWindower::new(length, part, DateTime::UNIX_EPOCH)),
            Kind::Cumulate => collect!(CumulateWindower::new(part, length, DateTime::UNIX_EPOCH)),
        }
    }

    /// Windows with the values that they told, in order, and those that closed.
    #[expect(clippy::type_complexity, reason = "it is for this test alone")]
    fn told(&self, stopped: bool) -> (Vec<((u8, i64), Vec<Value>)>, Vec<(u8, i64)>) {
        let mut elements: Vec<TestingItem<(u8, Value)>> = Vec::new();
        let mut runs = 1;
        for (place, value) in numbered(&self.values).into_iter().enumerate() {
            if stopped && self.stops.contains(&place) {
                elements.push(Abort);
                runs += 1;
            }
            elements.push(Item(value));
        }
        let (down, meta) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let batch = if stopped { 1 } else { self.batch };
            let source = TestingSource::with_marks(elements).batch_size(batch);
            let mut values = flow.input(source).named("in");
            if matches!(self.clock, Clocks::Stream) {
                let lateness = Lateness::bounded(micros(self.wait)).never_idle();
                let timed = values.event_time(|(_, value)| at(value), lateness);
                values = timed.named("time").down;
            }
            let out = self.lists(values).named("lists");
            let lists = out.down.map(|(key, (id, fired))| {
                let mut values = fired.value;
                values.sort_unstable_by_key(|value| value.1);
                ((key, id.0), values)
            });
            lists.output(down.clone()).named("down");
            let ids = out.meta.map(|(key, (id, _))| (key, id.0));
            ids.output(meta.clone()).named("meta");
        });
        let dir = tempfile::tempdir().unwrap();
        for run in 0..runs {
            let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
            let mut config = RunConfig::new().workers(self.workers[run % 3]).clock(clock);
            if stopped {
                let recovery = RecoveryConfig::new(dir.path());
                config = config.epoch_interval(Duration::ZERO).recovery(recovery);
            }
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        (down.take(), meta.take())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_without_values_follow_those_with_values(case in cases()) {
        let (told, closed) = case.told(false);
        let expect = case.expected();
        let ids: Vec<_> = expect.keys().copied().collect();
        let mut sorted = closed;
        sorted.sort_unstable();
        prop_assert_eq!(&sorted, &ids, "each closes once");
        if case.lateness == 0 {
            prop_assert_eq!(told.len(), expect.len(), "each is told once");
        }
        if case.lateness == 0 && case.empty > 0 {
            for key in 0..3 {
                let of_key = told.iter().filter(|(window, _)| window.0 == key);
                prop_assert!(of_key.map(|(window, _)| window.1).is_sorted(), "{:?}", told);
            }
        }
        // Late values correct what was told before.
        let last: Windows = told.into_iter().collect();
        prop_assert_eq!(last, expect);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was told in the epoch of a stop is told again.
    #[test]
    fn stops_and_workers_change_nothing(case in cases()) {
        let set = |(told, closed): (Vec<_>, Vec<_>)| {
            (told.into_iter().collect::<BTreeSet<_>>(), closed.into_iter().collect::<BTreeSet<_>>())
        };
        let whole = Case { batch: 1, ..case.clone() };
        prop_assert_eq!(set(case.told(true)), set(whole.told(false)));
    }
}

/// They come when the watermark passes them, and a second window step reads them.
#[test]
fn windows_without_values_close_by_the_watermark() {
    let second = |second: &i64| Micros(second * 1_000_000);
    let run = ByHand::start(2, |times: KeyedStream<char, i64>| {
        let wait = Lateness::bounded(TimeDelta::zero());
        let times = times.event_time(move |(_, at)| second(at), wait);
        let times = times.named("time").down;
        let tens = tumbling(10.0).with_times().emit_empty(2);
        let counts = times.count_window(StreamClock::new(second), tens);
        let counts = counts.named("counts").down;
        let all = counts.map(|(_, (_, count))| ((), count));
        let clock = StreamClock::new(|count: &Windowed<u64>| count.time());
        let lists = all.collect_window::<Vec<_>, _, _>(clock, tumbling(10.0));
        lists
            .named("lists")
            .down
            .map(|(_, (id, counts)): (_, (WindowId, Vec<Windowed<u64>>))| {
                let mut counts: Vec<_> = counts.iter().map(|count| count.value).collect();
                counts.sort_unstable();
                (id.0, counts)
            })
    });
    run.give([('a', 1), ('b', 2), ('b', 3)]);
    run.give([('b', 11)]);
    assert_eq!(run.next(), (0, vec![1, 2]));
    run.give([('b', 39)]);
    assert_eq!(run.next(), (1, vec![0, 1]));
    assert_eq!(run.next(), (2, vec![0, 0]));
    run.give([('c', 45)]);
    assert_eq!(run.next(), (3, vec![1]), "a has been silent for too long");
    assert_eq!(run.end(), [(4, vec![0, 1]), (5, vec![0, 0]), (6, vec![0])]);
}

/// A key with a watermark of its own emits them as time passes.
#[test]
fn windows_without_values_close_by_the_clock() {
    let run = ByHand::start(1, |times: KeyedStream<char, i64>| {
        let clock = EventClock::new(|second: &i64| Micros(second * 1_000_000), TimeDelta::zero());
        let counts = times.count_window(clock, tumbling(10.0).emit_empty(2));
        counts
            .named("counts")
            .down
            .map_value(|(id, count)| (id.0, count))
    });
    run.give([('a', 3)]);
    for count in [(0, 1), (1, 0), (2, 0)] {
        assert_eq!(run.next_after(TimeDelta::seconds(1)), ('a', count));
    }
    run.hand.advance(TimeDelta::seconds(100));
    run.give([('a', 500)]);
    assert_eq!(run.end(), [('a', (50, 1)), ('a', (51, 0)), ('a', (52, 0))]);
}

#[cfg(feature = "calendar")]
#[test]
fn days_without_values_are_days() {
    use bytewax_runtime::testing::run_keyed;
    use bytewax_runtime::windowing::CalendarWindower;
    use chrono::Utc;

    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let out = run_keyed(
        [
            ('a', at("2026-03-27T12:00:00Z")),
            ('a', at("2026-03-31T12:00:00Z")),
        ],
        |times| {
            let clock = EventClock::per_partition(|at: &DateTime<Utc>| *at, TimeDelta::zero());
            let days = CalendarWindower::days("Europe/Berlin")
                .with_times()
                .emit_empty(3);
            times.count_window(clock, days).named("days").down
        },
    );
    let hours = |day: &Windowed<u64>| (day.end - day.begin).num_hours();
    let told: Vec<_> = out
        .iter()
        .map(|(_, (_, day))| (day.value, hours(day)))
        .collect();
    let expect = [
        (1, 24),
        (0, 24),
        (0, 23),
        (0, 24),
        (1, 24),
        (0, 24),
        (0, 24),
        (0, 24),
    ];
    assert_eq!(told, expect);
}
