//! When sources are polled, and what a worker does between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use bytewax_runtime::StepError;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
#[cfg(feature = "async")]
use bytewax_runtime::source::AsyncBatches;
use bytewax_runtime::source::{Poll, Waker};
use bytewax_runtime::testing::{RunConfig, TestingSink};
use chrono::{DateTime, TimeDelta};

use crate::epochs::{HOUR, RaisesNothing, with_epochs};
use crate::shared::{Answer, EachWorker, Parts, failure, flow_of, start, workers_of};

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
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (polls, polled) = channel();
    let (answer, answers) = channel();
    let (sender, seen) = channel();
    let flow = flow_of(
        Parts(&["only"], told(polls, answers)),
        |s| s.inspect(move |n| sender.send(*n).unwrap()),
        TestingSink::new(),
    );
    let run = start(flow, RunConfig::new().clock(clock));

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
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (polls, polled) = channel();
    let (answer, answers) = channel();
    let flow = flow_of(
        Parts(&["only"], told(polls, answers)),
        |s| s,
        TestingSink::new(),
    );
    let run = start(flow, RunConfig::new().clock(clock));
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
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH + TimeDelta::days(9));
        let (polls, polled) = channel();
        let (answer, answers) = channel();
        let (sender, seen) = channel();
        let flow = flow_of(
            Parts(&["only"], told(polls, answers)),
            |s| with_epochs(s, sender),
            TestingSink::new(),
        );
        let config = RunConfig::new().clock(clock.clone());
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
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
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
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
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

/// A source that tells when it is polled, gives what it is sent, and waits to be woken otherwise; and its waker.
fn woken(
    polls: Sender<()>,
    items: Receiver<i32>,
    wakers: Sender<Waker>,
) -> impl Fn(&str) -> Result<Told, StepError> {
    let parts = std::sync::Mutex::new(Some((polls, items, wakers)));
    move |_| {
        let (polls, items, wakers) = parts.lock().unwrap().take().unwrap();
        wakers.send(Waker::current()).unwrap();
        Ok(Box::new(move || {
            // What comes after the poll was told belongs to the next one.
            let item = items.try_recv();
            polls.send(()).unwrap();
            Ok(match item {
                Ok(item) => Poll::item(item),
                Err(TryRecvError::Empty) => Poll::until_woken(),
                Err(TryRecvError::Disconnected) => Poll::end(),
            })
        }))
    }
}

#[test]
fn a_source_is_polled_when_it_is_woken_and_not_before() {
    for workers in 1..=2 {
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let (polls, polled) = channel();
        let (give, items) = channel();
        let (wakers, waker) = channel();
        let (sender, seen) = channel();
        let flow = flow_of(
            Parts(&["only"], woken(polls, items, wakers)),
            |s| s.inspect(move |n| sender.send(*n).unwrap()),
            TestingSink::new(),
        );
        let config = workers_of(workers).clock(clock);
        let run = start(flow, config.epoch_interval(Duration::from_secs(10)));
        let waker = waker.recv().unwrap();
        polled.recv().unwrap();
        for item in 1..=3 {
            // Every move of the hand wakes the workers, and many an epoch ends.
            for _ in 0..200 {
                hand.advance(TimeDelta::seconds(3));
                std::thread::yield_now();
                assert!(polled.try_recv().is_err());
            }
            give.send(item).unwrap();
            let waker = waker.clone();
            std::thread::spawn(move || waker.wake()).join().unwrap();
            assert_eq!(seen.recv().unwrap(), item);
            // For the item, and once more behind it.
            polled.recv().unwrap();
            polled.recv().unwrap();
        }
        // The source is woken when the last waker goes, and finds its end.
        drop(give);
        drop(waker);
        polled.recv().unwrap();
        run.join().unwrap().unwrap();
    }
}

#[test]
fn a_wake_up_during_a_poll_counts_and_one_ends_a_wait() {
    let (clock, _hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let source = Parts(&["only"], |_: &str| {
        let (waker, mut polls) = (Waker::current(), 0);
        Ok(move || -> Answer<i32> {
            polls += 1;
            waker.wake();
            waker.wake();
            Ok(match polls {
                1 => Poll::until_woken(),
                2 => Poll::idle(HOUR),
                3 => Poll::item(polls).wait(HOUR),
                _ => Poll::end(),
            })
        })
    });
    let out = TestingSink::new();
    // The hand does not move: only wake-ups bring the flow to its end.
    let config = RunConfig::new().clock(clock);
    bytewax_runtime::testing::cluster_main(flow_of(source, |s| s, out.clone()), config).unwrap();
    assert_eq!(out.take(), [3]);
}

#[test]
fn to_wait_for_a_waker_that_nobody_has_is_an_error() {
    let source = Parts(&["only"], |_: &str| {
        Ok(|| -> Answer<i32> { Ok(Poll::until_woken()) })
    });
    let error = failure(flow_of(source, |s| s, TestingSink::new()), 1);
    assert_eq!(
        error,
        "step `f.in`, partition `only`, worker 0: the source failed\n  caused by: it waits for a wake-up, but no \
         waker of it exists: call `Waker::current()` when the partition opens, and keep the waker until all items \
         are returned"
    );
}

/// With a clock that stands still, nothing but wake-ups brings what an `async` stream gives.
#[cfg(feature = "async")]
#[test]
fn an_async_stream_wakes_its_source() {
    let (clock, _hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let (give, items) = tokio::sync::mpsc::unbounded_channel();
    let items = std::sync::Mutex::new(Some(items));
    let source = Parts(&["only"], move |_: &str| {
        let mut items = items.lock().unwrap().take().unwrap();
        let stream = futures_util::stream::poll_fn(move |cx| items.poll_recv(cx));
        let mut batches = AsyncBatches::start(|| stream, 1, HOUR)?;
        let polls = Arc::clone(&counted);
        Ok(move || -> Answer<i32> {
            polls.fetch_add(1, Ordering::SeqCst);
            batches.next_batch()
        })
    });
    let (sender, seen) = channel();
    let flow = flow_of(
        source,
        |s| s.inspect(move |n| sender.send(*n).unwrap()),
        TestingSink::new(),
    );
    let run = start(flow, RunConfig::new().clock(clock));
    for item in 1..=3 {
        give.send(item).unwrap();
        assert_eq!(seen.recv().unwrap(), item);
    }
    drop(give);
    run.join().unwrap().unwrap();
    // At most two for an item, one at the beginning, and some at the end.
    assert!(polls.load(Ordering::SeqCst) <= 10, "{polls:?} polls");
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
                let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
                (clock, Some(hand))
            }
            false => (WorkerClock::system(), None),
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

/// The moment for which such a source is left alone would never pass.
#[test]
fn an_empty_batch_does_not_hold_up_a_clock_that_stands_still() {
    let source = Parts(&["only"], |_: &str| {
        let mut polls = 0;
        Ok(move || -> Answer<u32> {
            polls += 1;
            Ok(match polls {
                1 | 3 => Poll::batch(vec![]),
                2 => Poll::batch(vec![7]),
                _ => Poll::end(),
            })
        })
    });
    let out = TestingSink::new();
    let flow = flow_of(source, |numbers| numbers, out.clone());
    let (clock, _hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let run = start(flow, RunConfig::new().clock(clock));
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(run.join()));
    // The time only catches a run that hangs.
    let end = end.recv_timeout(Duration::from_secs(60));
    end.expect("the run ends").unwrap().unwrap();
    assert_eq!(out.take(), [7]);
}
