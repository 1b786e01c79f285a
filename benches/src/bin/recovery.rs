//! What recovery costs, and how soon a flow goes on: see the README of this folder.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytewax::RecoveryConfig;
use bytewax::testing::RunConfig;
use bytewax_benches::bytewax_impl;
use bytewax_benches::case::{Case, Implementation, Workload, number};
use bytewax_benches::recovery::{Input, run, size_of};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Clone, Debug, Subcommand)]
enum Figure {
    /// W3 with a snapshot each second, beside W3 without recovery.
    Overhead {
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        #[arg(long, default_value_t = 100_000_000, value_parser = number)]
        n: u64,
        #[arg(long, default_value_t = 1)]
        workers: usize,
    },
    /// The time from the start of a process to its first output, after a crash with many keys.
    Resume {
        #[arg(long, default_value_t = 1_000_000, value_parser = number)]
        keys: u64,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// A snapshot in which all keys have changed, while items go on.
    Snapshot {
        #[arg(long, default_value_t = 1_000_000, value_parser = number)]
        keys: u64,
    },
    /// The size of the store after many updates, beside that of the live state.
    Space {
        #[arg(long, default_value_t = 1_000_000, value_parser = number)]
        keys: u64,
        #[arg(long, default_value_t = 100_000_000, value_parser = number)]
        updates: u64,
    },
    /// Goes on from a directory and tells when the first output came; for `resume`.
    #[command(hide = true)]
    First {
        dir: PathBuf,
        keys: u64,
        events: u64,
    },
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    match Arguments::parse().figure {
        Figure::Overhead { rounds, n, workers } => overhead(rounds, n, workers),
        Figure::Resume { keys, rounds } => resume(keys, rounds),
        Figure::Snapshot { keys } => snapshot(keys),
        Figure::Space { keys, updates } => space(keys, updates),
        Figure::First { dir, keys, events } => {
            let input = Input {
                keys,
                events,
                abort: false,
            };
            let seen = run(Some(&dir), input, Duration::from_secs(10))?;
            println!("{}", seen.first_output().as_secs_f64());
            Ok(())
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn overhead(rounds: usize, n: u64, workers: usize) -> Outcome {
    let case = Case {
        workload: Workload::W3,
        implementation: Implementation::Bytewax,
        workers,
        n: Some(n),
        file: PathBuf::new(),
        batch: None,
    };
    let second = || RunConfig::new().epoch_interval(Duration::from_secs(1));
    let mut ratios = Vec::new();
    for round in 0..rounds.max(1) {
        let start = Instant::now();
        let without = bytewax_impl::keyed_in(&case, second())?;
        let plain = start.elapsed().as_secs_f64();
        let dir = tempfile::tempdir()?;
        let start = Instant::now();
        let saved = second().recovery(RecoveryConfig::new(dir.path()));
        let with = bytewax_impl::keyed_in(&case, saved)?;
        let saving = start.elapsed().as_secs_f64();
        if with.to_string() != without.to_string() {
            return Err("the check sums differ".into());
        }
        println!("round {round}: {plain:.3} s without, {saving:.3} s with recovery");
        ratios.push(saving / plain);
    }
    println!("overhead: {:.1} %", 100.0 * (median(&mut ratios) - 1.0));
    Ok(())
}

fn resume(keys: u64, rounds: usize) -> Outcome {
    let dir = tempfile::tempdir()?;
    let fill = Input {
        keys,
        events: keys,
        abort: false,
    };
    run(Some(dir.path()), fill, Duration::from_secs(1))?;
    let mut times = Vec::new();
    for round in 0..rounds.max(1) {
        let events = keys + 4096 * (1 + round as u64);
        let start = Instant::now();
        let child = Command::new(std::env::current_exe()?)
            .arg("first")
            .arg(dir.path())
            .args([keys.to_string(), events.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        let whole = start.elapsed().as_secs_f64();
        let first: f64 = String::from_utf8(child.stdout)?.trim().parse()?;
        println!("round {round}: first output after {first:.3} s, ended after {whole:.3} s");
        times.push(first);
    }
    println!("first output with {keys} keys: {:.3} s", median(&mut times));
    Ok(())
}

fn snapshot(keys: u64) -> Outcome {
    let one_epoch = Duration::from_secs(3600);
    let all_once = Input {
        keys,
        events: keys,
        abort: false,
    };
    let start = Instant::now();
    run(None, all_once, one_epoch)?;
    let plain = start.elapsed();
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    run(Some(dir.path()), all_once, one_epoch)?;
    let saving = start.elapsed().saturating_sub(plain);
    println!("snapshot of {keys} keys: {:.3} s", saving.as_secs_f64());

    let many = Input {
        events: 100 * keys,
        ..all_once
    };
    for (name, dir) in [("without", None), ("with", Some(tempfile::tempdir()?))] {
        let dir = dir.as_ref().map(tempfile::TempDir::path);
        let start = Instant::now();
        let seen = run(dir, many, Duration::from_secs(1))?;
        println!(
            "{name} recovery, an epoch a second: longest pause {:.1} ms in {:.1} s",
            seen.longest_pause().as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn space(keys: u64, updates: u64) -> Outcome {
    let input = |events| Input {
        keys,
        events,
        abort: false,
    };
    let live = tempfile::tempdir()?;
    run(Some(live.path()), input(keys), Duration::from_secs(3600))?;
    let live = size_of(live.path())?;
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    run(Some(dir.path()), input(updates), Duration::from_secs(1))?;
    let secs = start.elapsed().as_secs_f64();
    let after = size_of(dir.path())?;
    println!(
        "{updates} updates of {keys} keys in {secs:.1} s: {} MiB, live {} MiB, ratio {:.2}",
        after >> 20,
        live >> 20,
        after as f64 / live as f64
    );
    Ok(())
}
