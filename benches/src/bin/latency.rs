//! How long items take through a flow at a steady rate: see the README of this folder.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::process::{Child, Command, Stdio};

use bytewax_benches::case::{at_least_one, number};
use bytewax_benches::cluster::addresses;
use bytewax_benches::latency::{Case, Implementation, Measured, now, run};
use bytewax_benches::rounds::Launcher;
use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the delay of each item from when it is due to the sink, each run in processes of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// Items a second.
    #[arg(long, default_value_t = 200_000, value_parser = number)]
    rate: u64,
    /// Takes these percentages of the most items a second that each flow processes, which it measures first, instead of
    /// `--rate`.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_missing_value = "20,50,80")]
    of_capacity: Vec<u64>,
    /// For how many seconds delays count, after two that do not.
    #[arg(long, default_value_t = 10, value_parser = number)]
    seconds: u64,
    /// The number of keys of each step.
    #[arg(long, default_value_t = 100_000, value_parser = number)]
    keys: u64,
    /// The numbers of worker threads to run with.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = at_least_one)]
    workers: Vec<usize>,
    /// Runs two processes of a worker each, too.
    #[arg(long)]
    cluster: bool,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// What this program executes itself with, for each process. Prints a line of JSON.
    RunOne(Box<Case>),
}

/// Seconds in which delays do not count, while states are new.
const WARM_UP: u64 = 2;
/// The items by which the capacity is measured.
const ITEMS: u64 = 10_000_000;

/// A program that takes part.
#[derive(Clone, Copy)]
struct Contestant {
    implementation: Implementation,
    recovers: bool,
    processes: usize,
    workers: usize,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recovery = if self.recovers { ", recovery" } else { "" };
        let Self {
            implementation,
            processes,
            workers,
            ..
        } = self;
        write!(f, "{implementation}{recovery} | {processes} × {workers}")
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(case)) = &arguments.internal {
        println!("{}", serde_json::to_string(&run(case)?)?);
        return Ok(());
    }
    let launcher = Launcher::new()?;
    println!(
        "| implementation | processes × workers | items/s | p50 | p99 | p99.9 | p99.99 | max |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for contestant in contestants(&arguments) {
        let rates = if arguments.of_capacity.is_empty() {
            vec![(arguments.rate, String::new())]
        } else {
            let capacity = contestant.capacity(&arguments, &launcher)?;
            let of = |percent: &u64| (capacity * percent / 100, format!(" ({percent} %)"));
            arguments.of_capacity.iter().map(of).collect()
        };
        for (rate, share) in rates {
            let measured = contestant.run(&arguments, &launcher, Some(rate))?;
            let delays = Measured::all(&measured);
            let row = [0.5, 0.99, 0.999, 0.9999].map(|q| shown(delays.value_at_quantile(q)));
            let (row, max) = (row.join(" | "), shown(delays.max()));
            println!("| {contestant} | {rate}{share} | {row} | {max} |");
        }
    }
    println!("\n{}", launcher.note(1));
    Ok(())
}

fn contestants(arguments: &Arguments) -> Vec<Contestant> {
    let mut shapes: Vec<_> = arguments.workers.iter().map(|&it| (1, it)).collect();
    if arguments.cluster {
        shapes.push((2, 1));
    }
    let mut contestants = Vec::new();
    for (processes, workers) in shapes {
        for (implementation, recovers) in [
            (Implementation::Bytewax, false),
            (Implementation::Bytewax, true),
            (Implementation::Timely, false),
        ] {
            if implementation == Implementation::Bytewax || processes == 1 {
                contestants.push(Contestant {
                    implementation,
                    recovers,
                    processes,
                    workers,
                });
            }
        }
    }
    contestants
}

impl Contestant {
    /// The most items a second.
    fn capacity(self, arguments: &Arguments, launcher: &Launcher) -> Result<u64> {
        let measured = self.run(arguments, launcher, None)?;
        let secs = measured.iter().map(|process| process.secs);
        let secs = secs.fold(0.0, f64::max);
        eprintln!("{self}: {:.2} M items/s", ITEMS as f64 / secs / 1e6);
        Ok((ITEMS as f64 / secs) as u64)
    }

    /// What each process has measured.
    fn run(
        self,
        arguments: &Arguments,
        launcher: &Launcher,
        rate: Option<u64>,
    ) -> Result<Vec<Measured>> {
        let store = self.recovers.then(tempfile::tempdir).transpose()?;
        let items = rate.map_or(ITEMS, |rate| rate * (WARM_UP + arguments.seconds));
        let mut line = vec!["--impl".to_owned(), self.implementation.to_string()];
        let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
        option("--workers", self.workers.to_string());
        option("--items", items.to_string());
        option("--keys", arguments.keys.to_string());
        if let Some(rate) = rate {
            option("--rate", rate.to_string());
            option("--warm-up", (WARM_UP * rate).to_string());
        }
        if let Some(store) = &store {
            option("--store", store.path().display().to_string());
        }
        let measured = if self.processes == 1 {
            let line: Vec<_> = line.into_iter().map(OsString::from).collect();
            // The thread that writes the store needs a processor, too.
            let processors = self.workers + usize::from(self.recovers);
            vec![launcher.run(processors, &line)?]
        } else {
            self.cluster(&line)?
        };
        let seen: u64 = measured.iter().map(|process| process.items).sum();
        if seen != items {
            return Err(format!("{self}: {seen} of {items} items came out").into());
        }
        Ok(measured)
    }

    /// Runs the processes of a cluster, in which the first item is due in a second, when they have found each other.
    fn cluster(self, line: &[String]) -> Result<Vec<Measured>> {
        let (addresses, begin) = (addresses(self.processes)?, now() + 1_000_000_000);
        let start = |process: usize| {
            let mut command = Command::new(env::current_exe()?);
            command.arg("run-one").args(line);
            command.args(["--begin", &begin.to_string()]);
            command.args(["--process", &process.to_string()]);
            command.args(&addresses).stdout(Stdio::piped()).spawn()
        };
        let children: Vec<Child> = (0..self.processes)
            .map(start)
            .collect::<std::io::Result<_>>()?;
        let mut measured = Vec::new();
        for child in children {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                return Err(format!("a process of {self} ended with {}", output.status).into());
            }
            measured.push(serde_json::from_slice(&output.stdout)?);
        }
        Ok(measured)
    }
}

/// A delay in milliseconds.
fn shown(nanos: u64) -> String {
    let millis = nanos as f64 / 1e6;
    let decimals = match millis {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{millis:.decimals$} ms")
}
