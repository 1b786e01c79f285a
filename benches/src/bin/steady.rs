//! What recovery costs a steady flow, in processor time: see the README of this folder.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytewax_benches::case::number;
use bytewax_benches::processor_seconds;
use bytewax_benches::steady::{Pace, run};
use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    /// Events a second.
    #[arg(long, default_value_t = 20_000, value_parser = number)]
    rate: u64,
    /// The number of keys.
    #[arg(long, default_value_t = 100_000, value_parser = number)]
    keys: u64,
    /// For how many seconds events come.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The seconds between two snapshots.
    #[arg(long, default_value_t = 2)]
    interval: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Runs once, without recovery or with it, and prints the processor time.
    #[arg(long, hide = true)]
    once: Option<bool>,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if let Some(recovery) = arguments.once {
        return once(&arguments, recovery);
    }
    let events = arguments.rate * arguments.seconds;
    let mut ratios = Vec::new();
    for round in 0..arguments.rounds.max(1) {
        let [without, with] = [measure(false)?, measure(true)?];
        let micros = |seconds: f64| seconds * 1e6 / events as f64;
        println!(
            "round {round}: {:.2} us of processor time an event without recovery, {:.2} us with it",
            micros(without),
            micros(with)
        );
        ratios.push((micros(with - without), with / without));
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (extra, ratio) = ratios[ratios.len() / 2];
    println!("recovery costs {extra:.2} us an event, {ratio:.2} times the flow without it");
    Ok(())
}

/// Runs the flow in a process of its own; its processor time in seconds.
fn measure(recovery: bool) -> Outcome<f64> {
    let child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .args(["--once", if recovery { "true" } else { "false" }])
        .stderr(Stdio::inherit())
        .output()?;
    Ok(String::from_utf8(child.stdout)?.trim().parse()?)
}

fn once(arguments: &Arguments, recovery: bool) -> Outcome<()> {
    let pace = Pace {
        keys: arguments.keys,
        rate: arguments.rate,
        time: Duration::from_secs(arguments.seconds),
    };
    let dir = recovery.then(tempfile::tempdir).transpose()?;
    let interval = Duration::from_secs(arguments.interval);
    let outputs = run(dir.as_ref().map(tempfile::TempDir::path), pace, interval)?;
    let events = arguments.rate * arguments.seconds;
    if outputs < events {
        return Err(format!("{outputs} outputs of {events} events").into());
    }
    println!("{}", processor_seconds());
    Ok(())
}
