//! Sources: lifecycle, partitions, and the source for tests.

use std::sync::mpsc::channel;
use std::time::Duration;

use TestingItem::{Abort, Eof, Item, Pause};
use bytewax_runtime::clock::WorkerClock;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{
    DynamicSource, FixedPartitionedSource, Poll, StatefulSourcePartition, StatelessSourcePartition,
};
use bytewax_runtime::testing::{
    RunConfig, TestingItem, TestingSink, TestingSource, cluster_main, run_items, run_main,
};
use bytewax_runtime::{StepError, StepId, WorkerIndex};
use chrono::{DateTime, TimeDelta, Utc};

use crate::rows::rows;
use crate::shared::{Answer, EachWorker, Log, Parts, flow_of, sorted, start, workers_of};

/// A source of both kinds whose partitions give the same few items and name a time after each.
#[derive(Clone)]
struct Metronome {
    log: Log,
    names: &'static [&'static str],
    items: u32,
    awake: fn(u32) -> Option<DateTime<Utc>>,
}

struct Ticks {
    of: Metronome,
    name: String,
    given: u32,
}

impl Metronome {
    fn ticks(&self, name: &str) -> Ticks {
        self.log.note(format!("open {name}"));
        Ticks {
            of: self.clone(),
            name: name.to_owned(),
            given: 0,
        }
    }
}

impl FixedPartitionedSource for Metronome {
    type Item = u32;
    type Position = u32;
    type Partition = Ticks;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.log.note("list");
        Ok(self.names.iter().map(ToString::to_string).collect())
    }

    fn open(&self, partition: &str, _: Option<u32>) -> Result<Ticks, StepError> {
        Ok(self.ticks(partition))
    }
}

struct Each(Metronome);

impl DynamicSource for Each {
    type Item = u32;
    type Partition = Ticks;

    fn build(
        &self,
        step: &StepId,
        worker: WorkerIndex,
        workers: usize,
    ) -> Result<Ticks, StepError> {
        Ok(self.0.ticks(&format!("{step} {worker} of {workers}")))
    }
}

impl Ticks {
    fn poll(&mut self) -> Answer<u32> {
        self.of.log.note(format!("poll {}", self.name));
        self.given += 1;
        Ok(if self.given > self.of.items {
            Poll::end()
        } else {
            Poll::item(self.given)
        })
    }

    fn awake(&self) -> Option<DateTime<Utc>> {
        self.of.log.note(format!("awake {}", self.name));
        (self.of.awake)(self.given)
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.of.log.note(format!("drop {}", self.name));
    }
}

impl StatefulSourcePartition for Ticks {
    type Item = u32;
    type Position = u32;

    fn next_batch(&mut self) -> Answer<u32> {
        self.poll()
    }

    fn snapshot(&self) -> u32 {
        self.given
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.awake()
    }
}

impl StatelessSourcePartition for Ticks {
    type Item = u32;

    fn next_batch(&mut self) -> Answer<u32> {
        self.poll()
    }

    fn next_awake(&self) -> Option<DateTime<Utc>> {
        self.awake()
    }
}

fn metronome(names: &'static [&'static str], items: u32) -> Metronome {
    Metronome {
        log: Log::default(),
        names,
        items,
        awake: |_| None,
    }
}

#[test]
fn r10_dynamic_sources_know_their_worker() {
    let source = metronome(&[], 1);
    let out = TestingSink::new();
    let flow = flow_of(Each(source.clone()), |s| s, out.clone());
    cluster_main(flow, workers_of(4)).unwrap();
    let opened = sorted(
        source
            .log
            .calls()
            .into_iter()
            .filter(|call| call.starts_with("open")),
    );
    assert_eq!(
        opened,
        [
            "open f.in 0 of 4",
            "open f.in 1 of 4",
            "open f.in 2 of 4",
            "open f.in 3 of 4"
        ],
    );
    assert_eq!(out.take(), [1, 1, 1, 1]);
}

/// Ten ticks a second apart, by a clock that the test moves.
fn paced<K>(source: impl bytewax_runtime::operators::Source<K, Item = u32>, log: &Log) {
    let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    let (sender, seen) = channel();
    let flow = flow_of(
        source,
        |s| s.inspect(move |n| sender.send(*n).unwrap()),
        TestingSink::new(),
    );
    let run = start(flow, RunConfig::new().clock(clock));
    for tick in 1..=3 {
        assert_eq!(seen.recv().unwrap(), tick);
        assert_eq!(log.count("poll"), tick as usize);
        hand.advance(TimeDelta::milliseconds(999));
        assert_eq!(log.count("poll"), tick as usize);
        hand.advance(TimeDelta::milliseconds(1));
    }
    run.join().unwrap().unwrap();
    assert_eq!(log.count("poll"), 4);
}

#[test]
fn r38_r39_sources_are_polled_at_the_time_they_name() {
    let each_second = |given| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::from(given)));
    let source = Metronome {
        awake: each_second,
        ..metronome(&["only"], 3)
    };
    paced(source.clone(), &source.log);
    let source = Metronome {
        awake: each_second,
        ..metronome(&[], 3)
    };
    paced(Each(source.clone()), &source.log);
}

#[test]
fn r40_two_paces_go_together() {
    let out = TestingSink::new();
    let ticks = |every: u64, items| {
        move |_: &str| {
            let mut next = 0;
            Ok(move || -> Answer<u64> {
                next += 1;
                let wait = Duration::from_millis(every);
                Ok(if next > items {
                    Poll::end()
                } else {
                    Poll::item(every).wait(wait)
                })
            })
        }
    };
    let flow = Dataflow::build("f", |flow| {
        let quick = flow.input(Parts(&["p"], ticks(1, 10))).named("quick");
        let slow = flow.input(Parts(&["p"], ticks(5, 3))).named("slow");
        quick.merge(slow).output(out.clone()).named("out");
    });
    for workers in 1..=2 {
        let config = workers_of(workers).epoch_interval(Duration::from_millis(2));
        cluster_main(flow.clone(), config).unwrap();
        assert_eq!(out.sorted(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5]);
        out.take();
    }
}

#[test]
fn r54_polls_at_marks_are_aligned_again_after_a_retry() {
    let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
    let (clock, hand) = WorkerClock::by_hand(at(300));
    let (sender, polled) = channel();
    let source = Parts(&["p"], move |_: &str| {
        let (sender, mut polls) = (sender.clone(), 0);
        Ok(move || -> Answer<u32> {
            polls += 1;
            sender.send(polls).unwrap();
            let half_an_hour = Duration::from_secs(1800);
            Ok(match polls {
                1 => Poll::until_mark(half_an_hour, at(240)),
                3 => Poll::idle(Duration::from_secs(5)),
                5 => Poll::end(),
                n => Poll::item(n).wait_for_mark(half_an_hour, at(240)),
            })
        })
    });
    let out = TestingSink::new();
    let run = start(
        flow_of(source, |s| s, out.clone()),
        RunConfig::new().clock(clock),
    );
    let waits = [0, 0, 1800, 5, 1795];
    for (poll, wait) in (1..).zip(waits) {
        if wait > 0 {
            hand.advance(TimeDelta::seconds(wait - 1));
            assert!(polled.try_recv().is_err(), "poll {poll} is too early");
            hand.advance(TimeDelta::seconds(1));
        }
        assert_eq!(polled.recv().unwrap(), poll);
    }
    run.join().unwrap().unwrap();
    assert_eq!(out.take(), [2, 4]);
}

#[test]
fn r41_a_time_in_the_past_is_at_once() {
    let source = Metronome {
        awake: |_| Some(DateTime::UNIX_EPOCH),
        ..metronome(&["p"], 3)
    };
    let out = TestingSink::new();
    run_main(flow_of(source, |s| s, out.clone())).unwrap();
    assert_eq!(out.take(), [1, 2, 3]);
}

#[test]
fn r44_the_life_of_partitions() {
    let source = metronome(&["b", "a", "b"], 2);
    let out = TestingSink::new();
    run_main(flow_of(source.clone(), |s| s, out.clone())).unwrap();
    assert_eq!(
        source.log.calls(),
        [
            "list", "open a", "awake a", "open b", "awake b", //
            "poll a", "awake a", "poll b", "awake b", //
            "poll a", "awake a", "poll b", "awake b", //
            "poll a", "poll b", //
            "drop a", "drop b",
        ],
    );
    assert_eq!(out.take(), [1, 1, 2, 2]);
}

#[test]
fn r46_a_source_without_partitions_ends_at_once() {
    for workers in 1..=3 {
        let out = TestingSink::new();
        let flow = flow_of(metronome(&[], 5), |s| s, out.clone());
        cluster_main(flow, workers_of(workers)).unwrap();
        assert!(out.take().is_empty());
    }
}

/// Which worker opened which partition.
fn workers_of_partitions(names: &'static [&'static str], workers: usize) -> Vec<(usize, String)> {
    let (sender, seen) = channel();
    let source = Parts(names, move |name: &str| {
        let mut name = Some(name.to_owned());
        Ok(move || -> Answer<String> { Ok(name.take().map_or_else(Poll::end, Poll::item)) })
    });
    let flow = flow_of(
        source,
        |s| {
            s.inspect_debug_with(move |at, name: &String| {
                sender.send((at.worker.0, name.clone())).unwrap();
            })
        },
        TestingSink::new(),
    );
    cluster_main(flow, workers_of(workers)).unwrap();
    sorted(seen.iter())
}

#[test]
fn r50_partitions_are_spread_over_workers() {
    let names = &["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let expected = [0, 3, 6, 9, 1, 4, 7, 2, 5, 8];
    let expected = expected.map(|n| (n % 3, format!("p{n}")));
    assert_eq!(workers_of_partitions(names, 3), expected);
}

#[test]
fn r51_there_may_be_more_workers_than_partitions() {
    let expected = [
        (0, "a".to_owned()),
        (1, "b".to_owned()),
        (2, "c".to_owned()),
    ];
    assert_eq!(workers_of_partitions(&["a", "b", "c"], 5), expected);
}

#[test]
fn a_source_that_gives_nothing_is_asked_again() {
    let source = EachWorker(|_| {
        let mut answers = vec![
            Poll::end(),
            Poll::item(2),
            Poll::batch(vec![]),
            Poll::idle(Duration::ZERO),
            Poll::item(1),
            Poll::batch(vec![]),
        ];
        Ok(move || -> Answer<i32> { Ok(answers.pop().unwrap_or_else(Poll::end)) })
    });
    let out = TestingSink::new();
    run_main(flow_of(source, |s| s, out.clone())).unwrap();
    assert_eq!(out.take(), [1, 2]);
}

/// What a testing source answers from a position on, up to its end, and its position then.
fn answers(source: &TestingSource<i32>, from: Option<u64>) -> (Vec<String>, u64) {
    let mut partition = source.open("iterable", from).unwrap();
    let mut answers = Vec::new();
    loop {
        let poll = partition.next_batch().unwrap();
        if poll.is_end() || poll.is_abort() {
            answers.push(if poll.is_end() { "end" } else { "abort" }.to_owned());
            return (answers, partition.snapshot());
        }
        answers.push(format!("{:?}", poll.items()));
    }
}

fn answered(list: &[&str], position: u64) -> (Vec<String>, u64) {
    (list.iter().map(ToString::to_string).collect(), position)
}

fn marked(mark: TestingItem<i32>) -> TestingSource<i32> {
    TestingSource::with_marks([Item(0), Item(1), Item(2), mark, Item(3), Item(4)]).batch_size(2)
}

rows! {
    r64_testing_source: answers(&TestingSource::new([0, 1, 2]), None) => answered(&["[0]", "[1]", "[2]", "end"], 3);
    r65_testing_source_resumes: answers(&TestingSource::new([0, 1, 2]), Some(2)) => answered(&["[2]", "end"], 3);
    r66_testing_source_batches: answers(&TestingSource::new(0..5).batch_size(2), None) => answered(&["[0, 1]", "[2, 3]", "[4]", "end"], 5);
    r67_testing_source_ends_at_eof: answers(&marked(Eof), None) => answered(&["[0, 1]", "[2]", "end"], 4);
    r67_testing_source_goes_on_behind_eof: answers(&marked(Eof), Some(4)) => answered(&["[3, 4]", "end"], 6);
    testing_source_pauses: answers(&marked(Pause(Duration::ZERO)), None) => answered(&["[0, 1]", "[2]", "[]", "[3, 4]", "end"], 6);
    testing_source_batch_size_of_zero_is_one: answers(&TestingSource::new([0, 1]).batch_size(0), None) => answered(&["[0]", "[1]", "end"], 2);
    r68_a_flow_ends_at_eof: { let out = TestingSink::new(); run_main(flow_of(marked(Eof), |s| s, out.clone())).unwrap(); out.take() } => [0, 1, 2];
    r70_a_flow_stops_at_abort: { let out = TestingSink::new(); run_main(flow_of(marked(Abort), |s| s, out.clone())).unwrap(); out.take() } => [0, 1, 2];
    a_pause_does_not_end_a_flow: { let out = TestingSink::new(); run_main(flow_of(marked(Pause(Duration::ZERO)), |s| s, out.clone())).unwrap(); out.take() } => [0, 1, 2, 3, 4];
    an_empty_source_is_no_error: run_items(Vec::<i32>::new(), |s| s) => Vec::<i32>::new();
}

#[test]
fn r69_testing_source_aborts_once() {
    let source = marked(Abort);
    assert_eq!(answers(&source, None).0, ["[0, 1]", "[2]", "abort"]);
    assert_eq!(
        answers(&source, Some(2)),
        answered(&["[2, 3]", "[4]", "end"], 6)
    );
}

#[test]
fn an_abort_stops_all_workers_without_an_error() {
    let source = EachWorker(|worker: WorkerIndex| {
        let mut polls = 0;
        Ok(move || -> Answer<u32> {
            polls += 1;
            Ok(if worker.0 == 1 && polls > 5 {
                Poll::abort()
            } else {
                Poll::item(polls)
            })
        })
    });
    let (closes, closed) = channel();
    let sink = crate::shared::EachWrites::new(move |_, call: crate::shared::Call<u32>| {
        if let crate::shared::Call::Close = call {
            closes.send(())?;
        }
        Ok(())
    });
    let alive = sink.alive.clone();
    let flow = flow_of(source, |s| s.redistribute(), sink);
    cluster_main(flow, workers_of(3)).unwrap();
    assert_eq!(alive.count(), 0);
    assert_eq!(closed.iter().count(), 0);
}
