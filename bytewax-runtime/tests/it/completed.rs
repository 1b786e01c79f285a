//! Sources and sinks are told which epochs are complete.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::sink::{
    DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition,
};
use bytewax_runtime::source::{
    DynamicSource, FixedPartitionedSource, Poll, StatefulSourcePartition, StatelessSourcePartition,
};
use bytewax_runtime::testing::{RunConfig, cluster_main};
use bytewax_runtime::{Epoch, RecoveryConfig, StepError, StepId, WorkerIndex};

use crate::shared::workers_of;

const HOUR: Duration = Duration::from_secs(3600);

/// What happens to a source or a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    /// It is opened, a source perhaps at a position.
    Opens(Option<u64>),
    /// It gives or writes so many items.
    Passes(usize),
    Ends(Epoch),
    Completed(Epoch),
    Closes,
}

use Happens::{Closes, Completed, Ends, Opens, Passes};

/// All that happens, in order, by who it happens to.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, Happens)>>>);

/// One that things happen to.
#[derive(Clone)]
struct Logged {
    log: Log,
    name: String,
}

impl Log {
    fn of(&self, name: impl Into<String>) -> Logged {
        Logged {
            log: self.clone(),
            name: name.into(),
        }
    }

    fn all(&self) -> Vec<(String, Happens)> {
        self.0.lock().unwrap().clone()
    }

    fn by_name(&self) -> BTreeMap<String, Vec<Happens>> {
        let mut by_name: BTreeMap<String, Vec<Happens>> = BTreeMap::new();
        for (name, happens) in self.all() {
            by_name.entry(name).or_default().push(happens);
        }
        by_name
    }
}

impl Logged {
    fn note(&self, happens: Happens) {
        self.log
            .0
            .lock()
            .unwrap()
            .push((self.name.clone(), happens));
    }
}

/// Numbers in partitions, each up to a limit; each may stop the run at a number, once.
#[derive(Clone)]
struct Numbers {
    log: Log,
    partitions: &'static [&'static str],
    limit: u64,
    abort_at: Option<u64>,
}

struct Partition {
    logged: Logged,
    next: u64,
    limit: u64,
    abort_at: Option<u64>,
}

impl FixedPartitionedSource for Numbers {
    type Item = (u8, u64);
    type Position = u64;
    type Partition = Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.partitions.iter().map(ToString::to_string).collect())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Partition, StepError> {
        let logged = self.log.of(format!("source {partition}"));
        logged.note(Opens(resume));
        Ok(Partition {
            logged,
            next: resume.unwrap_or(0),
            limit: self.limit,
            abort_at: self.abort_at,
        })
    }
}

impl StatefulSourcePartition for Partition {
    type Item = (u8, u64);
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(u8, u64)>, StepError> {
        if self.next == self.limit {
            return Ok(Poll::end());
        }
        if Some(self.next) == self.abort_at {
            return Ok(Poll::abort());
        }
        self.next += 1;
        self.logged.note(Passes(1));
        Ok(Poll::item((((self.next - 1) % 2) as u8, self.next - 1)))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.logged.note(Ends(epoch));
        Ok(())
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.logged.note(Completed(epoch));
        Ok(())
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.logged.note(Closes);
    }
}

/// A few items on each worker.
struct Few(Log);

struct FewOn(Logged, u64);

impl DynamicSource for Few {
    type Item = (u8, u64);
    type Partition = FewOn;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<FewOn, StepError> {
        let logged = self.0.of(format!("few {worker}"));
        logged.note(Opens(None));
        Ok(FewOn(logged, 3))
    }
}

impl StatelessSourcePartition for FewOn {
    type Item = (u8, u64);

    fn next_batch(&mut self) -> Result<Poll<(u8, u64)>, StepError> {
        if self.1 == 0 {
            return Ok(Poll::end());
        }
        self.1 -= 1;
        self.0.note(Passes(1));
        Ok(Poll::item((0, 1000)))
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Ends(epoch));
        Ok(())
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Completed(epoch));
        Ok(())
    }
}

/// Takes items, in two partitions or on each worker.
#[derive(Clone)]
struct Takes(Log);

struct Taker(Logged);

impl FixedPartitionedSink<u8, u64> for Takes {
    type Position = u64;
    type Partition = Taker;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["even".to_owned(), "odd".to_owned()])
    }

    fn assign(&self, key: &u8, _: usize) -> usize {
        usize::from(*key)
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Taker, StepError> {
        let logged = self.0.of(format!("sink {partition}"));
        logged.note(Opens(resume));
        Ok(Taker(logged))
    }
}

impl StatefulSinkPartition<u64> for Taker {
    type Position = u64;

    fn write_batch(&mut self, values: Vec<u64>) -> Result<(), StepError> {
        self.0.note(Passes(values.len()));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        Ok(0)
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Ends(epoch));
        Ok(())
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Completed(epoch));
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        self.0.note(Closes);
        Ok(())
    }
}

struct TakesHere(Log);

impl DynamicSink<(u8, u64)> for TakesHere {
    type Partition = Taker;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Taker, StepError> {
        let logged = self.0.of(format!("here {worker}"));
        logged.note(Opens(None));
        Ok(Taker(logged))
    }
}

impl StatelessSinkPartition<(u8, u64)> for Taker {
    fn write_batch(&mut self, items: Vec<(u8, u64)>) -> Result<(), StepError> {
        self.0.note(Passes(items.len()));
        Ok(())
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Ends(epoch));
        Ok(())
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        self.0.note(Completed(epoch));
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        self.0.note(Closes);
        Ok(())
    }
}

fn flow(log: &Log, limit: u64, abort_at: Option<u64>) -> Dataflow {
    Dataflow::build("f", |flow| {
        let source = Numbers {
            log: log.clone(),
            partitions: &["p", "q"],
            limit,
            abort_at,
        };
        let numbers = flow.input(source).named("in");
        let few = flow.input(Few(log.clone())).named("few");
        let all = numbers.merge(few);
        all.clone().output(TakesHere(log.clone())).named("here");
        let sums = all
            .key_on(|(key, _)| *key)
            .stateful_map(|sum: &mut u64, (_, n)| {
                *sum += n;
                *sum
            });
        sums.named("sums").output(Takes(log.clone())).named("out");
    })
}

/// Checks what holds in every run: all are told of all epochs, in order, and when one is told of an epoch, all have
/// ended it.
#[track_caller]
fn check(log: &Log, first: u64) {
    let all = log.all();
    let last = all.iter().filter_map(|(_, happens)| match happens {
        Ends(epoch) => Some(*epoch),
        _ => None,
    });
    let last = last.max().expect("an epoch has ended");
    for (name, happens) in log.by_name() {
        let completed = happens.iter().filter_map(|happens| match happens {
            Completed(epoch) => Some(epoch.0),
            _ => None,
        });
        let completed: Vec<u64> = completed.collect();
        let ends = happens.iter().filter_map(|happens| match happens {
            Ends(epoch) => Some(epoch.0),
            _ => None,
        });
        let ends: Vec<u64> = ends.collect();
        assert!(ends.is_sorted(), "{name}: {happens:?}");
        let from = *completed
            .first()
            .unwrap_or_else(|| panic!("{name} is told nothing: {happens:?}"));
        let to = match name.starts_with("source") || name.starts_with("few") {
            // A source is closed when its last epoch is complete.
            true => ends.last().copied().expect("it has ended"),
            false => last.0,
        };
        if !name.starts_with("sink") {
            assert_eq!(from, first, "{name}: {happens:?}");
        }
        let expected: Vec<u64> = (from..=to).collect();
        assert_eq!(completed, expected, "{name}: {happens:?}");
    }
    // Nothing of an epoch happens anywhere after anyone was told that it is complete.
    let mut complete = BTreeSet::new();
    for (index, (name, happens)) in all.iter().enumerate() {
        match happens {
            Completed(epoch) => {
                complete.insert(*epoch);
            }
            Ends(epoch) => assert!(
                !complete.contains(epoch),
                "{name} ends {epoch} at {index}: {all:?}"
            ),
            _ => {}
        }
    }
}

#[test]
fn all_are_told_of_all_epochs_in_order() {
    for (workers, interval) in [
        (1, Duration::ZERO),
        (2, Duration::ZERO),
        (3, HOUR),
        (2, Duration::from_millis(1)),
    ] {
        let log = Log::default();
        let config = workers_of(workers).epoch_interval(interval);
        cluster_main(flow(&log, 9, None), config).unwrap();
        check(&log, 1);

        let store = tempfile::tempdir().unwrap();
        let config = || {
            let config = workers_of(workers).epoch_interval(interval);
            config.recovery(RecoveryConfig::new(store.path()))
        };
        let log = Log::default();
        cluster_main(flow(&log, 9, None), config()).unwrap();
        check(&log, 1);
        // The next execution goes on behind the last epoch.
        let all = log.all();
        let last = all.iter().filter_map(|(_, happens)| match happens {
            Completed(epoch) => Some(epoch.0),
            _ => None,
        });
        let last = last.max().unwrap();
        let log = Log::default();
        cluster_main(flow(&log, 12, None), config()).unwrap();
        check(&log, last + 1);
    }
}

#[test]
fn on_two_processes_too() {
    let log = Log::default();
    let listeners: Vec<_> = (0..2)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().to_string())
        .collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = listeners
            .into_iter()
            .enumerate()
            .map(|(index, listener)| {
                let config = RunConfig::new()
                    .workers(2)
                    .epoch_interval(Duration::ZERO)
                    .process(index, addresses.clone())
                    .listener(listener);
                let flow = flow(&log, 9, None);
                scope.spawn(move || cluster_main(flow, config))
            })
            .collect();
        for process in running {
            process.join().unwrap().unwrap();
        }
    });
    check(&log, 1);
}

/// A source is told of its last epoch before it is closed, and a sink after.
#[test]
fn the_last_epoch_is_told_at_the_end_of_input() {
    let log = Log::default();
    let flow = Dataflow::build("f", |flow| {
        let source = Numbers {
            log: log.clone(),
            partitions: &["p"],
            limit: 2,
            abort_at: None,
        };
        let numbers = flow.input(source).named("in");
        numbers.output(TakesHere(log.clone())).named("out");
    });
    cluster_main(flow, RunConfig::new().epoch_interval(HOUR)).unwrap();
    let one = Epoch(1);
    let by_name = log.by_name();
    let source = [
        Opens(None),
        Passes(1),
        Passes(1),
        Ends(one),
        Completed(one),
        Closes,
    ];
    assert_eq!(by_name["source p"], source);
    let sink = [
        Opens(None),
        Passes(1),
        Passes(1),
        Ends(one),
        Closes,
        Completed(one),
    ];
    assert_eq!(by_name["here 0"], sink);
}

/// After a crash a source is opened behind all that it was told to be complete.
#[test]
fn a_resume_never_goes_back_behind_what_was_complete() {
    for workers in 1..=2 {
        for abort_at in [1, 7] {
            let store = tempfile::tempdir().unwrap();
            let config = || {
                let config = workers_of(workers).epoch_interval(Duration::ZERO);
                config.recovery(RecoveryConfig::new(store.path()))
            };
            let log = Log::default();
            cluster_main(flow(&log, 9, Some(abort_at)), config()).unwrap();
            let again = Log::default();
            cluster_main(flow(&again, 9, None), config()).unwrap();
            for name in ["source p", "source q"] {
                let (mut given, mut ended, mut complete) = (0, BTreeMap::new(), 0);
                for happens in &log.by_name()[name] {
                    match happens {
                        Passes(items) => given += *items as u64,
                        Ends(epoch) => {
                            ended.insert(*epoch, given);
                        }
                        Completed(epoch) => {
                            let before = ended.range(..=*epoch).next_back();
                            complete = before.map_or(0, |(_, given)| *given);
                        }
                        Opens(_) | Closes => {}
                    }
                }
                let Some(Opens(resume)) = again.by_name()[name].first().copied() else {
                    panic!("{name} is not opened");
                };
                let resume = resume.unwrap_or(0);
                assert!(
                    resume >= complete,
                    "{name} resumes at {resume}, and {complete} were complete"
                );
            }
        }
    }
}

#[test]
fn an_error_names_the_step_and_the_partition() {
    struct Fails;

    impl FixedPartitionedSink<u8, u64> for Fails {
        type Position = u64;
        type Partition = Fails;

        fn partitions(&self) -> Result<Vec<String>, StepError> {
            Ok(vec!["only".to_owned()])
        }

        fn open(&self, _: &str, _: Option<u64>) -> Result<Fails, StepError> {
            Ok(Fails)
        }
    }

    impl StatefulSinkPartition<u64> for Fails {
        type Position = u64;

        fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
            Ok(())
        }

        fn snapshot(&mut self) -> Result<u64, StepError> {
            Ok(0)
        }

        fn completed(&mut self, _: Epoch) -> Result<(), StepError> {
            Err(StepError::msg("no commit"))
        }
    }

    let flow = Dataflow::build("f", |flow| {
        let source = Numbers {
            log: Log::default(),
            partitions: &["p"],
            limit: 2,
            abort_at: None,
        };
        flow.input(source).named("in").output(Fails).named("out");
    });
    let error = cluster_main(flow, RunConfig::new()).unwrap_err();
    assert_eq!(
        error.report(),
        "step `f.out`, partition `only`, worker 0: it failed when epoch 1 was complete\n  caused by: no commit"
    );
}
