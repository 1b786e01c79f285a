//! Epochs, the clock, and flow control.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytewax_runtime::clock::Clock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{ClusterConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::{StepError, WorkerIndex};
use chrono::{DateTime, TimeDelta};

use crate::support::{
    Answer, Call, EachWorker, EachWrites, PartWrites, Parts, flow_of, sorted, start, workers_of,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Shows each item with its epoch.
fn with_epochs<T: Clone + Send + Sync + 'static>(
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
    cluster_main(flow, ClusterConfig::new().epoch_interval(interval)).unwrap();
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
        let mut seen = sorted(seen.iter());
        assert_eq!(seen.len(), 20 * workers);
        seen.dedup();
        assert_eq!(
            seen.len(),
            20 * workers,
            "no epoch has two polls of one worker: {seen:?}"
        );
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
    let config = ClusterConfig::new().epoch_interval(Duration::ZERO);
    cluster_main(flow, config).unwrap();
}

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

trait RaisesNothing {
    fn raises_nothing(self);
}

impl<T: std::fmt::Debug + 'static> RaisesNothing for Stream<T> {
    /// Ends a stream whose items have been looked at.
    fn raises_nothing(self) {
        self.filter(|_| false).raises();
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

/// An item of 1 KiB, of which few make a batch.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Big([[u64; 32]; 4]);

/// Of such items at most this many are under way between two workers: 32 batches of 64.
const BOUND: usize = 32 * 64;

/// A sink on worker 1 that stands still holds up the source on worker 0, and not for ever.
#[test]
fn a_slow_sink_bounds_what_the_source_gives() {
    const ITEMS: usize = 20_000;
    let given = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(AtomicUsize::new(0));
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (stalled, is_stalled) = channel();

    let flow = Dataflow::build("f", |flow| {
        let count = Arc::clone(&given);
        let big = flow.input(Parts(&["only"], move |_: &str| {
            let count = Arc::clone(&count);
            Ok(move || -> Answer<Big> {
                let n = count.fetch_add(1, Ordering::SeqCst);
                Ok(if n < ITEMS {
                    Poll::item(Big([[n as u64; 32]; 4]))
                } else {
                    Poll::end()
                })
            })
        }));
        let got = Arc::clone(&taken);
        let first = AtomicUsize::new(0);
        let sink = PartWrites::new(&["only"], move |_: &str, call: Call<Big>| {
            if let Call::Write(items) = call {
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    gate.lock().unwrap().recv()?;
                }
                for Big(item) in items {
                    assert_eq!(item[3][31], got.fetch_add(1, Ordering::SeqCst) as u64);
                }
            }
            Ok(())
        });
        big.named("big").key_on(|_| 0_u8).output(sink).named("slow");

        // On worker 0 this one is polled in every turn; when the other is not for a thousand of
        // them, it waits.
        let count = Arc::clone(&given);
        let turns = EachWorker(move |worker: WorkerIndex| {
            let (count, stalled) = (Arc::clone(&count), stalled.clone());
            let (mut last, mut same) = (0, 0);
            Ok(move || -> Answer<()> {
                let now = count.load(Ordering::SeqCst);
                same = if now == last { same + 1 } else { 0 };
                last = now;
                if worker.0 == 0 && now > 0 && same == 1000 {
                    stalled.send(now)?;
                }
                let over = worker.0 != 0 || same >= 1000 || now > ITEMS;
                Ok(if over {
                    Poll::end()
                } else {
                    Poll::idle_until(DateTime::UNIX_EPOCH)
                })
            })
        });
        flow.input(turns).named("turns").raises();
    });
    let run = start(flow, workers_of(2));
    let at_rest = is_stalled.recv().unwrap();
    assert!(at_rest <= BOUND + 64, "the source gave {at_rest} items");
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    go.send(()).unwrap();
    run.join().unwrap().unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), ITEMS);
}

/// The same through a chain of keyed steps, each of which holds no more than its share.
#[test]
fn steps_between_hold_back_too() {
    let given = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(AtomicUsize::new(0));
    let (count, got) = (Arc::clone(&given), Arc::clone(&taken));
    let source = Parts(&["only"], move |_: &str| {
        let count = Arc::clone(&count);
        Ok(move || -> Answer<Big> {
            let n = count.fetch_add(1, Ordering::SeqCst);
            Ok(if n < 10_000 {
                Poll::item(Big([[n as u64; 32]; 4]))
            } else {
                Poll::end()
            })
        })
    });
    let most = Arc::new(AtomicUsize::new(0));
    let (given, highest) = (Arc::clone(&given), Arc::clone(&most));
    let sink = EachWrites::new(move |_, call: Call<Big>| {
        if let Call::Write(items) = call {
            let taken = got.fetch_add(items.len(), Ordering::SeqCst);
            highest.fetch_max(given.load(Ordering::SeqCst) - taken, Ordering::SeqCst);
        }
        Ok(())
    });
    let flow = flow_of(
        source,
        |s| {
            let s = s
                .key_on(|big| big.0[0][0])
                .stateful_map(|(), big| big)
                .named("one")
                .key_rm();
            let s = s.redistribute();
            s.key_on(|big| big.0[0][0] / 7)
                .stateful_map(|(), big| big)
                .named("two")
                .key_rm()
        },
        sink,
    );
    cluster_main(flow, workers_of(3)).unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 10_000);
    // Three edges, and three workers that send over the latter two.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 7 * (BOUND + 64), "{most} items were under way");
}

/// Streams that part and meet again, with more under way than their edges hold.
#[test]
fn diamonds_do_not_lock_up() {
    const BATCHES: usize = 100;
    const BATCH: usize = 50;
    for workers in 1..=3 {
        for interval in [Duration::ZERO, Duration::from_millis(1), HOUR] {
            let source = EachWorker(move |_| {
                let mut polls = 0;
                Ok(move || -> Answer<Big> {
                    polls += 1;
                    let batch = (0..BATCH).map(|n| Big([[n as u64; 32]; 4])).collect();
                    Ok(if polls > BATCHES {
                        Poll::end()
                    } else {
                        Poll::batch(batch)
                    })
                })
            });
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let flow = Dataflow::build("f", |flow| {
                let items = flow.input(source).named("in");
                let per_key = items.clone().key_on(|big| big.0[0][0] % 13);
                let per_key = per_key.stateful_map(|(), big| big).named("first").key_rm();
                let spread = items.clone().redistribute();
                let all = flow.merge([items, per_key.clone(), spread]);
                let again = all.clone().key_on(|big| big.0[0][0] % 7);
                let again = again.stateful_map(|(), big| big).named("second").key_rm();
                flow.merge([per_key, all, again]).inspect(move |_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            });
            cluster_main(flow, workers_of(workers).epoch_interval(interval)).unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 7 * BATCHES * BATCH * workers);
        }
    }
}

/// A worker that began its epochs late, because it was busy once, holds up no items of the others.
#[test]
fn a_worker_that_was_late_once_does_not_delay_items_ever_after() {
    let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
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
