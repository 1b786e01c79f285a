//! Flows whose numbers are known, for the tests of the live page.
//!
//! Try `staged counted --web 8088`, `staged stalled --web 8088 -w 2` and `staged wide --web 8088`.

use std::thread;
use std::time::{Duration, Instant};

use bytewax::prelude::*;
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{FixedPartitionedSource, Lag, Poll, StatefulSourcePartition};
use bytewax::windowing::{Lateness, Micros};
use bytewax::{ExitCode, RunArgs, StepError, StepId, WorkerIndex};
use chrono::{TimeDelta, Utc};

#[derive(clap::Parser)]
struct Args {
    #[arg(value_enum)]
    kind: Kind,
    /// How many numbers each of the two partitions gives; then it waits, and does not end
    #[arg(long, default_value_t = u64::MAX)]
    items: u64,
    /// How many each gives a second
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Numbers that are checked, timed and summed by key
    Counted,
    /// The same with a step that is too slow
    Stalled,
    /// 200 steps in ten lines
    Wide,
    /// Numbers of which each key must have every 64th of a partition: the run fails if one is lost or repeated
    Checked,
    /// Keys of which each has half as many numbers as the one before
    Skewed,
}

/// Numbers from 0, at a steady pace.
#[derive(Clone, Copy)]
struct Numbers {
    items: u64,
    rate: u64,
    /// Whether those of the second partition have a tag.
    is_tagged: bool,
}

const TAG: u64 = 1 << 63;

struct Part {
    is_second: bool,
    next: u64,
    first: u64,
    of: Numbers,
    began: Instant,
}

impl FixedPartitionedSource for Numbers {
    type Item = u64;
    type Position = u64;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["north".to_owned(), "south".to_owned()])
    }

    fn open(&self, name: &str, next: Option<u64>) -> Result<Part, StepError> {
        let next = next.unwrap_or(0);
        Ok(Part {
            is_second: name == "south",
            next,
            first: next,
            of: *self,
            began: Instant::now(),
        })
    }
}

impl Part {
    /// How many are due by now.
    fn due(&self) -> u64 {
        let due = self.began.elapsed().as_millis() * u128::from(self.of.rate) / 1000;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        self.of.items.min(self.first.saturating_add(due))
    }
}

impl StatefulSourcePartition for Part {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        let due = self.due().min(self.next + 1000);
        if due <= self.next {
            return Ok(Poll::idle(Duration::from_millis(20)));
        }
        let tag = if self.of.is_tagged && self.is_second {
            TAG
        } else {
            0
        };
        let items = (self.next..due).map(|number| number | tag).collect();
        self.next = due;
        Ok(Poll::batch(items))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }

    fn lag(&self) -> Option<Lag> {
        Some(Lag::Items(self.due().saturating_sub(self.next)))
    }
}

/// A sink that keeps nothing.
struct Nowhere;

impl<T: 'static> DynamicSink<T> for Nowhere {
    type Partition = Nowhere;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Nowhere, StepError> {
        Ok(Nowhere)
    }
}

impl<T: 'static> StatelessSinkPartition<T> for Nowhere {
    fn write_batch(&mut self, _: Vec<T>) -> Result<(), StepError> {
        Ok(())
    }
}

/// The event time of a number: when it is due.
fn time_of(rate: u64) -> impl Fn(&u64) -> Micros + Clone {
    let start = Utc::now().timestamp_micros();
    move |number| Micros(start + (number * 1_000_000 / rate) as i64)
}

fn counted(numbers: Numbers, is_slow: bool) -> Dataflow {
    let at = time_of(numbers.rate);
    // All work of the slow step is that of one worker, for which the others wait.
    let keys = if is_slow { 1 } else { 7 };
    Dataflow::build("counted", |flow| {
        let numbers = flow.input(numbers).named("numbers");
        let parsed = numbers
            .try_map(|n| match n % 100 {
                99 => Err(format!("{n} is the last of a hundred")),
                _ => Ok(*n),
            })
            .named("parsed");
        parsed.errs.skip_counted().named("skipped");
        let lateness = Lateness::bounded(TimeDelta::seconds(2)).any_future();
        let timed = parsed.oks.event_time(at, lateness).named("timed");
        let even = timed.down.filter(|n| n % 2 == 0).named("even");
        let by_rest = even
            .key_on(move |n| format!("rest {}", n % keys))
            .named("by_rest");
        let sums = by_rest
            .stateful_map(|sum: &mut u64, n| {
                *sum += n;
                *sum
            })
            .named("sums");
        let sums = sums.shown();
        let shaped = sums
            .map(move |(rest, sum)| {
                if is_slow {
                    thread::sleep(Duration::from_millis(2));
                }
                format!("{rest}: {sum}")
            })
            .named("shaped");
        shaped.output(Nowhere).named("out");
    })
}

fn wide(numbers: Numbers) -> Dataflow {
    Dataflow::build("wide", |flow| {
        for line in 0..10 {
            let mut stream = flow.input(numbers).named(&format!("in_{line}"));
            for step in 0..14 {
                let name = format!("line_{line}_step_{step}");
                stream = match step % 6 {
                    5 => stream
                        .key_on(|n| n % 16)
                        .stateful_map(|_: &mut u64, n| n)
                        .named(&name)
                        .key_rm(),
                    _ => stream.map(|n| n).named(&name),
                };
            }
            stream.output(Nowhere).named(&format!("out_{line}"));
        }
    })
}

fn skewed(numbers: Numbers) -> Dataflow {
    Dataflow::build("skewed", |flow| {
        let numbers = flow.input(numbers).named("numbers");
        let keyed = numbers.key_on(|n| format!("key {}", (n + 1).trailing_zeros()));
        let sums = keyed.named("keyed").stateful_map(|sum: &mut u64, n| {
            *sum += n;
            *sum
        });
        sums.named("sums").output(Nowhere).named("out");
    })
}

fn checked(numbers: Numbers) -> Dataflow {
    const KEYS: u64 = 64;
    Dataflow::build("checked", |flow| {
        let numbers = flow.input(numbers).named("numbers");
        let keyed = numbers.key_on(|n| (n & TAG) | (n % KEYS)).named("keyed");
        let checked = keyed.stateful_map(|next: &mut Option<u64>, number| {
            let number = number & !TAG;
            assert_eq!(number, next.unwrap_or(number % KEYS), "the next number");
            *next = Some(number + KEYS);
            number
        });
        checked.named("checked").output(Nowhere).named("out");
    })
}

fn main() -> ExitCode {
    let args = <Args as clap::Parser>::parse();
    let numbers = Numbers {
        items: args.items,
        rate: args.rate,
        is_tagged: matches!(args.kind, Kind::Checked),
    };
    let flow = match args.kind {
        Kind::Counted => counted(numbers, false),
        Kind::Stalled => counted(numbers, true),
        Kind::Wide => wide(numbers),
        Kind::Skewed => skewed(numbers),
        Kind::Checked => checked(numbers),
    };
    args.run.execute(flow)
}
