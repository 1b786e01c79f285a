//! Programs that were edited between two runs: states of older versions, and states that do not fit.

use bytewax_macros::stateful;
use bytewax_runtime::key::Key;
use bytewax_runtime::prelude::*;
use bytewax_runtime::state::State;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource};

use super::{Store, ZERO, refusal, runs};
use crate::shared::flow_of;

/// The sum alone.
mod v1 {
    use super::*;

    #[stateful(crate = "bytewax_runtime")]
    #[derive(Default)]
    pub(super) struct Mean {
        pub(super) sum: u32,
    }
}

/// With the number of values, which older states do not know.
mod v2 {
    use super::*;

    #[stateful(crate = "bytewax_runtime", version = 2, from(v1::Mean))]
    #[derive(Default)]
    pub(super) struct Mean {
        pub(super) sum: u64,
        pub(super) count: u64,
    }

    impl From<v1::Mean> for Mean {
        fn from(old: v1::Mean) -> Self {
            Self {
                sum: u64::from(old.sum),
                count: 100,
            }
        }
    }
}

/// With one field more at the end.
mod v3 {
    use super::*;

    #[stateful(crate = "bytewax_runtime", version = 3, reads(2), from(v1::Mean))]
    #[derive(Default)]
    pub(super) struct Mean {
        pub(super) sum: u64,
        pub(super) count: u64,
        #[serde(default)]
        pub(super) greatest: u64,
    }

    impl From<v1::Mean> for Mean {
        fn from(old: v1::Mean) -> Self {
            Self {
                sum: u64::from(old.sum),
                count: 100,
                greatest: 0,
            }
        }
    }
}

/// The same shape as the first, but not its name and its version.
mod other {
    use super::*;

    #[stateful(crate = "bytewax_runtime")]
    #[derive(Default)]
    pub(super) struct Mean {
        pub(super) total: u32,
    }
}

/// A flow with one step that keeps an `S` for each key.
fn flow<K: Key, S: State + Default, U: Send + 'static>(
    source: &TestingSource<u32>,
    out: &TestingSink<U>,
    key: fn(u32) -> K,
    step: fn(&mut S, u32) -> U,
) -> Dataflow {
    flow_of(
        source.clone(),
        move |s| {
            let keyed = s.map(move |n| (key(n), n));
            keyed.stateful_map(step).named("mean").key_rm()
        },
        out.clone(),
    )
}

fn numbers() -> TestingSource<u32> {
    let runs = [[2, 3], [4, 5], [6, 7]].map(|run| run.map(TestingItem::Item));
    let elements = runs
        .into_iter()
        .flat_map(|run| run.into_iter().chain([TestingItem::Eof]));
    TestingSource::with_marks(elements)
}

fn first(mean: &mut v1::Mean, n: u32) -> u32 {
    mean.sum += n;
    mean.sum
}

fn second(mean: &mut v2::Mean, n: u32) -> (u64, u64) {
    mean.sum += u64::from(n);
    mean.count += 1;
    (mean.sum, mean.count)
}

fn third(mean: &mut v3::Mean, n: u32) -> (u64, u64, u64) {
    mean.sum += u64::from(n);
    mean.count += 1;
    mean.greatest = mean.greatest.max(u64::from(n));
    (mean.sum, mean.count, mean.greatest)
}

fn all(_: u32) -> char {
    'a'
}

#[test]
fn a_state_of_the_version_before() {
    let store = Store::new(2);
    let source = numbers();
    let out = TestingSink::new();
    assert_eq!(
        runs(&flow(&source, &out, all, first), &out, [store.config(ZERO)]),
        [[2, 5]]
    );
    let out = TestingSink::new();
    let flow = flow(&source, &out, all, second);
    let configs = [store.config(ZERO), store.config(ZERO)];
    assert_eq!(
        runs(&flow, &out, configs),
        [[(9, 101), (14, 102)], [(20, 103), (27, 104)]]
    );
}

/// Keys that are not touched keep their old states, beside new ones, for later.
#[test]
fn states_of_several_versions() {
    let store = Store::new(1);
    let source = numbers();
    let own = |n: u32| n % 2;
    let out = TestingSink::new();
    assert_eq!(
        runs(&flow(&source, &out, own, first), &out, [store.config(ZERO)]),
        [[2, 3]]
    );
    let out = TestingSink::new();
    let only_even = |n: u32| 2 * (n % 2);
    let got = runs(
        &flow(&source, &out, only_even, second),
        &out,
        [store.config(ZERO)],
    );
    assert_eq!(got, [[(6, 101), (5, 1)]]);
    let out = TestingSink::new();
    let got = runs(&flow(&source, &out, own, third), &out, [store.config(ZERO)]);
    assert_eq!(got, [[(12, 102, 6), (10, 101, 7)]]);
}

#[track_caller]
fn check_refusal(then: &Dataflow, store: &Store, expect: &[&str]) {
    let text = refusal(then, store.config(ZERO));
    for expect in expect {
        assert!(text.contains(expect), "{expect} is not told: {text}");
    }
}

/// An older program cannot read what a newer one has saved; it does not try.
#[test]
fn a_state_of_a_newer_version() {
    let store = Store::new(2);
    let (source, out) = (numbers(), TestingSink::new());
    runs(
        &flow(&source, &out, all, second),
        &out,
        [store.config(ZERO)],
    );
    let before = flow(&source, &TestingSink::new(), all, first);
    check_refusal(&before, &store, &["f.mean", "version 2", "up to 1"]);
}

#[test]
fn a_state_whose_shape_has_changed_without_a_version() {
    fn step(mean: &mut other::Mean, n: u32) -> u32 {
        mean.total += n;
        mean.total
    }
    let store = Store::new(2);
    let (source, out) = (numbers(), TestingSink::new());
    runs(&flow(&source, &out, all, first), &out, [store.config(ZERO)]);
    let changed = flow(&source, &TestingSink::new(), all, step);
    check_refusal(&changed, &store, &["f.mean", "sum", "total"]);
}

/// Keys of another type would not be found again.
#[test]
fn keys_of_another_type() {
    let store = Store::new(2);
    let (source, out) = (numbers(), TestingSink::new());
    runs(&flow(&source, &out, all, first), &out, [store.config(ZERO)]);
    let changed = flow(&source, &TestingSink::new(), |_| "a".to_owned(), first);
    check_refusal(&changed, &store, &["f.mean", "key"]);
}

/// What a refused run has begun is not in the way of one that fits.
#[test]
fn a_refusal_changes_nothing() {
    let store = Store::new(2);
    let (source, out) = (numbers(), TestingSink::new());
    let fits = flow(&source, &out, all, first);
    assert_eq!(runs(&fits, &out, [store.config(ZERO)]), [[2, 5]]);
    let text = flow(&source, &TestingSink::new(), all, |text: &mut String, _| {
        text.len()
    });
    for _ in 0..3 {
        refusal(&text, store.config(ZERO));
    }
    assert_eq!(runs(&fits, &out, [store.config(ZERO)]), [[9, 14]]);
}
