//! What the report of a run says of flows whose numbers are known.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::report::{
    RunReport, RunState, StallKind, StallReport, StepReport, WatermarkReport,
};
use bytewax_runtime::source::{FixedPartitionedSource, Lag, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource};
use bytewax_runtime::windowing::{Lateness, Micros, StreamClock, TumblingWindower};
use bytewax_runtime::{Monitor, RecoveryConfig, StepError};
use chrono::TimeDelta;

use crate::shared::by_hand::at;
use crate::shared::{Answer, Parts, flow_of, start, workers_of};

/// Runs a flow to its end, and gives the report that is there then.
fn ran(flow: Dataflow, config: RunConfig) -> RunReport {
    let monitor = Monitor::new();
    assert!(monitor.report().is_none());
    config.monitor(&monitor).run(flow).unwrap();
    monitor.report().unwrap()
}

fn step<'a>(report: &'a RunReport, id: &str) -> &'a StepReport {
    report
        .step(id)
        .unwrap_or_else(|| panic!("there is no `{id}`"))
}

/// What goes into a step and comes out of it, in items.
fn items(report: &RunReport, id: &str) -> (u64, u64) {
    let step = step(report, id);
    (step.items_in(), step.items_out())
}

#[test]
fn items_are_counted_at_each_step_on_any_number_of_workers() {
    for workers in [1, 2, 3] {
        for batch in [1, 7, 1000] {
            let flow = Dataflow::build("f", |flow| {
                let source = TestingSource::new(0..1000_u64).batch_size(batch);
                let numbers = flow
                    .input(source)
                    .named("in")
                    .redistribute()
                    .named("spread");
                let even = numbers.filter(|n| n % 2 == 0).named("even");
                let (even, other) = (even.clone(), even);
                let twice = even.flat_map(|n| [n, n]).named("twice");
                let sums = twice
                    .key_on(|n| n % 10)
                    .stateful_map(|sum: &mut u64, n| {
                        *sum += n;
                        *sum
                    })
                    .named("sums");
                sums.output(TestingSink::new()).named("out");
                other.output(TestingSink::new()).named("other");
            });
            let report = ran(flow, workers_of(workers));
            let what = format!("{workers} workers, batches of {batch}");
            assert_eq!(items(&report, "f.in"), (0, 1000), "{what}");
            assert_eq!(items(&report, "f.spread"), (1000, 1000), "{what}");
            assert_eq!(items(&report, "f.even"), (1000, 500), "{what}");
            assert_eq!(items(&report, "f.twice"), (500, 1000), "{what}");
            assert_eq!(items(&report, "f.sums"), (1000, 1000), "{what}");
            assert_eq!(items(&report, "f.out"), (1000, 0), "{what}");
            assert_eq!(items(&report, "f.other"), (500, 0), "{what}");
            assert_eq!(report.items(), 1000, "{what}");

            let keys: u64 = step(&report, "f.sums")
                .workers
                .iter()
                .filter_map(|it| it.keys)
                .sum();
            assert_eq!(keys, 5, "{what}");
            let sent = |to: &str| -> (u64, u64) {
                let edges = report.edges.iter().filter(|edge| edge.to == *to);
                let sums = edges.map(|edge| (edge.items, edge.queued_bytes));
                sums.fold((0, 0), |sum, edge| (sum.0 + edge.0, sum.1 + edge.1))
            };
            assert_eq!(sent("f.spread"), (1000, 0), "{what}");
            assert_eq!(sent("f.sums"), (1000, 0), "{what}");
            assert_eq!(report.workers.len(), workers, "{what}");
            assert!(report.workers.iter().all(|worker| worker.runs), "{what}");
            assert_eq!(report.state, RunState::Ended, "{what}");
        }
    }
}

#[test]
fn a_batch_counts_once() {
    let flow = flow_of(
        TestingSource::new(0..100_u64).batch_size(25),
        |numbers| numbers.map(|n| n + 1).named("more"),
        TestingSink::new(),
    );
    let report = ran(flow, workers_of(1));
    let more = &step(&report, "f.more").workers[0];
    assert_eq!((more.batches_in, more.batches_out), (4, 4));
    let polls = &step(&report, "f.in").workers[0];
    // Four are below 25 and none is larger.
    assert_eq!(
        (polls.polled_items.count(), polls.polled_items.sum),
        (4, 100.0)
    );
    assert_eq!(polls.partitions[0].name, "iterable");
    assert_eq!(
        (polls.partitions[0].items, polls.partitions[0].batches),
        (100, 4)
    );
    assert!(polls.partitions[0].ended);
}

#[test]
fn errors_and_what_is_skipped_are_counted() {
    let flow = Dataflow::build("f", |flow| {
        let texts = flow
            .input(TestingSource::new(["1", "x", "3", "y"]))
            .named("in");
        let parsed = texts.try_map(|text| text.parse::<u32>()).named("parsed");
        parsed.errs.skip_counted().named("skip");
        parsed.oks.output(TestingSink::new()).named("out");
    });
    let report = ran(flow, workers_of(1));
    let parsed = step(&report, "f.parsed");
    assert_eq!((parsed.output("oks"), parsed.output("errs")), (2, 2));
    assert_eq!((report.errors(), report.skipped()), (2, 2));
    assert_eq!(step(&report, "f.skip").skipped(), 2);
}

#[test]
fn late_values_are_counted_whether_they_are_read_or_not() {
    for is_read in [true, false] {
        let flow = Dataflow::build("f", |flow| {
            let times = [100, 200, 50, 60, 300];
            let source = TestingSource::new(times.map(|time| time * 1_000_000));
            let times = flow.input(source).named("in");
            let timed = times
                .event_time(
                    |at| Micros(*at),
                    Lateness::bounded(TimeDelta::zero()).any_future(),
                )
                .named("time");
            timed.down.output(TestingSink::new()).named("out");
            if is_read {
                timed.late.output(TestingSink::new()).named("late");
            }
        });
        let report = ran(flow, workers_of(1));
        assert_eq!(report.late(), 2, "read: {is_read}");
        let late = step(&report, "f.time").workers[0].outputs.iter();
        let late = late.clone().find(|output| output.name == "late").unwrap();
        let expected = if is_read { (2, 0) } else { (0, 2) };
        assert_eq!((late.items, late.dropped), expected);
        assert_eq!(step(&report, "f.time").output("down"), 3);
    }
}

#[test]
fn items_from_the_future_are_counted_whether_they_are_read_or_not() {
    for is_read in [true, false] {
        let (clock, _hand) = WorkerClock::by_hand(at(100));
        let flow = Dataflow::build("f", |flow| {
            let seconds = TestingSource::new([1, 1000, 2, 161, 160]);
            let seconds = flow.input(seconds).named("in");
            let lateness = Lateness::bounded(TimeDelta::seconds(200));
            let lateness = lateness.future(TimeDelta::seconds(60));
            let timed = seconds.event_time(|second| Micros(second * 1_000_000), lateness);
            let timed = timed.named("time");
            timed.down.output(TestingSink::new()).named("out");
            if is_read {
                timed
                    .future
                    .output(TestingSink::new())
                    .named("from_the_future");
            }
        });
        let report = ran(flow, workers_of(1).clock(clock));
        let time = step(&report, "f.time");
        assert_eq!((time.output("down"), report.late()), (3, 0));
        let workers = time.workers.iter();
        assert_eq!(workers.map(|of| of.future()).sum::<u64>(), 2);
        let future = time.workers[0].outputs.iter();
        let future = future.clone().find(|output| output.name == "future");
        let future = future.unwrap();
        let expected = if is_read { (2, 0) } else { (0, 2) };
        assert_eq!((future.items, future.dropped), expected);
    }
}

#[test]
fn the_time_in_a_step_is_its_own() {
    let (clock, hand) = WorkerClock::by_hand(at(0));
    let inner = hand.clone();
    let flow = flow_of(
        TestingSource::new([1, 2, 3]),
        |numbers| {
            let slow = numbers.map(move |n| {
                hand.advance(TimeDelta::seconds(2));
                n
            });
            let keyed = slow.named("slow").key_on(|_| 0_u8).named("keys");
            keyed
                .stateful_map(move |sum: &mut i32, n| {
                    inner.advance(TimeDelta::milliseconds(400));
                    *sum += n;
                    *sum
                })
                .named("sums")
        },
        TestingSink::new(),
    );
    let report = ran(flow, workers_of(1).clock(clock));
    let of = |id: &str| step(&report, id).workers[0].busy_seconds;
    assert_eq!(of("f.slow"), 6.0);
    assert_eq!(of("f.sums"), 1.2);
    assert_eq!((of("f.in"), of("f.keys"), of("f.out")), (0.0, 0.0, 0.0));
    let slow = &step(&report, "f.slow").workers[0].batch_seconds;
    assert_eq!((slow.count(), slow.sum), (3, 6.0));
    let place = slow.bounds.iter().position(|bound| *bound == 2.5).unwrap();
    assert_eq!(slow.counts[place], 3);
    let sums = &step(&report, "f.sums").workers[0].batch_seconds;
    assert_eq!((sums.count(), sums.sum), (3, 1.2));
    assert_eq!(report.seconds, 7.2);
}

#[test]
fn the_watermark_names_the_partition_that_holds_it_back() {
    let monitor = Monitor::new();
    let (clock, _hand) = WorkerClock::by_hand(at(200));
    let seen: Arc<Mutex<Option<RunReport>>> = Arc::default();
    let (watch, note) = (monitor.clone(), Arc::clone(&seen));
    let flow = Dataflow::build("f", |flow| {
        let source = Parts(&["ahead", "behind"], move |name: &str| {
            let (watch, note, name) = (watch.clone(), Arc::clone(&note), name.to_owned());
            let polls = AtomicUsize::new(0);
            Ok(move || -> Answer<i64> {
                let time = if name == "ahead" { 100 } else { 40 };
                Ok(match polls.fetch_add(1, Ordering::Relaxed) {
                    0 => Poll::item(time * 1_000_000),
                    1..5 => Poll::batch(Vec::new()),
                    5 if name == "ahead" => {
                        *note.lock().unwrap() = watch.report();
                        Poll::batch(Vec::new())
                    }
                    5 => Poll::batch(Vec::new()),
                    _ => Poll::end(),
                })
            })
        });
        let times = flow.input(source).named("in");
        let lateness = Lateness::bounded(TimeDelta::seconds(10)).never_idle();
        let timed = times.event_time(|at| Micros(*at), lateness).named("time");
        let keyed = timed.down.key_on(|_| 0_u8);
        let windower = TumblingWindower::new(TimeDelta::seconds(60), at(0));
        let counts = keyed
            .count_window(StreamClock::new(|at: &i64| Micros(*at)), windower)
            .named("counts");
        counts.down.output(TestingSink::new()).named("out");
    });
    workers_of(1)
        .clock(clock)
        .monitor(&monitor)
        .run(flow)
        .unwrap();
    let report = seen.lock().unwrap().take().unwrap();
    assert_eq!(report.state, RunState::Running);
    let of = |id: &str| -> WatermarkReport {
        let numbers = &step(&report, id).workers[0];
        numbers
            .watermark
            .clone()
            .unwrap_or_else(|| panic!("`{id}` has none"))
    };
    for id in ["f.time", "f.counts"] {
        let watermark = of(id);
        assert_eq!(watermark.at, at(30), "{id}");
        assert_eq!(watermark.behind_seconds, 170.0, "{id}");
        assert_eq!(watermark.partition.as_deref(), Some("behind"), "{id}");
    }
    assert_eq!(of("f.counts").worker, Some(0));
    let partitions = &step(&report, "f.time").workers[0].partitions;
    let newest: Vec<_> = partitions
        .iter()
        .map(|partition| partition.newest)
        .collect();
    assert_eq!(newest, [Some(at(100)), Some(at(40))]);
}

/// A source whose only partition knows how much is left.
struct Countdown(u64);

struct Left {
    left: u64,
}

impl FixedPartitionedSource for Countdown {
    type Item = u64;
    type Position = u64;
    type Partition = Left;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["orders/3".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Left, StepError> {
        let left = resume.unwrap_or(self.0);
        Ok(Left { left })
    }
}

impl StatefulSourcePartition for Left {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        if self.left == 0 {
            return Ok(Poll::end());
        }
        self.left -= 1;
        Ok(Poll::item(self.left))
    }

    fn snapshot(&self) -> u64 {
        self.left
    }

    fn lag(&self) -> Option<Lag> {
        Some(Lag::Messages(self.left))
    }
}

#[test]
fn the_lag_of_a_source_is_looked_at_every_second() {
    let monitor = Monitor::new();
    let (clock, hand) = WorkerClock::by_hand(at(0));
    let seen: Arc<Mutex<Vec<Option<u64>>>> = Arc::default();
    let (watch, note) = (monitor.clone(), Arc::clone(&seen));
    let steps = move |left: Stream<u64>| {
        left.inspect(move |_| {
            let report = watch.report().unwrap();
            let partition = &step(&report, "f.in").workers[0].partitions[0];
            note.lock()
                .unwrap()
                .push(partition.lag.and_then(|lag| lag.messages));
            hand.advance(TimeDelta::milliseconds(500));
        })
    };
    let flow = flow_of(Countdown(5), steps, TestingSink::new());
    workers_of(1)
        .clock(clock)
        .monitor(&monitor)
        .run(flow)
        .unwrap();
    // It is looked at before a poll: at 0 s, 1 s and 2 s.
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [Some(5), Some(5), Some(3), Some(3), Some(1)]);
    let report = monitor.report().unwrap();
    let partition = &step(&report, "f.in").workers[0].partitions[0];
    assert_eq!(partition.lag, None, "it has ended");
}

#[test]
fn epochs_and_what_is_saved_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = |from: u64| {
        let source = TestingSource::new(0..from).batch_size(10);
        let flow = flow_of(
            source,
            |numbers| {
                let keyed = numbers.key_on(|n| n % 5);
                keyed
                    .stateful_map(|sum: &mut u64, n| {
                        *sum += n;
                        *sum
                    })
                    .named("sums")
            },
            TestingSink::new(),
        );
        let config = workers_of(1)
            .epoch_interval(std::time::Duration::ZERO)
            .recovery(RecoveryConfig::new(dir.path()));
        ran(flow, config)
    };
    let first = run(50);
    assert_eq!(first.execution, Some(0));
    let worker = &first.workers[0];
    assert!(worker.epochs_complete >= 5, "{worker:?}");
    let last = worker.last.as_ref().unwrap();
    assert_eq!(Some(last.epoch), worker.epoch);
    assert_eq!(worker.unfinished, None);
    let numbers = &step(&first, "f.sums").workers[0];
    assert_eq!(numbers.keys, Some(5));
    assert!(numbers.state_bytes.unwrap() >= 5 * 16, "{numbers:?}");
    assert!(numbers.saved_bytes > 0 && worker.saved_bytes >= numbers.saved_bytes);
    assert!(numbers.snapshot_seconds.count() >= 5);
    assert!(first.stores[0].write_seconds.count() >= worker.epochs_complete);

    let second = run(80);
    assert_eq!(second.execution, Some(1));
    assert_eq!(second.items(), 30);
    let loads: u64 = second
        .stores
        .iter()
        .map(|store| store.load_seconds.count())
        .sum();
    assert_eq!(loads, 5, "five keys in as many slots");
}

#[test]
fn a_report_says_that_a_run_has_failed() {
    let monitor = Monitor::new();
    let flow = flow_of(
        TestingSource::new(["1", "x"]),
        |texts| texts.map(|text| text.parse::<u32>().unwrap()),
        TestingSink::new(),
    );
    workers_of(1).monitor(&monitor).run(flow).unwrap_err();
    assert_eq!(monitor.report().unwrap().state, RunState::Failed);
}

#[test]
fn a_report_comes_through_json_as_it_was() {
    let flow = flow_of(
        TestingSource::new(0..10_u64),
        |numbers| numbers.map(|n| n + 1).named("more"),
        TestingSink::new(),
    );
    let report = ran(flow, workers_of(1));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
}

#[test]
fn a_monitor_keeps_nothing_of_the_flow() {
    let monitor = Monitor::new();
    let captured = Arc::new(());
    let flow = {
        let captured = Arc::clone(&captured);
        flow_of(
            TestingSource::new(0..3_u64),
            move |numbers| numbers.inspect(move |_| drop(Arc::clone(&captured))),
            TestingSink::new(),
        )
    };
    workers_of(2).monitor(&monitor).run(flow).unwrap();
    assert_eq!(Arc::strong_count(&captured), 1);
    assert!(monitor.report().is_some());
}

/// Waits until a run stalls in this way.
fn stall(monitor: &Monitor, kind: StallKind) -> StallReport {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let report = monitor.report().unwrap();
        if let Some(stall) = report.stalls.into_iter().find(|stall| stall.kind == kind) {
            return stall;
        }
        assert!(Instant::now() < limit, "no stall is found");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn code_that_does_not_return_is_named_until_it_does() {
    let monitor = Monitor::new();
    let watch = monitor.clone();
    let (found, finds) = channel();
    let flow = flow_of(
        TestingSource::new([1]),
        |numbers| {
            let slow = numbers.map(move |n| {
                found.send(stall(&watch, StallKind::Step)).unwrap();
                n
            });
            slow.named("slow")
        },
        TestingSink::new(),
    );
    let report = {
        RunConfig::new().monitor(&monitor).run(flow).unwrap();
        monitor.report().unwrap()
    };
    let stall = finds.recv().unwrap();
    assert_eq!(stall.step.unwrap(), *"f.slow");
    assert_eq!(stall.worker, Some(0));
    assert_eq!(report.stalls, []);
}

#[test]
fn a_slow_step_is_named_whose_edge_is_full() {
    let monitor = Monitor::new();
    let over = Arc::new(AtomicBool::new(false));
    let (ends, goes_on) = (Arc::clone(&over), Arc::clone(&over));
    let flow = flow_of(
        Parts(&["a"], move |_: &str| {
            let ends = Arc::clone(&ends);
            Ok(move || {
                Ok(match ends.load(Ordering::SeqCst) {
                    true => Poll::end(),
                    false => Poll::batch(vec![1_u64; 100]),
                })
            })
        }),
        |numbers| {
            let spread = numbers.redistribute().named("spread");
            let slow = spread.map(move |n| {
                if !goes_on.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(2));
                }
                n
            });
            slow.named("slow")
        },
        TestingSink::new(),
    );
    let config = workers_of(2).buffer_memory(1000).monitor(&monitor);
    let run = start(flow, config);
    while monitor.report().is_none() {
        thread::yield_now();
    }
    let stall = stall(&monitor, StallKind::Edge);
    over.store(true, Ordering::SeqCst);
    run.join().unwrap().unwrap();
    assert_eq!(stall.step.unwrap(), *"f.slow");
    let begin = "the edge from `f.in` to `f.spread` is full";
    assert!(stall.cause.starts_with(begin), "{}", stall.cause);
}
