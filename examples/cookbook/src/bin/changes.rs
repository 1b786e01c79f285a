//! Reports each change of a status once.
//!
//! `changes STATUS.csv` reads rows with the columns `at`, `machine` and `status`, which each machine sends again
//! and again. It prints a line when a machine has another status than before: `at machine before -> now`.

use std::path::PathBuf;

use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    at: String,
    machine: String,
    status: String,
}

#[stateful]
#[derive(Clone)]
struct Report {
    at: String,
    status: String,
}

fn describe(machine: &str, now: &Report, before: Option<&Report>) -> Option<String> {
    let before = before.map_or("unknown", |report| &report.status);
    let Report { at, status } = now;
    (before != status).then(|| format!("{at} {machine} {before} -> {status}"))
}

fn changes(status: PathBuf) -> Dataflow {
    dataflow!("changes", |flow| {
        let rows = flow.input(CsvSource::<Row>::typed(status));
        let reports = rows.map(
            |Row {
                 at,
                 machine,
                 status,
             }| (machine, Report { at, status }),
        );
        // Each report with the one before it.
        let pairs = reports.lag(1);
        let lines =
            pairs.filter_map(|(machine, (now, before))| describe(&machine, &now, before.as_ref()));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The reports of the machines.
    status: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(changes(args.status))
}
