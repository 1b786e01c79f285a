//! Values that are looked up and kept for a while.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytewax_runtime::StepError;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::operators::CacheConfig;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use chrono::{DateTime, TimeDelta};

use crate::rows::rows;
use crate::shared::{EachWorker, failure, flow_of, run_in, run_on, workers_of};

fn lookup(key: &char) -> Result<Option<i32>, StepError> {
    match key {
        'a' => Ok(Some(1)),
        'b' => Ok(Some(2)),
        'n' => Ok(None),
        _ => Err(StepError::msg("no such letter")),
    }
}

/// How often the getter is asked when the clock moves a second with each item.
fn calls(ttl: i64, batch_size: usize) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = RunConfig::new().clock(clock);
    run_in(&config, batch_size, ['a'; 5], |s| {
        let getter = move |_: &char| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        };
        let config = CacheConfig::new().ttl(TimeDelta::seconds(ttl));
        s.enrich_cached(config, getter, move |cache, letter| {
            cache.get(&letter)?;
            hand.advance(TimeDelta::seconds(1));
            Ok(())
        })
    });
    calls.load(Ordering::SeqCst)
}

/// How often the getter is asked for two items of one letter, when its errors are borne.
fn calls_for(letter: char) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    run_on(1, 10, [letter; 2], |s| {
        let getter = move |key: &char| {
            counted.fetch_add(1, Ordering::SeqCst);
            lookup(key)
        };
        s.enrich_cached(CacheConfig::new(), getter, |cache, letter| {
            Ok(cache.get(&letter).is_ok())
        })
    });
    calls.load(Ordering::SeqCst)
}

rows! {
    b44_values_are_looked_up: run_on(1, 1, ['a', 'b', 'a'], |s| s.enrich_cached(CacheConfig::new(), lookup, |cache, letter| Ok(*cache.get(&letter)?))) => [Some(1), Some(2), Some(1)];
    b46_a_value_as_old_as_allowed_is_kept: calls(2, 1) => 2;
    b47_the_clock_is_read_once_a_batch: calls(0, 10) => 1;
    b47_each_batch_has_its_time: calls(0, 1) => 5;
    b48_none_is_kept: calls_for('n') => 1;
    b48_errors_are_not_kept: calls_for('x') => 2;
}

#[test]
fn an_error_of_the_getter_names_the_step_and_the_key() {
    let flow = flow_of(
        TestingSource::new(['a', 'x']),
        |s| {
            s.enrich_cached(CacheConfig::new(), lookup, |cache, letter| {
                Ok(*cache.get(&letter)?)
            })
            .named("enrich")
        },
        TestingSink::new(),
    );
    assert_eq!(
        failure(flow, 1),
        "step `f.enrich`, worker 0: an item could not be enriched\n  \
         caused by: no value could be got for the key `'x'`: no such letter"
    );
}

#[test]
fn u17_each_worker_has_its_own_cache() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let source = EachWorker(|_| {
        let mut polls = 0;
        Ok(move || {
            polls += 1;
            Ok(if polls > 3 {
                Poll::end()
            } else {
                Poll::batch(vec!['a', 'a'])
            })
        })
    });
    let out = TestingSink::new();
    let flow = flow_of(
        source,
        |s| {
            let getter = move |_: &char| {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(7)
            };
            s.enrich_cached(CacheConfig::new(), getter, |cache, letter| {
                Ok(*cache.get(&letter)?)
            })
        },
        out.clone(),
    );
    cluster_main(flow, workers_of(3)).unwrap();
    assert_eq!(out.take(), [7; 18]);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}
