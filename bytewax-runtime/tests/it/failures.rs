//! What ends a run early, how it is told, and that nothing stays open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{DynamicSink, FixedPartitionedSink};
use bytewax_runtime::source::{DynamicSource, FixedPartitionedSource, Poll};
use bytewax_runtime::testing::{TestingSink, TestingSource, cluster_main};
use bytewax_runtime::{RunErrorKind, StepError, StepId, WorkerIndex};

use crate::shared::{
    Alive, Answer, Call, EachWorker, EachWrites, PartWrites, Parts, failure, flow_of, workers_of,
};

type Polls = Box<dyn FnMut() -> Answer<u64>>;

/// A source on all workers that never ends, unless `fails` says how.
fn endless<F>(
    alive: &Alive,
    fails: F,
) -> EachWorker<impl Fn(WorkerIndex) -> Result<Polls, StepError> + Send + Sync + use<F>>
where
    F: Fn(WorkerIndex, u64) -> Result<(), StepError> + Send + Sync + 'static,
{
    let (alive, fails) = (alive.clone(), Arc::new(fails));
    EachWorker(move |worker| {
        let (life, fails, mut polls) = (alive.begin(), Arc::clone(&fails), 0);
        let poll: Polls = Box::new(move || {
            let _ = &life;
            polls += 1;
            fails(worker, polls)?;
            Ok(Poll::item(polls * 10 + worker.0 as u64))
        });
        Ok(poll)
    })
}

type Calls = Box<dyn Fn(WorkerIndex, Call<u64>) -> Result<(), StepError> + Send + Sync>;

/// A few steps of a flow, and the name of one of them.
type Steps<T> = (&'static str, fn(Stream<T>) -> Stream<T>);

/// A sink that counts its closes.
struct Closes(Arc<AtomicUsize>);

impl Closes {
    fn sink(
        fails: impl Fn(WorkerIndex, &Call<u64>) -> Result<(), StepError> + Send + Sync + 'static,
    ) -> (Self, EachWrites<Calls>) {
        let closes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&closes);
        let calls: Calls = Box::new(move |worker, call| {
            if let Call::Close = call {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            fails(worker, &call)
        });
        (Self(closes), EachWrites::new(calls))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn at(line: u32, column: u32) -> String {
    format!("{}:{line}:{column}", file!())
}

#[test]
fn a_partition_that_fails_stops_all_workers() {
    let alive = Alive::default();
    let (closes, sink) = Closes::sink(|_, _| Ok(()));
    let sinks = sink.alive.clone();
    let lives = alive.clone();
    let source = Parts(&["a", "b", "c"], move |name: &str| {
        let (life, fails, mut polls) = (lives.begin(), name == "b", 0);
        Ok(move || -> Answer<u64> {
            let _ = &life;
            polls += 1;
            if fails && polls == 5 {
                return Err(StepError::msg("the disk is gone"));
            }
            Ok(Poll::item(polls))
        })
    });
    assert_eq!(
        failure(flow_of(source, Stream::redistribute, sink), 3),
        "step `f.in`, partition `b`, worker 1: the source failed\n  caused by: the disk is gone",
    );
    assert_eq!((alive.count(), sinks.count(), closes.count()), (0, 0, 0));
}

#[test]
fn r11_an_instance_that_fails_stops_all_workers() {
    let alive = Alive::default();
    let source = endless(&alive, |worker, polls| match (worker.0, polls) {
        (1, 5) => Err("x".parse::<u8>().unwrap_err().into()),
        _ => Ok(()),
    });
    let (closes, sink) = Closes::sink(|_, _| Ok(()));
    let sinks = sink.alive.clone();
    assert_eq!(
        failure(flow_of(source, |s| s, sink), 3),
        "step `f.in`, partition `worker-1`, worker 1: the source failed\n  \
         caused by: invalid digit found in string",
    );
    assert_eq!((alive.count(), sinks.count(), closes.count()), (0, 0, 0));
}

#[test]
fn r77_r79_a_sink_that_fails_stops_all_workers() {
    let alive = Alive::default();
    let source = endless(&alive, |_, _| Ok(()));
    let (closes, sink) = Closes::sink(|worker, call| match call {
        Call::Write(items) if worker.0 == 2 && items[0] > 100 => Err(StepError::msg("full")),
        _ => Ok(()),
    });
    let sinks = sink.alive.clone();
    let flow = flow_of(source, |s| s.map(|n| n).named("m"), sink);
    assert_eq!(
        failure(flow, 3),
        "step `f.out`, worker 2: the sink cannot write\n  caused by: full",
    );
    assert_eq!((alive.count(), sinks.count(), closes.count()), (0, 0, 0));
}

#[test]
fn a_sink_that_cannot_be_closed_fails_the_run() {
    let (_, sink) = Closes::sink(|worker, call| match call {
        Call::Close if worker.0 == 1 => Err(StepError::msg("no space")),
        _ => Ok(()),
    });
    assert_eq!(
        failure(flow_of(TestingSource::new([1]), |s| s, sink), 3),
        "step `f.out`, worker 1: the sink cannot be closed\n  caused by: no space",
    );
    let sink = PartWrites::new(&["p", "q"], |name: &str, call: Call<u64>| match call {
        Call::Close if name == "q" => Err(StepError::msg("no space")),
        _ => Ok(()),
    });
    assert_eq!(
        failure(flow_of(TestingSource::new([(1, 1)]), |s| s, sink), 1),
        "step `f.out`, partition `q`, worker 0: the sink cannot be closed\n  caused by: no space",
    );
}

#[test]
fn a_partition_of_a_sink_that_fails_is_named() {
    let sink = PartWrites::new(&["p", "q"], |name: &str, call: Call<u64>| match call {
        Call::Write(_) if name == "q" => Err(StepError::msg("full")),
        _ => Ok(()),
    });
    // The source's partition is on worker 0, so the sink's are on 1 and 2.
    assert_eq!(
        failure(
            flow_of(TestingSource::new([(0, 1), (1, 2)]), |s| s, sink),
            3
        ),
        "step `f.out`, partition `q`, worker 2: the sink cannot write\n  caused by: full",
    );
}

/// Where a panic happens, and which step is told.
#[test]
fn a_panic_is_told_with_its_place_and_step() {
    const LINE: u32 = line!() + 3;
    fn boom(n: u64) -> u64 {
        if n > 50 && n % 10 == 1 {
            panic!("bad item {n}");
        }
        n
    }
    let steps: [Steps<u64>; 7] = [
        ("map", |s| s.map(boom).named("map")),
        ("after", |s| {
            s.map(|n| n)
                .named("before")
                .filter(|n| boom(*n) > 0)
                .named("after")
        }),
        ("first", |s| {
            s.filter(|n| boom(*n) > 0)
                .named("first")
                .map(|n| n)
                .named("second")
        }),
        ("flat", |s| {
            s.flat_map(|n| (0..1).map(move |_| boom(n))).named("flat")
        }),
        ("key", |s| s.key_on(|n| boom(*n)).named("key").key_rm()),
        ("with", |s| s.map_with(|| (), |(), n| boom(n)).named("with")),
        ("see", |s| {
            s.inspect(|n| assert!(boom(*n) > 0))
                .named("see")
                .map(|n| n)
                .named("next")
        }),
    ];
    for (step, body) in steps {
        let alive = Alive::default();
        let (closes, sink) = Closes::sink(|_, _| Ok(()));
        let sinks = sink.alive.clone();
        let flow = flow_of(endless(&alive, |_, _| Ok(())), body, sink);
        assert_eq!(
            failure(flow, 3),
            format!(
                "step `f.{step}`, worker 1, item 1 of a batch of 1: panicked at {}: bad item 51",
                at(LINE, 13)
            ),
        );
        assert_eq!((alive.count(), sinks.count(), closes.count()), (0, 0, 0));
    }
}

#[test]
fn a_panic_of_a_keyed_step_is_told_with_its_step() {
    fn boom(n: u64) -> u64 {
        if n == 7 { panic!("seven") } else { n }
    }
    let steps: [Steps<(u8, u64)>; 7] = [
        ("m", |s| {
            s.stateful_map(|(), n| boom(n))
                .named("m")
                .map(|n| n)
                .named("after")
        }),
        ("m", |s| {
            s.stateful_flat_map(|_: &mut Option<u64>, n| [boom(n)])
                .named("m")
        }),
        ("m", |s| {
            s.fold_final(|| 0, |sum, n| *sum += boom(n)).named("m")
        }),
        ("m", |s| s.reduce_final(|a, b| a + boom(b)).named("m")),
        ("m", |s| s.max_final(|n| boom(*n)).named("m")),
        ("before", |s| {
            s.map_value(boom)
                .named("before")
                .reduce_final(u64::max)
                .named("m")
        }),
        ("after", |s| {
            s.reduce_final(u64::min)
                .named("m")
                .map_value(|n| boom(n + 1))
                .named("after")
        }),
    ];
    for (step, body) in steps {
        for workers in [1, 3] {
            let items = [(0, 6), (1, 6), (0, 7), (1, 8)];
            let flow = flow_of(TestingSource::new(items), body, TestingSink::new());
            let report = failure(flow, workers);
            let key = if step == "m" { ", key `0`" } else { "" };
            let place = format!("step `f.{step}`{key}, worker ");
            assert!(report.starts_with(&place), "{report}");
            assert!(report.ends_with(": seven"), "{report}");
            assert_eq!(report.matches("seven").count(), 1, "{report}");
        }
    }
}

#[test]
fn a_panic_of_a_source_or_a_sink_is_told_with_its_step() {
    let source = endless(&Alive::default(), |_, polls| {
        assert!(polls < 9, "enough");
        Ok(())
    });
    let report = failure(flow_of(source, |s| s, TestingSink::new()), 2);
    let expect = "step `f.in`, partition `worker-";
    assert!(report.starts_with(expect), "{report}");
    let sink = EachWrites::new(|_, call: Call<u64>| match call {
        Call::Write(_) => panic!("enough"),
        _ => Ok(()),
    });
    let report = failure(flow_of(TestingSource::new([1]), |s| s.map(|n| n), sink), 2);
    assert!(
        report.starts_with("step `f.out`, worker 0: panicked at "),
        "{report}"
    );
}

#[test]
fn a_panic_prints_nothing_by_itself() {
    const CHILD: &str = "BYTEWAX_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        let flow = flow_of(
            TestingSource::new([1]),
            |s| s.map(|_| -> u64 { panic!("told once") }),
            TestingSink::new(),
        );
        let error = cluster_main(flow, workers_of(3)).unwrap_err();
        assert_eq!(error.kind(), RunErrorKind::Panic);
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "failures::a_panic_prints_nothing_by_itself",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("1 passed"), "{out}");
    assert!(
        !out.contains("told once") && !out.contains("panicked"),
        "{out}"
    );
    assert_eq!(err, "");
}

/// A source and a sink of both kinds that cannot be opened.
struct Closed(&'static str);

fn closed<T>(what: &str) -> Result<T, StepError> {
    Err(StepError::msg(format!("{what} is closed")))
}

impl FixedPartitionedSource for Closed {
    type Item = u64;
    type Position = u64;
    type Partition = bytewax_runtime::testing::TestingSourcePartition<u64>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        if self.0 == "list" {
            closed("the list")
        } else {
            Ok(vec!["p".to_owned()])
        }
    }

    fn open(&self, partition: &str, _: Option<u64>) -> Result<Self::Partition, StepError> {
        closed(partition)
    }
}

struct ClosedOn(usize);

impl DynamicSource for ClosedOn {
    type Item = u64;
    type Partition = crate::shared::Polled<Polls>;

    fn build(
        &self,
        step: &StepId,
        worker: WorkerIndex,
        workers: usize,
    ) -> Result<Self::Partition, StepError> {
        if worker.0 == self.0 {
            return closed(&format!("{step}"));
        }
        endless(&Alive::default(), |_, _| Ok(())).build(step, worker, workers)
    }
}

impl DynamicSink<u64> for ClosedOn {
    type Partition = TestingSink<u64>;

    fn build(
        &self,
        step: &StepId,
        worker: WorkerIndex,
        _: usize,
    ) -> Result<TestingSink<u64>, StepError> {
        if worker.0 == self.0 {
            closed(&format!("{step}"))
        } else {
            Ok(TestingSink::new())
        }
    }
}

impl FixedPartitionedSink<u64, u64> for Closed {
    type Position = ();
    type Partition = crate::shared::PartWriter<fn(&str, Call<u64>) -> Result<(), StepError>>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        if self.0 == "list" {
            closed("the list")
        } else {
            Ok(vec!["p".to_owned()])
        }
    }

    fn open(&self, partition: &str, _: Option<()>) -> Result<Self::Partition, StepError> {
        closed(partition)
    }
}

#[test]
fn r78_what_cannot_be_opened_fails_the_run() {
    let one = || TestingSource::new([1]);
    let pairs = |s: Stream<u64>| s.key_on(|n| *n);
    type Make = Box<dyn Fn() -> Dataflow>;
    let flows: [(Make, &str); 7] = [
        (
            Box::new(|| flow_of(Closed("list"), |s| s, TestingSink::new())),
            "step `f.in`, worker _: cannot list the partitions\n  caused by: the list is closed",
        ),
        (
            Box::new(|| flow_of(Closed("open"), |s| s, TestingSink::new())),
            "step `f.in`, partition `p`, worker 0: the source cannot be opened\n  \
             caused by: p is closed",
        ),
        (
            Box::new(|| flow_of(ClosedOn(1), |s| s, TestingSink::new())),
            "step `f.in`, worker 1: the source cannot be built\n  caused by: f.in is closed",
        ),
        (
            Box::new(move || flow_of(one(), |s| s, ClosedOn(1))),
            "step `f.out`, worker 1: the sink cannot be built\n  caused by: f.out is closed",
        ),
        (
            Box::new(move || flow_of(one(), pairs, Closed("list"))),
            "step `f.out`, worker _: cannot list the partitions\n  caused by: the list is closed",
        ),
        (
            Box::new(move || flow_of(one(), pairs, Closed("open"))),
            "step `f.out`, partition `p`, worker 1: the sink cannot be opened\n  \
             caused by: p is closed",
        ),
        (
            Box::new(move || flow_of(one(), |s| s.map_with(|| (), |(), n| n), ClosedOn(0))),
            "step `f.out`, worker 0: the sink cannot be built\n  caused by: f.out is closed",
        ),
    ];
    for (flow, expected) in flows {
        // Where all workers fail, any of them may be the first.
        let any =
            ["0", "1", "2"].map(|worker| expected.replace("worker _", &format!("worker {worker}")));
        let report = failure(flow(), 3);
        assert!(any.contains(&report), "{report}\ninstead of\n{expected}");
    }
}

#[test]
fn a_panic_while_building_is_told_with_its_step() {
    let flow = flow_of(
        TestingSource::new([1]),
        |s| {
            s.map(|n| n)
                .named("m")
                .map_with(|| panic!("no client"), |(), n: u64| n)
                .named("w")
        },
        TestingSink::new(),
    );
    let report = failure(flow, 2);
    assert!(report.starts_with("step `f.w`, worker "), "{report}");
    assert!(report.ends_with(": no client"), "{report}");

    let sink = EachWrites::new(|_, call: Call<u64>| match call {
        Call::Build => panic!("no client"),
        _ => Ok(()),
    });
    let report = failure(flow_of(TestingSource::new([1]), |s| s, sink), 2);
    assert!(report.starts_with("step `f.out`, worker "), "{report}");
    assert!(report.ends_with(": no client"), "{report}");
}

#[test]
fn a_failure_at_the_end_of_input_closes_no_sink_behind_it() {
    let (closes, sink) = Closes::sink(|_, _| Ok(()));
    let flow = flow_of(
        TestingSource::new([(1_u8, 1), (2, 2)]),
        |s| {
            let sums = s.fold_final(|| 0, |sum, n: u64| *sum += n).named("sum");
            sums.key_rm()
                .map(|_| -> u64 { panic!("at the end") })
                .named("m")
        },
        sink,
    );
    let report = failure(flow, 1);
    assert!(
        report.starts_with("step `f.m`, worker 0, item 1 of a batch of 2: panicked"),
        "{report}"
    );
    assert_eq!(closes.count(), 0);
}

/// A source whose partitions can be listed by one worker alone.
struct ListedOnce(AtomicUsize);

impl FixedPartitionedSource for ListedOnce {
    type Item = u64;
    type Position = u64;
    type Partition = bytewax_runtime::testing::TestingSourcePartition<u64>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec!["p".to_owned()]),
            1 => closed("the list"),
            _ => panic!("there is no list"),
        }
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        TestingSource::new([1]).open("iterable", resume)
    }
}

#[test]
fn a_worker_that_fails_before_the_flow_is_built_stops_the_others() {
    for workers in [2, 3, 4] {
        let source = ListedOnce(AtomicUsize::new(0));
        let report = failure(flow_of(source, |s| s, TestingSink::new()), workers);
        assert!(report.starts_with("step `f.in`, worker "), "{report}");
    }
}

#[test]
fn a_drop_that_panics_fails_the_run_or_is_overtaken_by_its_cause() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("it went off");
        }
    }
    for (fails, told) in [(false, "it went off"), (true, "the cause")] {
        for workers in [1, 3] {
            let source = EachWorker(move |_| {
                let bomb = Bomb;
                Ok(move || -> Answer<u64> {
                    let _ = &bomb;
                    assert!(!fails, "the cause");
                    Ok(Poll::end())
                })
            });
            let report = failure(flow_of(source, |s| s, TestingSink::new()), workers);
            // What is dropped is no partition any more.
            let place = if fails {
                "partition `worker-"
            } else {
                "worker "
            };
            let expect = format!("step `f.in`, {place}");
            assert!(report.starts_with(&expect), "{report}");
            assert!(report.ends_with(told), "{report}");
        }
    }
}
