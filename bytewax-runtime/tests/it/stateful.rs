//! State per key.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytewax_runtime::testing::run_keyed;

use crate::rows::rows;
use crate::shared::run_on;

/// Counts values, and forgets the key at 0.
fn count_until_reset(count: &mut Option<u32>, n: u32) -> Option<u32> {
    if n == 0 {
        *count = None;
        return Some(0);
    }
    *count = Some(count.unwrap_or(0) + 1);
    *count
}

fn resets(batch_size: usize) -> Vec<u32> {
    let items = [1, 1, 0, 1].map(|n| ('k', n));
    run_on(1, batch_size, items, |s| {
        s.stateful_flat_map(count_until_reset)
            .named("count")
            .key_rm()
    })
}

fn values<V>(items: impl IntoIterator<Item = V>) -> Vec<(char, V)> {
    items.into_iter().map(|value| ('a', value)).collect()
}

fn per_key<K: Ord + Debug, V>(items: Vec<(K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut all: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in items {
        all.entry(key).or_default().push(value);
    }
    all
}

rows! {
    c07_state_is_kept_per_key: run_keyed([('a', 1), ('b', 2), ('a', 3), ('b', 4)], |s| {
        s.stateful_map(|last: &mut Option<i32>, n| (last.replace(n), n)).named("last")
    }) => [('a', (None, 1)), ('b', (None, 2)), ('a', (Some(1), 3)), ('b', (Some(2), 4))];
    c32_the_empty_text_is_a_key: run_keyed([(String::new(), 1)], |s| s.stateful_map(|(), n| n).named("m")) => [(String::new(), 1)];
    d25_stateful_map_of_remembered_values: run_keyed(values([2, 5, 8, 1, 3]), |s| {
        let mean = |list: &mut Vec<i32>, n| {
            list.push(n);
            let mean = f64::from(list.iter().sum::<i32>()) / list.len() as f64;
            if list.len() > 3 {
                list.drain(..3);
            }
            (mean * 10.0) as i32
        };
        s.stateful_map(mean).named("mean")
    }) => values([20, 35, 50, 40, 20]);
    d27_stateful_flat_map_may_give_nothing: run_keyed(values([2, 5, 8, 1, 3]), |s| {
        let greater = |last: &mut Option<i32>, n| (last.replace(n).unwrap_or(0) < n).then_some(n);
        s.stateful_flat_map(greater).named("greater")
    }) => values([2, 5, 8, 3]);
    d29_values_of_a_dropped_state_are_given: run_keyed(values([1, 2]), |s| {
        s.stateful_flat_map(|state: &mut Option<i32>, n| [state.take(), Some(n)]).named("m")
    }) => values([None, Some(1), None, Some(2)]);
    d30_stateful_flat_map_drains_lazy_iterators: run_keyed(values([1, 2]), |s| {
        s.stateful_flat_map(|state: &mut Option<i32>, n| std::iter::once(state.replace(n)).chain([Some(n)])).named("m")
    }) => values([None, Some(1), Some(1), Some(2)]);
    d31_a_zero_is_kept: run_keyed(values([1, 2]), |s| {
        s.stateful_flat_map(|state: &mut Option<i32>, _| [state.replace(0)]).named("m")
    }) => values([None, Some(0)]);
    d32_a_reset_within_a_batch: resets(10) => [1, 2, 0, 1];
    d32_a_reset_between_batches: resets(1) => [1, 2, 0, 1];
    nothing_is_given_at_the_end: run_keyed(values([1]), |s| s.stateful_flat_map(|state: &mut Option<i32>, n| { *state = Some(n); None::<i32> }).named("m")) => Vec::<(char, i32)>::new();
}

#[test]
fn c30_each_key_has_its_own_order_on_any_number_of_workers() {
    let items: Vec<_> = (0..3)
        .flat_map(|n| ('a'..='f').map(move |key| (key, n)))
        .collect();
    for workers in 1..=3 {
        let out = run_on(workers, 4, items.clone(), |s| {
            let count = |count: &mut u32, n| {
                *count += 1;
                (n, *count)
            };
            s.stateful_map(count).named("count")
        });
        let out = per_key(out);
        assert_eq!(out.len(), 6);
        for of_key in out.values() {
            assert_eq!(of_key, &[(0, 1), (1, 2), (2, 3)]);
        }
    }
}

#[test]
fn a_key_is_on_one_worker_for_all_batches() {
    let items: Vec<_> = (0..1000_u32).map(|n| (n % 50, n)).collect();
    let out = run_on(4, 7, items, |s| {
        let (sender, workers) = std::sync::mpsc::channel();
        let workers = std::sync::Mutex::new(workers);
        s.redistribute()
            .stateful_map(|(), n| n)
            .named("m")
            .inspect_debug_with(move |at, item| sender.send((item.0, at.worker)).unwrap())
            .map(move |_| workers.lock().unwrap().recv().unwrap())
    });
    for (key, workers) in per_key(out) {
        assert!(
            workers.iter().all(|worker| *worker == workers[0]),
            "key {key}: {workers:?}"
        );
    }
}
