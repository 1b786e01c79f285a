//! Adds up the revenue of each product in a CSV file.
use std::path::PathBuf;

use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

// It is faster than glibc's allocator when one thread allocates and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A row of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    product: String,
    cents: u64,
}

/// Emits the revenue of a product after each of its orders.
#[operator]
fn revenue(orders: Stream<Order>) -> KeyedStream<String, u64> {
    let by_product = orders.key_on(|order: &Order| order.product.clone());
    by_product.stateful_map(|sum: &mut u64, order: Order| {
        *sum += order.cents;
        *sum
    })
}

fn flow(file: PathBuf) -> Dataflow {
    dataflow!("my_flow", |flow| {
        let orders = flow.input(CsvSource::<Order>::typed(file));
        let totals = revenue(orders);
        let lines = totals.map(|(product, cents)| format!("{product} {cents}"));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// File of orders.
    #[arg(env = "ORDERS", default_value = "orders.csv")]
    orders: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(flow(args.orders))
}

#[cfg(test)]
mod tests {
    use bytewax::testing::run_items;

    use super::*;

    #[test]
    fn revenue_grows_with_each_order() {
        let order = |product: &str, cents| Order {
            product: product.to_owned(),
            cents,
        };
        let orders = [order("pen", 150), order("ink", 900), order("pen", 50)];
        let out = run_items(orders, |orders| revenue(orders).named("revenue"));
        let out: Vec<_> = out.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(out, [("pen", 150), ("ink", 900), ("pen", 200)]);
    }
}
