//! A table on every worker, made of a stream of updates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::TestingItem::{Abort, Item};
use bytewax_runtime::testing::{TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{Lateness, Micros, StreamClock, TumblingWindower};
use bytewax_runtime::{RecoveryConfig, WorkerIndex};
use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use crate::shared::{Answer, EachWorker, sorted, workers_of};

/// An update of a limit, or an item with a number.
type Event = Result<(u8, i64), (u64, u8)>;

/// Each item with the table as it met it.
fn seen(events: Stream<Event>, others: Stream<(u8, i64)>) -> Stream<(u64, BTreeMap<u8, i64>)> {
    let sides = events.split_result();
    let updates = sides.oks.merge(others);
    // Items are where the table is, whichever worker has read them.
    let items = sides.errs.redistribute();
    let step = items.with_broadcast(
        updates,
        |table: &mut BTreeMap<u8, i64>, (name, n)| {
            let sum = table.entry(name).or_default();
            *sum = *sum * 7 % 1001 + n;
        },
        |table, (number, copies)| vec![(number, table.clone()); usize::from(copies)],
    );
    step.named("table")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// With an epoch for each event, an item meets exactly the updates before it, over stops and any workers.
    #[test]
    fn an_item_meets_the_updates_before_it(
        events in prop::collection::vec((any::<bool>(), 0..3_u8, 0..50_i64), 0..40),
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        workers in prop::collection::vec(1..5_usize, 4),
    ) {
        let mut table: BTreeMap<u8, i64> = BTreeMap::new();
        let mut expect = Vec::new();
        let mut elements = Vec::new();
        for (number, (is_update, name, n)) in (0..).zip(events) {
            elements.push(Item(if is_update { Ok((name, n)) } else { Err((number, name)) }));
            if is_update {
                let sum = table.entry(name).or_default();
                *sum = *sum * 7 % 1001 + n;
            } else {
                expect.extend(vec![(number, table.clone()); usize::from(name)]);
            }
        }
        for stop in &stops {
            elements.insert(stop.index(elements.len() + 1), Abort);
        }
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let events = flow.input(TestingSource::with_marks(elements)).named("in");
            let none = flow.input(TestingSource::new([])).named("none");
            seen(events, none).output(out.clone()).named("out");
        });
        let dir = tempfile::tempdir().unwrap();
        for workers in workers.iter().take(stops.len() + 1) {
            let config = workers_of(*workers).epoch_interval(Duration::ZERO);
            let config = config.recovery(RecoveryConfig::new(dir.path()));
            if let Err(error) = cluster_main(flow.clone(), config) {
                panic!("{}", error.report());
            }
        }
        // A stop repeats nothing here, as the sink keeps what an epoch has written.
        let mut got = out.take();
        got.sort();
        got.dedup();
        expect.dedup();
        prop_assert_eq!(got, expect);
    }
}

/// The state of a key: how many values it has had, and a mix of them and the tables that they met.
type Counted = (u64, i64);

/// What a value and a table make of a state; now and then the key is dropped.
fn count(table: &BTreeMap<u8, i64>, state: &mut Option<Counted>, n: i64) -> Counted {
    let (count, sum) = state.unwrap_or_default();
    let all = table.iter().fold(sum, |sum, (name, row)| {
        (sum * 31 + i64::from(*name) + row) % 1_000_003
    });
    let new = (count + 1, (all * 31 + n) % 1_000_003);
    *state = (n % 7 > 0).then_some(new);
    new
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same with a state for each key, whether or not all of them fit in memory.
    #[test]
    fn a_state_goes_on_with_the_updates_before_a_value(
        events in prop::collection::vec((any::<bool>(), 0..5_u8, 0..50_i64), 0..60),
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        workers in prop::collection::vec(1..5_usize, 4),
        memory in prop_oneof![Just(None), Just(Some(0)), Just(Some(2000))],
    ) {
        let (mut table, mut states) = (BTreeMap::new(), BTreeMap::new());
        let mut expect = Vec::new();
        let mut elements = Vec::new();
        for (number, (is_update, name, n)) in (0_u64..).zip(events) {
            elements.push(Item((is_update, name, number, n)));
            if is_update {
                *table.entry(name).or_insert(0) += n;
            } else {
                let new = count(&table, states.entry(name).or_default(), n);
                expect.push((name, (number, new)));
            }
        }
        for stop in &stops {
            elements.insert(stop.index(elements.len() + 1), Abort);
        }
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let events = flow.input(TestingSource::with_marks(elements)).named("in");
            let sides = events.branch(|(is_update, ..)| *is_update);
            let updates = sides.trues.map(|(_, name, _, n)| (name, n)).redistribute();
            let values = sides.falses.map(|(_, name, number, n)| (name, (number, n)));
            let counted = values.stateful_with_broadcast(
                updates,
                |table: &mut BTreeMap<u8, i64>, (name, n)| *table.entry(name).or_insert(0) += n,
                |table, state, (number, n)| [(number, count(table, state, n))],
            );
            counted.named("counted").output(out.clone()).named("out");
        });
        let dir = tempfile::tempdir().unwrap();
        for workers in workers.iter().take(stops.len() + 1) {
            let recovery = RecoveryConfig::new(dir.path());
            let recovery = match memory {
                Some(bytes) => recovery.state_memory(bytes),
                None => recovery,
            };
            let config = workers_of(*workers).epoch_interval(Duration::ZERO);
            if let Err(error) = cluster_main(flow.clone(), config.recovery(recovery)) {
                panic!("{}", error.report());
            }
        }
        let mut got = out.sorted();
        got.dedup();
        expect.sort_unstable();
        prop_assert_eq!(got, expect);
    }
}

/// The first version of a table, and of the state of a key.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Limit(i64);

#[stateful(crate = "bytewax_runtime")]
struct Seen {
    count: i64,
}

#[stateful(crate = "bytewax_runtime", version = 2, from(Limit))]
#[derive(Default)]
struct Limits {
    least: i64,
    most: i64,
}

impl From<Limit> for Limits {
    fn from(Limit(most): Limit) -> Self {
        Self { least: 1, most }
    }
}

#[stateful(crate = "bytewax_runtime", version = 2, from(Seen))]
struct Counts {
    inside: i64,
}

impl From<Seen> for Counts {
    fn from(Seen { count }: Seen) -> Self {
        Self {
            inside: count * 100,
        }
    }
}

/// The table and the states have types of their own, with versions of their own.
#[test]
fn the_types_of_the_table_and_of_the_states_change_apart() {
    type Numbers = KeyedStream<char, i64>;
    type Step = fn(Numbers, Stream<i64>) -> Numbers;
    let first: Step = |numbers, limits| {
        numbers.stateful_with_broadcast(
            limits,
            |limit: &mut Limit, n| limit.0 = n,
            |limit, seen: &mut Option<Seen>, n| {
                let count = seen.as_ref().map_or(0, |seen| seen.count) + i64::from(n <= limit.0);
                *seen = Some(Seen { count });
                [count]
            },
        )
    };
    let other_table: Step = |numbers, limits| {
        numbers.stateful_with_broadcast(
            limits,
            |limits: &mut Limits, n| limits.most = n,
            |limits, seen: &mut Option<Seen>, n| {
                let is_inside = n >= limits.least && n <= limits.most;
                let count = seen.as_ref().map_or(0, |seen| seen.count) + i64::from(is_inside);
                *seen = Some(Seen { count });
                [count]
            },
        )
    };
    let both: Step = |numbers, limits| {
        numbers.stateful_with_broadcast(
            limits,
            |limits: &mut Limits, n| limits.most = n,
            |limits, seen: &mut Option<Counts>, n| {
                let is_inside = n >= limits.least && n <= limits.most;
                let inside = seen.as_ref().map_or(0, |seen| seen.inside) + i64::from(is_inside);
                *seen = Some(Counts { inside });
                [inside]
            },
        )
    };
    let without_version: Step = |numbers, limits| {
        numbers.stateful_with_broadcast(
            limits,
            |limit: &mut String, n| *limit = n.to_string(),
            |_, seen: &mut Option<Counts>, n| {
                seen.get_or_insert(Counts { inside: n });
                [n]
            },
        )
    };
    let (dir, out) = (tempfile::tempdir().unwrap(), TestingSink::new());
    let run = |numbers: &[(char, i64)], workers, step: Step| {
        // A negative number is a limit. The position of the source is its number of items.
        let numbers = numbers.to_vec();
        let flow = Dataflow::build("f", |flow| {
            let numbers = flow.input(TestingSource::new(numbers)).named("in");
            let limits = numbers.clone().filter_map(|(_, n)| (n < 0).then_some(-n));
            let numbers = numbers.filter(|(_, n)| *n >= 0);
            let counted = step(numbers, limits).named("counted");
            counted.output(out.clone()).named("out");
        });
        let config = workers_of(workers).epoch_interval(Duration::ZERO);
        cluster_main(flow, config.recovery(RecoveryConfig::new(dir.path())))
    };
    let numbers = [
        ('-', -9),
        ('a', 5),
        ('a', 20),
        ('a', 0),
        ('a', 6),
        ('b', 0),
        ('b', 8),
        ('a', 7),
    ];
    run(&numbers[..4], 2, first).unwrap();
    assert_eq!(out.take(), [('a', 1), ('a', 1), ('a', 2)]);
    run(&numbers[..6], 3, other_table).unwrap();
    assert_eq!(out.sorted(), [('a', 3), ('b', 0)]);
    out.take();
    let told = run(&numbers, 1, without_version).unwrap_err().report();
    assert!(told.contains("`f.counted`"), "{told}");
    assert_eq!(out.take(), []);
    run(&numbers, 1, both).unwrap();
    assert_eq!(out.sorted(), [('a', 301), ('b', 1)]);
}

/// Updates that several workers send come to all workers in one order.
#[test]
fn all_workers_have_one_table() {
    const WORKERS: u64 = 4;
    for _ in 0..5 {
        let (out, sent) = (TestingSink::new(), Arc::new(AtomicUsize::new(0)));
        let flow = Dataflow::build("f", |flow| {
            let updates = TestingSource::new((0..400).map(|n| (0_u8, n))).batch_size(3);
            let updates = flow.input(updates).named("updates").redistribute();
            let counted = Arc::clone(&sent);
            let updates = updates.inspect(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            // Each worker has an item, some epochs behind the last update.
            let source = EachWorker(move |worker: WorkerIndex| {
                let (sent, mut polls) = (Arc::clone(&sent), 0);
                Ok(move || -> Answer<u64> {
                    polls += usize::from(sent.load(Ordering::SeqCst) == 400);
                    Ok(match polls {
                        0..10 => Poll::idle(Duration::ZERO),
                        10 => Poll::item(worker.0 as u64),
                        _ => Poll::end(),
                    })
                })
            });
            let items = flow.input(source).named("in");
            let tables = items.with_broadcast(
                updates,
                |table: &mut u64, (_, n)| *table = table.wrapping_mul(31).wrapping_add(n),
                |table, worker| [(worker, *table)],
            );
            tables.named("table").output(out.clone()).named("out");
        });
        let config = workers_of(WORKERS as usize).epoch_interval(Duration::ZERO);
        cluster_main(flow, config).unwrap();
        let tables = sorted(out.take());
        let workers: Vec<_> = tables.iter().map(|(worker, _)| *worker).collect();
        assert_eq!(workers, (0..WORKERS).collect::<Vec<_>>());
        assert!(
            tables.iter().all(|(_, table)| *table == tables[0].1),
            "{tables:?}"
        );
    }
}

/// The watermark is that of the items: updates have no time, and may stop.
#[test]
fn the_time_of_the_items_goes_on() {
    for workers in [1, 3] {
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            let limits = flow.input(TestingSource::new([5_i64])).named("limits");
            let times = flow
                .input(TestingSource::new((0..40).map(|at| ('a', at))))
                .named("in");
            let at = |at: &i64| Micros(*at);
            let times = times.event_time(
                move |(_, time)| at(time),
                Lateness::bounded(TimeDelta::zero()),
            );
            let times = times.named("time").down.with_broadcast(
                limits,
                |limit: &mut i64, n| *limit = n,
                |_, item: (char, i64)| [item],
            );
            let tens = TumblingWindower::new(TimeDelta::microseconds(10), DateTime::UNIX_EPOCH);
            let counts = times
                .named("table")
                .count_window(StreamClock::new(at), tens);
            let counts = counts.named("counts").down.map(|(_, (_, count))| count);
            counts.output(out.clone()).named("out");
        });
        cluster_main(flow, workers_of(workers)).unwrap();
        assert_eq!(out.take(), [10, 10, 10, 10]);
    }
}
