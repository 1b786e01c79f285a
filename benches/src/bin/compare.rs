//! Runs the programs of each workload side by side and prints a Markdown table.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use bytewax_benches::case::{Case, Implementation, Workload, at_least_one};
use bytewax_benches::rounds::{Contestant, Launcher, Table};
use bytewax_benches::words;
use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Compares the programs of each workload, round by round, each run in a process of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// How often each program is run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The workloads to run; all if not given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Workload>,
    /// The numbers of worker threads to run with.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = at_least_one)]
    workers: Vec<usize>,
    /// Scales the number of items and the size of the text.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    n_scale: f64,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// What this program executes itself with, for each run.
    #[command(hide = true)]
    RunOne(Case),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(case)) = &arguments.internal {
        println!("{}", bytewax_benches::run(case)?);
        return Ok(());
    }

    let selected =
        |workload: &Workload| arguments.only.is_empty() || arguments.only.contains(workload);
    let launcher = Launcher::new()?;
    let mut table = Table::default();
    for workload in Workload::ALL.into_iter().filter(selected) {
        let mut contestants = contestants(workload, &arguments)?;
        if contestants.is_empty() {
            eprintln!("{workload}: no program runs with so many workers");
        }
        launcher.rounds(arguments.rounds, &mut contestants)?;
        table.add(&workload.baseline().to_string(), &contestants);
    }

    table.print();
    println!("\n{}", launcher.note(arguments.rounds));
    Ok(())
}

/// The programs that there are for a workload, in the order of a round: those with the same number of
/// workers, which are measured against each other, follow one another.
fn contestants(workload: Workload, arguments: &Arguments) -> Result<Vec<Contestant>> {
    let scaled = |x: u64| (x as f64 * arguments.n_scale).round() as u64;
    let (n, file) = match workload {
        Workload::W1 => (None, text(scaled(words::TEXT_BYTES))?),
        _ => (Some(scaled(workload.default_n())), PathBuf::new()),
    };
    let mut contestants = Vec::new();
    for &workers in &arguments.workers {
        for implementation in Implementation::ALL {
            let file = file.clone();
            let case = Case {
                workload,
                implementation,
                workers,
                n,
                file,
                batch: None,
            };
            if case.possible().is_ok() {
                contestants.push(Contestant::new(workers, case.arguments()));
            }
        }
    }
    Ok(contestants)
}

/// The text of W1 in about this size, made if it is not there yet.
fn text(bytes: u64) -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or("the program is not in a target directory")?;
    let folder = target.join("bench-data");
    let path = folder.join(format!("words-{bytes}.txt"));
    if !path.exists() {
        eprintln!("making {}", path.display());
        fs::create_dir_all(&folder)?;
        // under another name until it is whole, as a run may be stopped
        let unfinished = path.with_extension(format!("{}.part", std::process::id()));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        words::write_text(bytes, &mut out)?;
        fs::rename(unfinished, &path)?;
    }
    // read once, so that the first program finds it in the page cache as the others do
    std::io::copy(&mut File::open(&path)?, &mut std::io::sink())?;
    Ok(path)
}

fn scale(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        Ok(_) => Err("must be more than zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn a_case_survives_the_command_line() {
        let case = Case {
            workload: Workload::W1,
            implementation: Implementation::TimelyCombiner,
            workers: 2,
            n: Some(7),
            file: "some text".into(),
            batch: Some(9),
        };
        let line = [OsString::from("compare"), "run-one".into()].into_iter();
        let parsed = Arguments::try_parse_from(line.chain(case.arguments()));
        let Ok(Arguments {
            internal: Some(Internal::RunOne(parsed)),
            ..
        }) = parsed
        else {
            panic!("not parsed: {parsed:?}");
        };
        assert_eq!(format!("{parsed:?}"), format!("{case:?}"));
    }
}
