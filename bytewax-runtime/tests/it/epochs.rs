//! When an epoch ends and the next begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bytewax_runtime::WorkerIndex;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use chrono::{DateTime, TimeDelta};

use crate::shared::{Answer, EachWorker, Parts, flow_of, sorted, start, workers_of};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Shows each item with its epoch.
pub(crate) fn with_epochs<T: Clone + Send + Sync + 'static>(
    stream: Stream<T>,
    seen: Sender<(T, u64)>,
) -> Stream<T> {
    stream.inspect_debug_with(move |at, item| {
        seen.send((item.clone(), at.epoch.0)).unwrap();
    })
}

fn epochs_of(interval: Duration) -> Vec<(i32, u64)> {
    let (sender, seen) = channel();
    let flow = flow_of(
        TestingSource::new([7, 8, 9]),
        |s| with_epochs(s, sender),
        TestingSink::new(),
    );
    cluster_main(flow, RunConfig::new().epoch_interval(interval)).unwrap();
    seen.iter().collect()
}

#[test]
fn r35_a_zero_interval_makes_every_poll_an_epoch() {
    assert_eq!(epochs_of(Duration::ZERO), [(7, 1), (8, 2), (9, 3)]);
}

#[test]
fn r36_a_long_interval_makes_one_epoch() {
    assert_eq!(epochs_of(HOUR), [(7, 1), (8, 1), (9, 1)]);
    assert_eq!(epochs_of(Duration::MAX), [(7, 1), (8, 1), (9, 1)]);
}

#[test]
fn an_interval_of_zero_is_lockstep_on_several_workers_too() {
    for workers in 1..=3 {
        let (sender, seen) = channel();
        let source = EachWorker(|worker: WorkerIndex| {
            let mut left = 20;
            Ok(move || -> Answer<usize> {
                left -= 1;
                Ok(if left < 0 {
                    Poll::end()
                } else {
                    Poll::item(worker.0)
                })
            })
        });
        let flow = flow_of(
            source,
            |s| {
                with_epochs(
                    s.key_on(|w| *w).stateful_map(|(), w| w).named("k").key_rm(),
                    sender,
                )
            },
            TestingSink::new(),
        );
        let config = workers_of(workers).epoch_interval(Duration::ZERO);
        cluster_main(flow, config).unwrap();
        // Each epoch has one poll of each worker: none goes on before the others had their turn.
        let polls = (0..workers).flat_map(|worker| (1..=20).map(move |epoch| (worker, epoch)));
        assert_eq!(sorted(seen.iter()), polls.collect::<Vec<_>>());
    }
}

/// Two sources on one worker, and an interval of zero: neither keeps the other from being polled.
#[test]
fn an_interval_of_zero_is_fair_to_every_source() {
    let polled = Arc::new(AtomicU64::new(0));
    let flow = Dataflow::build("f", |flow| {
        let streams =
            [("a", Arc::clone(&polled)), ("b", Arc::clone(&polled))].map(|(name, polled)| {
                let other = usize::from(name == "a");
                let source = Parts(&["only"], move |_: &str| {
                    let polled = Arc::clone(&polled);
                    let mut polls = 0_u64;
                    // Ends when the other has been polled, or much later.
                    Ok(move || -> Answer<u64> {
                        polls += 1;
                        let bits = polled.fetch_or(1 << (1 - other), Ordering::SeqCst);
                        let met = bits & (1 << other) != 0;
                        Ok(if met || polls > 2000 {
                            Poll::end()
                        } else {
                            Poll::item(polls)
                        })
                    })
                });
                flow.input(source).named(name)
            });
        flow.merge(streams)
            .inspect(|polls| assert!(*polls < 100, "the other was not polled"));
    });
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    cluster_main(flow, config).unwrap();
}

/// A worker that began its epochs late, because it was busy once, holds up no items of the others.
#[test]
fn a_worker_that_was_late_once_does_not_delay_items_ever_after() {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (busy, is_busy) = channel();
    let (go, gate) = channel();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (answer, answers) = channel();
    let answers = Arc::new(std::sync::Mutex::new(answers));
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let idles = Arc::new(AtomicUsize::new(0));
    let late_idles = Arc::clone(&idles);
    let (sender, seen) = channel();
    let flow = Dataflow::build("f", |flow| {
        let late = Parts(&["late"], move |_: &str| {
            let (gate, busy, idles) = (Arc::clone(&gate), busy.clone(), Arc::clone(&late_idles));
            Ok(move || -> Answer<i32> {
                idles.fetch_add(1, Ordering::SeqCst);
                let gate = gate.lock().unwrap();
                if gate.try_recv().is_err() {
                    return Ok(Poll::idle_until(DateTime::UNIX_EPOCH));
                }
                busy.send(())?;
                gate.recv()?;
                Ok(Poll::idle(1000 * HOUR))
            })
        });
        let late = flow.input(late).named("late");
        let prompt = Parts(&["prompt"], move |_: &str| {
            let (answers, polls) = (Arc::clone(&answers), Arc::clone(&counted));
            Ok(move || -> Answer<i32> {
                polls.fetch_add(1, Ordering::SeqCst);
                let told = answers.lock().unwrap().try_recv();
                Ok(told.unwrap_or_else(|_| Poll::idle_until(DateTime::UNIX_EPOCH)))
            })
        });
        let prompt = flow.input(prompt).named("prompt");
        with_epochs(late.merge(prompt), sender).raises_nothing();
    });
    let config = workers_of(2)
        .clock(clock)
        .epoch_interval(Duration::from_secs(10));
    let _run = start(flow, config);
    let turns = |count: &AtomicUsize| {
        let before = count.load(Ordering::SeqCst);
        while count.load(Ordering::SeqCst) < before + 100 {
            std::thread::yield_now();
        }
    };
    // One item goes all the way, so epoch 1 has begun everywhere.
    answer.send(Poll::item(0)).unwrap();
    assert_eq!(seen.recv().unwrap(), (0, 1));
    turns(&idles);
    turns(&polls);
    turns(&idles);
    go.send(()).unwrap();
    is_busy.recv().unwrap();
    // The prompt worker begins epoch 2 at 10 seconds, the late one at 15.
    hand.advance(TimeDelta::seconds(10));
    turns(&polls);
    hand.advance(TimeDelta::seconds(5));
    go.send(()).unwrap();
    answer.send(Poll::item(1)).unwrap();
    assert_eq!(seen.recv().unwrap(), (1, 2));
    // At 20 seconds the prompt one begins epoch 3, and its item must not wait until 25.
    hand.advance(TimeDelta::seconds(5));
    turns(&polls);
    answer.send(Poll::item(2)).unwrap();
    assert_eq!(seen.recv_timeout(Duration::from_secs(2)), Ok((2, 3)));
    answer.send(Poll::abort()).unwrap();
}

pub(crate) trait RaisesNothing {
    fn raises_nothing(self);
}

impl<T: std::fmt::Debug + 'static> RaisesNothing for Stream<T> {
    /// Ends a stream whose items have been looked at.
    fn raises_nothing(self) {
        self.filter(|_| false).raises();
    }
}
