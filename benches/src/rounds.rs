//! Runs programs side by side: each run in a process of its own, round by round, and a Markdown table of the results.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use crate::ALLOCATOR_NAME;
use crate::report::Report;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A program that takes part, and how it has done in each round.
#[derive(Debug)]
pub struct Contestant {
    workers: usize,
    arguments: Vec<OsString>,
    reports: Vec<Report>,
}

impl Contestant {
    /// A program with so many workers that `run-one` and these arguments start.
    pub fn new(workers: usize, arguments: Vec<OsString>) -> Self {
        Self {
            workers,
            arguments,
            reports: Vec::new(),
        }
    }

    fn rates(&self) -> impl Iterator<Item = f64> + '_ {
        self.reports.iter().map(|report| report.rate)
    }
}

/// Starts this same program for one run.
///
/// It is this program and not another one beside it because cargo builds only the program that it is
/// told to run: another could be left over from older code.
#[derive(Debug)]
pub struct Launcher {
    program: PathBuf,
    /// What comes before the program to pin it, if that can be done here.
    pin: Option<&'static str>,
}

impl Launcher {
    /// A launcher of this program.
    pub fn new() -> Result<Self> {
        let works = Command::new("taskset")
            .args(["-c", "0", "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        Ok(Launcher {
            program: env::current_exe()?,
            pin: works.then_some("taskset"),
        })
    }

    /// Runs all programs in turn, so often. All must compute the same.
    pub fn rounds(&self, rounds: u32, contestants: &mut [Contestant]) -> Result<()> {
        for round in 1..=rounds {
            for contestant in &mut *contestants {
                let report: Report = self.run(contestant.workers, &contestant.arguments)?;
                eprintln!("round {round}: {report}");
                contestant.reports.push(report);
            }
            agree(contestants)?;
        }
        Ok(())
    }

    /// Runs this program once on so many processors, with `run-one` and these arguments; what it prints as JSON.
    pub fn run<T: for<'a> serde::Deserialize<'a>>(
        &self,
        processors: usize,
        arguments: &[OsString],
    ) -> Result<T> {
        let mut command = match self.pin {
            Some(taskset) => {
                let cpus: Vec<_> = (0..processors).map(|cpu| cpu.to_string()).collect();
                let mut command = Command::new(taskset);
                command.arg("-c").arg(cpus.join(",")).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.arg("run-one").args(arguments);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{command:?} ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What to write below the numbers.
    pub fn note(&self, rounds: u32) -> String {
        let pinned = self.pin.map_or("not pinned", |_| "pinned");
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let rounds = match rounds {
            1 => "1 round".to_owned(),
            more => format!("{more} rounds"),
        };
        format!("{rounds}, {cpus} CPUs, {pinned}, the allocator is {ALLOCATOR_NAME}.")
    }
}

/// All programs must have had as many items as each other and computed the same from them.
fn agree(contestants: &[Contestant]) -> Result<()> {
    let reports = || {
        contestants
            .iter()
            .flat_map(|contestant| &contestant.reports)
    };
    let Some(first) = reports().next() else {
        return Ok(());
    };
    if reports().all(|report| report.check == first.check && report.items == first.items) {
        return Ok(());
    }
    let lines: Vec<_> = reports().map(Report::to_string).collect();
    Err(format!(
        "the check sums differ, the rates mean nothing:\n{}",
        lines.join("\n")
    )
    .into())
}

/// The rows of the table, and below it what was computed.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<String>,
    notes: Vec<String>,
}

impl Table {
    /// Adds the programs of a workload, each with its ratio to that named `baseline` with as many workers.
    pub fn add(&mut self, baseline: &str, contestants: &[Contestant]) {
        for contestant in contestants {
            let Some(Report {
                workload,
                implementation,
                workers,
                ..
            }) = contestant.reports.first()
            else {
                continue;
            };
            let is_base =
                |report: &Report| report.workers == *workers && report.implementation == baseline;
            let base = contestants
                .iter()
                .find(|other| other.reports.first().is_some_and(is_base));
            let ratios = base.map(|base| {
                let pairs = contestant.rates().zip(base.rates());
                pairs.map(|(rate, base)| rate / base).collect()
            });
            let peak = contestant
                .reports
                .iter()
                .filter_map(|report| report.peak_mib);
            self.rows.push(format!(
                "| {workload} | {workers} | {implementation} | {} | {} | {} |",
                spread(contestant.rates().collect(), millions),
                spread(ratios.unwrap_or_default(), |ratio| format!("{ratio:.2}")),
                peak.reduce(f64::max)
                    .map_or_else(|| "–".to_owned(), |mib| format!("{mib:.0}")),
            ));
        }
        let mut reports = contestants
            .iter()
            .filter_map(|contestant| contestant.reports.first());
        let has_base = reports
            .clone()
            .any(|report| report.implementation == baseline);
        if let Some(report) = reports.next() {
            let ratio = if has_base {
                format!(", ratio to {baseline}")
            } else {
                String::new()
            };
            self.notes.push(format!(
                "- {}: {} items{ratio}, check {}",
                report.workload, report.items, report.check
            ));
        }
    }

    /// Prints all.
    pub fn print(&self) {
        println!(
            "| workload | workers | implementation | median items/s (min–max) \
             | median ratio to timely (min–max) | peak MiB |"
        );
        println!("|---|---|---|---|---|---|");
        println!("{}\n\n{}", self.rows.join("\n"), self.notes.join("\n"));
    }
}

/// The median, the least and the greatest.
fn spread(values: Vec<f64>, show: impl Fn(f64) -> String) -> String {
    let least = values.iter().copied().reduce(f64::min);
    let most = values.iter().copied().reduce(f64::max);
    match (median(values.into_iter()), least, most) {
        (Some(median), Some(least), Some(most)) => {
            format!("{} ({}–{})", show(median), show(least), show(most))
        }
        _ => "–".to_owned(),
    }
}

/// Three digits, or all digits before the point.
fn millions(rate: f64) -> String {
    let rate = rate / 1e6;
    let decimals = match rate {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{rate:.decimals$} M")
}

/// The value in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    fn contestant(implementation: &str, seconds: &[u64], sum: &str) -> Contestant {
        let report = |seconds: &u64| {
            let names = ["w2".to_owned(), implementation.to_owned()];
            let took = Duration::from_secs(*seconds);
            Report::new(names, 1, 12_000_000, took, sum.to_owned())
        };
        let reports = seconds.iter().map(report).collect();
        Contestant {
            reports,
            ..Contestant::new(1, Vec::new())
        }
    }

    #[test]
    fn different_sums_are_an_error() {
        let with = |sum| contestant("timely", &[1], sum);
        assert!(agree(&[with("1/1"), with("1/1")]).is_ok());
        assert!(agree(&[with("1/1"), with("1/2")]).is_err());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut table = Table::default();
        let ours = contestant("bytewax", &[1, 4], "1/1");
        let timely = contestant("timely", &[2, 2], "1/1");
        table.add("timely", &[ours, timely]);
        let row = "| w2 | 1 | bytewax | 7.50 M (3.00 M–12.0 M) | 1.25 (0.50–2.00) |";
        assert!(table.rows[0].starts_with(row), "{}", table.rows[0]);
        let note = "- w2: 12000000 items, ratio to timely, check 1/1";
        assert_eq!(table.notes, [note]);
        table.add("timely", &[contestant("bytewax", &[1], "1/1")]);
        assert_eq!(table.notes, [note, "- w2: 12000000 items, check 1/1"]);
    }
}
