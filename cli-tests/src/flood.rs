//! One worker gives many numbers as fast as they are taken; a sink elsewhere takes none for a while.
//!
//! `flood FILE --count 1000000 -p 2`: worker 1 stops at its first number until the file is there.
//! The tests of flow control run it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytewax::prelude::*;
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::{ExitCode, RunArgs, StepError, StepId, WorkerIndex};

/// How many turns of a millisecond without a poll mean that the source is held back.
const QUIET_TURNS: usize = 300;

#[derive(clap::Parser)]
struct Args {
    /// The sink of worker 1 waits until there is this file
    gate: PathBuf,
    /// How many numbers worker 0 gives
    #[arg(long)]
    count: u64,
    #[command(flatten)]
    run: RunArgs,
}

/// What worker 0 has given.
#[derive(Default)]
struct Progress {
    given: AtomicU64,
    all: AtomicBool,
}

struct Numbers {
    count: u64,
}

struct Numbered {
    left: u64,
    progress: Arc<Progress>,
}

impl DynamicSource for Numbers {
    type Item = u64;
    type Partition = Numbered;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Numbered, StepError> {
        let progress = Arc::new(Progress::default());
        let left = if worker.0 == 0 { self.count } else { 0 };
        if worker.0 == 0 {
            let watched = Arc::clone(&progress);
            thread::spawn(move || watch(&watched));
        }
        Ok(Numbered { left, progress })
    }
}

/// Tells once when the source is not polled any more.
fn watch(progress: &Progress) {
    let (mut before, mut turns) = (0, 0);
    while turns < QUIET_TURNS {
        thread::sleep(Duration::from_millis(1));
        if progress.all.load(Ordering::SeqCst) {
            return;
        }
        let given = progress.given.load(Ordering::SeqCst);
        turns = if given > 0 && given == before {
            turns + 1
        } else {
            0
        };
        before = given;
    }
    println!("held back after {before}");
}

impl StatelessSourcePartition for Numbered {
    type Item = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        if self.left == 0 {
            if !self.progress.all.swap(true, Ordering::SeqCst) {
                println!("given {}", self.progress.given.load(Ordering::SeqCst));
            }
            return Ok(Poll::end());
        }
        let size = self.left.min(1000);
        self.left -= size;
        self.progress.given.fetch_add(size, Ordering::SeqCst);
        Ok(Poll::batch((self.left..self.left + size).collect()))
    }
}

struct Gated(PathBuf);

struct Counter {
    /// What to wait for before the first number.
    gate: Option<PathBuf>,
    worker: usize,
    taken: u64,
}

impl DynamicSink<u64> for Gated {
    type Partition = Counter;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Counter, StepError> {
        Ok(Counter {
            gate: (worker.0 == 1).then(|| self.0.clone()),
            worker: worker.0,
            taken: 0,
        })
    }
}

impl StatelessSinkPartition<u64> for Counter {
    fn write_batch(&mut self, numbers: Vec<u64>) -> Result<(), StepError> {
        if let Some(gate) = self.gate.take() {
            println!("worker {} waits", self.worker);
            while !gate.exists() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.taken += numbers.len() as u64;
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        println!("worker {} took {}", self.worker, self.taken);
        Ok(())
    }
}

fn main() -> ExitCode {
    let Args { gate, count, run } = clap::Parser::parse();
    run.execute(Dataflow::build("flood", |flow| {
        let numbers = flow.input(Numbers { count }).named("numbers");
        let by_number = numbers.key_on(|number| number % 64).named("by_number");
        let kept = by_number
            .stateful_map(|_: &mut u64, number: u64| number)
            .named("keep");
        kept.key_rm()
            .named("numbers_again")
            .output(Gated(gate))
            .named("count");
    }))
}
