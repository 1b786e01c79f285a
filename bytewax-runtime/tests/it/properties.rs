//! What holds for any items, keys, batch sizes, epochs and numbers of workers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::RunConfig;
use proptest::prelude::*;

use crate::shared::{run_in, sorted, workers_of};

type Pairs = Vec<(u8, i64)>;

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((0..12_u8, -100..100_i64), 0..200)
}

/// One to four workers, one long epoch or one for each poll, and how many items a poll gives.
fn settings() -> impl Strategy<Value = (RunConfig, usize)> {
    let interval = prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(10))];
    (1..5_usize, interval, 1..40_usize).prop_map(|(workers, interval, batch)| {
        (workers_of(workers).epoch_interval(interval), batch)
    })
}

/// The values of each key, in order.
fn groups(items: &Pairs) -> BTreeMap<u8, Vec<i64>> {
    let mut groups: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
    for (key, value) in items {
        groups.entry(*key).or_default().push(*value);
    }
    groups
}

/// What comes of the values of each key, if keys do not know of each other.
fn per_key<U>(items: &Pairs, f: impl Fn(&[i64]) -> U) -> Vec<(u8, U)> {
    groups(items)
        .iter()
        .map(|(key, values)| (*key, f(values)))
        .collect()
}

/// Sorts by key only: the values of a key keep their order.
fn by_key<U>(mut out: Vec<(u8, U)>) -> Vec<(u8, U)> {
    out.sort_by_key(|(key, _)| *key);
    out
}

fn flat<U: Clone>(grouped: Vec<(u8, Vec<U>)>) -> Vec<(u8, U)> {
    let spread = |(key, values): (u8, Vec<U>)| values.into_iter().map(move |v| (key, v));
    grouped.into_iter().flat_map(spread).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stateful_map_is_a_scan_of_each_key(items in pairs(), (config, batch) in settings()) {
        let out = run_in(&config, batch, items.clone(), |s| {
            let sum = |sum: &mut i64, n| { *sum = *sum * 3 % 1009 + n; *sum };
            s.stateful_map(sum).named("m")
        });
        let scan = |values: &[i64]| -> Vec<i64> {
            values.iter().scan(0, |sum, n| { *sum = *sum * 3 % 1009 + n; Some(*sum) }).collect()
        };
        prop_assert_eq!(by_key(out), flat(per_key(&items, scan)));
    }

    #[test]
    fn stateful_flat_map_is_a_loop_over_each_key(items in pairs(), (config, batch) in settings()) {
        // Collects values until one is negative, then gives them all and forgets the key.
        fn step(list: &mut Option<Vec<i64>>, n: i64) -> Vec<i64> {
            if n < 0 {
                return list.take().unwrap_or_default();
            }
            list.get_or_insert_default().push(n);
            vec![]
        }
        let out = run_in(&config, batch, items.clone(), |s| s.stateful_flat_map(step).named("m"));
        let model = |values: &[i64]| -> Vec<i64> {
            let mut list = None;
            values.iter().flat_map(|n| step(&mut list, *n)).collect()
        };
        prop_assert_eq!(by_key(out), flat(per_key(&items, model)));
    }

    #[test]
    fn finals_are_what_iterators_give(items in pairs(), (config, batch) in settings()) {
        let run = |body: fn(KeyedStream<u8, i64>) -> KeyedStream<u8, i64>| {
            by_key(run_in(&config, batch, items.clone(), |s| body(s.redistribute())))
        };
        prop_assert_eq!(
            run(|s| s.count_final().named("f").map_value(|n| n as i64)),
            per_key(&items, |values| values.len() as i64)
        );
        prop_assert_eq!(run(|s| s.reduce_final(|a, b| a + b).named("f")), per_key(&items, |v| v.iter().sum()));
        prop_assert_eq!(run(|s| s.max_final(|n| *n).named("f")), per_key(&items, |v| *v.iter().max().unwrap()));
        prop_assert_eq!(run(|s| s.min_final(|n| *n).named("f")), per_key(&items, |v| *v.iter().min().unwrap()));
        let sorted_lists = by_key(run_in(&config, batch, items.clone(), |s| {
            s.redistribute().fold_final(Vec::new, Vec::push).named("f").map_value(sorted)
        }));
        prop_assert_eq!(sorted_lists, per_key(&items, |v| sorted(v.to_vec())));
    }

    #[test]
    fn from_one_partition_finals_see_values_in_order(items in pairs(), (config, batch) in settings()) {
        let out = run_in(&config, batch, items.clone(), |s| {
            s.fold_final(Vec::new, Vec::push).named("f")
        });
        prop_assert_eq!(by_key(out), per_key(&items, <[i64]>::to_vec));
        let out = run_in(&config, batch, items.clone(), |s| {
            s.map_value(|n| vec![n]).reduce_final(|a, b| [a, b].concat()).named("f")
        });
        prop_assert_eq!(by_key(out), per_key(&items, <[i64]>::to_vec));
        // Of equals, the first stays.
        let out = run_in(&config, batch, items.clone(), |s| {
            s.max_final(|n| n / 10).named("f")
        });
        let first_greatest = |values: &[i64]| {
            values.iter().copied().reduce(|a, b| if b / 10 > a / 10 { b } else { a }).unwrap()
        };
        prop_assert_eq!(by_key(out), per_key(&items, first_greatest));
    }

    #[test]
    fn stateless_chains_are_iterator_chains(items in prop::collection::vec(0..1000_u32, 0..300), (config, batch) in settings()) {
        let expected: Vec<u32> = items
            .iter()
            .map(|n| n * 7)
            .filter(|n| n % 3 != 0)
            .flat_map(|n| [n, n + 1, n / 2])
            .filter_map(|n| n.checked_sub(10))
            .collect();
        let chain = |s: Stream<u32>| {
            s.map(|n| n * 7)
                .filter(|n| n % 3 != 0)
                .flat_map(|n| [n, n + 1, n / 2])
                .filter_map(|n| n.checked_sub(10))
        };
        prop_assert_eq!(run_in(&workers_of(1), batch, items.clone(), chain), expected.clone());
        let spread = run_in(&config, batch, items.clone(), |s| chain(s.redistribute()).redistribute());
        prop_assert_eq!(sorted(spread), sorted(expected));
    }

    #[test]
    fn branches_merged_again_are_all_items(items in prop::collection::vec(any::<i32>(), 0..300), (config, batch) in settings()) {
        let out = run_in(&config, batch, items.clone(), |s| {
            let sides = s.branch(|n| n % 2 == 0);
            let copy = sides.trues.clone().filter(|_| false);
            sides.trues.redistribute().merge(sides.falses).merge(copy)
        });
        prop_assert_eq!(sorted(out), sorted(items));
    }
}

type Sided = Vec<(u8, (bool, i64))>;
type Row = (Option<i64>, Option<i64>);
type Rows = Vec<Row>;

fn sided(most: usize) -> impl Strategy<Value = Sided> {
    prop::collection::vec((0..6_u8, (any::<bool>(), -100..100_i64)), 0..most)
}

fn inserts() -> impl Strategy<Value = JoinInsert> {
    prop_oneof![
        Just(JoinInsert::First),
        Just(JoinInsert::Last),
        Just(JoinInsert::Product)
    ]
}

/// What a join of the items of one key gives: when complete, at each item, and at the end.
fn joined(items: &[(bool, i64)], insert: JoinInsert) -> [Rows; 3] {
    fn rows(sides: &[Vec<i64>; 2]) -> Rows {
        let slots = |side: &Vec<i64>| match &side[..] {
            [] => vec![None],
            values => values.iter().copied().map(Some).collect(),
        };
        let pairs = |left| slots(&sides[1]).into_iter().map(move |right| (left, right));
        slots(&sides[0]).into_iter().flat_map(pairs).collect()
    }
    fn add(side: &mut Vec<i64>, value: i64, insert: JoinInsert) {
        match insert {
            JoinInsert::First if !side.is_empty() => {}
            JoinInsert::Last => *side = vec![value],
            _ => side.push(value),
        }
    }
    let (mut all, mut waiting) = <([Vec<i64>; 2], [Vec<i64>; 2])>::default();
    let (mut complete, mut running) = (vec![], vec![]);
    for (right, value) in items {
        add(&mut all[usize::from(*right)], *value, insert);
        add(&mut waiting[usize::from(*right)], *value, insert);
        running.extend(rows(&all));
        if waiting.iter().all(|side| !side.is_empty()) {
            complete.extend(rows(&std::mem::take(&mut waiting)));
        }
    }
    [complete, running, rows(&all)]
}

/// The same for each key.
fn joined_by_key(items: &Sided, insert: JoinInsert, which: usize) -> Vec<(u8, Row)> {
    let mut keys: BTreeMap<u8, Vec<(bool, i64)>> = BTreeMap::new();
    for (key, item) in items {
        keys.entry(*key).or_default().push(*item);
    }
    let rows = |(key, items): (_, Vec<_>)| (key, joined(&items, insert)[which].clone());
    flat(keys.into_iter().map(rows).collect())
}

fn sides(stream: Stream<(u8, (bool, i64))>) -> [KeyedStream<u8, i64>; 2] {
    let sides = stream.branch(|(_, (right, _))| *right);
    [sides.falses, sides.trues].map(|side| side.map_value(|(_, value)| value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// One item an epoch, so that the order across sides is that of the source.
    #[test]
    fn joins_of_items_in_turn_are_a_fold_of_each_key(items in sided(60), insert in inserts(), workers in 1..5_usize) {
        let config = workers_of(workers).epoch_interval(Duration::ZERO);
        let complete = run_in(&config, 1, items.clone(), |s| {
            let [left, right] = sides(s);
            let rows = left.join_with(right, insert).named("j");
            rows.map_value(|(left, right)| (Some(left), Some(right)))
        });
        prop_assert_eq!(by_key(complete), joined_by_key(&items, insert, 0));
        let running = run_in(&config, 1, items.clone(), |s| {
            let [left, right] = sides(s);
            left.join_running(right, insert).named("j")
        });
        prop_assert_eq!(by_key(running), joined_by_key(&items, insert, 1));
    }

    #[test]
    fn a_join_at_the_end_does_not_depend_on_the_order_across_sides(items in sided(200), insert in inserts(), (config, batch) in settings()) {
        let out = run_in(&config, batch, items.clone(), |s| {
            let [left, right] = sides(s);
            left.join_final(right, insert).named("j")
        });
        prop_assert_eq!(by_key(out), joined_by_key(&items, insert, 2));
    }
}
