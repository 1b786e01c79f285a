//! Finds the advertisement that led to each purchase.
//!
//! `attribution PURCHASES.csv CLICKS.csv` reads rows with the columns `at`, `visitor`, `order` and `cents`, and
//! `at`, `visitor` and `ad`, each in any order within a minute. A purchase belongs to the last advertisement
//! that its visitor clicked in the hour before. It prints `order,cents,ad` for each purchase, or
//! `order,cents,-` without such a click.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{AsOf, Lateness, StreamClock};
use serde::Deserialize;

#[stateful]
#[derive(Clone, Deserialize)]
struct Purchase {
    at: DateTime<Utc>,
    visitor: String,
    order: u64,
    cents: u64,
}

#[stateful]
#[derive(Clone, Deserialize)]
struct Click {
    at: DateTime<Utc>,
    visitor: String,
    ad: String,
}

fn describe(purchase: &Purchase, click: Option<&Click>) -> String {
    let Purchase { order, cents, .. } = purchase;
    let ad = click.map_or("-", |click| &click.ad);
    format!("{order},{cents},{ad}")
}

fn attribution(purchases: PathBuf, clicks: PathBuf) -> Dataflow {
    dataflow!("attribution", |flow| {
        let lateness = Lateness::bounded(TimeDelta::minutes(1)).any_future();
        let purchases = flow.input(CsvSource::<Purchase>::typed(purchases));
        let purchase_times = purchases.event_time(|purchase: &Purchase| purchase.at, lateness);
        let bought = purchase_times
            .down
            .key_on(|purchase: &Purchase| purchase.visitor.clone());

        let clicks = flow.input(CsvSource::<Click>::typed(clicks));
        let click_times = clicks.event_time(|click: &Click| click.at, lateness);
        let clicked = click_times
            .down
            .key_on(|click: &Click| click.visitor.clone());

        let clock =
            StreamClock::of_sides((|purchase: &Purchase| purchase.at, |click: &Click| click.at));
        let last = AsOf::backward().tolerance(TimeDelta::hours(1));
        let attributed = bought.join_as_of(clicked, clock, last);
        let lines = attributed
            .down
            .map(|(_, (purchase, click))| describe(&purchase, click.as_ref()));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The purchases.
    purchases: PathBuf,
    /// The clicks on advertisements.
    clicks: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(attribution(args.purchases, args.clicks))
}
