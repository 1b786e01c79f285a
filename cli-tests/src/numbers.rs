//! Every worker emits numbers. Most of them cross to another worker, which prints them.
//!
//! Try `numbers -p 2 -w 2` and Ctrl-C, `numbers --limit 3`, or `numbers -w 2 --fail 1:5`.
//! The tests of clusters run it.

use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use bytewax::prelude::*;
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::{ExitCode, RunArgs, StepError, StepId, WorkerIndex};
use serde::{Deserialize, Serialize};

#[derive(clap::Parser)]
struct Args {
    /// Numbers that each worker emits; without limit unless set
    #[arg(long)]
    limit: Option<u64>,
    /// Place where the source stops the run without an error
    #[arg(long, value_name = "WORKER:NUMBER")]
    abort: Option<Place>,
    /// Place where a step fails
    #[arg(long, value_name = "WORKER:NUMBER")]
    fail: Option<Place>,
    /// Place where a step panics
    #[arg(long, value_name = "WORKER:NUMBER")]
    panic: Option<Place>,
    /// Adds a step to the flow
    #[arg(long)]
    longer: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// A number, and the worker that emitted it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    worker: usize,
    number: u64,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text.split_once(':').and_then(|(worker, number)| {
            Some(Self {
                worker: worker.parse().ok()?,
                number: number.parse().ok()?,
            })
        });
        place.ok_or("give the number of a worker, `:` and a number, such as `1:5`")
    }
}

struct Numbers {
    limit: u64,
    abort: Option<Place>,
}

struct Worker {
    next: Place,
    limit: u64,
    abort: Option<Place>,
}

impl DynamicSource for Numbers {
    type Item = Place;
    type Partition = Worker;

    fn build(&self, _: &StepId, worker: WorkerIndex, workers: usize) -> Result<Worker, StepError> {
        let id = std::process::id();
        tell(&format!("process {id} has worker {worker} of {workers}"))?;
        Ok(Worker {
            next: Place {
                worker: worker.0,
                number: 0,
            },
            limit: self.limit,
            abort: self.abort,
        })
    }
}

impl StatelessSourcePartition for Worker {
    type Item = Place;

    fn next_batch(&mut self) -> Result<Poll<Place>, StepError> {
        let place = self.next;
        if self.abort == Some(place) {
            return Ok(Poll::abort());
        }
        if place.number == self.limit {
            return Ok(Poll::end());
        }
        self.next.number += 1;
        Ok(Poll::item(place).wait(Duration::from_millis(1)))
    }
}

/// Prints where a number comes from and where it has arrived.
struct Print;

struct PrintOn(usize);

impl DynamicSink<Place> for Print {
    type Partition = PrintOn;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<PrintOn, StepError> {
        Ok(PrintOn(worker.0))
    }
}

impl StatelessSinkPartition<Place> for PrintOn {
    fn write_batch(&mut self, places: Vec<Place>) -> Result<(), StepError> {
        places.iter().try_for_each(|Place { worker, number }| {
            tell(&format!("{worker}:{number} on {}", self.0))
        })
    }
}

/// Prints a line. It fails when nobody reads it any more, which ends a run that has no end.
fn tell(line: &str) -> Result<(), StepError> {
    // In one piece, so that lines of several processes do not mix.
    Ok(std::io::stdout().write_all(format!("{line}\n").as_bytes())?)
}

fn flow(args: &Args) -> Dataflow {
    let (fail, panic) = (args.fail, args.panic);
    let source = Numbers {
        limit: args.limit.unwrap_or(u64::MAX),
        abort: args.abort,
    };
    Dataflow::build("numbers", |flow| {
        let places = flow.input(source).named("places");
        let checked = places.try_map(move |place| {
            assert_ne!(panic, Some(*place), "this panic was asked for");
            if fail == Some(*place) {
                return Err("this error was asked for");
            }
            Ok(*place)
        });
        let checked = checked.named("check");
        checked.errs.fail().named("failed");
        let by_number = checked
            .oks
            .key_on(|place| place.number % 16)
            .named("by_number");
        let sums = by_number
            .stateful_map(|_: &mut u64, place: Place| place)
            .named("keep");
        let mut places = sums.key_rm().named("places_again");
        if args.longer {
            places = places.map(|place| place).named("longer");
        }
        places.output(Print).named("print");
    })
}

fn main() -> ExitCode {
    let args = <Args as clap::Parser>::parse();
    let flow = flow(&args);
    args.run.execute(flow)
}
