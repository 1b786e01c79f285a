//! Matches payments with orders, and converts them to euros.
//!
//! `payments ORDERS.csv PAYMENTS.csv RATES.csv` reads rows with the columns
//! `at,order,customer,cents,currency`, `at,order,cents` and `at,currency,rate`. A payment matches its order
//! if it follows within an hour. It is printed as `order,cents,euros`, converted with the newest rate of the
//! order's currency at or before the time of the payment: the euros that one unit of the currency is worth.
//! An order that is not paid within the hour is printed as `order,unpaid`. Rows may be in any order within a
//! day.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::{StdErrSink, StdOutSink};
use bytewax::prelude::*;
use bytewax::windowing::{AsOf, Interval, Lateness, LeftOuter, StreamClock};
use serde::{Deserialize, Deserializer};

#[stateful(version = 1)]
#[derive(Clone, Deserialize)]
struct Order {
    #[serde(deserialize_with = "time")]
    at: DateTime<Utc>,
    order: String,
    currency: String,
}

#[stateful(version = 1)]
#[derive(Clone, Deserialize)]
struct Payment {
    #[serde(deserialize_with = "time")]
    at: DateTime<Utc>,
    order: String,
    cents: i64,
}

#[stateful(version = 1)]
#[derive(Clone, Deserialize)]
struct Rate {
    #[serde(deserialize_with = "time")]
    at: DateTime<Utc>,
    currency: String,
    rate: f64,
}

/// Parses a time in RFC 3339 format; without a zone, it is UTC.
fn time<'de, D: Deserializer<'de>>(cell: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(cell)?;
    let zoned = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
    let plain = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.or_else(|error| match plain() {
        Ok(at) => Ok(at.and_utc()),
        Err(_) => Err(serde::de::Error::custom(format!(
            "`{text}` is no time: {error}"
        ))),
    })
}

fn in_euros(payment: &Payment, currency: &str, rate: Option<&Rate>) -> String {
    let Payment { order, cents, .. } = payment;
    match rate.map(|rate| rate.rate) {
        Some(rate) => format!("{order},{cents},{:.2}", *cents as f64 * rate / 100.0),
        None if currency == "EUR" => format!("{order},{cents},{:.2}", *cents as f64 / 100.0),
        None => format!("{order},{cents},no rate"),
    }
}

fn payments(orders: PathBuf, payments: PathBuf, rates: PathBuf) -> Dataflow {
    dataflow!("payments", |flow| {
        // They are files of the past, however the clock of this machine goes.
        let late = Lateness::bounded(TimeDelta::days(1)).any_future();
        let orders = flow.input(CsvSource::<Order>::typed(orders).results());
        let order_rows = orders.split_result();
        order_rows.errs.output(StdErrSink::new());
        let order_times = order_rows.oks.event_time(|order: &Order| order.at, late);
        let by_order = order_times.down.key_on(|order: &Order| order.order.clone());

        let payments = flow.input(CsvSource::<Payment>::typed(payments).results());
        let payment_rows = payments.split_result();
        payment_rows.errs.output(StdErrSink::new());
        let payment_times = payment_rows
            .oks
            .event_time(|payment: &Payment| payment.at, late);
        let paid = payment_times
            .down
            .key_on(|payment: &Payment| payment.order.clone());

        let rates = flow.input(CsvSource::<Rate>::typed(rates).results());
        let rate_rows = rates.split_result();
        rate_rows.errs.output(StdErrSink::new());
        let rate_times = rate_rows.oks.event_time(|rate: &Rate| rate.at, late);
        let by_currency = rate_times.down.key_on(|rate: &Rate| rate.currency.clone());

        let clock =
            StreamClock::of_sides((|order: &Order| order.at, |payment: &Payment| payment.at));
        let hour = Interval::after(TimeDelta::hours(1));
        let matched = by_order.join_interval(paid, clock, hour, LeftOuter);
        let sides = matched
            .down
            .key_rm()
            .branch(|(_, payment)| payment.is_some());
        let unpaid = sides
            .falses
            .map(|(order, _)| format!("{},unpaid", order.order));
        unpaid.output(StdOutSink::new());

        let by_paid_currency = sides
            .trues
            .filter_map(|(order, payment)| Some((order.currency, payment?)));
        let clock = StreamClock::of_sides((|payment: &Payment| payment.at, |rate: &Rate| rate.at));
        let rated = by_paid_currency.join_as_of(by_currency, clock, AsOf::backward());
        let lines = rated
            .down
            .map(|(currency, (payment, rate))| in_euros(&payment, &currency, rate.as_ref()));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The orders.
    orders: PathBuf,
    /// The payments.
    payments: PathBuf,
    /// The rates of currencies.
    rates: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run
        .execute(payments(args.orders, args.payments, args.rates))
}
