//! A flow that saves state of every kind, for the test that kills it: positions of sources, several types of state,
//! timers, and files that are written exactly once.
//!
//! Each key has items of one partition only. Its output lines are therefore always the same, in the same order. Try
//! `kill --out DIR -r STORE -s 0`, kill it, and start it again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::files::{DirSink, FileSink, FileSource};
use bytewax::operators::{AsyncConfig, Emit, Keep, StatefulLogic};
use bytewax::prelude::*;
use bytewax::source::{self, FixedPartitionedSource, StatefulSourcePartition};
use bytewax::windowing::{EventClock, TumblingWindower};
use bytewax::{ExitCode, RunArgs, StepError};
use serde::{Deserialize, Serialize};

#[derive(clap::Parser)]
struct Args {
    /// Directory of the output files
    #[arg(long)]
    out: PathBuf,
    /// Text file to read
    #[arg(long)]
    lines: PathBuf,
    /// Numbers that each partition emits
    #[arg(long, default_value_t = 1000)]
    numbers: u64,
    /// Numbers per poll
    #[arg(long, default_value_t = 20)]
    batch: u64,
    /// Milliseconds between two polls of a partition
    #[arg(long, default_value_t = 0)]
    pace_millis: u64,
    /// Length of an epoch in milliseconds; `-s` is in whole seconds
    #[arg(long)]
    epoch_millis: Option<u64>,
    #[command(flatten)]
    run: RunArgs,
}

/// A number, and the partition that emitted it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Event {
    partition: u64,
    number: u64,
}

struct Numbers {
    numbers: u64,
    batch: u64,
    pace: Duration,
}

struct Partition {
    partition: u64,
    next: u64,
    numbers: u64,
    batch: u64,
    pace: Duration,
    rested: bool,
}

const PARTITIONS: u64 = 3;

/// The time until a key of `timed` emits.
const WAIT: TimeDelta = TimeDelta::milliseconds(3);

/// The pause of a partition at its end, in which all timers fire.
const REST: Duration = Duration::from_millis(300);

impl FixedPartitionedSource for Numbers {
    type Item = Event;
    type Position = u64;
    type Partition = Partition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..PARTITIONS).map(|n| n.to_string()).collect())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Partition, StepError> {
        let next = resume.unwrap_or(0);
        println!("partition {partition} begins at {next}");
        Ok(Partition {
            partition: partition.parse()?,
            next,
            numbers: self.numbers,
            batch: self.batch,
            pace: self.pace,
            rested: false,
        })
    }
}

impl StatefulSourcePartition for Partition {
    type Item = Event;
    type Position = u64;

    fn next_batch(&mut self) -> Result<source::Poll<Event>, StepError> {
        if self.next == self.numbers {
            let rested = std::mem::replace(&mut self.rested, true);
            return Ok(if rested {
                source::Poll::end()
            } else {
                source::Poll::idle(REST)
            });
        }
        let first = self.next;
        self.next = self.numbers.min(first + self.batch);
        let events = (first..self.next).map(|number| Event {
            partition: self.partition,
            number,
        });
        Ok(source::Poll::batch(events.collect()).wait(self.pace))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

/// Collects numbers until none has arrived for a while.
#[stateful]
#[derive(Default)]
struct Timed {
    numbers: Vec<u64>,
    due: Option<DateTime<Utc>>,
}

impl StatefulLogic for Timed {
    type In = u64;
    type Out = String;

    fn on_item(&mut self, number: u64, out: &mut Emit<String>) -> Keep {
        self.numbers.push(number);
        self.due = Some(out.now() + WAIT);
        Keep::Yes
    }

    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        out.extend(self.numbers.drain(..).map(|number| number.to_string()));
        Keep::No
    }

    /// Reports numbers whose timer was lost: all timers have fired when the sources end.
    fn on_eof(&mut self, out: &mut Emit<String>) -> Keep {
        out.emit(format!("{:?} left over", self.numbers));
        Keep::No
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

/// Returns an event after some polls.
async fn ask(event: Event) -> Result<Event, Infallible> {
    let mut waits = event.number % 4;
    poll_fn(|context| {
        if waits == 0 {
            return Poll::Ready(());
        }
        waits -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(event)
}

/// The time of an event. An hour lies between two events, so none is late, however slow a run is.
fn hour(number: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(number as i64)
}

/// Lines of text: the key, then the value.
fn told<K: Key + std::fmt::Display, V: std::fmt::Display + 'static>(
    pairs: KeyedStream<K, V>,
) -> KeyedStream<K, String> {
    pairs.map(|(key, value)| {
        let text = format!("{key} {value}");
        (key, text)
    })
}

fn flow(args: &Args) -> Dataflow {
    let numbers = Numbers {
        numbers: args.numbers,
        batch: args.batch,
        pace: Duration::from_millis(args.pace_millis),
    };
    let lines = FileSource::new(&args.lines).batch_lines(10);
    let out = |name: &str| FileSink::new(args.out.join(name));
    let dir = DirSink::new(&args.out, 3).names(|index| format!("fives_{index}"));
    dataflow!("kill", |flow| {
        let events = flow.input(numbers);

        // State with text keys, which depends on the order of the numbers.
        let mixed = events
            .clone()
            .key_on(|event| format!("{}-{}", event.partition, event.number % 7))
            .stateful_map(|hash: &mut u64, event: Event| {
                *hash = hash.wrapping_mul(31).wrapping_add(event.number);
                *hash
            });
        let mixed_told = told(mixed.clone());
        mixed_told.output(out("mixed"));

        // Lists with numeric keys.
        let fives = events
            .clone()
            .map(|event| (event.partition * 100 + event.number % 11, event.number))
            .collect(5, Duration::from_secs(3600));
        let fives_told = told(fives.map_value(|numbers| format!("{numbers:?}")));
        fives_told.output(dir);

        // Keys that receive items for a while, and then wait for a timer.
        let timed = events
            .clone()
            .map(|event| {
                let key = format!("{}-{}", event.partition, event.number / 40);
                (key, event.number)
            })
            .stateful::<Timed>();
        let timed_told = told(timed);
        timed_told.output(out("timed"));

        // A join of two partitions.
        let side = |partition: u64| {
            move |event: Event| (event.partition == partition).then_some((event.number, partition))
        };
        let left = events.clone().filter_map(side(0));
        let right = events.clone().filter_map(side(1));
        let pairs = left.join(right);
        let pairs_told = told(pairs.map_value(|(left, right)| format!("{left}{right}")));
        pairs_told.output(out("pairs"));

        // Totals at the end, over all partitions, and after a step with state.
        let counts = events
            .clone()
            .redistribute()
            .key_on(|event| event.number % 13)
            .count_final();
        let counts_told = told(counts);
        counts_told.output(out("counts"));
        let greatest = mixed.max_final(|hash| *hash);
        let greatest_told = told(greatest);
        greatest_told.output(out("greatest"));

        // Asynchronous calls, then windows, which close when event time advances.
        let asked = events.map_async(AsyncConfig::new().in_flight(5), |event: &Event| {
            ask(event.clone())
        });
        asked.errs.fail();
        let answers = asked.oks.key_on(|event| event.partition);
        let windows = answers.count_window(
            EventClock::new(|event: &Event| hour(event.number), TimeDelta::zero()),
            TumblingWindower::new(TimeDelta::hours(10), hour(0)),
        );
        let windows_told = told(
            windows
                .down
                .map_value(|(id, count)| format!("{id} {count}")),
        );
        windows_told.output(out("windows"));
        let late_told = told(
            windows
                .late
                .map_value(|(id, event)| format!("{id} {event:?}")),
        );
        late_told.output(out("late"));

        // Every third line of each first letter.
        let read = flow.input(lines);
        let thirds = read.key_on(|line| line.chars().next()).stateful_flat_map(
            |earlier: &mut Option<Vec<String>>, line: String| {
                let mut lines = earlier.take().unwrap_or_default();
                lines.push(line);
                if lines.len() == 3 {
                    return Some(lines.join(","));
                }
                *earlier = Some(lines);
                None
            },
        );
        let thirds_told = thirds.map(|(first, lines)| {
            let text = format!("{} {lines}", first.unwrap_or('-'));
            (first, text)
        });
        thirds_told.output(out("thirds"));
    })
}

fn main() -> ExitCode {
    let mut args = <Args as clap::Parser>::parse();
    println!("process {}", std::process::id());
    let flow = flow(&args);
    if let Some(millis) = args.epoch_millis {
        args.run = args.run.epoch_interval(Duration::from_millis(millis));
    }
    args.run.execute(flow)
}
