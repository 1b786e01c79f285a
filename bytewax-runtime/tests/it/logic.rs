//! Logics per key: `stateful`, `stateful_batch` and `collect`, by values, by times and at the end.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::RunError;
use bytewax_runtime::clock::{Clock, ClockHand};
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{
    ClusterConfig, TestingItem, TestingSink, TestingSource, cluster_main, run_keyed,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest,
};
use serde::{Deserialize, Serialize};

use crate::support::{Answer, Parts, failure, flow_of, rows, run_in, run_on, start, workers_of};

use TestingItem::{Item, Pause};

const ZERO: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(10);

/// What a test logic does with values: what comes first decides for the whole life of its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Act {
    /// Waits for a time, in seconds from the beginning of all times.
    Until(i64),
    /// Waits for so many milliseconds from now.
    For(i64),
    /// Waits no longer.
    Cancel,
    /// Nothing.
    Leave,
    /// Has the key forgotten.
    Forget,
    /// Panics.
    Panic,
}
use Act::{Cancel, For, Forget, Leave, Panic, Until};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// Emits what it is called for: `I` and the count of items, `N`, and `E`.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Told {
    items: u32,
    until: Option<DateTime<Utc>>,
    /// How many notifications in the past to ask for after the first.
    again: u32,
    forget_when_notified: bool,
    forget_at_end: bool,
    panic_at_end: bool,
}

impl StatefulLogic for Told {
    type In = Act;
    type Out = String;

    fn on_item(&mut self, act: Act, out: &mut Emit<String>) -> Keep {
        self.items += 1;
        out.emit(format!("I{}", self.items));
        match act {
            Until(time) => self.until = Some(at(time)),
            For(milliseconds) => {
                self.until = Some(out.now() + TimeDelta::milliseconds(milliseconds));
            }
            Cancel => self.until = None,
            Leave => {}
            Forget => return Keep::No,
            Panic => panic!("no"),
        }
        Keep::Yes
    }

    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        out.emit("N".to_owned());
        match self.again.checked_sub(1) {
            Some(left) => self.again = left,
            None => self.until = None,
        }
        if self.forget_when_notified {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn on_eof(&mut self, out: &mut Emit<String>) -> Keep {
        assert!(!self.panic_at_end, "no");
        out.emit("E".to_owned());
        if self.forget_at_end {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.until
    }
}

/// Counts the items of each batch, and notes the batches.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Batches(u32);

impl StatefulBatchLogic for Batches {
    type In = char;
    type Out = (char, u32);

    fn on_batch(&mut self, items: Vec<char>, out: &mut Emit<(char, u32)>) -> Keep {
        self.0 += 1;
        out.emit(('b', self.0));
        assert!(!items.contains(&'p'), "no");
        if items.contains(&'d') {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn on_eof(&mut self, out: &mut Emit<(char, u32)>) -> Keep {
        out.emit(('e', self.0));
        Keep::Yes
    }
}

fn told(seen: impl IntoIterator<Item = &'static str>) -> Vec<(char, String)> {
    seen.into_iter()
        .map(|told| ('k', told.to_owned()))
        .collect()
}

fn acts(acts: impl IntoIterator<Item = Act>) -> Vec<(char, Act)> {
    acts.into_iter().map(|act| ('k', act)).collect()
}

fn per_epoch(interval: Duration) -> ClusterConfig {
    ClusterConfig::new().epoch_interval(interval)
}

fn stateful(interval: Duration, batch: usize, acts: Vec<(char, Act)>) -> Vec<(char, String)> {
    run_in(&per_epoch(interval), batch, acts, |s| {
        s.stateful::<Told>().named("told")
    })
}

/// Each poll of the source is an epoch, so that no two of them are taken together.
fn batches(batch: usize, items: &[(char, char)]) -> Vec<(char, (char, u32))> {
    run_in(&per_epoch(ZERO), batch, items.to_vec(), |s| {
        s.stateful_batch::<Batches>().named("batches")
    })
}

/// Runs over marks, with pauses between, by the system's clock.
fn with_pauses<U: Send + 'static, T: Clone + Send + Sync + 'static>(
    workers: usize,
    interval: Duration,
    items: impl IntoIterator<Item = TestingItem<T>>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<U> {
    let out = TestingSink::new();
    let flow = flow_of(TestingSource::with_marks(items), body, out.clone());
    cluster_main(flow, workers_of(workers).epoch_interval(interval)).unwrap();
    out.take()
}

/// The states of the rows that name what happened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Last {
    New,
    ByItem,
    ByNotify,
    ByEof,
}
use Last::{ByEof, ByItem, ByNotify, New};

#[stateful(crate = "bytewax_runtime")]
struct Steps {
    last: Last,
    due: Option<DateTime<Utc>>,
    /// Which of item, notification and end discards.
    discards: Option<Last>,
    notified: bool,
}

impl Steps {
    fn step(&mut self, next: Last, out: &mut Emit<(Last, Last)>) -> Keep {
        out.emit((self.last, next));
        self.last = next;
        if self.discards == Some(next) {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}

impl StatefulLogic for Steps {
    type In = u32;
    type Out = (Last, Last);

    fn on_item(&mut self, _: u32, out: &mut Emit<(Last, Last)>) -> Keep {
        self.due = self.notified.then(|| out.now());
        self.step(ByItem, out)
    }

    fn on_notify(&mut self, out: &mut Emit<(Last, Last)>) -> Keep {
        self.due = None;
        self.step(ByNotify, out)
    }

    fn on_eof(&mut self, out: &mut Emit<(Last, Last)>) -> Keep {
        if self.notified {
            return Keep::Yes;
        }
        self.step(ByEof, out)
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

/// Two items of a key with an epoch each, then a moment of rest.
fn steps(discards: Option<Last>, notified: bool) -> Vec<(Last, Last)> {
    let rest = Pause(Duration::from_millis(20));
    with_pauses(1, ZERO, [Item(('k', 1)), Item(('k', 2)), rest], |s| {
        let make = move |_: &char| Steps {
            last: New,
            due: None,
            discards,
            notified,
        };
        s.stateful_with(make).named("steps").key_rm()
    })
}

rows! {
    c01_discarded_after_an_item: steps(Some(ByItem), false) => [(New, ByItem), (New, ByItem)];
    c02_retained_after_an_item: steps(None, false) => [(New, ByItem), (ByItem, ByItem), (ByItem, ByEof)];
    c03_discarded_when_notified: steps(Some(ByNotify), true) => [(New, ByItem), (ByItem, ByNotify), (New, ByItem), (ByItem, ByNotify)];
    c04_retained_when_notified: steps(None, true) => [(New, ByItem), (ByItem, ByNotify), (ByNotify, ByItem), (ByItem, ByNotify)];
    c05_discarded_at_the_end: steps(Some(ByEof), false) => [(New, ByItem), (ByItem, ByItem), (ByItem, ByEof)];
    c10_batches_of_one: batches(1, &[('a', '1'), ('b', '2'), ('a', '3')])
        => [('a', ('b', 1)), ('b', ('b', 1)), ('a', ('b', 2)), ('a', ('e', 2)), ('b', ('e', 1))];
    c11_one_call_a_key_and_batch: batches(10, &[('b', '1'), ('a', '2'), ('b', '3'), ('b', '4')])
        => [('b', ('b', 1)), ('a', ('b', 1)), ('a', ('e', 1)), ('b', ('e', 1))];
    c12_a_discarded_key_begins_anew: batches(1, &[('a', '1'), ('a', 'd'), ('a', '3')])
        => [('a', ('b', 1)), ('a', ('b', 2)), ('a', ('b', 1)), ('a', ('e', 1))];
    c13_a_discard_does_not_split_a_batch: batches(10, &[('a', '1'), ('a', 'd'), ('a', '3')]) => [('a', ('b', 1))];
    c14_the_rest_of_a_batch_goes_to_a_fresh_logic: stateful(LONG, 10, acts([Leave, Forget, Leave]))
        => told(["I1", "I2", "I1", "E"]);
    c14_a_forgotten_key_is_not_told_of_its_time: stateful(LONG, 10, acts([Until(5), Forget])) => told(["I1", "I2"]);
    c17_the_end_does_not_wait_for_times: stateful(LONG, 1, acts([For(5000)])) => told(["I1", "E"]);
    c21_a_time_that_is_now_comes_before_the_next_epoch: with_pauses(
        1, ZERO, [Item(('k', For(0))), Item(('k', For(0))), Pause(Duration::from_millis(20))],
        |s| s.stateful::<Told>().named("told"),
    ) => told(["I1", "N", "I2", "N", "E"]);
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

/// A run of one worker whose source gives what the test says, by a clock that the test moves.
struct ByHand<T, U> {
    hand: ClockHand,
    answers: std::sync::mpsc::Sender<Poll<T>>,
    seen: Receiver<U>,
    run: JoinHandle<Result<(), RunError>>,
}

impl<T: Send + 'static, U: Send + Clone + std::fmt::Debug + 'static> ByHand<T, U> {
    fn start(workers: usize, body: impl FnOnce(Stream<T>) -> Stream<U>) -> Self {
        let (clock, hand) = Clock::by_hand(at(0));
        let (answers, receiver) = channel::<Poll<T>>();
        let receiver = Arc::new(Mutex::new(receiver));
        // Without an answer, the source is asked again at once: it never holds the worker.
        let source = Parts(&["only"], move |_: &str| {
            let receiver = Arc::clone(&receiver);
            Ok(move || -> Answer<T> {
                let told = receiver.lock().unwrap().try_recv();
                Ok(told.unwrap_or_else(|_| Poll::idle_until(at(0))))
            })
        });
        let (sender, seen) = channel();
        let flow = flow_of(
            source,
            |s| body(s).inspect(move |item| sender.send(item.clone()).unwrap()),
            TestingSink::new(),
        );
        let config = workers_of(workers)
            .clock(clock)
            .epoch_interval(Duration::from_secs(1 << 40));
        let run = start(flow, config);
        Self {
            hand,
            answers,
            seen,
            run,
        }
    }

    fn give(&self, items: impl IntoIterator<Item = T>) {
        self.answers
            .send(Poll::batch(items.into_iter().collect()))
            .unwrap();
    }

    fn next(&self) -> U {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Ends the input, and gives what had not been looked at.
    fn end(self) -> Vec<U> {
        self.answers.send(Poll::end()).unwrap();
        self.run.join().unwrap().unwrap();
        self.seen.try_iter().collect()
    }
}

fn told_by_hand(workers: usize) -> ByHand<(char, Act), (char, String)> {
    ByHand::start(workers, |s| s.stateful::<Told>().named("told"))
}

fn pair(key: char, told: &str) -> (char, String) {
    (key, told.to_owned())
}

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
    let (clock, hand) = Clock::by_hand(at(0));
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
fn c26_a_panic_of_a_logic_names_the_step() {
    let flow = |act, make: fn(&char) -> Told| {
        flow_of(
            TestingSource::new(acts([act])),
            |s| s.stateful_with(make).named("told"),
            TestingSink::new(),
        )
    };
    let at_end = |_: &char| Told {
        panic_at_end: true,
        ..Told::default()
    };
    for flow in [
        flow(Panic, |_| Told::default()),
        flow(Leave, at_end),
        flow(Leave, |_| panic!("no")),
    ] {
        let report = failure(flow, 1);
        assert!(
            report.starts_with("step `f.told`, worker 0: panicked at "),
            "{report}"
        );
    }
    let flow = flow_of(
        TestingSource::new([('k', 'p')]),
        |s| s.stateful_batch::<Batches>().named("batches"),
        TestingSink::new(),
    );
    let report = failure(flow, 2);
    assert!(report.starts_with("step `f.batches`, worker "), "{report}");
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
        let (clock, hand) = Clock::by_hand(at(0));
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

impl<T, U> ByHand<T, U> {
    /// What comes next, if need be when the hand has moved on.
    fn next_after(&self, by: TimeDelta) -> U {
        loop {
            if let Ok(next) = self.seen.recv_timeout(Duration::from_millis(50)) {
                return next;
            }
            self.hand.advance(by);
        }
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

/// The logic of the program `checkout`.
mod checkout {
    use super::*;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub(super) enum Event {
        Item { cents: u64 },
        Checkout,
    }

    #[stateful(crate = "bytewax_runtime")]
    #[derive(Clone, Debug, Default)]
    pub(super) struct Cart {
        cents: u64,
        abandoned_at: Option<DateTime<Utc>>,
    }

    impl StatefulLogic for Cart {
        type In = Event;
        type Out = String;

        fn on_item(&mut self, event: Event, out: &mut Emit<String>) -> Keep {
            match event {
                Event::Item { cents } => {
                    self.cents += cents;
                    self.abandoned_at = Some(out.now() + TimeDelta::hours(1));
                    Keep::Yes
                }
                Event::Checkout => {
                    out.emit(format!("checked out {} cents", self.cents));
                    Keep::No
                }
            }
        }

        fn notify_at(&self) -> Option<DateTime<Utc>> {
            self.abandoned_at
        }

        fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
            out.emit(format!("abandoned {} cents", self.cents));
            Keep::No
        }
    }
}

#[test]
fn carts_are_checked_out_or_abandoned() {
    use checkout::{Cart, Event};
    let events = [
        (1_u64, Event::Item { cents: 150 }),
        (2, Event::Item { cents: 900 }),
        (1, Event::Item { cents: 350 }),
        (1, Event::Checkout),
    ];
    let out = run_keyed(events.clone(), |s| s.stateful::<Cart>().named("carts"));
    assert_eq!(out, [(1, "checked out 500 cents".to_owned())]);

    let run = ByHand::start(1, |s| s.stateful::<Cart>().named("carts"));
    run.give(events);
    assert_eq!(run.next(), (1, "checked out 500 cents".to_owned()));
    run.hand.advance(TimeDelta::hours(1));
    assert_eq!(run.next(), (2, "abandoned 900 cents".to_owned()));
    assert_eq!(run.end(), []);
}

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

fn settings() -> impl Strategy<Value = (ClusterConfig, usize)> {
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
