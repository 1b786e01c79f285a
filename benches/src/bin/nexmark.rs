//! Queries of Nexmark, side by side with programs on timely's own operators: see the README of this folder.

use std::error::Error;
use std::ffi::OsString;

use bytewax_benches::case::{at_least_one, number};
use bytewax_benches::nexmark::{Case, Implementation, Query, run};
use bytewax_benches::rounds::{Contestant, Launcher, Table};
use clap::{Parser, Subcommand, ValueEnum};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Compares the programs of each query, round by round, each run in a process of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// How often each program is run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The queries to run; if not given, those that there are on timely's operators.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Query>,
    /// The numbers of worker threads to run with.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = at_least_one)]
    workers: Vec<usize>,
    /// The number of events.
    #[arg(long, default_value_t = 5_000_000, value_parser = number)]
    events: u64,
    /// How many events there are in a second of event time.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Runs the programs of the example as they are, without others: all queries if there is no `--only`.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// What this program executes itself with, for each run. Prints a line of JSON.
    RunOne(Case),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(case)) = &arguments.internal {
        println!("{}", run(case)?);
        return Ok(());
    }
    let (queries, implementations): (&[Query], &[_]) = if arguments.all {
        (Query::value_variants(), &[Implementation::Lines])
    } else {
        let both = &[Implementation::Bytewax, Implementation::Timely];
        (&Query::COMPARED, both)
    };
    let queries = match &arguments.only[..] {
        [] => queries,
        only => only,
    };
    let launcher = Launcher::new()?;
    let mut table = Table::default();
    for query in queries {
        let mut contestants = Vec::new();
        for &workers in &arguments.workers {
            for &implementation in implementations {
                let case = Case {
                    query: *query,
                    implementation,
                    workers,
                    events: arguments.events,
                    rate: arguments.rate,
                };
                contestants.push(Contestant::new(workers, arguments_of(&case)));
            }
        }
        launcher.rounds(arguments.rounds, &mut contestants)?;
        table.add(&Implementation::Timely.to_string(), &contestants);
    }
    table.print();
    println!("\n{}", launcher.note(arguments.rounds));
    Ok(())
}

fn arguments_of(case: &Case) -> Vec<OsString> {
    let Case {
        query,
        implementation,
        workers,
        events,
        rate,
    } = case;
    let line = format!(
        "{query} --impl {implementation} --workers {workers} --events {events} --rate {rate}"
    );
    line.split(' ').map(OsString::from).collect()
}
