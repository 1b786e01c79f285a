//! Windows against a model of a few lines: with random times, lateness, workers and batches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Abort, Item};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    CountWindower, EventClock, Fired, Firing, Micros, SessionWindower, SlidingWindower, WindowId,
    WindowOut,
};
use chrono::{DateTime, TimeDelta};
use proptest::prelude::{
    ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest,
};

use super::random::{numbered, with_disorder};

/// The time of a value, and its number.
type Value = (i64, u32);
type Values = KeyedStream<u8, Value>;
/// The values of each key.
type Taken = BTreeMap<u8, Vec<Value>>;
/// A value of a window.
type Told = (WindowId, Fired<Vec<Value>>);
type Lists = WindowOut<u8, Fired<Vec<Value>>, Value>;

/// Which windows there are; times are microseconds.
#[derive(Clone, Copy, Debug)]
enum Kind {
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

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    wait: i64,
    lateness: i64,
    ordered: bool,
    /// Whether all keys have one time.
    partitioned: bool,
    /// The key and the time of each value.
    values: Vec<(u8, i64)>,
    batch: usize,
    workers: usize,
    stops: BTreeSet<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let kind =
        (0_u8..3, 1_i64..30, 1_i64..30, -20_i64..20).prop_map(|(kind, a, b, c)| match kind {
            0 => Kind::Sliding {
                length: a.max(b),
                offset: a.min(b),
                align: c,
            },
            1 => Kind::Session { gap: a - 1 },
            _ => Kind::Count {
                length: a.max(b) as u64,
                every: a.min(b) as u64,
            },
        });
    let values = prop::collection::vec((0_u8..3, -5_i64..25), 0..60).prop_map(|steps| {
        // Times move on, with disorder.
        with_disorder(steps)
    });
    let rest = (1_usize..20, 1_usize..5, any::<bool>(), any::<bool>());
    let times = (0_i64..40, prop::sample::select(vec![0_i64, 0, 5, 25]));
    let stops = prop::collection::btree_set(0_usize..60, 0..3);
    (kind, times, values, rest, stops).prop_map(|(kind, times, values, rest, stops)| Case {
        kind,
        wait: times.0,
        lateness: times.1,
        ordered: rest.2,
        partitioned: rest.3,
        values,
        batch: rest.0,
        workers: rest.1,
        stops,
    })
}

impl Case {
    /// The values of each key that are taken, in the order in which they are, and those that are late.
    fn taken(&self) -> (Taken, BTreeSet<(u8, Value)>) {
        let mut marks: BTreeMap<u8, i64> = BTreeMap::new();
        let (mut taken, mut late) = (Taken::new(), BTreeSet::new());
        for (key, value) in numbered(&self.values) {
            let whose = if self.partitioned { 0 } else { key };
            let mark = marks.entry(whose).or_insert(i64::MIN);
            *mark = (*mark).max(value.0 - self.wait);
            if value.0 < mark.saturating_sub(self.lateness) {
                late.insert((key, value));
            } else {
                taken.entry(key).or_default().push(value);
            }
        }
        (taken, late)
    }

    /// The values of all windows, each list in order.
    fn expected(&self) -> BTreeMap<u8, Vec<Vec<Value>>> {
        let windows = |values: Vec<Value>| {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let mut windows: Vec<Vec<Value>> = Vec::new();
            match self.kind {
                Kind::Sliding {
                    length,
                    offset,
                    align,
                } => {
                    for id in -200..200 {
                        let begin = align + id * offset;
                        let inside = |value: &&Value| (begin..begin + length).contains(&value.0);
                        windows.push(sorted.iter().filter(inside).copied().collect());
                    }
                }
                Kind::Session { gap } => {
                    for value in sorted {
                        match windows.last_mut() {
                            Some(last) if value.0 - last[last.len() - 1].0 <= gap => {
                                last.push(value);
                            }
                            _ => windows.push(vec![value]),
                        }
                    }
                }
                Kind::Count { length, every } => {
                    // In the order of times, values that were late come when they come.
                    let order = if self.ordered { sorted } else { values };
                    for begin in (0..order.len()).step_by(every as usize) {
                        let end = (begin + length as usize).min(order.len());
                        let mut window = order[begin..end].to_vec();
                        window.sort_unstable();
                        windows.push(window);
                    }
                }
            }
            windows.retain(|window| !window.is_empty());
            windows.sort_unstable();
            windows
        };
        let keys = self.taken().0.into_iter();
        keys.map(|(key, values)| (key, windows(values))).collect()
    }

    fn lists(&self, values: Values) -> Lists {
        let span = TimeDelta::microseconds;
        let at = |value: &Value| Micros(value.0);
        let late = span(self.lateness);
        macro_rules! collect {
            ($windower:expr) => {{
                let windower = $windower.allow_late(late);
                let arriving = windower.in_arrival_order();
                let wait = span(self.wait);
                let clock = EventClock::new(at, wait);
                let one = EventClock::per_partition(at, wait);
                match (self.partitioned, self.ordered) {
                    (false, true) => values.collect_window::<Vec<_>, _, _>(clock, windower),
                    (false, false) => values.collect_window::<Vec<_>, _, _>(clock, arriving),
                    (true, true) => values.collect_window::<Vec<_>, _, _>(one, windower),
                    (true, false) => values.collect_window::<Vec<_>, _, _>(one, arriving),
                }
            }};
        }
        match self.kind {
            Kind::Sliding {
                length,
                offset,
                align,
            } => {
                let align = DateTime::UNIX_EPOCH + span(align);
                collect!(SlidingWindower::new(span(length), span(offset), align))
            }
            Kind::Session { gap } => collect!(SessionWindower::new(span(gap))),
            Kind::Count { length, every } => collect!(CountWindower::new(length).every(every)),
        }
    }
}

/// What a flow of a case gives, and how it is run.
struct Run {
    flow: Dataflow,
    down: TestingSink<(u8, Told)>,
    late: TestingSink<(u8, (WindowId, Value))>,
    meta: TestingSink<(u8, WindowId)>,
}

impl Run {
    fn new(case: &Case, elements: Vec<TestingItem<(u8, Value)>>) -> Self {
        let (down, late, meta) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let source = TestingSource::with_marks(elements).batch_size(case.batch);
            let out = case.lists(flow.input(source).named("in")).named("lists");
            out.down.output(down.clone()).named("down");
            out.late.output(late.clone()).named("late");
            let ids = out.meta.map_value(|(id, _)| id);
            ids.output(meta.clone()).named("meta");
        });
        Self {
            flow,
            down,
            late,
            meta,
        }
    }

    fn go(&self, config: RunConfig) {
        let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        if let Err(error) = cluster_main(self.flow.clone(), config.clock(clock)) {
            panic!("{}", error.report());
        }
    }

    fn whole(case: &Case) -> Self {
        let run = Self::new(case, numbered(&case.values).into_iter().map(Item).collect());
        run.go(RunConfig::new().workers(case.workers));
        run
    }

    /// The emissions of each window of each key, in order.
    fn emitted(&self) -> BTreeMap<(u8, WindowId), Vec<Fired<Vec<Value>>>> {
        let mut emitted: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, (id, fired)) in self.down.items() {
            emitted.entry((key, id)).or_default().push(fired);
        }
        emitted
    }
}

fn set<T: Ord>(items: Vec<T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_those_of_the_model(case in cases()) {
        let run = Run::whole(&case);

        let (taken, late) = case.taken();
        let found: BTreeSet<_> = run.late.items().into_iter().map(|(key, (_, value))| (key, value)).collect();
        prop_assert_eq!(&found, &late, "late values");

        // The last value of each window that was closed; a session that is part of another was not.
        let emitted = run.emitted();
        let mut windows: BTreeMap<u8, Vec<Vec<Value>>> = taken.keys().map(|key| (*key, vec![])).collect();
        let closed: BTreeSet<_> = run.meta.items().into_iter().collect();
        prop_assert_eq!(closed.len(), run.meta.items().len(), "each window is closed once");
        for (key, id) in &closed {
            let last = emitted.get(&(*key, *id)).and_then(|fired| fired.last());
            prop_assert!(last.is_some(), "window {} of {} emitted nothing", id, key);
            let mut list = last.into_iter().flat_map(|fired| fired.value.clone()).collect::<Vec<_>>();
            if case.ordered && case.lateness == 0 {
                prop_assert!(list.is_sorted(), "{:?}", list);
            }
            list.sort_unstable();
            windows.entry(*key).or_default().push(list);
        }
        windows.values_mut().for_each(|lists| lists.sort_unstable());
        let is_sequence = case.ordered && case.lateness > 0 && matches!(case.kind, Kind::Count { .. });
        if !is_sequence {
            prop_assert_eq!(&windows, &case.expected());
        }

        // Nothing is lost, and nothing comes from nowhere.
        let mut all: BTreeSet<_> = found;
        for (key, lists) in windows {
            all.extend(lists.into_iter().flatten().map(|value| (key, value)));
        }
        prop_assert_eq!(all, numbered(&case.values).into_iter().collect::<BTreeSet<_>>());

        // A window is on time once at most, and corrected only after that.
        for (window, fired) in emitted {
            let firings: Vec<_> = fired.iter().map(|fired| fired.firing).collect();
            prop_assert!(firings.is_sorted(), "{:?}: {:?}", window, firings);
            let on_time = firings.iter().filter(|firing| **firing == Firing::OnTime).count();
            prop_assert!(on_time <= 1, "{:?}: {:?}", window, firings);
            prop_assert!(!firings.contains(&Firing::Early), "{:?}", window);
            prop_assert!(case.lateness > 0 || firings == [Firing::OnTime], "{:?}", window);
        }
    }

    #[test]
    fn workers_and_batches_change_nothing(case in cases(), batch in 1_usize..20) {
        let here = Run::whole(&Case { workers: 1, batch: 1, ..case.clone() });
        let there = Run::whole(&Case { batch, ..case });
        prop_assert_eq!(here.emitted(), there.emitted());
        let sorted = |mut items: Vec<_>| { items.sort_unstable(); items };
        prop_assert_eq!(sorted(here.late.items()), sorted(there.late.items()));
        prop_assert_eq!(here.meta.sorted(), there.meta.sorted());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stopped anywhere and resumed with any number of workers, all runs together give what one does. What
    /// was emitted just before a stop may be emitted again.
    #[test]
    fn a_run_that_is_stopped_gives_the_rest_when_it_is_resumed(case in cases()) {
        let whole = Run::whole(&case);
        let mut elements = Vec::new();
        for (index, value) in numbered(&case.values).into_iter().enumerate() {
            if case.stops.contains(&index) {
                elements.push(Abort);
            }
            elements.push(Item(value));
        }
        let stops = elements.iter().filter(|element| matches!(element, Abort)).count();
        let dir = tempfile::tempdir().unwrap();
        // Each value is an epoch, so that nothing is emitted twice.
        let parts = Run::new(&Case { batch: 1, ..case.clone() }, elements);
        for run in 0..=stops {
            let config = RunConfig::new()
                .workers((case.workers + run) % 4 + 1)
                .epoch_interval(Duration::ZERO)
                .recovery(RecoveryConfig::new(dir.path()));
            parts.go(config);
        }
        prop_assert_eq!(set(whole.down.items()), set(parts.down.items()));
        prop_assert_eq!(set(whole.late.items()), set(parts.late.items()));
        prop_assert_eq!(set(whole.meta.items()), set(parts.meta.items()));
    }
}
