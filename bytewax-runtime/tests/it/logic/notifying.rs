//! Times that logics wait for.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use TestingItem::{Item, Pause};
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource, cluster_main};
use chrono::TimeDelta;

use super::Act::{Cancel, For, Leave, Until};
use super::{Act, Told, ZERO, acts, pair, per_epoch, told, told_by_hand, with_pauses};
use crate::shared::by_hand::{ByHand, at};
use crate::shared::{Answer, Parts, flow_of, start, workers_of};

#[test]
fn c15_a_time_that_a_value_takes_back_never_comes() {
    for workers in 1..=3 {
        let run = told_by_hand(workers);
        run.give(acts([Until(5)]));
        assert_eq!(run.next(), pair('k', "I1"));
        run.give(acts([Cancel]));
        assert_eq!(run.next(), pair('k', "I2"));
        run.hand.set(at(10));
        // What comes later, on the same worker, is after anything that was due.
        run.give(acts([Until(11)]));
        assert_eq!(run.next(), pair('k', "I3"));
        run.hand.set(at(11));
        assert_eq!(run.next(), pair('k', "N"));
        assert_eq!(run.end(), told(["E"]));
    }
}

#[test]
fn c16_a_later_time_takes_the_place_of_an_earlier_one() {
    for workers in 1..=3 {
        let run = told_by_hand(workers);
        run.give(acts([Until(2)]));
        assert_eq!(run.next(), pair('k', "I1"));
        run.give(acts([Until(6)]));
        assert_eq!(run.next(), pair('k', "I2"));
        run.hand.set(at(2));
        run.give(acts([Leave]));
        assert_eq!(run.next(), pair('k', "I3"));
        run.hand.set(at(6));
        assert_eq!(run.next(), pair('k', "N"));
        assert_eq!(run.end(), told(["E"]));
    }
}

#[test]
fn an_earlier_time_takes_the_place_of_a_later_one() {
    let run = told_by_hand(1);
    run.give(acts([Until(6)]));
    assert_eq!(run.next(), pair('k', "I1"));
    run.give(acts([Until(2)]));
    assert_eq!(run.next(), pair('k', "I2"));
    run.hand.set(at(2));
    assert_eq!(run.next(), pair('k', "N"));
    run.hand.set(at(6));
    run.give(acts([Leave]));
    assert_eq!(run.next(), pair('k', "I3"));
    assert_eq!(run.end(), told(["E"]));
}

#[test]
fn c18_notifications_come_in_order_of_their_times() {
    let items = [
        ('b', Until(-10)),
        ('a', Until(-5)),
        ('c', Until(-20)),
        ('d', Until(-5)),
    ];
    let run = told_by_hand(1);
    run.give(items);
    for key in ['b', 'a', 'c', 'd'] {
        assert_eq!(run.next(), pair(key, "I1"));
    }
    for key in ['c', 'b', 'a', 'd'] {
        assert_eq!(run.next(), pair(key, "N"));
    }
    assert_eq!(run.end(), ['a', 'b', 'c', 'd'].map(|key| pair(key, "E")));
}

#[test]
fn c19_a_past_time_comes_once_for_each_time_that_it_is_asked_for() {
    let run = ByHand::start(1, |s| {
        let make = |_: &char| Told {
            again: 2,
            ..Told::default()
        };
        s.stateful_with(make).named("told")
    });
    run.give(acts([Until(-1)]));
    assert_eq!(run.next(), pair('k', "I1"));
    for _ in 0..3 {
        assert_eq!(run.next(), pair('k', "N"));
    }
    run.give(acts([Leave]));
    assert_eq!(run.next(), pair('k', "I2"));
    assert_eq!(run.end(), told(["E"]));
}

#[test]
fn c20_values_come_before_a_time_that_is_due_and_do_not_move_it() {
    // The clock moves while the worker is at the second item, before its step is called.
    let (clock, hand) = WorkerClock::by_hand(at(0));
    let hand = Mutex::new((hand, 0));
    let out = TestingSink::new();
    let source = TestingSource::new(acts([For(200), For(200)]));
    let flow = flow_of(
        source,
        move |s| {
            let s = s.inspect(move |_| {
                let mut hand = hand.lock().unwrap();
                hand.1 += 1;
                if hand.1 == 2 {
                    hand.0.advance(TimeDelta::milliseconds(500));
                }
            });
            s.stateful::<Told>().named("told")
        },
        out.clone(),
    );
    cluster_main(flow, per_epoch(ZERO).clock(clock)).unwrap();
    assert_eq!(out.take(), told(["I1", "I2", "N", "E"]));
}

#[test]
fn a_time_comes_exactly_when_the_clock_says_so() {
    for workers in 1..=3 {
        let run = told_by_hand(workers);
        run.give([('a', Until(60)), ('b', Until(61))]);
        let mut first = [run.next(), run.next()];
        first.sort();
        assert_eq!(first, [pair('a', "I1"), pair('b', "I1")]);
        for _ in 0..59 {
            run.hand.advance(TimeDelta::seconds(1));
        }
        run.hand.advance(TimeDelta::nanoseconds(999_999_999));
        std::thread::sleep(Duration::from_millis(5));
        assert!(run.seen.try_recv().is_err());
        run.hand.advance(TimeDelta::nanoseconds(1));
        assert_eq!(run.next(), pair('a', "N"));
        run.hand.advance(TimeDelta::milliseconds(999));
        std::thread::sleep(Duration::from_millis(5));
        assert!(run.seen.try_recv().is_err());
        run.hand.advance(TimeDelta::milliseconds(1));
        assert_eq!(run.next(), pair('b', "N"));
        let mut left = run.end();
        left.sort();
        assert_eq!(left, [pair('a', "E"), pair('b', "E")]);
    }
}

/// No source is polled between the value and its time: the worker sleeps until it is woken for it.
#[test]
fn a_sleeping_worker_wakes_when_the_hand_moves() {
    for workers in 1..=2 {
        let (clock, hand) = WorkerClock::by_hand(at(0));
        let (sender, seen) = channel();
        let source = Parts(&["only"], move |_: &str| {
            let mut polls = 0;
            Ok(move || -> Answer<(char, Act)> {
                polls += 1;
                Ok(match polls {
                    1 => Poll::item(('k', Until(60))).wait(Duration::from_secs(3600)),
                    _ => Poll::end(),
                })
            })
        });
        let flow = flow_of(
            source,
            |s| {
                let told = s.stateful::<Told>().named("told");
                told.inspect(move |told| sender.send(told.1.clone()).unwrap())
            },
            TestingSink::new(),
        );
        let config = workers_of(workers)
            .clock(clock)
            .epoch_interval(Duration::from_secs(1 << 40));
        let run = start(flow, config);
        assert_eq!(seen.recv().unwrap(), "I1");
        hand.set(at(59));
        hand.set(at(60));
        assert_eq!(seen.recv().unwrap(), "N");
        hand.set(at(3600));
        assert_eq!(seen.recv().unwrap(), "E");
        run.join().unwrap().unwrap();
    }
}

/// Whoever emits at a time does so in the epoch that is open then.
#[test]
fn a_time_that_comes_belongs_to_the_open_epoch() {
    let out = with_pauses(
        1,
        ZERO,
        [
            Item(('k', For(0))),
            Item(('x', Leave)),
            Pause(Duration::from_millis(20)),
        ],
        |s| {
            let (sender, epochs) = channel();
            let epochs = Mutex::new(epochs);
            s.stateful::<Told>()
                .named("told")
                .inspect_debug_with(move |at, _| sender.send(at.epoch).unwrap())
                .map(move |(key, told)| (key, told, epochs.lock().unwrap().recv().unwrap()))
        },
    );
    let epochs: Vec<_> = out.iter().map(|(_, _, epoch)| *epoch).collect();
    assert!(epochs.is_sorted(), "{out:?}");
    assert!(epochs.iter().all(|epoch| epoch.0 > 0), "{out:?}");
    let calls: Vec<_> = out
        .iter()
        .map(|(key, told, _)| (*key, told.as_str()))
        .collect();
    assert_eq!(
        calls,
        [('k', "I1"), ('k', "N"), ('x', "I1"), ('k', "E"), ('x', "E")]
    );
}

#[test]
fn many_times_come_all_though_their_edge_is_full() {
    // Times come for all keys at once, which is more than an edge holds.
    let keys = 60_000_u64;
    for workers in 1..=2 {
        let run = ByHand::start(workers, |s| {
            let told = s.stateful::<Told>().named("told").redistribute();
            told.filter(|(_, told)| told == "N").count_by_key()
        });
        run.give((0..keys).map(|key| (key, Until(5))));
        run.give([(keys, Until(-5))]);
        assert_eq!(run.next().0, keys);
        run.hand.set(at(5));
        let mut told: Vec<u64> = (0..keys).map(|_| run.next().0).collect();
        told.sort_unstable();
        assert!(told.into_iter().eq(0..keys));
        assert_eq!(run.end(), []);
    }
}

trait CountByKey {
    fn count_by_key(self) -> KeyedStream<u64, u32>;
}

impl CountByKey for KeyedStream<u64, String> {
    fn count_by_key(self) -> KeyedStream<u64, u32> {
        let count = |count: &mut u32, _| {
            *count += 1;
            *count
        };
        self.stateful_map(count).named("counted")
    }
}
