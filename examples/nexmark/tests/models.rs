//! Each query prints what its model does: with several workers, and over a stop and a resume.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytewax::RecoveryConfig;
use bytewax::StepError;
use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{RunConfig, TestingSink};
use bytewax_nexmark::models::{self, Model};
use bytewax_nexmark::{Event, Events, Part, Query, flow, queries};

const QUERIES: [(&str, Query, Model); 8] = [
    ("q0", queries::q0, models::q0),
    ("q1", queries::q1, models::q1),
    ("q2", queries::q2, models::q2),
    ("q3", queries::q3, models::q3),
    ("q4", queries::q4, models::q4),
    ("q5", queries::q5, models::q5),
    ("q7", queries::q7, models::q7),
    ("q8", queries::q8, models::q8),
];

const EVENTS: Events = Events {
    events: 60_000,
    partitions: 3,
};

fn expected(model: Model) -> Vec<String> {
    let mut lines = model(EVENTS);
    lines.sort();
    assert!(!lines.is_empty());
    lines
}

#[test]
fn queries_print_what_models_do() {
    for (name, query, model) in QUERIES {
        let expected = expected(model);
        for workers in [1, 2, 4] {
            let out = TestingSink::new();
            let config = RunConfig::new().workers(workers);
            config.run(flow(query, EVENTS, out.clone())).unwrap();
            assert!(out.sorted() == expected, "{name} with {workers} workers");
        }
    }
}

/// The events, which stop once when half of those of a partition are read.
#[derive(Clone)]
struct Stopping(Arc<AtomicBool>);

struct StoppingPart {
    part: Part,
    batches: usize,
    has_stopped: Arc<AtomicBool>,
}

impl FixedPartitionedSource for Stopping {
    type Item = Event;
    type Position = u64;
    type Partition = StoppingPart;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        EVENTS.partitions()
    }

    fn open(&self, partition: &str, position: Option<u64>) -> Result<StoppingPart, StepError> {
        Ok(StoppingPart {
            part: EVENTS.open(partition, position)?,
            batches: 0,
            has_stopped: Arc::clone(&self.0),
        })
    }
}

impl StatefulSourcePartition for StoppingPart {
    type Item = Event;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<Event>, StepError> {
        self.batches += 1;
        if self.batches > 20 && !self.has_stopped.swap(true, Ordering::SeqCst) {
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
    for (name, query, model) in QUERIES {
        let mut expected = expected(model);
        expected.dedup();
        let out = TestingSink::new();
        let flow = flow(query, Stopping(Arc::default()), out.clone());
        let dir = tempfile::tempdir().unwrap();
        for workers in [2, 4] {
            let recovery = RecoveryConfig::new(dir.path());
            let config = RunConfig::new().workers(workers).recovery(recovery);
            let config = config.epoch_interval(Duration::from_millis(1));
            config.run(flow.clone()).unwrap();
        }
        // What was emitted in the epoch of the stop is emitted again.
        let mut lines = out.sorted();
        lines.dedup();
        assert!(lines == expected, "{name}");
    }
}
