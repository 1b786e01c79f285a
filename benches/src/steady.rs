//! A steady flow: events come at a given rate, over many keys, through three steps that keep state: a mean for
//! each key, and two folds in windows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::windowing::{EventClock, Micros, TumblingWindower};
use bytewax::{Dataflow, RecoveryConfig, RunError, StepError, StepId, WorkerIndex, stateful};

use crate::keyed::{KeyText, key_text};
use crate::mix::splitmix;

/// How long the source waits when it is ahead of time.
const PAUSE: Duration = Duration::from_millis(5);

/// What the flow reads.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The number of keys; events have them in no order.
    pub keys: u64,
    /// Events a second.
    pub rate: u64,
    /// How long events come.
    pub time: Duration,
}

/// The time of an event in microseconds, and its value.
type Timed = (i64, u64);

#[stateful]
#[derive(Default)]
struct Mean {
    count: u64,
    sum: u64,
}

/// Runs the flow with one worker, with a recovery store if there is a directory for one. Gives the number of
/// outputs.
pub fn run(dir: Option<&Path>, pace: Pace, interval: Duration) -> Result<u64, RunError> {
    let outputs = Count::default();
    let flow = Dataflow::build("steady", |flow| {
        let events = flow.input(Events(pace)).named("events");
        let clock = || EventClock::new(|event: &Timed| Micros(event.0), TimeDelta::seconds(1));
        let tumbling =
            |seconds| TumblingWindower::new(TimeDelta::seconds(seconds), DateTime::UNIX_EPOCH);
        let means = events
            .clone()
            .stateful_map(|mean: &mut Mean, event: Timed| {
                mean.count += 1;
                mean.sum += event.1;
                mean.sum / mean.count
            });
        means
            .named("means")
            .output(outputs.clone())
            .named("means_out");
        let counts = events.clone().count_window(clock(), tumbling(10));
        let counts = counts.named("counts").down;
        counts.output(outputs.clone()).named("counts_out");
        let most =
            events.reduce_window(clock(), tumbling(60), |a, b| if b.1 > a.1 { b } else { a });
        let most = most.named("most").down;
        most.output(outputs.clone()).named("most_out");
    });
    let mut config = RunConfig::new().epoch_interval(interval);
    if let Some(dir) = dir {
        config = config.recovery(RecoveryConfig::new(dir));
    }
    cluster_main(flow, config)?;
    Ok(outputs.seen())
}

struct Events(Pace);

struct Reader {
    pace: Pace,
    start: Instant,
    /// The time of the first event, in microseconds.
    base: i64,
    next: u64,
}

impl FixedPartitionedSource for Events {
    type Item = (String, Timed);
    type Position = u64;
    type Partition = Reader;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["all".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Reader, StepError> {
        Ok(Reader {
            pace: self.0,
            start: Instant::now(),
            base: Utc::now().timestamp_micros(),
            next: resume.unwrap_or(0),
        })
    }
}

impl StatefulSourcePartition for Reader {
    type Item = (String, Timed);
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(String, Timed)>, StepError> {
        let Pace { keys, rate, time } = self.pace;
        let elapsed = self.start.elapsed().min(time);
        let due = (elapsed.as_secs_f64() * rate as f64) as u64;
        if self.next >= due {
            return Ok(if elapsed == time {
                Poll::end()
            } else {
                Poll::idle(PAUSE)
            });
        }
        let event = |i: u64| {
            let key = splitmix(i) % keys;
            let key = key_text(key as u32, &mut KeyText::default()).to_owned();
            (key, (self.base + (i * 1_000_000 / rate) as i64, i))
        };
        let items = (self.next..due).map(event).collect();
        self.next = due;
        Ok(Poll::batch(items).wait(PAUSE))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

/// Counts what comes out.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// How many items came out.
    pub fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T: 'static> DynamicSink<T> for Count {
    type Partition = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self(Arc::clone(&self.0)))
    }
}

impl<T> StatelessSinkPartition<T> for Count {
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        self.0.fetch_add(items.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
