//! Time that is declared near the source and travels with the stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{
    Clock as WindowClock, EventClock, Lateness, Micros, StreamClock, Windowed,
};
use chrono::{DateTime, TimeDelta};

use super::support::{seconds, tumbling};
use crate::by_hand::ByHand;
use crate::support::{Answer, Parts};

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
    assert!(
        told.contains("the windows of `f.first` have a clock of their own"),
        "{told}"
    );

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
