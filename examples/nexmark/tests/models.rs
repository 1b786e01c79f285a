//! Each query prints what its model does: with several workers, and over a stop and a resume.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytewax::RecoveryConfig;
use bytewax::StepError;
use bytewax::chrono::DateTime;
use bytewax::clock::WorkerClock;
use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{RunConfig, TestingSink};
use bytewax_nexmark::models::{self, Model};
use bytewax_nexmark::{Event, Events, Part, Query, files, flow, queries};

/// A query, its model, and the events on which they are compared.
type Case = (&'static str, Query, Model, Events);

const CASES: [Case; 24] = [
    ("q0", queries::q0, models::q0, MINUTE),
    ("q1", queries::q1, models::q1, MINUTE),
    ("q2", queries::q2, models::q2, MINUTE),
    ("q3", queries::q3, models::q3, MINUTE),
    ("q4", queries::q4, models::q4, MINUTE),
    ("q5", queries::q5, models::q5, MINUTE),
    ("q6", queries::q6, models::q6, MINUTE),
    ("q6", queries::q6, models::q6, CROWDED),
    ("q7", queries::q7, models::q7, MINUTE),
    ("q8", queries::q8, models::q8, MINUTE),
    ("q9", queries::q9, models::q9, MINUTE),
    ("q10", queries::q10, models::q10, DAYS),
    ("q11", queries::q11, models::q11, MINUTE),
    ("q12", queries::q12, models::q12, MINUTE),
    ("q13", queries::q13, models::q13, MINUTE),
    ("q14", queries::q14, models::q14, DAYS),
    ("q15", queries::q15, models::q15, DAYS),
    ("q16", queries::q16, models::q16, DAYS),
    ("q17", queries::q17, models::q17, DAYS),
    ("q18", queries::q18, models::q18, MINUTE),
    ("q19", queries::q19, models::q19, MINUTE),
    ("q20", queries::q20, models::q20, MINUTE),
    ("q21", queries::q21, models::q21, MINUTE),
    ("q22", queries::q22, models::q22, MINUTE),
];

/// Events of less than a minute.
const MINUTE: Events = Events {
    events: 24_000,
    partitions: 3,
    rate: 500,
};

/// Events from noon to the morning of the next day.
const DAYS: Events = Events {
    events: 60_000,
    rate: 1,
    ..MINUTE
};

/// Events of which a hundred have the same time.
const CROWDED: Events = Events {
    rate: 100_000,
    ..MINUTE
};

fn expected(model: Model, events: Events) -> Vec<String> {
    let mut lines = model(events);
    lines.sort();
    assert!(!lines.is_empty());
    lines
}

/// Queries in the system's time have a clock that stands still, so that an epoch is as short as can be.
fn config(name: &str, workers: usize) -> RunConfig {
    let config = RunConfig::new().workers(workers);
    if name != "q12" {
        return config.epoch_interval(Duration::from_millis(1));
    }
    let now = DateTime::from_timestamp(models::ARRIVAL, 0).unwrap();
    let config = config.clock(WorkerClock::by_hand(now).0);
    config.epoch_interval(Duration::ZERO)
}

#[test]
fn queries_print_what_models_do() {
    for (name, query, model, events) in CASES {
        let expected = expected(model, events);
        for workers in [1, 2, 4] {
            let out = TestingSink::new();
            let flow = flow(query, events, events.disorder(), out.clone());
            config(name, workers).run(flow).unwrap();
            assert!(out.sorted() == expected, "{name} with {workers} workers");
        }
    }
}

/// The events, which stop once when half of those of a partition are read.
#[derive(Clone)]
struct Stopping {
    events: Events,
    has_stopped: Arc<AtomicBool>,
}

impl Stopping {
    fn new(events: Events) -> Self {
        let has_stopped = Arc::default();
        Self {
            events,
            has_stopped,
        }
    }
}

struct StoppingPart {
    part: Part,
    half: u64,
    has_stopped: Arc<AtomicBool>,
}

impl FixedPartitionedSource for Stopping {
    type Item = Event;
    type Position = u64;
    type Partition = StoppingPart;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        self.events.partitions()
    }

    fn open(&self, partition: &str, position: Option<u64>) -> Result<StoppingPart, StepError> {
        Ok(StoppingPart {
            part: self.events.open(partition, position)?,
            half: self.events.events / 2,
            has_stopped: Arc::clone(&self.has_stopped),
        })
    }
}

impl StatefulSourcePartition for StoppingPart {
    type Item = Event;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<Event>, StepError> {
        if self.snapshot() >= self.half && !self.has_stopped.swap(true, Ordering::SeqCst) {
            return Ok(Poll::abort());
        }
        self.part.next_batch()
    }

    fn snapshot(&self) -> u64 {
        self.part.snapshot()
    }
}

#[test]
fn queries_go_on_after_a_stop() {
    for (name, query, model, events) in CASES {
        let mut expected = expected(model, events);
        expected.dedup();
        let out = TestingSink::new();
        let stopping = Stopping::new(events);
        let flow = flow(query, stopping.clone(), events.disorder(), out.clone());
        let dir = tempfile::tempdir().unwrap();
        for workers in [2, 4] {
            let recovery = RecoveryConfig::new(dir.path());
            let config = config(name, workers).recovery(recovery);
            config.run(flow.clone()).unwrap();
            assert!(stopping.has_stopped.load(Ordering::SeqCst));
        }
        // What was emitted in the epoch of the stop is emitted again.
        let mut lines = out.sorted();
        lines.dedup();
        assert!(lines == expected, "{name}");
    }
}

fn lines_of(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let minute = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            assert_eq!(line[14..16], minute);
            lines.push(line.to_owned());
        }
    }
    lines.sort();
    lines
}

#[test]
fn files_have_each_line_once() {
    let expected = expected(models::q10, DAYS);
    for workers in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let flow = files(DAYS, DAYS.disorder(), dir.path().to_owned());
        config("q10", workers).run(flow).unwrap();
        assert!(lines_of(dir.path()) == expected, "{workers} workers");
    }
    let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let flow = files(Stopping::new(DAYS), DAYS.disorder(), dir.path().to_owned());
    for workers in [2, 4] {
        let config = config("q10", workers).recovery(RecoveryConfig::new(store.path()));
        config.run(flow.clone()).unwrap();
    }
    assert!(lines_of(dir.path()) == expected);
}
