//! Adds names and prices from a table of products to orders.
//!
//! `enrich ORDERS.csv PRODUCTS.csv` reads rows with the columns `order`, `sku` and `count`, and a table with the
//! columns `sku`, `name` and `cents`. It prints `order,name,count,cents` for each order. Orders of products
//! that are not in the table go to standard error.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytewax::StepError;
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::{StdErrSink, StdOutSink};
use bytewax::operators::TryError;
use bytewax::prelude::*;
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct Order {
    order: u64,
    sku: String,
    count: u64,
}

#[derive(Deserialize)]
struct Product {
    sku: String,
    name: String,
    cents: u64,
}

type Products = HashMap<String, Product>;

fn read_products(table: &Path) -> Result<Products, StepError> {
    let cannot =
        |error: csv::Error| StepError::msg(format!("cannot read `{}`: {error}", table.display()));
    let mut rows = csv::Reader::from_path(table).map_err(cannot)?;
    let products = rows.deserialize().map(|row| {
        let product: Product = row.map_err(cannot)?;
        Ok((product.sku.clone(), product))
    });
    products.collect()
}

fn price(products: &Products, order: Order) -> Result<String, TryError<Order>> {
    let Some(product) = products.get(&order.sku) else {
        return Err(TryError::Item(order, "it is not in the table".to_owned()));
    };
    let Order { order, count, .. } = order;
    let cents = count * product.cents;
    Ok(format!("{order},{},{count},{cents}", product.name))
}

fn enrich(orders: PathBuf, products: PathBuf) -> Dataflow {
    dataflow!("enrich", |flow| {
        let orders = flow.input(CsvSource::<Order>::typed(orders));
        // Each worker reads the table once, when it starts.
        let table = move || read_products(&products);
        let priced = orders.try_map_with(table, |products, order| price(products, order));
        priced.oks.output(StdOutSink::new());
        let unknown = priced.errs.map(|bad| {
            let Order { order, sku, .. } = bad.item;
            format!("order {order}: {sku}: {}", bad.error)
        });
        unknown.output(StdErrSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The orders.
    orders: PathBuf,
    /// The table of products.
    products: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(enrich(args.orders, args.products))
}
