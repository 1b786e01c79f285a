//! No freeze: with several workers, the first results come after as many items as with one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytewax_runtime::StepError;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{Lateness, StreamClock, Windowed};
use chrono::TimeDelta;
use proptest::prelude::*;

use super::graphs::{PASSES, Part, part};
use super::streams::{Hit, at, at_end};
use super::support::tumbling;

const PARTS: usize = 3;

/// How long a run may take that has all the items it needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of a run.
#[derive(Debug, Default)]
struct Progress {
    /// How many items each partition has given.
    given: [AtomicUsize; PARTS],
    has_result: AtomicBool,
}

/// Partitions that give no more items than they are allowed to, until there is a result: then the run stops.
#[derive(Clone)]
struct Limited {
    parts: Vec<Part>,
    batch: usize,
    limits: [usize; PARTS],
    progress: Arc<Progress>,
}

struct LimitedPart {
    hits: Vec<Hit>,
    batch: usize,
    limit: usize,
    number: usize,
    began: Instant,
    progress: Arc<Progress>,
}

impl FixedPartitionedSource for Limited {
    type Item = (u64, Hit);
    type Position = ();
    type Partition = LimitedPart;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..PARTS).map(|part| part.to_string()).collect())
    }

    fn open(&self, name: &str, _: Option<()>) -> Result<LimitedPart, StepError> {
        let number: usize = name.parse()?;
        Ok(LimitedPart {
            hits: self.parts[number].hits.clone(),
            batch: self.batch,
            limit: self.limits[number],
            number,
            began: Instant::now(),
            progress: Arc::clone(&self.progress),
        })
    }
}

impl StatefulSourcePartition for LimitedPart {
    type Item = (u64, Hit);
    type Position = ();

    fn next_batch(&mut self) -> Result<Poll<(u64, Hit)>, StepError> {
        if self.progress.has_result.load(Ordering::SeqCst) {
            return Ok(Poll::abort());
        }
        let given = self.progress.given[self.number].load(Ordering::SeqCst);
        if self.limit == usize::MAX && given == self.hits.len() {
            return Ok(Poll::end());
        }
        // A partition that may go on does not end, so that no end of input hides that the others wait.
        if given >= self.limit.min(self.hits.len()) {
            if self.began.elapsed() > PATIENCE {
                return Err(StepError::msg("no result has come of these items"));
            }
            return Ok(Poll::idle(Duration::from_millis(1)));
        }
        let next = self.hits.len().min(given + self.batch);
        self.progress.given[self.number].store(next, Ordering::SeqCst);
        let some = self.hits[given..next].iter();
        Ok(Poll::batch(some.map(|hit| (hit.0, *hit)).collect()))
    }

    fn snapshot(&self) {}
}

/// Runs two window steps in a row behind other steps, until there is a result. Returns how many items each partition
/// has given by then, if there is one before the end of the input.
fn first_result(
    source: &Limited,
    wait: i64,
    graph: &[usize],
    workers: usize,
) -> Option<[usize; PARTS]> {
    let progress = Arc::clone(&source.progress);
    let by_then = Arc::new([const { AtomicUsize::new(usize::MAX) }; PARTS]);
    let flow = {
        let by_then = Arc::clone(&by_then);
        Dataflow::build("f", |flow| {
            let hits = flow.input(source.clone()).named("in");
            let lateness = Lateness::bounded(TimeDelta::microseconds(wait));
            let timed = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
            let mut hits = timed.down;
            for (place, step) in graph.iter().enumerate() {
                hits = PASSES[*step](hits, &format!("step{place}"));
            }
            let windows = tumbling(10.0).with_times();
            let first = hits.count_window(StreamClock::new(at), windows);
            let counts = first.named("first").down;
            let counts = counts.map(|(page, (_, count))| (page / 2, count));
            let second = counts.fold_window(
                StreamClock::new(at_end),
                tumbling(30.0),
                || 0,
                |sum: &mut u64, count: Windowed<u64>| *sum += count.value,
                |sum, other| *sum += other,
            );
            let results = second.named("second").down.inspect(move |_| {
                if !progress.has_result.swap(true, Ordering::SeqCst) {
                    for (then, given) in by_then.iter().zip(&progress.given) {
                        then.store(given.load(Ordering::SeqCst), Ordering::SeqCst);
                    }
                }
            });
            results.output(TestingSink::new()).named("out");
        })
    };
    if let Err(error) = cluster_main(flow, RunConfig::new().workers(workers)) {
        panic!("{}", error.report());
    }
    let by_then = [0, 1, 2].map(|part| by_then[part].load(Ordering::SeqCst));
    (by_then[0] != usize::MAX).then_some(by_then)
}

/// The hits of a partition, again and again: enough for a result.
fn long(part: &Part) -> Part {
    let mut hits = vec![(0, 0)];
    while hits.len() < 60 {
        let last = hits.iter().map(|hit: &Hit| hit.1).max().unwrap_or_default();
        hits.extend(part.hits.iter().map(|hit| (hit.0, last + hit.1)));
        hits.push((1, last + 5_000_000));
    }
    Part::of(hits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn first_results_need_as_many_items_as_with_one_worker(
        parts in prop::collection::vec(part(), PARTS),
        wait in 0..10_000_000_i64,
        graph in prop::collection::vec(0..PASSES.len(), 0..4),
        batch in 1..6_usize,
    ) {
        let parts: Vec<Part> = parts.iter().map(long).collect();
        let source = |limits| Limited {
            parts: parts.clone(),
            batch,
            limits,
            progress: Arc::default(),
        };
        let alone = first_result(&source([usize::MAX; PARTS]), wait, &graph, 1);
        // That of the end of input comes with it.
        let has_ended = |given: &[usize; PARTS]| {
            given.iter().zip(&parts).any(|(given, part)| *given == part.hits.len())
        };
        let alone = alone.filter(|given| !has_ended(given));
        for workers in [2, 4] {
            if let Some(given) = alone {
                let more = given.map(|given| given + batch);
                let found = first_result(&source(more), wait, &graph, workers);
                prop_assert!(found.is_some(), "{} workers", workers);
            }
        }
    }
}
