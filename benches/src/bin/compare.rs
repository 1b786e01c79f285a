//! Runs the programs of each workload side by side and prints a Markdown table.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, thread};

use bytewax_benches::case::{Case, Implementation, Workload, at_least_one};
use bytewax_benches::report::Report;
use bytewax_benches::{ALLOCATOR_NAME, words};
use clap::{Parser, Subcommand};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Compares the programs of each workload, round by round, each run in a process of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// How often each program is run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The workloads to run; all if not given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Workload>,
    /// The numbers of worker threads to run with.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = at_least_one)]
    workers: Vec<usize>,
    /// Scales the number of items and the size of the text.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    n_scale: f64,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// What this program executes itself with, for each run.
    #[command(hide = true)]
    RunOne(Case),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(case)) = &arguments.internal {
        println!("{}", bytewax_benches::run(case)?);
        return Ok(());
    }

    let selected =
        |workload: &Workload| arguments.only.is_empty() || arguments.only.contains(workload);
    let launcher = Launcher::new()?;
    let mut table = Table::default();
    for workload in Workload::ALL.into_iter().filter(selected) {
        let mut contestants = contestants(workload, &arguments)?;
        if contestants.is_empty() {
            eprintln!("{workload}: no program runs with so many workers");
        }
        for round in 1..=arguments.rounds {
            for contestant in &mut contestants {
                let report = launcher.run(&contestant.case)?;
                eprintln!("round {round}: {report}");
                contestant.reports.push(report);
            }
            agree(&contestants)?;
        }
        table.add(workload, &contestants);
    }

    table.print();
    println!(
        "\n{} rounds, {} CPUs, {}, the allocator is {ALLOCATOR_NAME}.",
        arguments.rounds,
        thread::available_parallelism()?,
        if launcher.pin.is_some() {
            "pinned"
        } else {
            "not pinned"
        },
    );
    Ok(())
}

/// A program that takes part, and how it has done in each round.
struct Contestant {
    case: Case,
    reports: Vec<Report>,
}

impl Contestant {
    fn rates(&self) -> impl Iterator<Item = f64> + '_ {
        self.reports.iter().map(|report| report.rate)
    }
}

/// The programs that there are for a workload, in the order of a round: those with the same number of
/// workers, which are measured against each other, follow one another.
fn contestants(workload: Workload, arguments: &Arguments) -> Result<Vec<Contestant>> {
    let scaled = |x: u64| (x as f64 * arguments.n_scale).round() as u64;
    let (n, file) = match workload {
        Workload::W1 => (None, text(scaled(words::TEXT_BYTES))?),
        _ => (Some(scaled(workload.default_n())), PathBuf::new()),
    };
    let mut contestants = Vec::new();
    for &workers in &arguments.workers {
        for implementation in Implementation::ALL {
            let file = file.clone();
            let case = Case {
                workload,
                implementation,
                workers,
                n,
                file,
                batch: None,
            };
            if case.possible().is_ok() {
                contestants.push(Contestant {
                    case,
                    reports: Vec::new(),
                });
            }
        }
    }
    Ok(contestants)
}

/// The text of W1 in about this size, made if it is not there yet.
fn text(bytes: u64) -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or("the program is not in a target directory")?;
    let folder = target.join("bench-data");
    let path = folder.join(format!("words-{bytes}.txt"));
    if !path.exists() {
        eprintln!("making {}", path.display());
        fs::create_dir_all(&folder)?;
        // under another name until it is whole, as a run may be stopped
        let unfinished = path.with_extension(format!("{}.part", std::process::id()));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        words::write_text(bytes, &mut out)?;
        fs::rename(unfinished, &path)?;
    }
    // read once, so that the first program finds it in the page cache as the others do
    std::io::copy(&mut File::open(&path)?, &mut std::io::sink())?;
    Ok(path)
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

/// Starts this same program for one case.
///
/// It is this program and not another one beside it because cargo builds only the program that it is
/// told to run: another could be left over from older code.
struct Launcher {
    program: PathBuf,
    /// What comes before the program to pin it, if that can be done here.
    pin: Option<&'static str>,
}

impl Launcher {
    fn new() -> Result<Self> {
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

    fn run(&self, case: &Case) -> Result<Report> {
        let mut command = match self.pin {
            Some(taskset) => {
                let cpus: Vec<_> = (0..case.workers).map(|cpu| cpu.to_string()).collect();
                let mut command = Command::new(taskset);
                command.arg("-c").arg(cpus.join(",")).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.arg("run-one").args(case.arguments());
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{command:?} ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The rows of the table, and below it what was computed.
#[derive(Default)]
struct Table {
    rows: Vec<String>,
    notes: Vec<String>,
}

impl Table {
    fn add(&mut self, workload: Workload, contestants: &[Contestant]) {
        for contestant in contestants {
            let Case {
                implementation,
                workers,
                ..
            } = contestant.case;
            let baseline = contestants.iter().find(|other| {
                other.case.workers == workers && other.case.implementation == workload.baseline()
            });
            let ratio = baseline.and_then(|baseline| {
                median(
                    contestant
                        .rates()
                        .zip(baseline.rates())
                        .map(|(rate, base)| rate / base),
                )
            });
            let peak = contestant
                .reports
                .iter()
                .filter_map(|report| report.peak_mib);
            self.rows.push(format!(
                "| {workload} | {workers} | {implementation} | {} ({}–{}) | {} | {} |",
                shown(median(contestant.rates()), millions),
                shown(contestant.rates().reduce(f64::min), millions),
                shown(contestant.rates().reduce(f64::max), millions),
                shown(ratio, |ratio| format!("{ratio:.2}")),
                shown(peak.reduce(f64::max), |mib| format!("{mib:.0}")),
            ));
        }
        if let Some(report) = contestants
            .first()
            .and_then(|contestant| contestant.reports.first())
        {
            self.notes.push(format!(
                "- {workload}: {} items, ratio to {}, check {}",
                report.items,
                workload.baseline(),
                report.check
            ));
        }
    }

    fn print(&self) {
        println!(
            "| workload | workers | implementation | median items/s (min–max) \
             | median ratio to timely | peak MiB |"
        );
        println!("|---|---|---|---|---|---|");
        println!("{}\n\n{}", self.rows.join("\n"), self.notes.join("\n"));
    }
}

fn shown(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
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

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

fn scale(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        Ok(_) => Err("must be more than zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn a_case_survives_the_command_line() {
        let case = Case {
            workload: Workload::W1,
            implementation: Implementation::TimelyCombiner,
            workers: 2,
            n: Some(7),
            file: "some text".into(),
            batch: Some(9),
        };
        let line = [OsString::from("compare"), "run-one".into()].into_iter();
        let parsed = Arguments::try_parse_from(line.chain(case.arguments()));
        let Ok(Arguments {
            internal: Some(Internal::RunOne(parsed)),
            ..
        }) = parsed
        else {
            panic!("not parsed: {parsed:?}");
        };
        assert_eq!(format!("{parsed:?}"), format!("{case:?}"));
    }

    #[test]
    fn different_sums_are_an_error() {
        let contestant = |sum: &str| {
            let case = Case {
                workload: Workload::W2,
                implementation: Implementation::Timely,
                workers: 1,
                n: None,
                file: PathBuf::new(),
                batch: None,
            };
            let report = Report::new(&case, 1, Duration::from_secs(1), sum.to_owned());
            Contestant {
                case,
                reports: vec![report],
            }
        };
        assert!(agree(&[contestant("1/1"), contestant("1/1")]).is_ok());
        assert!(agree(&[contestant("1/1"), contestant("1/2")]).is_err());
    }
}
