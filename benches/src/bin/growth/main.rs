//! How the cost of a flow grows with its workers, its steps and its keys. Prints tables, and draws a chart.

mod chart;
mod flow;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use bytewax_benches::case::{at_least_one, number};
use clap::{Parser, Subcommand};

use chart::{Chart, Panel};
use flow::{Measured, Size};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Runs a flow with more and more workers, steps and keys, each run in a process of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// The numbers of worker threads.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64,256", value_parser = at_least_one)]
    workers: Vec<usize>,
    /// The numbers of steps.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1_000,10_000", value_parser = number)]
    steps: Vec<u64>,
    /// The numbers of keys.
    #[arg(long, value_delimiter = ',', default_value = "1_000_000,10_000_000,100_000_000", value_parser = number)]
    keys: Vec<u64>,
    /// The drawing to write.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/growth.svg"))]
    chart: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Runs one flow; this program executes itself with it.
    #[command(hide = true)]
    RunOne(Size),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(size)) = &arguments.internal {
        println!("{}", serde_json::to_string(&flow::run(size)?)?);
        return Ok(());
    }
    let chart = Chart {
        panels: vec![
            workers(&arguments.workers)?,
            steps(&arguments.steps)?,
            keys(&arguments.keys)?,
        ],
    };
    fs::write(&arguments.chart, chart.to_string())
        .map_err(|error| format!("{}: {error}", arguments.chart.display()))?;
    Ok(())
}

/// Runs a flow in a process of its own.
fn measure(size: &Size) -> Result<Measured> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("run-one").args(size.arguments());
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn heading(columns: &[&str]) {
    println!("\n| {} |", columns.join(" | "));
    println!("|{}", " --- |".repeat(columns.len()));
}

/// The cost of an item and of an epoch, by the number of workers.
fn workers(counts: &[usize]) -> Result<Panel> {
    const ITEMS: u64 = 2_000_000;
    const EPOCHS: u64 = 50;
    heading(&[
        "workers",
        "start, s",
        "an item, ns",
        "an epoch with its snapshot, ms",
        "peak, MiB",
    ]);
    let (mut items, mut epochs) = (Vec::new(), Vec::new());
    for &workers in counts {
        let size = Size {
            workers,
            steps: 20,
            keys: 100_000,
            items: ITEMS,
            epochs: 0,
        };
        let whole = measure(&size)?;
        let few = Size {
            items: workers as u64,
            epochs: 1,
            ..size
        };
        let many = Size {
            items: workers as u64 * EPOCHS,
            epochs: EPOCHS,
            ..size
        };
        let (few, many) = (measure(&few)?, measure(&many)?);
        let item = whole.processor * 1e9 / ITEMS as f64;
        let epoch = (many.processor - few.processor) * 1e3 / (EPOCHS - 1) as f64;
        println!(
            "| {workers} | {:.2} | {item:.0} | {epoch:.2} | {:.0} |",
            whole.start, whole.peak_mib
        );
        items.push((workers as f64, item));
        epochs.push((workers as f64, epoch));
    }
    Ok(Panel {
        title: "workers",
        lines: vec![("an item, ns", items), ("an epoch, ms", epochs)],
    })
}

/// The time to start, the memory, and the cost of an item in a step, by the number of steps.
fn steps(counts: &[u64]) -> Result<Panel> {
    const PASSED: u64 = 20_000_000;
    heading(&["steps", "start, s", "an item in a step, ns", "peak, MiB"]);
    let (mut starts, mut items, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for &steps in counts {
        let count = (PASSED / steps).max(1);
        let size = Size {
            workers: 1,
            steps,
            keys: 1_000,
            items: count,
            epochs: 0,
        };
        let Measured {
            start,
            processor,
            peak_mib,
        } = measure(&size)?;
        let item = (processor - start).max(0.0) * 1e9 / (count * steps) as f64;
        println!("| {steps} | {start:.3} | {item:.1} | {peak_mib:.0} |");
        starts.push((steps as f64, start * 1e3));
        items.push((steps as f64, item));
        peaks.push((steps as f64, peak_mib));
    }
    Ok(Panel {
        title: "steps",
        lines: vec![
            ("start, ms", starts),
            ("an item in a step, ns", items),
            ("peak, MiB", peaks),
        ],
    })
}

/// The memory of a key and the cost of an item, by the number of keys.
fn keys(counts: &[u64]) -> Result<Panel> {
    heading(&["keys", "a key, bytes", "an item, ns", "peak, MiB"]);
    let (mut bytes, mut items) = (Vec::new(), Vec::new());
    for &keys in counts {
        // Each key has two items.
        let size = Size {
            workers: 1,
            steps: 3,
            keys,
            items: 2 * keys,
            epochs: 0,
        };
        let Measured {
            processor,
            peak_mib,
            ..
        } = measure(&size)?;
        let byte = peak_mib * 1024.0 * 1024.0 / keys as f64;
        let item = processor * 1e9 / (2 * keys) as f64;
        println!("| {keys} | {byte:.0} | {item:.0} | {peak_mib:.0} |");
        bytes.push((keys as f64, byte));
        items.push((keys as f64, item));
    }
    Ok(Panel {
        title: "keys",
        lines: vec![("a key, bytes", bytes), ("an item, ns", items)],
    })
}
