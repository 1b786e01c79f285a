//! Worker 0 emits items as fast as possible, and the sink of worker 1 blocks for a while.
//!
//! `flood FILE --count 1000000 -p 2`: worker 1 blocks at its first item until the file exists. `--size 1048576` sets the
//! bytes of an item, and `--pause 1000` the microseconds that a sink sleeps per item. At its end, each worker prints the
//! peak memory of its process. The tests of flow control run this program.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytewax::prelude::*;
use bytewax::sink::{DynamicSink, StatelessSinkPartition};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::{ExitCode, RunArgs, StepError, StepId, WorkerIndex};

/// The source counts as blocked after this many milliseconds without a poll.
const QUIET_TURNS: usize = 300;

#[derive(clap::Parser)]
struct Args {
    /// The sink of worker 1 blocks until this file exists
    gate: PathBuf,
    /// Number of items that worker 0 emits
    #[arg(long)]
    count: u64,
    /// Bytes of an item on the heap
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Microseconds that the sinks sleep per item
    #[arg(long, default_value_t = 0)]
    pause: u64,
    #[command(flatten)]
    run: RunArgs,
}

/// The progress of worker 0.
#[derive(Default)]
struct Progress {
    given: AtomicU64,
    all: AtomicBool,
}

/// A number, and text of the requested size.
type Item = (u64, String);

struct Items {
    count: u64,
    size: usize,
}

struct Numbered {
    left: u64,
    size: usize,
    progress: Arc<Progress>,
}

impl DynamicSource for Items {
    type Item = Item;
    type Partition = Numbered;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Numbered, StepError> {
        let progress = Arc::new(Progress::default());
        let left = if worker.0 == 0 { self.count } else { 0 };
        if worker.0 == 0 {
            let watched = Arc::clone(&progress);
            thread::spawn(move || watch(&watched));
        }
        Ok(Numbered {
            left,
            size: self.size,
            progress,
        })
    }
}

/// Prints a line once the source is no longer polled.
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
    type Item = Item;

    fn next_batch(&mut self) -> Result<Poll<Item>, StepError> {
        if self.left == 0 {
            if !self.progress.all.swap(true, Ordering::SeqCst) {
                println!("given {}", self.progress.given.load(Ordering::SeqCst));
            }
            return Ok(Poll::end());
        }
        // A source of files also emits large items a few at a time.
        let few = (1 << 20) / (self.size as u64 + 1);
        let items = self.left.min(few.clamp(1, 1000));
        self.left -= items;
        self.progress.given.fetch_add(items, Ordering::SeqCst);
        let numbers = self.left..self.left + items;
        let item = |number| (number, "x".repeat(self.size));
        Ok(Poll::batch(numbers.map(item).collect()))
    }
}

struct Gated {
    gate: PathBuf,
    pause: Duration,
}

struct Counter {
    /// The file to wait for before the first item.
    gate: Option<PathBuf>,
    pause: Duration,
    worker: usize,
    taken: u64,
}

impl DynamicSink<Item> for Gated {
    type Partition = Counter;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Counter, StepError> {
        Ok(Counter {
            gate: (worker.0 == 1).then(|| self.gate.clone()),
            pause: self.pause,
            worker: worker.0,
            taken: 0,
        })
    }
}

impl StatelessSinkPartition<Item> for Counter {
    fn write_batch(&mut self, items: Vec<Item>) -> Result<(), StepError> {
        if let Some(gate) = self.gate.take() {
            println!("worker {} waits", self.worker);
            while !gate.exists() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.taken += items.len() as u64;
        if !self.pause.is_zero() {
            thread::sleep(self.pause * items.len() as u32);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StepError> {
        let (worker, peak) = (self.worker, peak_kib()?);
        println!("worker {worker} peaked at {peak} KiB");
        println!("worker {worker} took {}", self.taken);
        Ok(())
    }
}

/// The peak resident memory of this process.
fn peak_kib() -> Result<u64, StepError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let peak = peak.ok_or_else(|| StepError::msg("the system does not report the peak memory"))?;
    Ok(peak.parse()?)
}

fn main() -> ExitCode {
    let Args {
        gate,
        count,
        size,
        pause,
        run,
    } = clap::Parser::parse();
    let pause = Duration::from_micros(pause);
    run.execute(Dataflow::build("flood", |flow| {
        let items = flow.input(Items { count, size }).named("items");
        let by_number = items.key_on(|(number, _)| number % 64).named("by_number");
        let kept = by_number
            .stateful_map(|_: &mut u64, item: Item| item)
            .named("keep");
        kept.key_rm()
            .named("items_again")
            .output(Gated { gate, pause })
            .named("count");
    }))
}
