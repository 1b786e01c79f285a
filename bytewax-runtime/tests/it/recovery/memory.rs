//! States that are evicted and restored give the same results as those that stay.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::state::{Field, Schema, State};
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{EventClock, Lateness, StreamClock, TumblingWindower};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Store, ZERO};
use crate::shared::by_hand::{self, ByHand};
use crate::shared::{run_in, sorted, workers_of};

/// How often a sum was decoded, by each test for itself.
static READ: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// A sum of the test of this number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sum<const TEST: usize>(#[serde(deserialize_with = "read::<TEST, _>")] u64);

fn read<'de, const TEST: usize, D: Deserializer<'de>>(sum: D) -> Result<u64, D::Error> {
    READ[TEST].fetch_add(1, Ordering::Relaxed);
    u64::deserialize(sum)
}

impl<const TEST: usize> State for Sum<TEST> {
    const SCHEMA: Schema = Schema::new("Sum", 1, &[Field::of::<u64>("0")]);
}

/// The sums of each key, in the order of the values.
fn sums<const TEST: usize>(
    items: &[(u8, u64)],
    workers: usize,
    memory: Option<u64>,
) -> Vec<(u8, u64)> {
    let store = Store::new(2);
    let mut recovery = RecoveryConfig::new(store.path());
    if let Some(bytes) = memory {
        recovery = recovery.state_memory(bytes);
    }
    let config = workers_of(workers).epoch_interval(ZERO).recovery(recovery);
    let mut out = run_in(&config, 3, items.iter().copied(), |items| {
        let sums = items.stateful_map(|sum: &mut Sum<TEST>, n| {
            sum.0 += n;
            sum.0
        });
        sums.named("sums")
    });
    // The order within a key is the order of its sums.
    out.sort();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn sums_do_not_depend_on_the_memory(
        items in prop::collection::vec((0_u8..12, 1_u64..9), 20..60),
        workers in 1_usize..4,
    ) {
        prop_assert_eq!(sums::<0>(&items, workers, Some(0)), sums::<0>(&items, workers, None));
    }
}

#[test]
fn states_are_really_evicted() {
    let items: Vec<(u8, u64)> = (0..40).map(|n| (n % 8, 1)).collect();
    let expected: Vec<(u8, u64)> = (0..8)
        .flat_map(|key| (1..=5).map(move |sum| (key, sum)))
        .collect();
    assert_eq!(sums::<1>(&items, 1, Some(0)), expected);
    let read = READ[1].swap(0, Ordering::Relaxed);
    assert_eq!(sums::<1>(&items, 1, None), expected);
    // The sums are read to find out what is saved of them, too.
    assert!(read > READ[1].load(Ordering::Relaxed) + 8);
}

/// Reports values two seconds after the last has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Late {
    values: Vec<u64>,
    due: Option<DateTime<Utc>>,
}

impl State for Late {
    const SCHEMA: Schema = Schema::new(
        "Late",
        1,
        &[
            Field::of::<Vec<u64>>("values"),
            Field::of::<Option<DateTime<Utc>>>("due"),
        ],
    );
}

impl StatefulLogic for Late {
    type In = u64;
    type Out = u64;

    fn on_item(&mut self, value: u64, out: &mut Emit<u64>) -> Keep {
        self.values.push(value);
        self.due = out.now().checked_add_signed(TimeDelta::seconds(2));
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }

    fn on_notify(&mut self, out: &mut Emit<u64>) -> Keep {
        out.extend(self.values.drain(..));
        Keep::No
    }
}

#[test]
fn times_of_evicted_states_come() {
    let store = Store::new(2);
    let recovery = RecoveryConfig::new(store.path()).state_memory(0);
    let config = RunConfig::new()
        .epoch_interval(Duration::from_secs(1))
        .recovery(recovery);
    let run = ByHand::start_in(config, |items: Stream<(u64, u64)>| {
        items.stateful::<Late>().named("late")
    });
    run.give((0..6).map(|key| (key, 10 * key)));
    // Epochs come and go before the first time does.
    let tenth = TimeDelta::milliseconds(100);
    let seen: Vec<_> = (0..6).map(|_| run.next_after(tenth)).collect();
    assert_eq!(
        sorted(seen),
        (0..6).map(|key| (key, 10 * key)).collect::<Vec<_>>()
    );
    assert_eq!(run.end(), []);
}

/// The sums of each key in windows of ten, all of which close by one watermark.
fn sums_in_windows(items: &[(u8, u64)], workers: usize, memory: Option<u64>) -> Vec<String> {
    let store = Store::new(2);
    let mut recovery = RecoveryConfig::new(store.path());
    if let Some(bytes) = memory {
        recovery = recovery.state_memory(bytes);
    }
    let config = workers_of(workers).epoch_interval(ZERO).recovery(recovery);
    let items = items.iter().copied().zip(0..);
    sorted(run_in(&config, 3, items, |items| {
        let at = |(_, second): &((u8, u64), i64)| by_hand::at(*second);
        let items = items
            .event_time(at, Lateness::bounded(TimeDelta::zero()))
            .named("time")
            .down;
        let items = items.map(|((key, n), second)| (key, (n, second)));
        let windower = TumblingWindower::new(TimeDelta::seconds(10), by_hand::at(0));
        let sums = items.fold_window(
            StreamClock::new(|(_, second): &(u64, i64)| by_hand::at(*second)),
            windower,
            Sum::<2>::default,
            |sum: &mut Sum<2>, (n, _)| sum.0 += n,
            |sum: &mut Sum<2>, other: Sum<2>| sum.0 += other.0,
        );
        let sums = sums.named("sums").down;
        sums.map(|(key, (window, sum))| format!("{key} {window:?} {}", sum.0))
    }))
}

#[test]
fn windows_of_one_watermark_are_evicted_and_close_in_time() {
    let items: Vec<(u8, u64)> = (0..100).map(|n| (n % 7, u64::from(n))).collect();
    for workers in [1, 3] {
        let evicted = sums_in_windows(&items, workers, Some(0));
        let read = READ[2].swap(0, Ordering::Relaxed);
        assert_eq!(evicted, sums_in_windows(&items, workers, None));
        // The sums are read to find out what is saved of them, too.
        assert!(read > READ[2].swap(0, Ordering::Relaxed) + 70);
        assert_eq!(evicted.len(), 70);
    }
}

/// A key that only the store has waits for the time at which its window closes, though it gets no more values.
#[test]
fn windows_of_keys_that_a_resume_leaves_evicted_close_in_time() {
    for memory in [None, Some(0)] {
        let (clock, hand) = WorkerClock::by_hand(by_hand::at(0));
        let seen = TestingSink::new();
        let flow = {
            let (clock, seen) = (clock.clone(), seen.clone());
            Dataflow::build("f", |flow| {
                let keys = [1, 2, 3, 4].map(TestingItem::Item);
                let [first, second, third, fourth] = keys;
                let elements = [
                    first,
                    TestingItem::Abort,
                    second,
                    third,
                    fourth,
                    TestingItem::Abort,
                ];
                let keys = flow.input(TestingSource::with_marks(elements)).named("in");
                let values = keys.map(move |key| {
                    hand.advance(TimeDelta::hours(1));
                    (key, clock.now())
                });
                let windower = TumblingWindower::new(TimeDelta::seconds(10), by_hand::at(0));
                let time = EventClock::new(|at: &DateTime<Utc>| *at, TimeDelta::seconds(1));
                let counts = values.count_window(time, windower).named("counts");
                counts.down.output(seen).named("out");
            })
        };
        let store = Store::new(2);
        for _ in 0..2 {
            let mut recovery = RecoveryConfig::new(store.path());
            if let Some(bytes) = memory {
                recovery = recovery.state_memory(bytes);
            }
            let config = RunConfig::new().epoch_interval(ZERO).clock(clock.clone());
            cluster_main(flow.clone(), config.recovery(recovery)).unwrap();
        }
        let keys: Vec<u64> = seen.take().into_iter().map(|(key, _)| key).collect();
        assert!(keys.contains(&1), "with {memory:?}: {keys:?}");
    }
}
