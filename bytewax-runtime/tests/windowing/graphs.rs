//! Random graphs of steps, with two window steps in a row behind them: what they give depends on the items alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax_runtime::testing::{RunConfig, TestingSink, cluster_main};
use bytewax_runtime::windowing::{
    AsOf, Inner, Interval, Lateness, LeftOuter, StreamClock, Versions, Windowed,
};
use bytewax_runtime::{RecoveryConfig, StepError};
use chrono::TimeDelta;
use proptest::prelude::*;

use super::exact::Exact;
use super::streams::{Hit, at, at_end};
use super::support::{seconds, tumbling};
use crate::shared::sorted;

/// What may stand in a random graph: it loses nothing and adds nothing.
pub(super) type Passes = fn(KeyedStream<u64, Hit>, &str) -> KeyedStream<u64, Hit>;

pub(super) const PASSES: &[Passes] = &[
    |s, _| s.filter(|_| true),
    |s, name| s.stateful_map(|_: &mut u64, hit| hit).named(name),
    |s, name| {
        let other = s.key_rm().key_on(|hit| hit.1 as u64 % 3);
        other
            .scan(|| 0_u64, |_, hit| hit)
            .named(name)
            .map(|(_, hit)| (hit.0, hit))
    },
    |s, _| s.redistribute(),
    |s, name| {
        let even = s.clone().filter_value(|hit| hit.0 % 2 == 0);
        let odd = s
            .filter_value(|hit| hit.0 % 2 != 0)
            .scan(|| 0_u64, |_, hit| hit);
        even.merge(odd.named(name))
    },
    |s, name| s.sort_by_time(StreamClock::new(at)).named(name).down,
    |s, name| {
        let sums = s.expire_after(seconds(7.0), StreamClock::new(at));
        sums.scan(|| 0_u64, |_, hit| hit).named(name).down
    },
    // Each hit with the newest of its page, which may be itself.
    |s, name| {
        let clock = StreamClock::of_sides((at, at));
        let rows = s.clone().join_as_of(s, clock, AsOf::backward());
        rows.named(name).down.map_value(|(hit, newest)| {
            assert!(newest.is_some_and(|newest| newest.1 == hit.1));
            hit
        })
    },
    // The same with a table, whose versions are kept for longer than needed.
    |s, name| {
        let clock = StreamClock::of_sides((at, at));
        let versions = Versions::kept_for(seconds(3.0));
        let rows = s.clone().join_table(s, clock, versions, Inner, Some);
        rows.named(name).down.map_value(|(hit, newest)| {
            assert_eq!(newest.1, hit.1);
            hit
        })
    },
    // Each hit, when none that is near can come.
    |s, name| {
        let none = s.clone().filter(|_| false);
        let clock = StreamClock::of_sides((at, at));
        let near = Interval::within(seconds(4.0));
        let rows = s.join_interval(none, clock, near, LeftOuter);
        rows.named(name).down.map_value(|(hit, _)| hit)
    },
];

/// A partition: its items, and after how many of them it has nothing for a few polls.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) hits: Vec<Hit>,
    pauses: Vec<usize>,
}

impl Part {
    /// Without pauses.
    pub(super) fn of(hits: Vec<Hit>) -> Self {
        Self {
            hits,
            pauses: Vec::new(),
        }
    }
}

pub(super) fn part() -> impl Strategy<Value = Part> {
    let hits = prop::collection::vec((0..6_u64, 0..8_i64, -25..25_i64), 0..60);
    let pauses = prop::collection::vec(0..60_usize, 0..4);
    (hits, pauses).prop_map(|(hits, pauses)| {
        let mut now = 0;
        let hit = |(page, step, off): (u64, i64, i64)| {
            now += step;
            (page, (now + off).max(0) * 1_000_000)
        };
        Part {
            hits: hits.into_iter().map(hit).collect(),
            pauses,
        }
    })
}

/// The partitions. The first stops the run once at each of some places, in their order.
pub(super) struct Dealt {
    pub(super) parts: Vec<Part>,
    pub(super) batch: usize,
    pub(super) stops: Vec<usize>,
    pub(super) stopped: Arc<AtomicUsize>,
}

impl Dealt {
    pub(super) fn new(parts: &[Part], batch: usize, stops: &[usize]) -> Self {
        Self {
            parts: parts.to_vec(),
            batch,
            stops: stops.to_vec(),
            stopped: Arc::default(),
        }
    }
}

/// Places of stops in the first partition.
pub(super) fn stops() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..60_usize, 1..4).prop_map(sorted)
}

/// Runs a flow that stops so often, with another number of workers each time.
pub(super) fn run_all(flow: &Dataflow, stops: usize, workers: &[usize]) {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..=stops {
        let mut config = RunConfig::new().workers(workers[run % workers.len()]);
        if stops > 0 {
            let recovery = RecoveryConfig::new(dir.path());
            config = config.recovery(recovery).epoch_interval(Duration::ZERO);
        }
        if let Err(error) = cluster_main(flow.clone(), config) {
            panic!("{}", error.report());
        }
    }
}

pub(super) struct DealtPart {
    part: Part,
    batch: usize,
    given: usize,
    silent: usize,
    stops: Vec<usize>,
    stopped: Arc<AtomicUsize>,
}

impl DealtPart {
    /// Whether the run stops here. If there are fewer items, it stops at their end.
    fn stops(&self) -> bool {
        let stopped = self.stopped.load(Ordering::SeqCst);
        let stop = self.stops.get(stopped);
        let stops = stop.is_some_and(|stop| self.given >= (*stop).min(self.part.hits.len()));
        if stops {
            self.stopped.store(stopped + 1, Ordering::SeqCst);
        }
        stops
    }
}

impl FixedPartitionedSource for Dealt {
    type Item = (u64, Hit);
    type Position = usize;
    type Partition = DealtPart;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..self.parts.len()).map(|part| part.to_string()).collect())
    }

    fn open(&self, name: &str, position: Option<usize>) -> Result<DealtPart, StepError> {
        let number: usize = name.parse()?;
        Ok(DealtPart {
            part: self.parts[number].clone(),
            batch: self.batch,
            given: position.unwrap_or_default(),
            silent: 0,
            stops: match number {
                0 => self.stops.clone(),
                _ => Vec::new(),
            },
            stopped: Arc::clone(&self.stopped),
        })
    }
}

impl StatefulSourcePartition for DealtPart {
    type Item = (u64, Hit);
    type Position = usize;

    fn next_batch(&mut self) -> Result<Poll<(u64, Hit)>, StepError> {
        if self.stops() {
            return Ok(Poll::abort());
        }
        let Part { hits, pauses } = &self.part;
        if self.given == hits.len() {
            return Ok(Poll::end());
        }
        if self.silent < 3 && pauses.contains(&self.given) {
            self.silent += 1;
            return Ok(Poll::idle(Duration::ZERO));
        }
        self.silent = 0;
        let next = pauses.iter().filter(|pause| **pause > self.given).min();
        let next = next.copied().unwrap_or(usize::MAX);
        let next = next.min(self.given + self.batch).min(hits.len());
        let some = &hits[self.given..next];
        self.given = next;
        Ok(Poll::batch(some.iter().map(|hit| (hit.0, *hit)).collect()))
    }

    fn snapshot(&self) -> usize {
        self.given
    }
}

/// Sums of the second windows by page group and window, and what is late, in order.
type Outcome = (Vec<(u64, i64, u64)>, Vec<Hit>);

/// What comes of it: each partition by itself says what is late; the rest are counted per page and ten seconds, and
/// these counts added up per two pages and thirty seconds.
fn model(parts: &[Part], wait: i64) -> Outcome {
    let (mut sums, mut late) = (BTreeMap::new(), Vec::new());
    for part in parts {
        let mut newest = i64::MIN;
        for hit in &part.hits {
            newest = newest.max(hit.1);
            if hit.1 < newest - wait {
                late.push(*hit);
            } else {
                *sums.entry((hit.0 / 2, hit.1 / 30_000_000)).or_insert(0) += 1;
            }
        }
    }
    let sums = sums
        .into_iter()
        .map(|((pages, window), sum)| (pages, window, sum));
    (sums.collect(), sorted(late))
}

/// With one run, and another behind each stop.
fn outcome(
    parts: &[Part],
    wait: i64,
    graph: &[usize],
    workers: &[usize],
    (batch, stops): (usize, &[usize]),
) -> Outcome {
    let (down, late, windows_late) = (Exact::new(), Exact::new(), TestingSink::new());
    let flow = Dataflow::build("f", |flow| {
        let source = Dealt::new(parts, batch, stops);
        let hits = flow.input(source).named("in");
        let lateness = Lateness::bounded(TimeDelta::microseconds(wait));
        let timed = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
        timed
            .late
            .map(|(_, hit)| hit)
            .output(late.clone())
            .named("late");
        let mut hits = timed.down;
        for (place, step) in graph.iter().enumerate() {
            hits = PASSES[*step](hits, &format!("step{place}"));
        }
        let first = hits
            .count_window(StreamClock::new(at), tumbling(10.0).with_times())
            .named("first");
        let none = first.late.map(|(_, (_, hit))| hit);
        none.output(windows_late.clone()).named("first_late");
        let counts = first.down.map(|(page, (_, count))| (page / 2, count));
        let second = counts.fold_window(
            StreamClock::new(at_end),
            tumbling(30.0),
            || 0,
            |sum: &mut u64, count: Windowed<u64>| *sum += count.value,
            |sum, other| *sum += other,
        );
        let second = second.named("second");
        let none = second.late.map(|(_, (_, count))| (count.value, 0));
        none.output(windows_late.clone()).named("second_late");
        second
            .down
            .map(|(pages, (id, sum))| (pages, id.0, sum))
            .output(down.clone())
            .named("out");
    });
    run_all(&flow, stops.len(), workers);
    assert_eq!(
        windows_late.take(),
        [],
        "nothing is late behind the declaration"
    );
    (down.sorted(), late.sorted())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_and_late_values_depend_on_the_items_alone(
        parts in prop::collection::vec(part(), 3),
        wait in 0..20_000_000_i64,
        graph in prop::collection::vec(0..PASSES.len(), 0..4),
        batch in 1..20_usize,
    ) {
        let expect = model(&parts, wait);
        for workers in [1, 2, 4] {
            let got = outcome(&parts, wait, &graph, &[workers], (batch, &[]));
            prop_assert_eq!(&got, &expect, "{} workers", workers);
        }
    }

    #[test]
    fn stops_change_nothing(
        parts in prop::collection::vec(part(), 3),
        wait in 0..20_000_000_i64,
        graph in prop::collection::vec(0..PASSES.len(), 0..4),
        (batch, stops) in (1..20_usize, stops()),
        workers in [1..5_usize, 1..5_usize, 1..5_usize],
    ) {
        let got = outcome(&parts, wait, &graph, &workers, (batch, &stops));
        prop_assert_eq!(got, model(&parts, wait));
    }
}
