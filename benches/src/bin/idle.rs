//! How often an idle flow wakes up: see the README of this folder.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition, Waker};
use bytewax::testing::{RunConfig, cluster_main};
use bytewax::windowing::{SystemClock, TumblingWindower};
use bytewax::{Dataflow, RecoveryConfig, RunError, StepError, StepId, WorkerIndex};
use bytewax_benches::processor_seconds;
use bytewax_benches::steady::Count;
use clap::Parser;

/// How long a flow may take to come to rest.
const SETTLE: Duration = Duration::from_secs(3);

/// Runs a flow with two stateful steps whose source has no items, without recovery and with it, and counts how often its
/// threads wake up.
#[derive(Debug, Parser)]
struct Arguments {
    /// The number of worker threads.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// For how many seconds wake-ups are counted.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The seconds between two snapshots.
    #[arg(long, default_value_t = 10)]
    interval: u64,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    idle(&arguments, None)?;
    let dir = tempfile::tempdir()?;
    idle(&arguments, Some(RecoveryConfig::new(dir.path())))
}

fn idle(arguments: &Arguments, recovery: Option<RecoveryConfig>) -> Outcome<()> {
    let with = match recovery {
        Some(_) => "with recovery",
        None => "without recovery",
    };
    let (wakers, opened) = channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let silent = Silent {
        wakers,
        is_over: Arc::clone(&is_over),
    };
    let interval = Duration::from_secs(arguments.interval);
    let mut config = RunConfig::new()
        .workers(arguments.workers)
        .epoch_interval(interval);
    if let Some(recovery) = recovery {
        config = config.recovery(recovery);
    }
    let run = thread::spawn(move || -> Result<(), RunError> { cluster_main(flow(silent), config) });
    let wakers: Vec<Waker> = opened.iter().take(arguments.workers).collect();
    thread::sleep(SETTLE);
    let (before, used) = (wake_ups()?, processor_seconds());
    thread::sleep(Duration::from_secs(arguments.seconds));
    let (after, used) = (wake_ups()?, processor_seconds() - used);

    let each = arguments.seconds as f64;
    println!(
        "{with}: {:.3} % of a processor; wake-ups a second by thread:",
        100.0 * used / each
    );
    for (name, count) in after {
        let count = count - before.get(&name).copied().unwrap_or_default();
        println!("  {name}: {:.2}", count as f64 / each);
    }
    is_over.store(true, Ordering::Relaxed);
    wakers.iter().for_each(Waker::wake);
    Ok(run.join().map_err(|_| "the run panicked")??)
}

fn flow(silent: Silent) -> Dataflow {
    Dataflow::build("idle", |flow| {
        let numbers = flow.input(silent).named("numbers");
        let sums = numbers.stateful_map(|sum: &mut u64, number| {
            *sum += number;
            *sum
        });
        let windower = TumblingWindower::new(TimeDelta::seconds(10), DateTime::UNIX_EPOCH);
        let counts = sums
            .named("sums")
            .count_window(SystemClock::new(), windower);
        let counts = counts.named("counts").down;
        counts.output(Count::default()).named("out");
    })
}

/// How often the other threads of this process have waited and were woken, by their names.
fn wake_ups() -> Outcome<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let this = std::process::id().to_string();
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?;
        // The first thread is this one, and sleeps.
        if thread.file_name() == *this {
            continue;
        }
        let status = fs::read_to_string(thread.path().join("status"))?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::trim).ok_or("a thread has no count")
        };
        *counts.entry(field("Name:")?.to_owned()).or_default() +=
            field("voluntary_ctxt_switches:")?.parse::<u64>()?;
    }
    Ok(counts)
}

/// A source with an item on each worker, which then waits until the program wakes it to end.
struct Silent {
    wakers: Sender<Waker>,
    is_over: Arc<AtomicBool>,
}

struct Part {
    first: Option<(u64, u64)>,
    is_over: Arc<AtomicBool>,
}

impl DynamicSource for Silent {
    type Item = (u64, u64);
    type Partition = Part;

    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Part, StepError> {
        self.wakers
            .send(Waker::current())
            .map_err(|error| StepError::msg(error.to_string()))?;
        let number = worker.0 as u64;
        Ok(Part {
            first: Some((number, number)),
            is_over: Arc::clone(&self.is_over),
        })
    }
}

impl StatelessSourcePartition for Part {
    type Item = (u64, u64);

    fn next_batch(&mut self) -> Result<Poll<(u64, u64)>, StepError> {
        Ok(match self.first.take() {
            Some(item) => Poll::item(item),
            None if self.is_over.load(Ordering::Relaxed) => Poll::end(),
            None => Poll::until_woken(),
        })
    }
}
