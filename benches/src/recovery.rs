//! A flow whose state is saved: a count and a sum for each of many keys, from a source that can be
//! resumed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::{Dataflow, RecoveryConfig, RunError, StepError, StepId, WorkerIndex, stateful};

use crate::keyed::{KeyText, key_text};
use crate::mix::splitmix;

const BATCH: u64 = 4096;

/// What the flow reads, and when it stops.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The number of keys; each of the first events has another key.
    pub keys: u64,
    /// The number of events.
    pub events: u64,
    /// Whether the run stops after the last event as a crash would, or ends.
    pub abort: bool,
}

/// What was seen of a run.
#[derive(Debug, Default)]
pub struct Seen {
    /// From the start of the run to the first output, in microseconds.
    first_output: AtomicU64,
    /// The longest time between two outputs, in microseconds.
    longest_pause: AtomicU64,
    outputs: AtomicU64,
}

impl Seen {
    /// The time from the start of the run to the first output.
    pub fn first_output(&self) -> Duration {
        Duration::from_micros(self.first_output.load(Ordering::Relaxed))
    }

    /// The longest time between two outputs.
    pub fn longest_pause(&self) -> Duration {
        Duration::from_micros(self.longest_pause.load(Ordering::Relaxed))
    }

    /// How many outputs there were.
    pub fn outputs(&self) -> u64 {
        self.outputs.load(Ordering::Relaxed)
    }
}

#[stateful]
#[derive(Default)]
struct Stats {
    count: u64,
    sum: u64,
}

/// Runs the flow with one worker, with a recovery store if there is a directory for one.
pub fn run(dir: Option<&Path>, input: Input, interval: Duration) -> Result<Arc<Seen>, RunError> {
    let seen = Arc::new(Seen::default());
    let watch = Watch {
        start: Instant::now(),
        seen: Arc::clone(&seen),
    };
    let flow = Dataflow::build("recovery", |flow| {
        let events = flow.input(Events(input)).named("events");
        let stats = events.stateful_map(|stats: &mut Stats, value: u64| {
            stats.count += 1;
            stats.sum += value;
            stats.sum / stats.count
        });
        stats.named("stats").output(watch).named("watch");
    });
    let mut config = RunConfig::new().epoch_interval(interval);
    if let Some(dir) = dir {
        config = config.recovery(RecoveryConfig::new(dir));
    }
    cluster_main(flow, config)?;
    Ok(seen)
}

struct Events(Input);

struct Reader {
    input: Input,
    next: u64,
}

impl FixedPartitionedSource for Events {
    type Item = (String, u64);
    type Position = u64;
    type Partition = Reader;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["all".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Reader, StepError> {
        Ok(Reader {
            input: self.0,
            next: resume.unwrap_or(0),
        })
    }
}

impl StatefulSourcePartition for Reader {
    type Item = (String, u64);
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(String, u64)>, StepError> {
        let end = self.input.events.min(self.next + BATCH);
        if self.next >= end {
            return Ok(if self.input.abort {
                Poll::abort()
            } else {
                Poll::end()
            });
        }
        let keys = self.input.keys;
        let event = |i: u64| {
            let key = if i < keys { i } else { splitmix(i) % keys };
            (key_text(key as u32, &mut KeyText::default()).to_owned(), i)
        };
        let items = (self.next..end).map(event).collect();
        self.next = end;
        Ok(Poll::batch(items))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

struct Watch {
    start: Instant,
    seen: Arc<Seen>,
}

struct Watcher {
    start: Instant,
    last: Option<Instant>,
    seen: Arc<Seen>,
}

impl DynamicSink<(String, u64)> for Watch {
    type Partition = Watcher;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Watcher, StepError> {
        Ok(Watcher {
            start: self.start,
            last: None,
            seen: Arc::clone(&self.seen),
        })
    }
}

impl StatelessSinkPartition<(String, u64)> for Watcher {
    fn write_batch(&mut self, items: Vec<(String, u64)>) -> Result<(), StepError> {
        let now = Instant::now();
        let micros = |time: Duration| time.as_micros() as u64;
        match self.last {
            None => self
                .seen
                .first_output
                .store(micros(now - self.start), Ordering::Relaxed),
            Some(last) => {
                let pause = micros(now - last);
                self.seen.longest_pause.fetch_max(pause, Ordering::Relaxed);
            }
        }
        self.last = Some(now);
        self.seen
            .outputs
            .fetch_add(items.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The bytes of all files in a directory.
pub fn size_of(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}
