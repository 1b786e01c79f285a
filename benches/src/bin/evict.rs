//! What `state_memory` costs and saves: see the README of this folder.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::testing::{ClusterConfig, cluster_main};
use bytewax::{Dataflow, RecoveryConfig, StepError, stateful};
use bytewax_benches::case::number;
use bytewax_benches::mix::splitmix;
use bytewax_benches::report::peak_mib;
use bytewax_benches::steady::Count;
use clap::Parser;

const BATCH: u64 = 4096;

#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The number of keys, of which each of the first items has another.
    #[arg(long, default_value_t = 3_000_000, value_parser = number)]
    keys: u64,
    /// The bytes of the state of a key.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Items after the first of each key: 95 % of them on 5 % of the keys.
    #[arg(long, default_value_t = 10_000_000, value_parser = number)]
    items: u64,
    /// The limit, in MiB.
    #[arg(long, default_value_t = 1)]
    limit: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Runs once, without a limit or with it, and prints the items a second and the peak of the memory.
    #[arg(long, hide = true)]
    once: Option<bool>,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if let Some(limited) = arguments.once {
        return once(&arguments, limited);
    }
    let mut ratios = Vec::new();
    for round in 0..arguments.rounds.max(1) {
        let [without, with] = [measure(false)?, measure(true)?];
        println!(
            "round {round}: {:.2} M items/s in {:.0} MiB without a limit, {:.2} M items/s in {:.0} MiB with {} MiB",
            without.0 / 1e6,
            without.1,
            with.0 / 1e6,
            with.1,
            arguments.limit
        );
        ratios.push(with.0 / without.0);
    }
    ratios.sort_by(f64::total_cmp);
    println!("with a limit, {:.2} of the speed", ratios[ratios.len() / 2]);
    Ok(())
}

/// Runs the flow in a process of its own; items a second, and the peak in MiB.
fn measure(limited: bool) -> Outcome<(f64, f64)> {
    let child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .args(["--once", if limited { "true" } else { "false" }])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(child.stdout)?;
    let (rate, peak) = text.trim().split_once(' ').ok_or("two numbers")?;
    Ok((rate.parse()?, peak.parse()?))
}

#[stateful]
#[derive(Default)]
struct Kept {
    count: u64,
    text: String,
}

fn once(arguments: &Arguments, limited: bool) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let mut recovery = RecoveryConfig::new(dir.path());
    if limited {
        recovery = recovery.state_memory(arguments.limit << 20);
    }
    let outputs = Count::default();
    let bytes = arguments.bytes;
    let flow = Dataflow::build("evict", |flow| {
        let items = flow.input(Items(arguments.clone())).named("items");
        let counts = items.stateful_map(move |kept: &mut Kept, _: ()| {
            if kept.text.is_empty() {
                kept.text = "x".repeat(bytes);
            }
            kept.count += 1;
            kept.count
        });
        counts.named("counts").output(outputs.clone()).named("out");
    });
    let config = ClusterConfig::new().epoch_interval(Duration::from_secs(10));
    let start = Instant::now();
    cluster_main(flow, config.recovery(recovery))?;
    let all = arguments.keys + arguments.items;
    if outputs.seen() != all {
        return Err(format!("{} outputs of {all} items", outputs.seen()).into());
    }
    let peak = peak_mib().ok_or("the peak is not known")?;
    println!("{} {peak}", all as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

struct Items(Arguments);

struct Reader {
    arguments: Arguments,
    next: u64,
}

impl FixedPartitionedSource for Items {
    type Item = (String, ());
    type Position = u64;
    type Partition = Reader;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["all".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Reader, StepError> {
        Ok(Reader {
            arguments: self.0.clone(),
            next: resume.unwrap_or(0),
        })
    }
}

impl StatefulSourcePartition for Reader {
    type Item = (String, ());
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<(String, ())>, StepError> {
        let keys = self.arguments.keys;
        let end = (keys + self.arguments.items).min(self.next + BATCH);
        if self.next >= end {
            return Ok(Poll::end());
        }
        let few = (keys / 20).max(1);
        let key = |i: u64| match splitmix(i) {
            _ if i < keys => i,
            random if random % 20 != 0 => (random / 20) % few,
            random => (random / 20) % keys,
        };
        let items = (self.next..end).map(|i| (format!("key-{:09}", key(i)), ()));
        let items = items.collect();
        self.next = end;
        Ok(Poll::batch(items))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}
