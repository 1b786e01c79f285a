//! When sources are polled, and what a worker does between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::clock::Clock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{ClusterConfig, TestingSink};
use chrono::{DateTime, TimeDelta};

use crate::epochs::{HOUR, RaisesNothing, with_epochs};
use crate::support::{Answer, EachWorker, Parts, flow_of, start, workers_of};

/// A source that says when it is polled and then does as it is told.
fn told(
    polls: Sender<()>,
    answers: Receiver<Poll<i32>>,
) -> impl Fn(&str) -> Result<Told, StepError> {
    let parts = std::sync::Mutex::new(Some((polls, answers)));
    move |_| {
        let (polls, answers) = parts.lock().unwrap().take().unwrap();
        Ok(Box::new(move || {
            polls.send(()).unwrap();
            Ok(answers.recv()?)
        }))
    }
}

type Told = Box<dyn FnMut() -> Answer<i32>>;

#[test]
fn a_source_is_polled_exactly_when_the_clock_says_so() {
    let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
    let (polls, polled) = channel();
    let (answer, answers) = channel();
    let (sender, seen) = channel();
    let flow = flow_of(
        Parts(&["only"], told(polls, answers)),
        |s| s.inspect(move |n| sender.send(*n).unwrap()),
        TestingSink::new(),
    );
    let run = start(flow, ClusterConfig::new().clock(clock));

    polled.recv().unwrap();
    answer.send(Poll::item(1).wait(HOUR)).unwrap();
    assert_eq!(seen.recv().unwrap(), 1);
    // Every move of the hand wakes the worker; short of the hour, it must not poll.
    for _ in 0..60 {
        assert!(polled.try_recv().is_err());
        hand.advance(TimeDelta::seconds(59));
    }
    hand.advance(TimeDelta::seconds(59));
    assert!(polled.try_recv().is_err());
    hand.advance(TimeDelta::seconds(1));
    polled.recv().unwrap();
    answer.send(Poll::item(2).wait(HOUR)).unwrap();
    assert_eq!(seen.recv().unwrap(), 2);
    hand.advance(TimeDelta::hours(1));
    polled.recv().unwrap();
    answer.send(Poll::end()).unwrap();
    run.join().unwrap().unwrap();
}

#[test]
fn a_source_may_name_the_time_itself() {
    let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
    let (polls, polled) = channel();
    let (answer, answers) = channel();
    let flow = flow_of(
        Parts(&["only"], told(polls, answers)),
        |s| s,
        TestingSink::new(),
    );
    let run = start(flow, ClusterConfig::new().clock(clock));
    polled.recv().unwrap();
    let due = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
    answer.send(Poll::idle_until(due)).unwrap();
    hand.set(due - TimeDelta::nanoseconds(1));
    assert!(polled.try_recv().is_err());
    hand.set(due);
    polled.recv().unwrap();
    // A time in the past is at once.
    answer.send(Poll::idle_until(DateTime::UNIX_EPOCH)).unwrap();
    polled.recv().unwrap();
    answer.send(Poll::end()).unwrap();
    run.join().unwrap().unwrap();
}

/// The system's clock is set back by an hour, or forward, and the flow goes on as if nothing had happened: only a source
/// that named a date minds.
#[test]
fn the_pace_does_not_depend_on_the_date() {
    for hours in [-1, 1000] {
        let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH + TimeDelta::days(9));
        let (polls, polled) = channel();
        let (answer, answers) = channel();
        let (sender, seen) = channel();
        let flow = flow_of(
            Parts(&["only"], told(polls, answers)),
            |s| with_epochs(s, sender),
            TestingSink::new(),
        );
        let config = ClusterConfig::new().clock(clock.clone());
        let run = start(flow, config.epoch_interval(Duration::from_secs(10)));
        polled.recv().unwrap();
        answer
            .send(Poll::item(1).wait(Duration::from_secs(5)))
            .unwrap();
        assert_eq!(seen.recv().unwrap(), (1, 1));
        hand.adjust(TimeDelta::hours(hours));
        for _ in 0..4 {
            assert!(polled.try_recv().is_err());
            hand.advance(TimeDelta::seconds(1));
        }
        assert!(polled.try_recv().is_err());
        hand.advance(TimeDelta::seconds(1));
        polled.recv().unwrap();
        answer
            .send(Poll::item(2).wait(Duration::from_secs(5)))
            .unwrap();
        assert_eq!(seen.recv().unwrap(), (2, 1));
        // The epoch is over ten seconds after it began.
        hand.advance(TimeDelta::seconds(5));
        polled.recv().unwrap();
        let date = clock.now() + TimeDelta::hours(2);
        answer.send(Poll::item(3).wait(Duration::ZERO)).unwrap();
        polled.recv().unwrap();
        assert_eq!(seen.recv().unwrap().0, 3);
        answer.send(Poll::item(4)).unwrap();
        assert_eq!(seen.recv().unwrap(), (4, 2));
        polled.recv().unwrap();
        answer.send(Poll::idle_until(date)).unwrap();
        hand.advance(TimeDelta::hours(1));
        assert!(polled.try_recv().is_err());
        hand.adjust(TimeDelta::hours(1));
        polled.recv().unwrap();
        answer.send(Poll::end()).unwrap();
        run.join().unwrap().unwrap();
    }
}

/// A source that sleeps for an hour holds its epoch open for no longer than others do.
#[test]
fn a_sleeping_source_does_not_hold_back_the_epochs_of_others() {
    for workers in 1..=2 {
        let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
        let (sender, seen) = channel();
        let (asleep, falls_asleep) = channel();
        let (answer, answers) = channel();
        let answers = Arc::new(std::sync::Mutex::new(answers));
        let flow = Dataflow::build("f", |flow| {
            let slow = Parts(&["slow"], move |_: &str| {
                let asleep = asleep.clone();
                let mut first = true;
                Ok(move || -> Answer<i32> {
                    asleep.send(())?;
                    let first = std::mem::take(&mut first);
                    Ok(if first {
                        Poll::item(0).wait(1000 * HOUR)
                    } else {
                        Poll::end()
                    })
                })
            });
            let slow = flow.input(slow).named("slow");
            let fast = Parts(&["fast"], move |_: &str| {
                let answers = Arc::clone(&answers);
                Ok(move || -> Answer<i32> {
                    let told = answers.lock().unwrap().try_recv();
                    Ok(told.unwrap_or_else(|_| Poll::idle_until(DateTime::UNIX_EPOCH)))
                })
            });
            let fast = flow.input(fast).named("fast");
            with_epochs(slow.merge(fast), sender).raises_nothing();
        });
        let config = workers_of(workers)
            .clock(clock)
            .epoch_interval(Duration::from_secs(1));
        let run = start(flow, config);
        falls_asleep.recv().unwrap();
        assert_eq!(seen.recv().unwrap(), (0, 1));
        // A step works on an epoch only when the earlier ones are over for all sources. The hand
        // moves on in case a worker has yet to begin the epoch of the item.
        let mut last = 0;
        for n in 1..=20 {
            hand.advance(TimeDelta::seconds(1));
            answer.send(Poll::item(n)).unwrap();
            let mut moves = 0;
            let (item, epoch) = loop {
                if let Ok(seen) = seen.recv_timeout(Duration::from_millis(1)) {
                    break seen;
                }
                moves += 1;
                assert!(moves < 10_000, "item {n} was held back");
                hand.advance(TimeDelta::seconds(1));
            };
            assert_eq!(item, n);
            assert!(epoch >= last);
            last = epoch;
        }
        assert!(last > 5, "the epochs moved on only to {last}");
        answer.send(Poll::end()).unwrap();
        hand.advance(TimeDelta::hours(1000));
        run.join().unwrap().unwrap();
    }
}

#[test]
fn a_sleeping_source_is_not_polled_while_its_worker_works() {
    let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let (done, is_done) = channel();
    let flow = Dataflow::build("f", |flow| {
        let sleeper = Parts(&["sleeper"], move |_: &str| {
            let polls = Arc::clone(&counted);
            Ok(move || -> Answer<u64> {
                let first = polls.fetch_add(1, Ordering::SeqCst) == 0;
                Ok(if first { Poll::idle(HOUR) } else { Poll::end() })
            })
        });
        let worker = Parts(&["worker"], move |_: &str| {
            let (mut next, done) = (0, done.clone());
            Ok(move || -> Answer<u64> {
                next += 1;
                if next <= 10_000 {
                    return Ok(Poll::item(next));
                }
                done.send(())?;
                Ok(Poll::end())
            })
        });
        let sleeper = flow.input(sleeper).named("sleeper");
        let worker = flow.input(worker).named("worker");
        sleeper
            .merge(worker)
            .key_on(|n| *n)
            .count_final()
            .named("count")
            .raises_nothing();
    });
    for workers in 1..=2 {
        polls.store(0, Ordering::SeqCst);
        let run = start(flow.clone(), workers_of(workers).clock(clock.clone()));
        is_done.recv().unwrap();
        assert!(polls.load(Ordering::SeqCst) <= 1);
        hand.advance(TimeDelta::hours(2));
        // The sleeper may fall asleep only now.
        while !run.is_finished() {
            hand.advance(TimeDelta::hours(2));
            std::thread::yield_now();
        }
        run.join().unwrap().unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    }
}

/// Time that the calling thread has spent on a processor.
#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_worker_uses_no_processor() {
    for (workers, by_hand) in [(1, true), (2, true), (1, false), (2, false)] {
        let (clock, hand) = match by_hand {
            true => {
                let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
                (clock, Some(hand))
            }
            false => (Clock::system(), None),
        };
        let (times, timed) = channel();
        let idle = Duration::from_millis(100);
        let source = EachWorker(move |_| {
            let (times, mut first) = (times.clone(), true);
            Ok(move || -> Answer<i32> {
                times.send(cpu_time())?;
                Ok(if std::mem::take(&mut first) {
                    Poll::idle(idle)
                } else {
                    Poll::end()
                })
            })
        });
        let flow = flow_of(source, |s| s, TestingSink::new());
        let run = start(flow, workers_of(workers).clock(clock));
        let before: Duration = timed.iter().take(workers).sum();
        if let Some(hand) = hand {
            // What is measured is a stretch of real time.
            assert!(timed.recv_timeout(idle).is_err());
            hand.advance(TimeDelta::milliseconds(100));
        }
        let after: Duration = timed.iter().take(workers).sum();
        run.join().unwrap().unwrap();
        let used = after - before;
        assert!(
            used < idle / 4,
            "{workers} workers used {used:?} in {idle:?}"
        );
    }
}
