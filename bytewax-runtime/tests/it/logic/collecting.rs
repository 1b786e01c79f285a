//! `collect`.

use std::time::Duration;

use TestingItem::{Item, Pause};
use bytewax_runtime::testing::{TestingItem, run_keyed};
use chrono::TimeDelta;

use super::{LONG, ZERO, with_pauses};
use crate::rows::rows;
use crate::shared::by_hand::ByHand;
use crate::shared::run_on;

rows! {
    d01_collect: run_keyed((0..10).map(|n| ("ALL".to_owned(), n)), |s| s.collect(3, LONG).named("c"))
        .into_iter().map(|(_, list)| list).collect::<Vec<_>>() => [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8], vec![9]];
    d03_lists_of_two: lists(6, 2, LONG, 6) => [vec![0, 1], vec![2, 3], vec![4, 5]];
    d03_lists_of_four: lists(6, 4, LONG, 6) => [vec![0, 1, 2, 3], vec![4, 5]];
    d04_a_size_of_one: lists(3, 1, LONG, 10) => [[0], [1], [2]];
    d04_a_size_of_zero: lists(3, 0, LONG, 10) => [[0], [1], [2]];
    d07_one_batch_stays_together: lists(2, 10, ZERO, 10) => [[0, 1]];
    d11_the_longest_timeout_never_ends: lists(1, 10, Duration::MAX, 1) => [[0]];
    d11_a_timeout_past_all_times: lists(1, 10, Duration::from_millis(i64::MAX as u64 - 1), 1) => [[0]];
}

fn lists(items: u32, size: usize, timeout: Duration, batch: usize) -> Vec<Vec<u32>> {
    let items = (0..items).map(|n| ('k', n));
    run_on(1, batch, items, |s| {
        s.collect(size, timeout).named("c").key_rm()
    })
}

#[test]
fn d05_each_value_begins_the_timeout_anew() {
    let run = ByHand::start(1, |s| s.collect(10, Duration::from_millis(600)).named("c"));
    for n in 0..4 {
        run.give([('k', n)]);
        // The worker has surely seen it when it has given a list of a key that comes after it.
        run.give((0..10).map(|_| ('x', 0)));
        assert_eq!(run.next().0, 'x');
        run.hand
            .advance(TimeDelta::milliseconds(if n < 3 { 400 } else { 599 }));
    }
    std::thread::sleep(Duration::from_millis(5));
    assert!(run.seen.try_recv().is_err());
    run.hand.advance(TimeDelta::milliseconds(1));
    assert_eq!(run.next(), ('k', vec![0, 1, 2, 3]));
    run.give([('k', 4)]);
    assert_eq!(run.end(), [('k', vec![4])]);
}

/// A timeout is a span of time, whatever the date is meanwhile.
#[test]
fn a_timeout_ends_when_the_clock_was_set_back() {
    let run = ByHand::start(1, |s| s.collect(10, Duration::from_secs(10)).named("c"));
    let other = || {
        // The worker has surely seen the values when it has emitted a list of a key that comes after them.
        run.give((0..10).map(|_| ('x', 0)));
        assert_eq!(run.next().0, 'x');
    };
    run.hand.advance(TimeDelta::hours(2));
    run.give([('k', 0)]);
    other();
    run.hand.adjust(TimeDelta::hours(-1));
    run.give([('l', 1)]);
    other();
    run.hand.advance(TimeDelta::seconds(9));
    other();
    run.hand.advance(TimeDelta::seconds(1));
    let mut lists = [run.next(), run.next()];
    lists.sort();
    assert_eq!(lists, [('k', vec![0]), ('l', vec![1])]);
    assert_eq!(run.end(), []);
}

#[test]
fn d06_each_key_has_its_own_timeout() {
    for workers in 1..=3 {
        let run = ByHand::start(workers, |s| {
            s.collect(2, Duration::from_millis(300)).named("c")
        });
        run.give([
            ('a', 0),
            ('b', 0),
            ('c', 1),
            ('c', 2),
            ('d', 1),
            ('d', 2),
            ('e', 1),
            ('e', 2),
        ]);
        let full: Vec<_> = (0..3).map(|_| run.next().1).collect();
        assert_eq!(full, [[1, 2], [1, 2], [1, 2]]);
        // Of three workers, one may not have had its values yet; they wait from when they come.
        run.hand.advance(TimeDelta::milliseconds(300));
        let mut lists = [run.next_after(TimeDelta::milliseconds(300)), run.next()];
        lists.sort();
        assert_eq!(lists, [('a', vec![0]), ('b', vec![0])]);
        run.give([('a', 1)]);
        assert_eq!(run.end(), [('a', vec![1])]);
    }
}

#[test]
fn d07_without_a_timeout_lists_end_with_their_batch() {
    let rest = || Pause(Duration::from_millis(20));
    let out = with_pauses(1, LONG, [Item(('k', 0)), rest(), Item(('k', 1))], |s| {
        s.collect(10, ZERO).named("c")
    });
    assert_eq!(out, [('k', vec![0]), ('k', vec![1])]);
}
