//! Finds the slow requests in the log of a web server.
//!
//! `slow_requests LOG.csv OUT.jsonl BAD.txt` reads rows with the columns `at`, `visitor`, `path` and `ms`. It
//! writes requests that took more than half a second as JSON Lines, and unreadable rows as their line number
//! and contents. With `-r DIR`, a killed run continues where it stopped, and with `-w 4`, four threads read
//! the file, in ranges of `--range-bytes`.

use std::path::PathBuf;

use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::files::{BadRecord, FileSink};
use bytewax::connectors::json::JsonLinesSink;
use bytewax::connectors::stdio::StdErrSink;
use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Request {
    at: String,
    visitor: String,
    path: String,
    ms: u64,
}

/// The treatment of a row.
#[derive(Clone)]
enum Row {
    Slow(Request),
    Fine,
    Bad(String),
}

fn judge(row: Result<Request, BadRecord>) -> Row {
    match row {
        Ok(request) if request.ms > 500 => Row::Slow(request),
        Ok(_) => Row::Fine,
        Err(bad) => Row::Bad(format!("{}\t{}", bad.line(), bad.raw_text())),
    }
}

fn slow_requests(log: PathBuf, range_bytes: u64, slow: PathBuf, bad: PathBuf) -> Dataflow {
    dataflow!("slow_requests", |flow| {
        let log = CsvSource::<Request>::typed(log)
            .results()
            .range_bytes(range_bytes);
        let requests = flow.input(log);
        let rows = requests.map(judge);

        let slow_rows = rows.clone().filter_map(|row| match row {
            Row::Slow(request) => Some(request),
            _ => None,
        });
        slow_rows.output(JsonLinesSink::new(slow));

        let bad_rows = rows.clone().filter_map(|row| match row {
            Row::Bad(text) => Some(text),
            _ => None,
        });
        bad_rows.output(FileSink::new(bad));

        // One count for all rows: of those there are, and of those that are bad.
        let counted = rows.map(|row| ((), (1_u64, u64::from(matches!(row, Row::Bad(_))))));
        let counts = counted.reduce_final(|a, b| (a.0 + b.0, a.1 + b.1));
        let report = counts.map(|(_, (rows, bad))| format!("{rows} rows, {bad} bad"));
        report.output(StdErrSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The log to read.
    log: PathBuf,
    /// The file for slow requests.
    slow: PathBuf,
    /// The file for unreadable rows.
    bad: PathBuf,
    /// How many bytes of the log a worker reads as one partition; the same in each run on one store.
    #[arg(long, default_value_t = 16 << 20)]
    range_bytes: u64,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    let flow = slow_requests(args.log, args.range_bytes, args.slow, args.bad);
    args.run.execute(flow)
}
