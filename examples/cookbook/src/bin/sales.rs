//! Totals the sales of each shop, and sets bad rows aside.
//!
//! `sales SALES.csv TOTALS.jsonl BAD.txt` reads rows with the columns `at`, `shop`, `product` and `cents`. It
//! writes the number and the sum of the sales of each shop as JSON Lines, and unreadable rows with their line
//! number and the reason.

use std::path::PathBuf;

use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::files::{BadRecord, FileSink};
use bytewax::connectors::json::JsonLinesSink;
use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

/// The columns that matter here.
#[derive(Deserialize)]
struct Sale {
    shop: String,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Total {
    shop: String,
    sales: u64,
    cents: u64,
}

fn describe(row: &BadRecord) -> String {
    format!("line {}: {}: {}", row.line(), row.why(), row.raw_text())
}

fn totals(sales: PathBuf, totals: PathBuf, bad: PathBuf) -> Dataflow {
    dataflow!("totals", |flow| {
        let rows = flow.input(CsvSource::<Sale>::typed(sales).results());
        let sales = rows.split_result();
        let bad_rows = sales.errs.map(|row| describe(&row));
        bad_rows.output(FileSink::new(bad));

        let counted = sales.oks.map(|sale| (sale.shop, (1, sale.cents)));
        let sums = counted.reduce_final(|a: (u64, u64), b| (a.0 + b.0, a.1 + b.1));
        let lines = sums.map(|(shop, (sales, cents))| Total { shop, sales, cents });
        lines.output(JsonLinesSink::new(totals));
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The sales.
    sales: PathBuf,
    /// The file for the totals.
    totals: PathBuf,
    /// The file for unreadable rows.
    bad: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(totals(args.sales, args.totals, args.bad))
}
