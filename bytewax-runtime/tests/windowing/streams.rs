//! Time that is declared near the source and travels with the stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytewax_macros::stateful;
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    AsOf, Clock as WindowClock, EventClock, Interval, Lateness, LeftOuter, Micros, Pattern,
    StreamClock, SystemClock, Versions, Windowed,
};
use chrono::{DateTime, TimeDelta};

use super::support::{seconds, tumbling};
use crate::shared::by_hand::ByHand;
use crate::shared::{Answer, Parts, workers_of};

/// How long it is waited for what does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page, and a time in microseconds.
pub(super) type Hit = (u64, i64);

fn hits() -> Vec<(u64, Hit)> {
    let hit = |n: i64| (n as u64 % 7, (n as u64 % 7, n * 50_000));
    (0..12_000).map(hit).collect()
}

pub(super) fn at(hit: &Hit) -> Micros {
    Micros(hit.1)
}

pub(super) fn at_end(count: &Windowed<u64>) -> Micros {
    Micros(count.time().timestamp_micros())
}

/// The hits per page and ten seconds, then of all pages per ten seconds: how many are counted, by window, and
/// how many are late.
fn counted_twice<C: WindowClock<Hit>, D: WindowClock<Windowed<u64>>>(
    workers: usize,
    batch: usize,
    declared: bool,
    (first, second): (C, D),
) -> (BTreeMap<i64, u64>, usize) {
    let (sums, late) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = TestingSource::new(hits()).batch_size(batch);
        let mut hits = flow.input(source).named("in");
        if declared {
            let lateness = Lateness::bounded(TimeDelta::zero());
            hits = hits
                .event_time(|(_, hit)| at(hit), lateness)
                .named("time")
                .down;
        }
        let counts = hits
            .count_window(first, tumbling(10.0).with_times())
            .named("counts");
        let counts = counts.down.map(|(_, (_, count))| ((), count));
        let all = counts.fold_window(
            second,
            tumbling(10.0),
            || 0_u64,
            |sum, count: Windowed<u64>| *sum += count.value,
            |sum, other| *sum += other,
        );
        let all = all.named("sums");
        let down = all.down.map(|(_, (id, sum))| (id.0, sum));
        down.output(sums.clone()).named("down");
        all.late
            .map(|(_, (id, _))| id.0)
            .output(late.clone())
            .named("late");
    });
    if let Err(error) = cluster_main(flow, RunConfig::new().workers(workers)) {
        panic!("{}", error.report());
    }
    let mut by_window = BTreeMap::new();
    for (id, sum) in sums.take() {
        *by_window.entry(id).or_default() += sum;
    }
    (by_window, late.take().len())
}

#[test]
fn windows_of_windows_lose_nothing() {
    let all = (0..60).map(|id| (id, 200)).collect::<BTreeMap<_, _>>();
    for workers in [1, 2, 4] {
        for batch in [1, 64, 1000] {
            let of_stream = (StreamClock::new(at), StreamClock::new(at_end));
            let (sums, late) = counted_twice(workers, batch, true, of_stream);
            assert_eq!(sums, all, "{workers} workers, batches of {batch}");
            assert_eq!(late, 0);
            let by_partition = (
                EventClock::per_partition(at, TimeDelta::zero()),
                EventClock::per_partition(at_end, TimeDelta::zero()),
            );
            let (sums, late) = counted_twice(workers, batch, false, by_partition);
            assert_eq!(
                sums, all,
                "by partition, {workers} workers, batches of {batch}"
            );
            assert_eq!(late, 0);
        }
    }
}

type Body = fn(KeyedStream<u64, Hit>) -> Stream<()>;

fn counts(hits: KeyedStream<u64, Hit>, name: &str) -> KeyedStream<u64, Windowed<u64>> {
    let windower = tumbling(10.0).with_times();
    let counts = hits
        .count_window(StreamClock::new(at), windower)
        .named(name);
    counts.down.map_value(|(_, count)| count)
}

/// What stands between the source and the last windows.
const GRAPHS: &[(&str, Body)] = &[
    ("stateful", |hits| {
        let hits = hits.stateful_map(|_: &mut u64, hit| hit).named("state");
        counts(hits, "counts").map(|_| ())
    }),
    ("other keys", |hits| {
        let hits = hits
            .stateful_flat_map(|_: &mut Option<u64>, hit| [hit])
            .named("state");
        let hits = hits.key_rm().key_on(|hit| hit.1 as u64);
        counts(hits, "counts").map(|_| ())
    }),
    ("redistributed", |hits| {
        let hits = hits.redistribute().filter(|_| true);
        counts(hits, "counts").map(|_| ())
    }),
    ("merged", |hits| {
        let (even, odd) = (hits.clone(), hits);
        let even = even
            .filter_value(|hit| hit.0 % 2 == 0)
            .scan(|| (), |(), hit| hit)
            .named("even");
        let odd = odd.filter_value(|hit| hit.0 % 2 != 0);
        counts(even.merge(odd), "counts").map(|_| ())
    }),
    ("joined", |hits| {
        let rows = hits.clone().join(hits).named("join");
        counts(rows.map_value(|(hit, _)| hit), "counts").map(|_| ())
    }),
    ("windows twice", |hits| {
        let counts = counts(hits, "counts").map(|(_, count)| ((), count));
        let all = counts
            .count_window(StreamClock::new(at_end), tumbling(10.0))
            .named("all");
        all.down.map(|_| ())
    }),
    ("windows three times", |hits| {
        let counts = counts(hits, "counts").map(|(page, count)| (page % 2, count));
        let windower = tumbling(20.0).with_times();
        let some = counts
            .count_window(StreamClock::new(at_end), windower)
            .named("some");
        let some = some.down.map(|(_, (_, count))| ((), count));
        let all = some
            .count_window(StreamClock::new(at_end), tumbling(40.0))
            .named("all");
        all.down.map(|_| ())
    }),
    ("windows of joined streams", |hits| {
        let left = counts(hits.clone(), "left").map(|(page, count)| (page % 2, count));
        let clock = StreamClock::of_sides((at_end, at));
        let rows = left.join_window(hits, clock, tumbling(10.0), JoinInsert::Last);
        rows.named("rows").down.map(|_| ())
    }),
];

/// The results come while the source waits for them, with any number of workers, of which one alone has a
/// partition.
#[test]
fn results_do_not_wait_for_the_end_of_input() {
    let hits: Vec<(u64, Hit)> = hits().into_iter().take(2000).collect();
    for (name, body) in GRAPHS {
        for workers in [1, 4] {
            let (seen, came) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let flow = Dataflow::build("f", |flow| {
                let (hits, waits, came) = (hits.clone(), Arc::clone(&seen), Arc::clone(&came));
                let source = Parts(&["one"], move |_: &str| {
                    let mut batches = hits
                        .chunks(100)
                        .map(<[_]>::to_vec)
                        .collect::<Vec<_>>()
                        .into_iter();
                    let (waits, came, since) =
                        (Arc::clone(&waits), Arc::clone(&came), Instant::now());
                    Ok(move || -> Answer<(u64, Hit)> {
                        if let Some(batch) = batches.next() {
                            return Ok(Poll::batch(batch));
                        }
                        came.store(waits.load(Ordering::SeqCst), Ordering::SeqCst);
                        let is_over = came.load(Ordering::SeqCst) || since.elapsed() > PATIENCE;
                        Ok(if is_over {
                            Poll::end()
                        } else {
                            Poll::idle(Duration::from_millis(1))
                        })
                    })
                });
                let lateness = Lateness::bounded(seconds(1.0)).never_idle();
                let hits = flow.input(source).named("in");
                let hits = hits
                    .event_time(|(_, hit)| at(hit), lateness)
                    .named("time")
                    .down;
                let seen = Arc::clone(&seen);
                body(hits).inspect(move |()| seen.store(true, Ordering::SeqCst));
            });
            if let Err(error) = cluster_main(flow, RunConfig::new().workers(workers)) {
                panic!("{}", error.report());
            }
            assert!(
                came.load(Ordering::SeqCst),
                "{name}: nothing came with {workers} workers"
            );
        }
    }
}

/// What a flow of these steps lacks.
fn lacks(body: impl FnOnce(KeyedStream<u64, Hit>) -> Stream<()>) -> String {
    let flow = Dataflow::build("f", |flow| {
        let hits = flow.input(TestingSource::new(hits())).named("in");
        body(hits).output(TestingSink::new()).named("out");
    });
    flow.check().unwrap_err().to_string()
}

type OnHits = fn(KeyedStream<u64, Hit>) -> KeyedStream<u64, Hit>;

/// Steps that hold values back by a clock that the time of the stream knows nothing of.
const OF_KEYS: &[(&str, OnHits)] = &[
    ("sorted", |hits| {
        hits.sort_by_time(of_keys()).named("first").down
    }),
    ("stateful", |hits| {
        let first = hits.stateful_by_time(of_keys(), Same::default);
        first.named("first").down
    }),
    ("pattern", |hits| {
        let pattern = Pattern::within(seconds(1.0)).begin(|_: &Hit| true);
        let first = hits.match_pattern(of_keys(), pattern).named("first");
        first.down.flat_map_value(|hits| hits)
    }),
];

fn of_keys() -> impl WindowClock<Hit> {
    EventClock::new(at, seconds(10.0))
}

#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Same;

impl StatefulLogic for Same {
    type In = Hit;
    type Out = Hit;

    fn on_item(&mut self, hit: Hit, out: &mut Emit<Hit>) -> Keep {
        out.emit(hit);
        Keep::No
    }
}

/// The time of arrival holds nothing back, and a state that expires holds no value back.
#[test]
fn a_step_that_holds_nothing_back_passes_the_time_of_its_stream() {
    let steps: &[(&str, OnHits)] = &[
        ("sorted", |hits| {
            hits.sort_by_time(SystemClock::new()).named("first").down
        }),
        ("stateful", |hits| {
            let first = hits.stateful_by_time(SystemClock::new(), Same::default);
            first.named("first").down
        }),
        ("expiring", |hits| {
            let hits = hits.expire_after(seconds(10.0), SystemClock::new());
            let first = hits.stateful_map(|_: &mut u64, hit| hit);
            first.named("first").down
        }),
        ("expiring by key", |hits| {
            let hits = hits.expire_after(seconds(10.0), of_keys());
            let first = hits.stateful_map(|_: &mut u64, hit| hit);
            first.named("first").down
        }),
    ];
    for (name, body) in steps {
        for workers in [1, 3] {
            let (down, late) = (TestingSink::new(), TestingSink::new());
            let flow = Dataflow::build("f", |flow| {
                let hits = flow
                    .input(TestingSource::new(hits()).batch_size(10))
                    .named("in");
                let hits = hits.event_time(|(_, hit)| at(hit), Lateness::bounded(seconds(0.0)));
                let hits = body(hits.named("time").down);
                let counts = hits.count_window(StreamClock::new(at), tumbling(10.0));
                let counts = counts.named("counts");
                let counted = counts.down.map(|(_, (_, count))| count);
                counted.output(down.clone()).named("down");
                counts.late.output(late.clone()).named("late");
            });
            cluster_main(flow, RunConfig::new().workers(workers)).unwrap();
            let counted: u64 = down.take().into_iter().sum();
            assert_eq!((counted, late.take().len()), (12_000, 0), "{name}");
        }
    }
}

#[test]
fn a_stream_without_a_time_is_refused() {
    let told = lacks(|hits| {
        counts(hits.scan(|| 0_u64, |_, hit| hit).named("state"), "counts").map(|_| ())
    });
    assert!(
        told.contains("step `f.counts`") && told.contains("it comes from `f.in`"),
        "{told}"
    );
    assert!(told.contains(".event_time("), "{told}");

    let told = lacks(|hits| {
        let clock = EventClock::new(at, TimeDelta::zero());
        let counts = hits
            .count_window(clock, tumbling(10.0).with_times())
            .named("first")
            .down;
        let counts = counts.map_value(|(_, count)| count);
        counts
            .count_window(StreamClock::new(at_end), tumbling(10.0))
            .named("second")
            .down
            .map(|_| ())
    });
    assert!(told.contains("`f.first` has a clock of its own"), "{told}");

    for as_of in [AsOf::forward(), AsOf::nearest()] {
        let body = |as_of: AsOf| {
            move |hits: KeyedStream<u64, Hit>| {
                let hits = hits.event_time(|(_, hit)| at(hit), Lateness::bounded(seconds(1.0)));
                let hits = hits.named("time").down;
                let clock = StreamClock::of_sides((at, at));
                let rows = hits.clone().join_as_of(hits, clock, as_of).named("rows");
                let hits = rows.down.map_value(|(hit, _)| hit);
                counts(hits, "counts").map(|_| ())
            }
        };
        let told = lacks(body(as_of));
        assert!(
            told.contains("step `f.counts`")
                && told.contains("`f.rows` emits values without a limit to their age"),
            "{told}"
        );
        assert!(told.contains("`AsOf::forward().tolerance(time)`"), "{told}");
        for limited in [as_of.tolerance(seconds(5.0)), as_of.at_once()] {
            let flow = Dataflow::build("f", |flow| {
                let hits = flow.input(TestingSource::new(hits())).named("in");
                let counts = body(limited)(hits);
                counts.output(TestingSink::new()).named("out");
            });
            flow.check().unwrap();
        }
    }

    for (name, body) in OF_KEYS {
        let told = lacks(|hits| {
            let hits = hits.event_time(|(_, hit)| at(hit), Lateness::bounded(seconds(1.0)));
            let hits = body(hits.named("time").down);
            hits.count_window(StreamClock::new(at), tumbling(10.0))
                .named("counts")
                .down
                .map(|_| ())
        });
        assert!(
            told.contains("`f.first` has a clock of its own"),
            "{name}: {told}"
        );
    }

    let told = lacks(|hits| {
        let hits = hits.scan(|| 0_u64, |_, hit| hit).named("state");
        let clock = EventClock::per_partition(at, TimeDelta::zero());
        hits.count_window(clock, tumbling(10.0))
            .named("counts")
            .down
            .map(|_| ())
    });
    assert!(
        told.contains("which are unknown after the step `f.state`"),
        "{told}"
    );

    let told = lacks(|hits| {
        let both = hits.clone().merge(hits);
        let timed = both
            .event_time(|(_, hit)| at(hit), Lateness::bounded(-seconds(1.0)))
            .named("time");
        timed.down.map(|_| ())
    });
    assert!(
        told.contains("declare the time of each stream directly after its source"),
        "{told}"
    );
    assert!(told.contains("the wait of the clock is negative"), "{told}");
}

#[test]
fn what_is_too_far_in_the_future_does_not_move_time() {
    let day = 86_400 * 1_000_000;
    let times = [1, 2 * day, day, day - 1, 5 * day, 0];
    let (down, late, future) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let times = flow
            .input(TestingSource::new(times).batch_size(4))
            .named("in");
        let timed = times
            .event_time(|at| Micros(*at), Lateness::bounded(seconds(10.0)))
            .named("time");
        timed.down.output(down.clone()).named("down");
        timed.late.output(late.clone()).named("late");
        timed.future.output(future.clone()).named("future");
    });
    let (clock, _) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    cluster_main(flow, RunConfig::new().clock(clock)).unwrap();
    assert_eq!(down.take(), [1, day, day - 1]);
    assert_eq!(late.take(), [0]);
    assert_eq!(future.take(), [2 * day, 5 * day]);
}

/// A partition that has nothing is waited for, but for no longer than is said; and one that is not asked is.
#[test]
fn a_partition_without_items_is_waited_for_a_minute() {
    for (minutes, comes) in [(0, false), (2, true)] {
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let seen = Arc::new(AtomicBool::new(false));
        let came = Arc::new(AtomicBool::new(false));
        let flow = Dataflow::build("f", |flow| {
            let (seen, came) = (Arc::clone(&seen), Arc::clone(&came));
            let waits = Arc::clone(&seen);
            let source = Parts(&["busy", "silent"], move |name: &str| {
                let (name, hand) = (name.to_owned(), hand.clone());
                let (waits, came, mut polls) = (Arc::clone(&waits), Arc::clone(&came), 0);
                Ok(move || -> Answer<(u64, Hit)> {
                    polls += 1;
                    match (name.as_str(), polls) {
                        ("busy", 1) => Ok(Poll::batch(vec![(1, (1, 0)), (1, (1, 50_000_000))])),
                        ("busy", 10) => {
                            hand.advance(TimeDelta::minutes(minutes));
                            Ok(Poll::idle(Duration::ZERO))
                        }
                        ("busy", 11) => Ok(Poll::item((1, (1, 51_000_000)))),
                        // The other is asked in between.
                        (_, ..30) => Ok(Poll::idle(Duration::ZERO)),
                        ("silent", 30) => {
                            came.store(waits.load(Ordering::SeqCst), Ordering::SeqCst);
                            Ok(Poll::item((2, (2, 60_000_000))))
                        }
                        _ => Ok(Poll::end()),
                    }
                })
            });
            let hits = flow.input(source).named("in");
            let hits = hits
                .event_time(|(_, hit)| at(hit), Lateness::bounded(seconds(1.0)))
                .named("time");
            let all = hits
                .down
                .count_window(StreamClock::new(at), tumbling(10.0))
                .named("counts");
            all.down
                .inspect(move |_| seen.store(true, Ordering::SeqCst));
        });
        let config = RunConfig::new().clock(clock).epoch_interval(Duration::ZERO);
        cluster_main(flow, config).unwrap();
        assert_eq!(
            came.load(Ordering::SeqCst),
            comes,
            "after {minutes} minutes"
        );
        assert!(seen.load(Ordering::SeqCst));
    }
}

#[test]
fn a_stream_that_dries_up_can_go_on_with_the_clock() {
    for workers in [1, 3] {
        let run = ByHand::start(workers, |hits: KeyedStream<u64, Hit>| {
            let lateness = Lateness::bounded(seconds(1.0)).idle_after(TimeDelta::seconds(10));
            let hits = hits.event_time(|(_, hit)| at(hit), lateness.any_future());
            let clock = StreamClock::new(at).advance_when_idle(TimeDelta::seconds(30));
            let hits = hits.named("time").down;
            let counts = hits.count_window(clock, tumbling(10.0)).named("counts");
            let late = counts.late.map_value(|_| 0);
            counts.down.map_value(|(_, count)| count).merge(late)
        });
        run.give([(1, (1, 3_000_000))]);
        assert_eq!(run.next_after(TimeDelta::seconds(5)), (1, 1));
        run.give([(1, (1, 5_000_000))]);
        assert_eq!(run.next(), (1, 0), "the window is over, so it is late");
        run.give([(1, (1, 500_000_000))]);
        assert_eq!(run.end(), [(1, 1)]);
    }
}

/// A step on hits by the time of their stream; it emits times.
type Behind = fn(KeyedStream<u64, Hit>, &str) -> KeyedStream<u64, i64>;

/// Steps that hold hits back until the watermark has passed them.
const HOLDING: &[(&str, Behind)] = &[
    ("windows", |hits, name| {
        counts(hits, name).map_value(|count| at_end(&count).0)
    }),
    ("windows twice", |hits, name| {
        let first = counts(hits, &format!("{name}_first"));
        let windower = tumbling(10.0).with_times();
        let second = first.count_window(StreamClock::new(at_end), windower);
        let second = second.named(name).down;
        second.map_value(|(_, count)| at_end(&count).0)
    }),
    ("sorted", |hits, name| {
        let sorted = hits.sort_by_time(StreamClock::new(at)).named(name).down;
        sorted.map_value(|hit| hit.1)
    }),
    ("interval", |hits, name| {
        let clock = StreamClock::of_sides((at, at));
        let right = hits.clone().filter(|_| false);
        let rows = hits.join_interval(right, clock, Interval::within(seconds(1.0)), LeftOuter);
        rows.named(name).down.map_value(|(hit, _)| hit.1)
    }),
    ("as of", |hits, name| {
        let clock = StreamClock::of_sides((at, at));
        let right = hits.clone().filter(|_| false);
        let rows = hits.join_as_of(right, clock, AsOf::backward());
        rows.named(name).down.map_value(|(hit, _)| hit.1)
    }),
    ("table", |hits, name| {
        let clock = StreamClock::of_sides((at, at));
        let changes = hits.clone().filter(|_| false);
        let versions = Versions::kept_for(TimeDelta::zero());
        let rows = hits.join_table(changes, clock, versions, LeftOuter, Some);
        rows.named(name).down.map_value(|(hit, _)| hit.1)
    }),
];

/// What comes next while the clock goes on, if anything does.
fn once_time_passes<T, U>(run: &ByHand<T, U>) -> Option<U> {
    (0..4000).find_map(|_| {
        run.hand.advance(TimeDelta::seconds(1));
        run.seen.recv_timeout(Duration::from_millis(5)).ok()
    })
}

/// Windows over two streams do not wait for the one that is idle, whatever a step before them has held back. When that
/// is emitted, it is late for them, and not for steps before them.
#[test]
fn an_idle_stream_is_not_waited_for_behind_what_it_holds() {
    for (name, body) in HOLDING {
        for (workers, first) in [(1, None), (3, None), (1, Some(2)), (3, Some(2))] {
            let config = workers_of(workers).epoch_interval(Duration::ZERO);
            let run = ByHand::start_in(config, |hits: KeyedStream<u64, Hit>| {
                let busy = hits.clone().filter(|(page, _)| *page != 0);
                let silent = hits.filter(|(page, _)| *page == 0);
                let lateness = Lateness::bounded(seconds(1.0)).any_future();
                let time = |(_, hit): &(u64, Hit)| at(hit);
                let busy = busy.event_time(time, lateness.never_idle()).named("busy");
                let idle_after = lateness.idle_after(TimeDelta::seconds(10));
                let silent = silent.event_time(time, idle_after).named("silent");
                let silent = body(silent.down, "held");
                let all = busy.down.map_value(|hit| hit.1).merge(silent);
                let clock = StreamClock::new(|at: &i64| Micros(*at));
                let all = all.map(|(_, at)| ('a', at));
                let all = all.count_window(clock, tumbling(10.0)).named("all");
                let late = all.late.map_value(|_| 0);
                all.down.map_value(|(_, count)| count).merge(late)
            });
            let second = 1_000_000;
            if let Some(at) = first {
                run.give([(0, (0, at * second))]);
            }
            run.give([(1, (1, 3 * second)), (1, (1, 45 * second))]);
            let case = format!("{name} with {workers} workers, and {first:?}");
            let next = once_time_passes(&run);
            assert_eq!(next, Some(('a', 1)), "{case}: it waits for the idle stream");
            // The stream wakes up: what it held is late, and what comes then is not.
            run.give([(0, (0, 62 * second))]);
            if first.is_some() {
                let held = run.seen.recv_timeout(PATIENCE);
                assert_eq!(held, Ok(('a', 0)), "{case}: what was held is late");
            }
            assert_eq!(run.end(), [('a', 1), ('a', 1)], "{case}");
        }
    }
}

/// A window that is to emit early does so while its stream is idle, and is waited for.
#[test]
fn an_idle_stream_is_waited_for_until_it_has_emitted_early() {
    let config = workers_of(1).epoch_interval(Duration::ZERO);
    let run = ByHand::start_in(config, |hits: KeyedStream<u64, Hit>| {
        let busy = hits.clone().filter(|(page, _)| *page != 0);
        let silent = hits.filter(|(page, _)| *page == 0);
        let lateness = Lateness::bounded(seconds(1.0)).any_future();
        let time = |(_, hit): &(u64, Hit)| at(hit);
        let busy = busy.event_time(time, lateness.never_idle()).named("busy");
        let idle_after = lateness.idle_after(TimeDelta::seconds(10));
        let silent = silent.event_time(time, idle_after).named("silent");
        let early = tumbling(10.0).with_times().fire_early(seconds(30.0));
        let silent = silent.down.count_window(StreamClock::new(at), early);
        let silent = silent.named("early").down;
        let silent = silent.map_value(|(_, count)| count.time().timestamp_micros());
        let all = busy.down.map_value(|hit| hit.1).merge(silent);
        let clock = StreamClock::new(|at: &i64| Micros(*at));
        let all = all.count_window(clock, tumbling(10.0)).named("all");
        let late = all.late.map(|(page, _)| (page, 0));
        all.down.map_value(|(_, count)| count).merge(late)
    });
    let second = 1_000_000;
    run.give([(0, (0, 2 * second))]);
    run.give([(1, (1, 3 * second)), (1, (1, 45 * second))]);
    let next = once_time_passes(&run);
    // Both windows of the first ten seconds close together.
    let both = [next.unwrap(), run.next()];
    assert!(both.contains(&(0, 1)) && both.contains(&(1, 1)), "{both:?}");
    // The window ends with the input, and its last result is late.
    let mut rest = run.end();
    rest.sort_unstable();
    assert_eq!(rest, [(0, 0), (1, 1)]);
}

/// A match is emitted at its last value, and what times out still later: their first values are not late behind them.
#[test]
fn the_time_behind_a_pattern_is_that_of_first_values() {
    let second = 1_000_000;
    for (is_match, workers) in [(true, 1), (true, 3), (false, 1), (false, 3)] {
        let (down, late) = (TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("f", |flow| {
            let hits: Vec<(u64, Hit)> = (0..1200)
                .map(|n| (n % 2, (n % 2, n as i64 / 2 * second)))
                .collect();
            let hits = flow
                .input(TestingSource::new(hits).batch_size(3))
                .named("in");
            let hits = hits.event_time(|(_, hit)| at(hit), Lateness::bounded(seconds(0.0)));
            let pattern = Pattern::within(seconds(20.0))
                .begin(move |hit: &Hit| hit.1 % (25 * second) == 0)
                .followed_by(move |hit| is_match && hit.1 % (25 * second) == 20 * second);
            let found = hits
                .named("time")
                .down
                .match_pattern(StreamClock::new(at), pattern);
            let found = found.named("found");
            let found = if is_match {
                found.down
            } else {
                found.timed_out
            };
            let firsts = found.map_value(|hits| hits[0]);
            let counts = firsts.count_window(StreamClock::new(at), tumbling(10.0));
            let counts = counts.named("counts");
            counts
                .down
                .map(|(_, (_, count))| count)
                .output(down.clone())
                .named("down");
            counts.late.output(late.clone()).named("late");
        });
        cluster_main(flow, RunConfig::new().workers(workers)).unwrap();
        let counted: u64 = down.take().into_iter().sum();
        assert_eq!(
            (counted, late.take().len()),
            (48, 0),
            "{is_match} with {workers} workers"
        );
    }
}
