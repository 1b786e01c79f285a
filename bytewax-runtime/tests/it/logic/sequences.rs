//! Operators on the sequence of values of each key, against loops over these values.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytewax_runtime::key::Key;
use bytewax_runtime::operators::Within;
use chrono::TimeDelta;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};

use super::{LONG, ZERO};
use crate::shared::by_hand::ByHand;
use crate::shared::{run_in, workers_of};

type Items = Vec<(u8, i64)>;

/// The results of each key.
fn by_key<V>(items: impl IntoIterator<Item = (u8, V)>) -> BTreeMap<u8, Vec<V>> {
    let mut groups: BTreeMap<u8, Vec<V>> = BTreeMap::new();
    for (key, value) in items {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// What a model makes of the values of each key, for the keys that have any results.
fn modelled<V>(items: &Items, model: impl Fn(&[i64]) -> Vec<V>) -> BTreeMap<u8, Vec<V>> {
    let results = by_key(items.iter().copied());
    let results = results
        .into_iter()
        .map(|(key, values)| (key, model(&values)));
    results.filter(|(_, results)| !results.is_empty()).collect()
}

/// The values `n` places away, if there are any.
fn at_distance(values: &[i64], n: i64) -> Vec<(i64, Option<i64>)> {
    let other = |index: usize| {
        let place = usize::try_from(index as i64 + n).ok()?;
        values.get(place).copied()
    };
    let values = values.iter().enumerate();
    values
        .map(|(index, value)| (*value, other(index)))
        .collect()
}

fn top(values: &[i64], n: usize) -> Vec<i64> {
    let mut values = values.to_vec();
    // Stable: of equals the first stays ahead.
    values.sort_by_key(|value| -(value / 4));
    values.truncate(n);
    values
}

fn cases() -> impl Strategy<Value = (Items, usize, usize, Duration, usize)> {
    let items = prop::collection::vec((0..9_u8, 0..40_i64), 0..200);
    let interval = prop_oneof![Just(ZERO), Just(LONG)];
    (items, 0..5_usize, 1..5_usize, interval, 1..40_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_is_a_loop_over_the_values_of_a_key((items, n, workers, interval, batch) in cases()) {
        let config = workers_of(workers).epoch_interval(interval);

        let out = run_in(&config, batch, items.clone(), |s| s.lag(n).named("lag"));
        prop_assert_eq!(by_key(out), modelled(&items, |values| at_distance(values, -(n as i64))));

        let out = run_in(&config, batch, items.clone(), |s| s.lead(n).named("lead"));
        prop_assert_eq!(by_key(out), modelled(&items, |values| at_distance(values, n as i64)));

        let lists = |last: &VecDeque<i64>| Vec::from(last.clone());
        let out = run_in(&config, batch, items.clone(), |s| s.last_n(n, lists).named("last"));
        let expected = modelled(&items, |values| {
            (1..=values.len()).map(|end| values[end.saturating_sub(n.max(1))..end].to_vec()).collect()
        });
        prop_assert_eq!(by_key(out), expected);

        let out = run_in(&config, batch, items.clone(), |s| s.sample(n as u64).named("sample"));
        let expected = modelled(&items, |values| values.iter().copied().step_by(n.max(1)).collect());
        prop_assert_eq!(by_key(out), expected);

        let out = run_in(&config, batch, items.clone(), |s| {
            let sums = s.scan(|| 100_i64, |sum, n| { *sum += n; *sum });
            sums.named("scan")
        });
        let expected = modelled(&items, |values| {
            values.iter().scan(100, |sum, n| { *sum += n; Some(*sum) }).collect()
        });
        prop_assert_eq!(by_key(out), expected);

        let out = run_in(&config, batch, items.clone(), |s| s.top_n(n, |value| value / 4).named("top"));
        let expected = modelled(&items, |values| {
            let mut lists: Vec<_> = (0..=values.len()).map(|end| top(&values[..end], n)).collect();
            lists.dedup();
            lists.remove(0);
            lists
        });
        prop_assert_eq!(by_key(out), expected);

        // Of one worker: of several, it is not said which of equals comes first.
        let one = workers_of(1).epoch_interval(interval);
        let out = run_in(&one, batch, items.clone(), |s| s.top_n_final(n, |value| value / 4).named("top"));
        prop_assert_eq!(by_key(out), modelled(&items, |values| vec![top(values, n)]));
        let out = run_in(&config, batch, items.clone(), |s| s.top_n_final(n, |value| *value).named("top"));
        let expected = modelled(&items, |values| {
            let mut values = values.to_vec();
            values.sort_unstable_by_key(|value| -value);
            values.truncate(n);
            vec![values]
        });
        prop_assert_eq!(by_key(out), expected);

        let out = run_in(&config, batch, items.clone(), |s| s.distinct_final().named("distinct"));
        let expected = modelled(&items, |values| {
            values.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
        });
        prop_assert_eq!(by_key(out), expected);

        let within = Within::Last(n);
        let out = run_in(&config, batch, items.clone(), |s| s.dedupe(within, |n| n / 8).named("once"));
        let expected = modelled(&items, |values| {
            let mut emitted: Vec<i64> = Vec::new();
            for value in values {
                let last = emitted.iter().rev().take(n);
                if last.map(|other| other / 8).all(|id| id != value / 8) {
                    emitted.push(*value);
                }
            }
            emitted
        });
        prop_assert_eq!(by_key(out), expected);

        // The input ends before any time does.
        let out = run_in(&config, batch, items.clone(), |s| s.delay(Duration::MAX).named("delay"));
        prop_assert_eq!(by_key(out), modelled(&items, <[i64]>::to_vec));
        let out = run_in(&config, batch, items.clone(), |s| s.rate_limit(n, Duration::MAX).named("limit"));
        prop_assert_eq!(by_key(out), modelled(&items, <[i64]>::to_vec));
    }

    #[test]
    fn a_sample_of_keys_is_the_same_everywhere(
        items in prop::collection::vec((any::<u8>(), any::<i64>()), 0..100),
        n in 0..5_u64,
        workers in 1..4_usize,
    ) {
        let out = run_in(&workers_of(workers), 7, items.clone(), |s| s.sample_keys(n));
        let greatest = u64::MAX / n.max(1);
        let expected = by_key(items.into_iter().filter(|(key, _)| key.stable_hash() <= greatest));
        prop_assert_eq!(by_key(out), expected);
    }
}

#[test]
fn an_item_becomes_any_number_with_the_help_of_a_resource() {
    for workers in 1..4 {
        let mut out = run_in(&workers_of(workers), 3, 0..50_u32, |s| {
            s.flat_map_with(Vec::new, |list: &mut Vec<u32>, n| {
                list.extend([n; 2]);
                std::mem::take(list)
            })
        });
        out.sort_unstable();
        let expected: Vec<_> = (0..50).flat_map(|n| [n, n]).collect();
        assert_eq!(out, expected);
    }
}

#[test]
fn values_are_held_until_their_time() {
    for workers in 1..=3 {
        let run = ByHand::start(workers, |s| s.delay(Duration::from_secs(5)).named("delay"));
        run.give([('a', 1)]);
        assert_eq!(run.next_after(TimeDelta::seconds(5)), ('a', 1));
        run.give([('a', 2), ('b', 3)]);
        let mut rest = run.end();
        rest.sort_unstable();
        assert_eq!(rest, [('a', 2), ('b', 3)], "the end of input lets all go");
    }
}

#[test]
fn values_above_the_limit_go_on_when_they_may() {
    let minute = Duration::from_secs(60);
    let run = ByHand::start(1, |s| s.rate_limit(2, minute).named("limit"));
    run.give((1..=5).map(|n| ('a', n)));
    assert_eq!([run.next(), run.next()], [('a', 1), ('a', 2)]);
    run.give([('b', 1)]);
    assert_eq!(run.next(), ('b', 1), "another key has a limit of its own");
    assert_eq!(run.next_after(TimeDelta::seconds(60)), ('a', 3));
    assert_eq!(run.next(), ('a', 4));
    assert_eq!(run.end(), [('a', 5)]);
}

#[test]
fn a_value_is_emitted_again_when_its_time_is_over() {
    let within = Within::Time(Duration::from_secs(10));
    let run = ByHand::start(1, |s| s.dedupe(within, |_| 0_u8).named("once"));
    run.give([('a', 1), ('a', 2), ('b', 3)]);
    assert_eq!([run.next(), run.next()], [('a', 1), ('b', 3)]);
    run.hand.advance(TimeDelta::seconds(10));
    run.give([('a', 4), ('a', 5)]);
    assert_eq!(run.next(), ('a', 4));
    assert_eq!(run.end(), []);
}
