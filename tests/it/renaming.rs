//! A renamed step keeps its state by its old name; without it, a resume refuses, and so would the compiler
//! if there were a lock file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytewax::RecoveryConfig;
use bytewax::prelude::*;
use bytewax::source::Poll;
use bytewax::testing::{RunConfig, cluster_main};

const KEYS: u64 = 1_000_000;
const BATCH: u64 = 2000;

/// Each key once for each million.
#[source]
fn keys(until: u64, #[resume] next: &mut u64) -> Poll<(u64, u64)> {
    if *next == until {
        return Poll::end();
    }
    let numbers = *next..*next + BATCH;
    *next += BATCH;
    Poll::batch(numbers.map(|n| (n % KEYS, n % KEYS + 1)).collect())
}

/// Counts the sums that are `times` times what one million gives each key.
#[sink]
fn count(sums: Vec<(u64, u64)>, times: u64, right: &Arc<AtomicU64>) {
    let found = sums.iter().filter(|(key, sum)| *sum == times * (key + 1));
    right.fetch_add(found.count() as u64, Ordering::Relaxed);
}

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

#[test]
fn a_million_keys_keep_their_state() {
    let store = tempfile::tempdir().expect("there is room");
    let config = |workers| {
        let recovery = RecoveryConfig::new(store.path());
        RunConfig::new().workers(workers).recovery(recovery)
    };
    let right = Arc::new(AtomicU64::new(0));

    let flow = dataflow!("sums", |flow| {
        let numbers = flow.input(keys(KEYS));
        let sums = numbers.stateful_map(add);
        sums.output(count(1, Arc::clone(&right)));
    });
    cluster_main(flow, config(1)).expect("a run");
    assert_eq!(right.swap(0, Ordering::Relaxed), KEYS);

    let renamed = dataflow!("sums", |flow| {
        let numbers = flow.input(keys(2 * KEYS));
        let totals = numbers.stateful_map(add);
        totals.output(count(2, Arc::clone(&right)));
    });
    let error = cluster_main(renamed, config(1)).expect_err("it is refused");
    let text = error.to_string();
    for expect in [
        "`sums.sums.stateful_map` has no step in this program, and the step \
         `sums.totals.stateful_map`",
        "give it its old name by `.named(\"sums.stateful_map\")`",
        "`flow.dropped(\"sums.stateful_map\", \"why\")`",
    ] {
        assert!(text.contains(expect), "{text}");
    }

    let mended = dataflow!("sums", |flow| {
        let numbers = flow.input(keys(2 * KEYS));
        let totals = numbers.stateful_map(add).named("sums.stateful_map");
        totals.output(count(2, Arc::clone(&right)));
    });
    cluster_main(mended, config(2)).expect("a run");
    assert_eq!(right.load(Ordering::Relaxed), KEYS);
}
