//! Runs that fail, and go on when what was wrong is mended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingSource, cluster_main};

use super::kept::KeptSink;
use super::{Store, ZERO, refusal};
use crate::shared::flow_of;

/// Counts the numbers of each key; fails at a number as long as `broken` is set.
fn counting(broken: &Arc<AtomicBool>, sink: &KeptSink) -> Dataflow {
    let broken = Arc::clone(broken);
    let counts = move |s: Stream<u32>| {
        let counts = s.key_on(|n| n % 5).stateful_map(|count: &mut u32, n| {
            *count += 1;
            (*count, n)
        });
        let checked = counts.named("counts").map(move |(key, (count, n))| {
            assert!(n != 60 || !broken.load(Ordering::SeqCst), "60 is too much");
            (key, format!("{key} {count}"))
        });
        checked.named("check")
    };
    flow_of(
        TestingSource::new(0..100).batch_size(3),
        counts,
        sink.clone(),
    )
}

#[test]
fn a_failure_loses_nothing() {
    for workers in [[1, 1], [3, 2], [2, 4]] {
        let store = Store::new(2);
        let (broken, sink) = (Arc::new(AtomicBool::new(true)), KeptSink::default());
        let flow = counting(&broken, &sink);
        for _ in 0..2 {
            let text = refusal(&flow, store.config(ZERO).workers(workers[0]));
            assert!(
                text.contains("step `f.check`") && text.contains("60 is too much"),
                "{text}"
            );
        }
        broken.store(false, Ordering::SeqCst);
        cluster_main(flow, store.config(ZERO).workers(workers[1])).unwrap();
        let counts: Vec<String> = (1..=20).map(|count| count.to_string()).collect();
        let expect = (0..5).map(|key| (key.to_string(), counts.clone()));
        assert_eq!(sink.by_key(), expect.collect());
    }
}
