//! More keys than are saved at once: items flow on while a snapshot is taken, and change what it has
//! still to take.

use std::collections::BTreeMap;
use std::time::Duration;

use bytewax_runtime::clock::{ClockHand, WorkerClock};
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{
    RunConfig, TestingItem, TestingSource, TestingSourcePartition, cluster_main,
};
use bytewax_runtime::{RecoveryConfig, StepError};
use chrono::{DateTime, TimeDelta};

use super::kept::KeptSink;
use super::{LONG, Store};

/// Lets time pass with each poll, so that an epoch has so many.
struct Ticking {
    source: TestingSource<u64>,
    hand: ClockHand,
}

struct TickingPartition {
    partition: TestingSourcePartition<u64>,
    hand: ClockHand,
}

impl FixedPartitionedSource for Ticking {
    type Item = u64;
    type Position = u64;
    type Partition = TickingPartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.source.partitions()
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<TickingPartition, StepError> {
        Ok(TickingPartition {
            partition: self.source.open(partition, resume)?,
            hand: self.hand.clone(),
        })
    }
}

impl StatefulSourcePartition for TickingPartition {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        self.hand.advance(TimeDelta::seconds(1));
        self.partition.next_batch()
    }

    fn snapshot(&self) -> u64 {
        self.partition.snapshot()
    }
}

/// Each key three times, in another order each time, with aborts in between.
fn source(keys: u64, aborts: &[usize]) -> TestingSource<u64> {
    let times = [7919, 104_729, 1_299_709].into_iter();
    let numbers = times.flat_map(|prime| (0..keys).map(move |n| n * prime % keys));
    let mut elements: Vec<_> = numbers.map(TestingItem::Item).collect();
    for abort in aborts.iter().rev() {
        elements.insert(*abort, TestingItem::Abort);
    }
    TestingSource::with_marks(elements).batch_size(keys as usize / 26)
}

fn flow(
    source: TestingSource<u64>,
    hand: ClockHand,
) -> (Dataflow, BTreeMap<&'static str, KeptSink>) {
    let names = ["map", "flat_map", "collect"];
    let sinks = BTreeMap::from(names.map(|name| (name, KeptSink::default())));
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(Ticking { source, hand }).named("in");
        let keyed = numbers.map(|n| (n, n));
        let told = |name: &'static str, out: KeyedStream<u64, String>| {
            let told = out.map(|(key, text)| (key, format!("{key} {text}")));
            told.output(sinks[name].clone())
                .named(&format!("{name}_out"));
        };
        let counts = keyed.clone().stateful_map(|count: &mut u64, n| {
            *count = *count * 3 + n % 5 + 1;
            count.to_string()
        });
        told("map", counts.named("map"));
        // Half of the keys are forgotten every second time.
        let turns = keyed
            .clone()
            .stateful_flat_map(|last: &mut Option<u64>, n: u64| {
                let before = last.take();
                *last =
                    (n.is_multiple_of(2) || before.is_none()).then_some(before.unwrap_or(0) + 1);
                [format!("{before:?}")]
            });
        told("flat_map", turns.named("flat_map"));
        let pairs = keyed.collect(3, LONG).named("collect");
        told("collect", pairs.map_value(|pair| format!("{pair:?}")));
    });
    (flow, sinks)
}

/// Checks that runs which are broken off, by so many items, give what one gives that is not.
fn check(keys: u64, aborts: &[usize], set: fn(RecoveryConfig) -> RecoveryConfig) {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (unbroken, expect) = flow(source(keys, &[]), hand.clone());
    cluster_main(unbroken, RunConfig::new()).unwrap();
    let (broken, sinks) = flow(source(keys, aborts), hand);
    let store = Store::new(3);
    // An epoch has most of the keys, and the next begins while it is saved.
    let config = store.config(Duration::from_secs(25)).clock(clock);
    let config = config.recovery(set(RecoveryConfig::new(store.path())));
    for workers in [1, 1, 2] {
        cluster_main(broken.clone(), config.clone().workers(workers)).unwrap();
    }
    for (name, expect) in expect {
        let (expect, got) = (expect.by_key(), sinks[name].by_key());
        let wrong = expect
            .iter()
            .find(|(key, lines)| got.get(*key) != Some(*lines));
        let got = wrong.map(|(key, _)| got.get(key));
        assert_eq!(got, None, "{name}, instead of {wrong:?}");
        assert_eq!(expect.len(), keys as usize, "{name}");
    }
}

#[test]
fn snapshots_while_items_flow() {
    check(40_000, &[57_000, 108_000], |config| config);
}

/// A key that is forgotten does not come back, whether it was evicted or not.
#[test]
fn keys_are_evicted_while_items_flow() {
    check(1000, &[1400, 2700], |config| config.state_memory(0));
    check(1000, &[1400, 2700], |config| config.state_memory(50_000));
}
