//! Checks of connectors in flows that are killed and resume with other numbers of workers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{BrokenPromise, ByPartition, broken};
use crate::delivery::{Delivery, Promise, SinkPromise, Transactional};
use crate::error::{RunError, StepError};
use crate::execution::{RunConfig, cluster_main};
use crate::flow::{Dataflow, Stream};
use crate::kit::Exchange;
use crate::operators::Sink;
use crate::recovery::{RecoveryConfig, init};
use crate::sink::{SinglePartitionSink, StatefulSinkPartition};
use crate::source::FixedPartitionedSource;
use crate::testing::{AtPoll, TestingSource};

/// The maximum number of polls at which a check kills a flow, spread over all.
const KILLS: usize = 8;

/// The name of the flows.
pub(super) const FLOW: &str = "connector";

/// The length of epochs: each poll is an epoch, or no epoch is complete before a kill.
const EPOCHS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3600)];

/// The numbers of workers of the killed run and of the resumed run.
pub(super) const WORKERS: [(usize, usize); 3] = [(1, 3), (3, 1), (2, 2)];

/// A directory for a recovery store, removed with this.
pub(super) struct Store(PathBuf);

impl Store {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn new() -> Result<Self, BrokenPromise> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("bytewax-check-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        if let Err(error) = fs::create_dir(&path) {
            return broken(format!("no directory at `{}`: {error}", path.display()));
        }
        let store = Self(path);
        // A small one, since there are many.
        match init(&store.0, 2, FLOW) {
            Ok(_) => Ok(store),
            Err(error) => broken(format!("no store: {error}")),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It is in the directory for such files, whoever removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A list of text that is truncated to a saved length.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<String>>>);

impl Ledger {
    fn with<R>(&self, f: impl FnOnce(&mut Vec<String>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SinglePartitionSink<String, Transactional> for Ledger {
    type Position = u64;
    type Partition = Self;

    fn partition(&self) -> Result<String, StepError> {
        Ok("ledger".to_owned())
    }

    fn open(&self, resume: Option<u64>) -> Result<Self, StepError> {
        let length = usize::try_from(resume.unwrap_or(0))?;
        self.with(|lines| lines.truncate(length));
        Ok(self.clone())
    }
}

impl StatefulSinkPartition<String> for Ledger {
    type Position = u64;

    fn write_batch(&mut self, values: Vec<String>) -> Result<(), StepError> {
        self.with(|lines| lines.extend(values));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        Ok(self.with(|lines| lines.len()) as u64)
    }
}

/// Runs a flow whose source is killed at a poll.
fn run<S: FixedPartitionedSource>(
    store: &Store,
    workers: usize,
    (poll, epoch): (usize, Duration),
    source: S,
    rest: impl FnOnce(Stream<S::Item>),
) -> Result<(), RunError> {
    let flow = Dataflow::build(FLOW, |flow| {
        rest(flow.input(AtPoll::killed(source, poll)).named("items"));
    });
    let config = RunConfig::new()
        .workers(workers)
        .epoch_interval(epoch)
        .recovery(RecoveryConfig::new(&store.0));
    cluster_main(flow, config)
}

/// Describes the actions before a failure.
pub(super) fn what(poll: usize, (before, after): (usize, usize)) -> String {
    format!("in a flow of {before} workers that is killed at poll {poll} and goes on with {after}")
}

pub(super) fn ran(what: &str, run: Result<(), RunError>) -> Result<(), BrokenPromise> {
    run.or_else(|error| broken(format!("{what}: {}", error.report())))
}

/// Checks that all expected items exist, no more often than promised.
pub(super) fn check_all(
    what: &str,
    promise: Delivery,
    expect: &[String],
    found: &[String],
) -> Result<(), BrokenPromise> {
    let count = |items: &[String]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for item in items {
            *counts.entry(item.clone()).or_default() += 1;
        }
        counts
    };
    let (expect, found) = (count(expect), count(found));
    for (item, times) in &expect {
        let there = found.get(item).copied().unwrap_or(0);
        let is_wrong = match promise {
            Delivery::ExactlyOnce => there != *times,
            Delivery::AtLeastOnce => there < *times,
            Delivery::AtMostOnce => there > *times,
            Delivery::BestEffort => false,
        };
        if is_wrong {
            return broken(format!(
                "{what}: {item} is there {there} times and should be {times} times"
            ));
        }
    }
    match found.keys().find(|item| !expect.contains_key(*item)) {
        Some(item) => broken(format!("{what}: {item} is there and should not be")),
        None => Ok(()),
    }
}

/// Returns the polls at which runs are killed.
pub(super) fn polls(count: usize) -> impl Iterator<Item = usize> {
    (0..=count).step_by(count.div_ceil(KILLS).max(1))
}

/// Checks a source with known items in flows.
pub(super) fn source_in_flows<S>(
    make: impl Fn() -> S,
    items: &ByPartition<S::Item>,
) -> Result<(), BrokenPromise>
where
    S: FixedPartitionedSource,
    S::Item: Debug,
{
    let all = items.iter().flat_map(|(_, items)| items);
    let expect: Vec<String> = all.map(|item| format!("{item:?}")).collect();
    let read = |store: &Store, ledger: &Ledger, workers, poll| {
        let out = ledger.clone();
        run(store, workers, (poll, EPOCHS[0]), make(), |items| {
            let shown = items.map(|item| format!("{item:?}"));
            shown.output(out).named("ledger");
        })
    };
    // About as many polls as there are items, and one more a partition.
    let count = expect.len() + items.len();
    for (poll, workers) in polls(count).zip(WORKERS.into_iter().cycle()) {
        let (store, ledger) = (Store::new()?, Ledger::default());
        let what = what(poll, workers);
        ran(&what, read(&store, &ledger, workers.0, poll))?;
        ran(&what, read(&store, &ledger, workers.1, usize::MAX))?;
        check_all(
            &what,
            Delivery::ExactlyOnce,
            &expect,
            &ledger.with(|lines| lines.clone()),
        )?;
    }
    Ok(())
}

/// Checks that a sink keeps its [declaration](crate::delivery) in flows that are killed at each batch and
/// resume with other numbers of workers.
///
/// `make` returns a function that creates the sink, more than once, and a function that reads everything that
/// it wrote; each call uses a new and empty place. `items` are written one per batch. `expect` is the
/// expected content, in any order: each item once in a transactional or idempotent sink, and at least once in
/// a sink that appends. A run without a kill must write each item once, whatever is declared.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::TestingSink;
/// use bytewax_runtime::testing::connector;
///
/// // It appends: what belongs to no complete epoch is written again.
/// let make = || {
///     let list = TestingSink::new();
///     let read = list.clone();
///     (move || list.clone(), move || read.items())
/// };
/// let numbers = [1, 2, 3, 4, 5];
/// connector::check_sink_in_flows(make, &numbers, &numbers)?;
/// # Ok::<(), connector::BrokenPromise>(())
/// ```
///
/// # Errors
///
/// The first broken promise.
pub fn check_sink_in_flows<T, Kind, S, F, R, V>(
    make: impl Fn() -> (F, R),
    items: &[T],
    expect: &[V],
) -> Result<(), BrokenPromise>
where
    T: Exchange + Clone + Sync,
    S: Sink<T, Kind>,
    F: Fn() -> S,
    R: Fn() -> Vec<V>,
    V: Debug,
{
    let show = |values: &[V]| values.iter().map(|value| format!("{value:?}")).collect();
    let expect: Vec<String> = show(expect);
    let declared = <S::Promise as SinkPromise>::PROMISE;
    let promise = Delivery::of(Promise::Replayable, declared);
    let write = |store: &Store, sink: S, workers, at| {
        let source = TestingSource::new(items.to_vec());
        run(store, workers, at, source, |items| {
            items.redistribute().output(sink).named("out");
        })
    };
    for workers in [1, 3] {
        let (store, (sink, read)) = (Store::new()?, make());
        let what = format!("in a flow of {workers} workers");
        ran(
            &what,
            write(&store, sink(), workers, (usize::MAX, EPOCHS[0])),
        )?;
        check_all(&what, Delivery::ExactlyOnce, &expect, &show(&read()))?;
    }
    let kills = EPOCHS
        .iter()
        .flat_map(|epoch| polls(items.len()).map(|poll| (poll, *epoch)));
    for (at, workers) in kills.zip(WORKERS.into_iter().cycle()) {
        let (store, (sink, read)) = (Store::new()?, make());
        let what = what(at.0, workers);
        ran(&what, write(&store, sink(), workers.0, at))?;
        ran(&what, write(&store, sink(), workers.1, (usize::MAX, at.1)))?;
        check_all(&what, promise, &expect, &show(&read()))
            .map_err(|broken| broken.of_sink(declared))?;
    }
    Ok(())
}
