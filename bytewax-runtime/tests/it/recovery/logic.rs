//! Keyed steps that go on: rows of the tables of operators, and rows 94 to 96.

use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource};
use chrono::{DateTime, TimeDelta};

use super::{Store, ZERO, runs};
use crate::shared::{flow_of, sorted};

use TestingItem::{Abort, Eof, Item};

/// Runs a few steps again and again, on one worker with an epoch for each poll.
pub(super) fn again<T, U>(
    times: usize,
    elements: impl IntoIterator<Item = TestingItem<T>>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<Vec<U>>
where
    T: Clone + Send + Sync + 'static,
    U: Send + 'static,
{
    let store = Store::new(2);
    let out = TestingSink::new();
    let flow = flow_of(TestingSource::with_marks(elements), body, out.clone());
    runs(&flow, &out, (0..times).map(|_| store.config(ZERO)))
}

pub(super) fn item<V>(key: char, value: V) -> TestingItem<(char, V)> {
    Item((key, value))
}

/// What happened last, and what happens now.
type Step = (&'static str, &'static str);

/// Emits what happened last to its key, and what happens now.
#[stateful(crate = "bytewax_runtime")]
struct Steps {
    last: String,
    forget_at_end: bool,
}

impl Steps {
    fn step(&mut self, now: &str, out: &mut Emit<(String, String)>) {
        let last = std::mem::replace(&mut self.last, now.to_owned());
        out.emit((last, now.to_owned()));
    }
}

impl StatefulLogic for Steps {
    type In = i32;
    type Out = (String, String);

    fn on_item(&mut self, _: i32, out: &mut Emit<(String, String)>) -> Keep {
        self.step("ITEM", out);
        Keep::Yes
    }

    fn on_eof(&mut self, out: &mut Emit<(String, String)>) -> Keep {
        self.step("EOF", out);
        if self.forget_at_end {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}

#[track_caller]
fn check_steps(forget_at_end: bool, expect: [&[Step]; 2]) {
    let elements = [item('k', 1), Eof, item('k', 2), Abort];
    let got = again(2, elements, |s| {
        let make = move |_: &char| Steps {
            last: "NEW".to_owned(),
            forget_at_end,
        };
        s.stateful_with(make).named("steps").key_rm()
    });
    let expect = expect.map(|run| {
        let owned = run
            .iter()
            .map(|(last, now)| (last.to_string(), now.to_string()));
        owned.collect::<Vec<_>>()
    });
    assert_eq!(got, expect);
}

#[test]
fn c05_r96_what_is_discarded_at_the_end_is_gone() {
    check_steps(
        true,
        [&[("NEW", "ITEM"), ("ITEM", "EOF")], &[("NEW", "ITEM")]],
    );
}

#[test]
fn c06_r96_what_is_kept_at_the_end_is_there_again() {
    check_steps(
        false,
        [&[("NEW", "ITEM"), ("ITEM", "EOF")], &[("EOF", "ITEM")]],
    );
}

/// Emits the last value and this one; forgets its key at 0.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct KeepLast(Option<u32>);

impl StatefulLogic for KeepLast {
    type In = u32;
    type Out = (Option<u32>, u32);

    fn on_item(&mut self, value: u32, out: &mut Emit<Self::Out>) -> Keep {
        out.emit((self.0.replace(value), value));
        if value == 0 { Keep::No } else { Keep::Yes }
    }
}

#[test]
fn c08_r94_the_state_of_each_key_is_there_again() {
    let elements = [
        item('a', 1),
        item('b', 2),
        Abort,
        item('a', 3),
        item('b', 4),
    ];
    let got = again(2, elements, |s| s.stateful::<KeepLast>().named("last"));
    assert_eq!(got[0], [('a', (None, 1)), ('b', (None, 2))]);
    assert_eq!(got[1], [('a', (Some(1), 3)), ('b', (Some(2), 4))]);
}

#[test]
fn c09_r95_a_key_that_is_forgotten_stays_so() {
    let before = [
        item('a', 1),
        item('b', 2),
        item('a', 0),
        item('b', 4),
        Abort,
    ];
    let elements = before.into_iter().chain([item('a', 5), item('b', 6)]);
    let got = again(2, elements, |s| s.stateful::<KeepLast>().named("last"));
    let first = [
        ('a', (None, 1)),
        ('b', (None, 2)),
        ('a', (Some(1), 0)),
        ('b', (Some(2), 4)),
    ];
    assert_eq!(got[0], first);
    assert_eq!(got[1], [('a', (None, 5)), ('b', (Some(4), 6))]);
}

/// Counts batches, and tells of them and of the end.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Batches(u32);

impl StatefulBatchLogic for Batches {
    type In = u32;
    type Out = (char, u32);

    fn on_batch(&mut self, _: Vec<u32>, out: &mut Emit<(char, u32)>) -> Keep {
        self.0 += 1;
        out.emit(('b', self.0));
        Keep::Yes
    }

    fn on_eof(&mut self, out: &mut Emit<(char, u32)>) -> Keep {
        out.emit(('e', self.0));
        Keep::Yes
    }
}

#[test]
fn c28_the_end_comes_to_every_key_in_each_run() {
    let elements = [item('a', 1), item('b', 2), Eof, item('a', 3)];
    let got = again(3, elements, |s| {
        s.stateful_batch::<Batches>().named("batches")
    });
    let a = |what, count| ('a', (what, count));
    let b = |what, count| ('b', (what, count));
    assert_eq!(got[0], [a('b', 1), b('b', 1), a('e', 1), b('e', 1)]);
    assert_eq!(got[1], [a('b', 2), a('e', 2), b('e', 1)]);
    assert_eq!(got[2], [a('e', 2), b('e', 1)]);
}

#[test]
fn c29_the_end_comes_to_keys_of_a_run_before() {
    let elements = [item('a', 1), item('b', 2), Abort, item('a', 3)];
    let got = again(2, elements, |s| {
        s.stateful_batch::<Batches>().named("batches")
    });
    assert_eq!(got[0], [('a', ('b', 1)), ('b', ('b', 1))]);
    assert_eq!(got[1], [('a', ('b', 2)), ('a', ('e', 2)), ('b', ('e', 1))]);
}

#[test]
fn c31_r84_any_number_of_workers_goes_on() {
    let store = Store::new(3);
    let out = TestingSink::new();
    let elements = [
        vec![item('a', 4), item('b', 4), Eof],
        vec![item('a', 1), item('b', 5), Eof],
        vec![item('a', 8), item('b', 1)],
    ];
    let greatest = |s: Stream<(char, u32)>| {
        let step = s.stateful_map(|max: &mut u32, n| {
            *max = n.max(*max);
            *max
        });
        step.named("greatest")
    };
    let source = TestingSource::with_marks(elements.into_iter().flatten());
    let flow = flow_of(source, greatest, out.clone());
    let configs = [3, 5, 1].map(|workers| store.config(ZERO).workers(workers));
    let got = runs(&flow, &out, configs).into_iter().map(sorted);
    let expect = [
        [('a', 4), ('b', 4)],
        [('a', 4), ('b', 5)],
        [('a', 8), ('b', 5)],
    ];
    assert_eq!(got.collect::<Vec<_>>(), expect);
}

/// Lists of ten, or after ten seconds.
fn tens(s: KeyedStream<char, u32>) -> Stream<Vec<u32>> {
    s.collect(10, Duration::from_secs(10))
        .named("tens")
        .key_rm()
}

#[test]
fn d08_lists_go_on_after_an_abort_and_end_at_the_end() {
    let aborted = again(2, [item('k', 0), item('k', 1), Abort, item('k', 2)], tens);
    assert_eq!(aborted, [vec![], vec![vec![0, 1, 2]]]);
    let ended = again(2, [item('k', 0), item('k', 1), Eof, item('k', 2)], tens);
    assert_eq!(ended, [[vec![0, 1]], [vec![2]]]);
}

#[test]
fn d09_a_time_that_comes_between_two_runs_comes_first() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let elements = [item('k', 0), item('k', 1), Abort, item('k', 2)];
    let flow = flow_of(TestingSource::with_marks(elements), tens, out.clone());
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let config = store.config(ZERO).clock(clock);
    assert_eq!(
        runs(&flow, &out, [config.clone()]),
        [Vec::<Vec<u32>>::new()]
    );
    hand.advance(TimeDelta::seconds(11));
    assert_eq!(runs(&flow, &out, [config]), [[vec![0, 1], vec![2]]]);
}

/// Nobody has to come for it.
#[test]
fn a_time_that_comes_between_two_runs_needs_no_value() {
    for workers in 1..=3 {
        let store = Store::new(2);
        let out = TestingSink::new();
        let keys = ('a'..'i').map(|key| item(key, u32::from(key)));
        let elements = keys.chain([Abort]);
        let flow = flow_of(TestingSource::with_marks(elements), tens, out.clone());
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let config = store.config(ZERO).clock(clock);
        runs(&flow, &out, [config.clone()]);
        hand.advance(TimeDelta::seconds(11));
        let got = runs(&flow, &out, [config.workers(workers)]).remove(0);
        let expect: Vec<Vec<u32>> = ('a'..'i').map(|key| vec![u32::from(key)]).collect();
        assert_eq!(sorted(got), expect);
    }
}

#[test]
fn d10_another_size_holds_for_lists_that_have_begun() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let elements = [0, 1, 2].map(|n| item('k', n)).into_iter();
    let elements = elements.chain([Abort, item('k', 3), item('k', 4)]);
    let source = TestingSource::with_marks(elements);
    let of_size = |size| {
        let lists = move |s: KeyedStream<char, u32>| {
            let lists = s.collect(size, Duration::from_secs(10)).named("lists");
            lists.key_rm()
        };
        flow_of(source.clone(), lists, out.clone())
    };
    assert_eq!(
        runs(&of_size(10), &out, [store.config(ZERO)]),
        [Vec::<Vec<u32>>::new()]
    );
    assert_eq!(
        runs(&of_size(2), &out, [store.config(ZERO)]),
        [[vec![0, 1, 2, 3], vec![4]]]
    );
}

#[test]
fn d17_sums_end_at_the_end_and_go_on_after_an_abort() {
    let sum = |s: KeyedStream<char, u32>| {
        let fold = s.fold_final(|| 0, |sum: &mut u32, n| *sum += n);
        fold.named("sum").key_rm()
    };
    let ended = again(2, [item('k', 1), item('k', 2), Eof, item('k', 10)], sum);
    assert_eq!(ended, [[3], [10]]);
    let aborted = again(2, [item('k', 1), item('k', 2), Abort, item('k', 10)], sum);
    assert_eq!(aborted, [vec![], vec![13]]);
}

#[test]
fn d28_a_state_that_is_taken_is_gone() {
    let odd = |s: KeyedStream<char, u32>| {
        let step = s.stateful_flat_map(|state: &mut Option<u32>, n| {
            let last = state.take();
            *state = (n % 2 == 1).then_some(n);
            [(last, n)]
        });
        step.named("odd").key_rm()
    };
    let got = again(2, [item('k', 1), Abort, item('k', 2)], odd);
    assert_eq!(got, [[(None, 1)], [(Some(1), 2)]]);
    let got = again(2, [item('k', 1), item('k', 2), Abort, item('k', 3)], odd);
    assert_eq!(got, [vec![(None, 1), (Some(1), 2)], vec![(None, 3)]]);
}

/// Keys are read when they are touched, and there may be many.
#[test]
fn many_keys() {
    let counts = |s: Stream<u32>| {
        let keyed = s.key_on(|n| n % 5000);
        let step = keyed.stateful_map(|count: &mut u32, _| {
            *count += 1;
            *count
        });
        step.named("counts")
    };
    let store = Store::new(3);
    let out = TestingSink::new();
    let numbers = (0..5000).map(Item);
    let elements = numbers
        .clone()
        .chain([Eof])
        .chain(numbers.clone())
        .chain([Eof]);
    let source = TestingSource::with_marks(elements.chain(numbers)).batch_size(100);
    let flow = flow_of(source, counts, out.clone());
    let configs = [1, 3, 2].map(|workers| store.config(Duration::from_secs(10)).workers(workers));
    for (run, got) in runs(&flow, &out, configs).into_iter().enumerate() {
        let expect: Vec<_> = (0..5000).map(|key| (key, 1 + run as u32)).collect();
        assert_eq!(sorted(got), expect);
    }
}

/// A step that is new has no state; those beside it go on.
#[test]
fn a_step_that_is_added() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let source = TestingSource::with_marks([item('k', 1), Eof, item('k', 2)]);
    let sum = |sum: &mut u32, n| {
        *sum += n;
        *sum
    };
    let one = |s: KeyedStream<char, u32>| s.stateful_map(sum).named("one");
    let flow = flow_of(source.clone(), one, out.clone());
    assert_eq!(runs(&flow, &out, [store.config(ZERO)]), [[('k', 1)]]);
    let two = |s: KeyedStream<char, u32>| one(s).stateful_map(sum).named("two");
    let flow = flow_of(source, two, out.clone());
    assert_eq!(runs(&flow, &out, [store.config(ZERO)]), [[('k', 3)]]);
}

/// Without a store, every run begins anew.
#[test]
fn without_a_store() {
    let out = TestingSink::new();
    let source = TestingSource::with_marks([item('k', 1), Eof, item('k', 2)]);
    let flow = flow_of(
        source,
        |s| s.stateful::<KeepLast>().named("last"),
        out.clone(),
    );
    let config = RunConfig::new().epoch_interval(ZERO);
    let got = runs(&flow, &out, [config.clone(), config]);
    assert_eq!(got, [[('k', (None, 1))], [('k', (None, 1))]]);
}
