//! A table on every worker, made of a stream of updates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
