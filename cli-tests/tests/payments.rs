//! The example of payments: its lines are those of a plain loop, with any number of workers and under kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use cli_tests::{command, kill_until_done, run};

const CURRENCIES: [&str; 3] = ["USD", "CHF", "EUR"];

/// A generator of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// The time of a second of November, as files have it.
fn text_of(second: u64) -> String {
    let (days, hours, minutes) = (second / 86_400, second / 3600 % 24, second / 60 % 60);
    format!(
        "2026-11-{:02}T{hours:02}:{minutes:02}:{:02}Z",
        days + 1,
        second % 60
    )
}

/// Writes rows in the order of times that are up to ten minutes off.
fn write(path: &Path, header: &str, rows: Vec<(u64, String)>, random: &mut Random) {
    let mut rows: Vec<(u64, String)> = rows
        .into_iter()
        .map(|(at, row)| (at + random.below(600), format!("{},{row}\n", text_of(at))))
        .collect();
    rows.sort();
    let rows: Vec<String> = rows.into_iter().map(|(_, row)| row).collect();
    fs::write(path, header.to_owned() + &rows.concat()).unwrap();
}

/// Writes the three files, and gives the lines that are expected.
fn write_files(place: &Path, orders: u64) -> Vec<String> {
    let mut random = Random(orders);
    let mut rates: BTreeMap<&str, Vec<(u64, f64)>> = BTreeMap::new();
    let mut rate_rows = Vec::new();
    for currency in ["USD", "CHF"] {
        let mut at = 0;
        for _ in 0..200 {
            let rate = 0.5 + random.below(1000) as f64 / 1000.0;
            rates.entry(currency).or_default().push((at, rate));
            rate_rows.push((at, format!("{currency},{rate}")));
            at += 1 + random.below(9000);
        }
    }
    let (mut order_rows, mut payment_rows, mut expect) = (Vec::new(), Vec::new(), Vec::new());
    for order in 0..orders {
        let at = 600 + order * 800_000 / orders;
        let currency = CURRENCIES[random.below(3) as usize];
        let cents = 1 + random.below(100_000);
        order_rows.push((at, format!("o{order},c{},{cents},{currency}", order % 17)));
        let mut paid = false;
        for part in 0..random.below(3) {
            // Some come too early, some too late, some at the last moment.
            let delay = match random.below(8) {
                0 => 3600,
                1 => 3601 + random.below(600),
                _ => random.below(3600),
            };
            let early = random.below(20) == 0;
            let paid_at = if early {
                at - 1 - random.below(300)
            } else {
                at + delay
            };
            let cents = cents / (part + 1) + 1;
            payment_rows.push((paid_at, format!("o{order},{cents}")));
            if early || delay > 3600 {
                continue;
            }
            paid = true;
            let newest = rates
                .get(currency)
                .and_then(|rates| rates.iter().rfind(|(at, _)| *at <= paid_at));
            let rate = newest.map_or(1.0, |(_, rate)| *rate);
            expect.push(format!(
                "o{order},{cents},{:.2}",
                cents as f64 * rate / 100.0
            ));
        }
        if !paid {
            expect.push(format!("o{order},unpaid"));
        }
    }
    write(
        &place.join("orders.csv"),
        "at,order,customer,cents,currency\n",
        order_rows,
        &mut random,
    );
    write(
        &place.join("payments.csv"),
        "at,order,cents\n",
        payment_rows,
        &mut random,
    );
    write(
        &place.join("rates.csv"),
        "at,currency,rate\n",
        rate_rows,
        &mut random,
    );
    expect.sort_unstable();
    expect
}

fn program(place: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_payments"), args);
    for name in ["orders.csv", "payments.csv", "rates.csv"] {
        command.arg(place.join(name));
    }
    command
}

#[test]
fn any_number_of_workers() {
    let place = tempfile::tempdir().unwrap();
    let expect = write_files(place.path(), 3000);
    for way in ["-w 1", "-w 2", "-w 4", "-p 2"] {
        let ended = run(program(place.path(), way)).code(0);
        assert!(!ended.err.contains("step `"), "{way}: {}", ended.err);
        let mut lines = ended.out;
        lines.sort_unstable();
        assert!(lines == expect, "{way}");
    }
}

/// Killed again and again, each time with other workers, it prints the lines of one run. Those of an epoch that was
/// not complete are printed again.
#[test]
fn killed_again_and_again() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::create_dir(place.join("store")).unwrap();
    let store = format!("-r {}", place.join("store").display());
    let expect = write_files(place, 20_000);
    let ways = ["-w 1", "-p 2", "-w 4", "-p 2 -w 2"];
    let runs = kill_until_done(&ways, |way| program(place, &format!("{store} -s 0 {way}")));
    let mut lines: Vec<_> = runs.into_iter().flat_map(|ended| ended.out).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut expect = expect;
    expect.dedup();
    assert!(lines == expect);
}
