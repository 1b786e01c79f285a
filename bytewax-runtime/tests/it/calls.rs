//! `map_async`: calls that are answered when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytewax_runtime::operators::AsyncConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main, run_main};
use bytewax_runtime::{RecoveryConfig, RunErrorKind, StepError};
use chrono::TimeDelta;
use tokio::sync::oneshot;

use crate::shared::by_hand::ByHand;
use crate::shared::{
    Answer as PollAnswer, EachWorker, failure, flow_of, run_in, run_on, sorted, start, workers_of,
};

type Answer = Result<String, String>;
type Call = (u32, oneshot::Sender<Answer>);

/// A service whose calls wait for the test to answer them.
struct Desk {
    calls: Receiver<Call>,
}

impl Desk {
    fn open() -> (Self, Sender<Call>) {
        let (sender, calls) = channel();
        (Self { calls }, sender)
    }

    /// The next call.
    fn call(&self) -> Call {
        self.calls.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn is_quiet(&self) -> bool {
        self.calls.try_recv().is_err()
    }
}

fn ok((n, call): Call) {
    call.send(Ok(format!("ok {n}"))).unwrap();
}

fn no((n, call): Call) {
    call.send(Err(format!("no {n}"))).unwrap();
}

/// All results of calls to a desk: those that went well, and errors with their items.
fn asked(s: Stream<u32>, config: AsyncConfig, desk: Sender<Call>) -> Stream<String> {
    let out = s.map_async(config, move |n: &u32| {
        let (sender, answer) = oneshot::channel();
        let placed = desk.send((*n, sender));
        async move {
            placed.map_err(|_| "closed".to_owned())?;
            answer.await.map_err(|_| "hung up".to_owned())?
        }
    });
    let errs = out.errs.map(|bad| format!("{}: {}", bad.item, bad.error));
    out.oks.merge(errs)
}

fn by_hand(config: AsyncConfig) -> (ByHand<u32, String>, Desk) {
    let (desk, sender) = Desk::open();
    (ByHand::start(1, |s| asked(s, config, sender)), desk)
}

#[test]
fn results_keep_the_order_of_their_items() {
    let (run, desk) = by_hand(AsyncConfig::new());
    run.give([1, 2, 3]);
    let calls = [desk.call(), desk.call(), desk.call()];
    for call in calls.into_iter().rev() {
        ok(call);
    }
    assert_eq!(run.end(), ["ok 1", "ok 2", "ok 3"]);
}

#[test]
fn unordered_results_wait_for_nobody() {
    let (run, desk) = by_hand(AsyncConfig::new().unordered());
    run.give([1, 2, 3]);
    let [first, second, third] = [desk.call(), desk.call(), desk.call()];
    ok(third);
    assert_eq!(run.next(), "ok 3");
    no(second);
    assert_eq!(run.next(), "2: no 2");
    ok(first);
    assert_eq!(run.end(), ["ok 1"]);
}

#[test]
fn no_more_items_are_in_flight_than_allowed() {
    for config in [AsyncConfig::new(), AsyncConfig::new().unordered()] {
        let (run, desk) = by_hand(config.in_flight(2));
        // In one batch and in several.
        run.give(0..4);
        for n in 4..8 {
            run.give([n]);
        }
        let mut open = vec![desk.call(), desk.call()];
        for n in 0..8 {
            assert!(desk.is_quiet());
            ok(open.remove(0));
            assert_eq!(run.next(), format!("ok {n}"));
            if n < 6 {
                open.push(desk.call());
            }
        }
        assert_eq!(run.end(), [""; 0]);
    }
}

/// No more than a batch is taken from the edge in front, so that fills up and the source stops.
#[test]
fn a_step_that_is_full_holds_the_source_back() {
    let (desk, sender) = Desk::open();
    let (polled, polls) = channel();
    let source = EachWorker(move |_| {
        let polled = polled.clone();
        let mut left = 20;
        Ok(move || -> PollAnswer<u32> {
            polled.send(()).unwrap();
            left -= 1;
            Ok(match left {
                0 => Poll::end(),
                _ => Poll::batch(vec![left; 10_000]),
            })
        })
    });
    let config = AsyncConfig::new().in_flight(1000);
    let out = TestingSink::new();
    let flow = flow_of(source, |s| asked(s, config, sender), out.clone());
    let run = start(flow, RunConfig::new());
    let calls: Vec<Call> = (0..1000).map(|_| desk.call()).collect();
    let mut count = 0;
    while polls.recv_timeout(Duration::from_millis(100)).is_ok() {
        count += 1;
    }
    assert!(count < 12, "{count} batches were taken");
    drop((desk, calls));
    run.join().unwrap().unwrap();
    assert_eq!(out.take().len(), 190_000);
}

#[test]
fn an_epoch_is_not_over_while_items_are_in_flight() {
    let (desk, sender) = Desk::open();
    let (epochs, seen) = channel();
    let flow = flow_of(
        TestingSource::new([1, 2, 3]),
        |s| {
            let out = asked(s, AsyncConfig::new(), sender);
            out.inspect_debug_with(move |at, item| epochs.send((at.epoch.0, item.clone())).unwrap())
        },
        TestingSink::new(),
    );
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    let run = start(flow, config);
    for n in 1..=3 {
        let call = desk.call();
        assert_eq!(u64::from(call.0), n);
        // The next item is of the next epoch, and is not asked for before this one is over.
        std::thread::sleep(Duration::from_millis(5));
        assert!(desk.is_quiet());
        ok(call);
    }
    run.join().unwrap().unwrap();
    let expected = [1, 2, 3].map(|n| (n, format!("ok {n}")));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_was_in_flight_at_a_crash_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, sender) = Desk::open();
    let bad = Arc::new(AtomicBool::new(true));
    let crashes = Arc::clone(&bad);
    let out = TestingSink::new();
    let flow = flow_of(
        TestingSource::new(0..6).batch_size(2),
        |s| {
            let out = asked(s, AsyncConfig::new(), sender);
            out.inspect(move |item| assert!(item != "ok 2" || !crashes.load(Ordering::SeqCst)))
        },
        out.clone(),
    );
    let config = RunConfig::new()
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir.path()));

    let run = start(flow.clone(), config.clone());
    for _ in 0..2 {
        ok(desk.call());
    }
    let calls = [desk.call(), desk.call()];
    assert_eq!([calls[0].0, calls[1].0], [2, 3]);
    let [second, third] = calls;
    ok(second);
    run.join().unwrap().unwrap_err();
    assert_eq!(out.take(), ["ok 0", "ok 1"]);
    drop(third);

    bad.store(false, Ordering::SeqCst);
    let run = start(flow, config);
    for n in 2..6 {
        let call = desk.call();
        assert_eq!(call.0, n);
        ok(call);
    }
    run.join().unwrap().unwrap();
    assert_eq!(out.take(), ["ok 2", "ok 3", "ok 4", "ok 5"]);
}

#[test]
fn an_item_is_tried_again_after_longer_and_longer_waits() {
    let config = AsyncConfig::new()
        .unordered()
        .retries(3)
        .backoff(Duration::from_secs(10), Duration::from_secs(30));
    let (run, desk) = by_hand(config);
    run.give([7]);
    no(desk.call());
    for wait in [10, 20, 30] {
        // The worker has seen the answer when it has handed on one that was given later.
        run.give([8]);
        let call = desk.call();
        assert_eq!(call.0, 8);
        ok(call);
        assert_eq!(run.next(), "ok 8");
        run.hand
            .advance(TimeDelta::seconds(wait) - TimeDelta::nanoseconds(1));
        std::thread::sleep(Duration::from_millis(5));
        assert!(desk.is_quiet());
        run.hand.advance(TimeDelta::nanoseconds(1));
        let call = desk.call();
        assert_eq!(call.0, 7);
        no(call);
    }
    assert_eq!(run.end(), ["7: no 7"]);
}

#[test]
fn an_item_that_succeeds_in_the_end_is_no_error() {
    let config = AsyncConfig::new()
        .retries(2)
        .backoff(Duration::ZERO, Duration::ZERO);
    let (run, desk) = by_hand(config);
    run.give([1]);
    no(desk.call());
    no(desk.call());
    ok(desk.call());
    assert_eq!(run.end(), ["ok 1"]);
}

#[test]
fn a_call_that_takes_too_long_is_given_up() {
    for (retries, tries) in [(0, 1), (1, 2)] {
        let config = AsyncConfig::new()
            .timeout(Duration::from_secs(5))
            .retries(retries)
            .backoff(Duration::ZERO, Duration::ZERO);
        let (run, desk) = by_hand(config);
        run.give([1]);
        for _ in 0..tries {
            let (_, call) = desk.call();
            run.hand
                .advance(TimeDelta::seconds(5) - TimeDelta::nanoseconds(1));
            std::thread::sleep(Duration::from_millis(5));
            assert!(!call.is_closed());
            run.hand.advance(TimeDelta::nanoseconds(1));
            // Its future is dropped.
            while !call.is_closed() {
                std::thread::yield_now();
            }
        }
        assert_eq!(run.next(), "1: no answer within 5s");
        assert_eq!(run.end(), [""; 0]);
    }
}

#[test]
fn an_answer_that_comes_in_time_is_not_given_up() {
    let (run, desk) = by_hand(AsyncConfig::new().timeout(Duration::from_secs(5)));
    run.give([1]);
    let call = desk.call();
    run.hand.advance(TimeDelta::seconds(4));
    ok(call);
    assert_eq!(run.next(), "ok 1");
    run.hand.advance(TimeDelta::seconds(4));
    run.give([2]);
    ok(desk.call());
    assert_eq!(run.end(), ["ok 2"]);
}

#[test]
fn what_is_known_of_an_error() {
    let out = run_on(1, 10, [1_u32, 2], |s| {
        let out = s.map_async(AsyncConfig::new(), |n: &u32| {
            let n = *n;
            async move { if n == 1 { Ok(n) } else { Err("two") } }
        });
        let out = out.named("ask");
        out.oks.map(|n| n.to_string()).merge(out.errs.map(|bad| {
            format!(
                "{} {} {} {} {}",
                bad.item, bad.error, bad.step, bad.worker, bad.epoch
            )
        }))
    });
    assert_eq!(sorted(out), ["1", "2 two f.ask 0 1"]);
}

#[test]
fn unread_errors_are_refused() {
    let flow = flow_of(
        TestingSource::new([1]),
        |s| {
            let ask = |n: &u32| std::future::ready(Ok::<_, String>(*n));
            s.map_async(AsyncConfig::new(), ask).named("ask").oks
        },
        TestingSink::new(),
    );
    let error = run_main(flow).unwrap_err();
    assert_eq!(error.kind(), RunErrorKind::Flow);
    assert!(
        error.to_string().contains("the `errs` of step `f.ask` at"),
        "{error}"
    );
}

#[test]
fn a_panic_of_a_future_fails_the_run_with_its_step() {
    for workers in [1, 3] {
        let flow = flow_of(
            TestingSource::new(0..100_u32).batch_size(100),
            |s| {
                let config = AsyncConfig::new().retries(5);
                let out = s.redistribute().map_async(config, |n: &u32| {
                    let n = *n;
                    async move {
                        assert!(n != 57, "not {n}");
                        Ok::<_, StepError>(n)
                    }
                });
                let out = out.named("ask");
                out.errs.fail();
                out.oks
            },
            TestingSink::new(),
        );
        let report = failure(flow, workers);
        assert!(report.starts_with("step `f.ask`, worker "), "{report}");
        assert!(report.contains(": panicked at "), "{report}");
        assert!(report.ends_with(": not 57"), "{report}");
    }
}

/// What a failing run leaves in flight is dropped, and not waited for.
#[test]
fn a_run_that_fails_does_not_wait_for_calls() {
    let (desk, sender) = Desk::open();
    let flow = flow_of(
        TestingSource::new([1, 2]).batch_size(2),
        |s| asked(s, AsyncConfig::new().unordered(), sender).raises_on("ok 2"),
        TestingSink::new(),
    );
    let run = std::thread::spawn(move || run_main(flow));
    let (never, call) = (desk.call().1, desk.call());
    ok(call);
    let error = run.join().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `f.check`, worker 0: an item came where none may: `\"ok 2\"`"
    );
    while !never.is_closed() {
        std::thread::yield_now();
    }
}

trait RaisesOn {
    fn raises_on(self, bad: &'static str) -> Self;
}

impl RaisesOn for Stream<String> {
    fn raises_on(self, bad: &'static str) -> Self {
        let sides = self.branch(move |item| item == bad);
        sides.trues.raises().named("check");
        sides.falses
    }
}

#[test]
fn all_items_come_through_on_any_number_of_workers() {
    for workers in 1..=4 {
        for interval in [Duration::ZERO, Duration::from_secs(10)] {
            for ordered in [true, false] {
                let mut config = AsyncConfig::new().in_flight(7).retries(1);
                config = config.backoff(Duration::ZERO, Duration::ZERO);
                if !ordered {
                    config = config.unordered();
                }
                let settings = workers_of(workers).epoch_interval(interval);
                let out = run_in(&settings, 23, 0..500_u32, |s| {
                    let out = s.redistribute().map_async(config, |n: &u32| {
                        let n = *n;
                        async move {
                            for _ in 0..n % 5 {
                                tokio::task::yield_now().await;
                            }
                            if n.is_multiple_of(3) {
                                Err("three")
                            } else {
                                Ok(n)
                            }
                        }
                    });
                    out.oks.merge(out.errs.map(|bad| 1000 + bad.item))
                });
                let expected = (0..500).map(|n| if n % 3 == 0 { 1000 + n } else { n });
                assert_eq!(sorted(out), sorted(expected));
            }
        }
    }
}

#[test]
fn a_flow_without_items_ends() {
    let (_desk, sender) = Desk::open();
    let flow = flow_of(
        TestingSource::new([]),
        |s| asked(s, AsyncConfig::new(), sender),
        TestingSink::new(),
    );
    cluster_main(flow, workers_of(2)).unwrap();
}
