//! Runs one case and prints its line of JSON.

use std::error::Error;

use bytewax_benches::case::Case;
use clap::Parser;

/// Runs one program over one workload and prints a line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    case: Case,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let report = bytewax_benches::run(&Arguments::parse().case)?;
    println!("{report}");
    Ok(())
}
