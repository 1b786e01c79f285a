//! The greatest value of all keys in each window, the number of values, both by a fold, and the ten greatest values:
//! `all_keys [EVENTS]`. Prints events a second for the key `()`, for which each worker first combines its own events, and for
//! a number as the key, for which it sends each event.

use std::time::Instant;

use bytewax::{Key, RunError};
use bytewax_benches::bytewax_impl::{OfAll, of_all};
use bytewax_benches::case::{Case, Implementation, Workload};

const ROUNDS: usize = 5;

/// Events a second, and what was found.
fn rate<K: Key + Sync>(case: &Case, key: &K, what: OfAll) -> Result<(f64, String), RunError> {
    let start = Instant::now();
    let found = of_all(case, key, what)?.to_string();
    let events = case.n.unwrap_or_default() as f64;
    Ok((events / start.elapsed().as_secs_f64(), found))
}

fn main() -> Result<(), RunError> {
    let events = std::env::args().nth(1);
    let events = events.map_or(10_000_000, |events| {
        events.parse().expect("a number of events")
    });
    let all = [OfAll::Most, OfAll::Count, OfAll::Fold, OfAll::Top];
    for (what, workers) in all.into_iter().flat_map(|what| [(what, 1), (what, 2)]) {
        let case = Case {
            workload: Workload::W4,
            implementation: Implementation::Bytewax,
            workers,
            n: Some(events),
            file: Default::default(),
            batch: None,
        };
        let (mut of_unit, mut of_number) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (unit, found) = rate(&case, &(), what)?;
            let (number, same) = rate(&case, &0_u64, what)?;
            assert_eq!(found, same, "both find the same");
            of_unit.push(unit);
            of_number.push(number);
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_unstable_by(f64::total_cmp);
            rates[ROUNDS / 2] / 1e6
        };
        println!(
            "{what:?}, {workers} workers: {:.1} M events/s with the key (), {:.1} M/s with the key 0",
            median(&mut of_unit),
            median(&mut of_number)
        );
    }
    Ok(())
}
