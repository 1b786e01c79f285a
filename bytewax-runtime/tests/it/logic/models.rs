//! Logics against loops over the values of each key.

use std::collections::BTreeMap;
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::RunConfig;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};

use super::Act::{Cancel, For, Forget, Leave};
use super::{Act, LONG, Told, ZERO};
use crate::shared::{run_in, workers_of};

/// What [`Told`] and [`Batches`] give for the values of one key, if no time ever comes.
fn model(acts: &[Act]) -> Vec<String> {
    let mut given = Vec::new();
    let mut items = None;
    for act in acts {
        let count = items.unwrap_or(0) + 1;
        given.push(format!("I{count}"));
        items = (!matches!(act, Forget)).then_some(count);
    }
    given.extend(items.map(|_| "E".to_owned()));
    given
}

/// Sums values; forgets its key at 0, and gives the sum at the end.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Sums(i64);

impl StatefulBatchLogic for Sums {
    type In = i64;
    type Out = i64;

    fn on_batch(&mut self, items: Vec<i64>, out: &mut Emit<i64>) -> Keep {
        for n in items {
            self.0 += n;
            out.emit(self.0);
        }
        if self.0 == 0 { Keep::No } else { Keep::Yes }
    }

    fn on_eof(&mut self, out: &mut Emit<i64>) -> Keep {
        out.emit(1000 + self.0);
        Keep::No
    }
}

fn by_key<V>(items: Vec<(u8, V)>) -> BTreeMap<u8, Vec<V>> {
    let mut groups: BTreeMap<u8, Vec<V>> = BTreeMap::new();
    for (key, value) in items {
        groups.entry(key).or_default().push(value);
    }
    groups
}

fn settings() -> impl Strategy<Value = (RunConfig, usize)> {
    let interval = prop_oneof![Just(ZERO), Just(LONG)];
    (1..5_usize, interval, 1..40_usize).prop_map(|(workers, interval, batch)| {
        (workers_of(workers).epoch_interval(interval), batch)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stateful_is_a_loop_over_each_key(
        items in prop::collection::vec((0..12_u8, any::<u8>()), 0..200),
        (config, batch) in settings(),
    ) {
        let act = |n: u8| match n % 5 {
            0 => Forget,
            1 => For(3_600_000 + i64::from(n)),
            2 => Cancel,
            _ => Leave,
        };
        let items: Vec<_> = items.into_iter().map(|(key, n)| (key, act(n))).collect();
        let out = run_in(&config, batch, items.clone(), |s| s.stateful::<Told>().named("m"));
        let expected: BTreeMap<_, _> = by_key(items).into_iter().map(|(key, acts)| (key, model(&acts))).collect();
        prop_assert_eq!(by_key(out), expected);
    }

    #[test]
    fn stateful_batch_is_a_loop_over_each_key(
        items in prop::collection::vec((0..12_u8, -3..4_i64), 0..200),
        (config, batch) in settings(),
    ) {
        let out = run_in(&config, batch, items.clone(), |s| s.stateful_batch::<Sums>().named("m"));
        for (key, given) in by_key(out) {
            let values: Vec<_> = items.iter().filter(|item| item.0 == key).map(|item| item.1).collect();
            let mut sum = 0;
            let mut sums: Vec<_> = values.iter().map(|n| { sum += n; sum }).collect();
            // A key that is not forgotten has one more, at the end.
            if given.len() > sums.len() {
                sums.push(1000 + sum);
            } else {
                prop_assert_eq!(sum, 0);
            }
            prop_assert_eq!(given, sums);
        }
    }

    #[test]
    fn collect_is_chunks_of_each_key(
        items in prop::collection::vec((0..12_u8, any::<i32>()), 0..200),
        size in 0..6_usize,
        (config, batch) in settings(),
    ) {
        let out = run_in(&config, batch, items.clone(), |s| s.collect(size, Duration::MAX).named("c"));
        let chunks = |values: &Vec<i32>| values.chunks(size.max(1)).map(<[i32]>::to_vec).collect::<Vec<_>>();
        let expected: BTreeMap<_, _> = by_key(items).iter().map(|(key, values)| (*key, chunks(values))).collect();
        prop_assert_eq!(by_key(out), expected);
    }
}
