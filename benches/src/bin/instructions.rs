//! Counts the instructions of small runs, and compares them with those of earlier code.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt};

use bytewax_benches::case::{Case, Workload};
use bytewax_benches::{nexmark, words};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The greatest accepted difference to a stored count. Two runs of one program differ by less than 0.5 %.
const ACCEPTED: f64 = 0.03;

/// The size of the text for W1, in bytes.
const TEXT_BYTES: u64 = 500_000;

/// Counts the instructions of a small run of each workload and of two queries of Nexmark by this library, with one worker,
/// under `valgrind`. Fails if a count differs by more than 3 % from the stored one.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// Store the counts instead of comparing them.
    #[arg(long)]
    write: bool,
    /// The file with the stored counts.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    stored: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Runs one workload; this program executes itself with it.
    #[command(hide = true)]
    Workload(Case),
    /// Runs one query of Nexmark.
    #[command(hide = true)]
    Query(nexmark::Case),
}

/// The counts of one compiler; another compiles other instructions.
#[derive(Debug, Deserialize, Serialize)]
struct Counts {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

impl Counts {
    fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?)
    }
}

/// A count beside the stored one.
struct Difference<'a> {
    name: &'a str,
    count: u64,
    stored: u64,
}

impl Difference<'_> {
    fn share(&self) -> f64 {
        self.count as f64 / self.stored as f64 - 1.0
    }

    fn is_accepted(&self) -> bool {
        self.share().abs() <= ACCEPTED
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            count,
            stored,
        } = self;
        let percent = 100.0 * self.share();
        write!(
            f,
            "{name}: {count} instructions, stored {stored}: {percent:+.2} %"
        )
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.internal {
        Some(Internal::Workload(case)) => bytewax_benches::run(case)?,
        Some(Internal::Query(case)) => nexmark::run(case)?,
        None => return check(&arguments),
    };
    Ok(())
}

fn check(arguments: &Arguments) -> Result<()> {
    if cfg!(feature = "mimalloc") || cfg!(debug_assertions) {
        return Err(
            "the stored counts are those of `--release` with the allocator of the system".into(),
        );
    }
    let directory = tempfile::tempdir()?;
    let text = directory.path().join("words.txt");
    words::write_text(TEXT_BYTES, &mut BufWriter::new(File::create(&text)?))?;

    let compiler = compiler()?;
    let mut instructions = BTreeMap::new();
    for (name, line) in runs(&text) {
        instructions.insert(name, count(&line, directory.path())?);
    }
    if arguments.write {
        let counts = Counts {
            compiler,
            instructions,
        };
        return counts.write(&arguments.stored);
    }

    let stored = Counts::read(&arguments.stored)?;
    if stored.compiler != compiler {
        return Err(format!(
            "{} contains the counts of {}, and this is {compiler}; store new ones with `--write`",
            arguments.stored.display(),
            stored.compiler
        )
        .into());
    }
    let mut refused = 0;
    for (name, count) in &instructions {
        let stored = stored.instructions.get(name);
        let stored =
            *stored.ok_or_else(|| format!("no count of {name} is stored; use `--write`"))?;
        let difference = Difference {
            name,
            count: *count,
            stored,
        };
        println!("{difference}");
        refused += u32::from(!difference.is_accepted());
    }
    if refused > 0 {
        return Err(format!(
            "{refused} differ by more than {} %; find the cause, or store the new counts with `--write`",
            100.0 * ACCEPTED
        )
        .into());
    }
    Ok(())
}

/// Runs that take a few seconds under `valgrind`, with their names, as arguments of this program.
fn runs(text: &Path) -> Vec<(String, Vec<OsString>)> {
    let run = |name: &str, line: String, last: Option<&Path>| {
        let line = line.split(' ').map(OsString::from);
        (
            name.to_owned(),
            line.chain(last.map(OsString::from)).collect(),
        )
    };
    let mut runs: Vec<_> = Workload::ALL
        .into_iter()
        .map(|workload| {
            let (size, file) = match workload {
                Workload::W1 => ("--file".to_owned(), Some(text)),
                Workload::W2 => ("--n=1000000".to_owned(), None),
                Workload::W3 | Workload::W4 | Workload::W5 => ("--n=200000".to_owned(), None),
                Workload::W6 => ("--n=100000".to_owned(), None),
            };
            let line = format!("workload {workload} --impl=bytewax {size}");
            run(&workload.to_string(), line, file)
        })
        .collect();
    for query in [nexmark::Query::Q1, nexmark::Query::Q5] {
        let line = format!("query {query} --impl=bytewax --events=30000");
        runs.push(run(&query.to_string(), line, None));
    }
    runs
}

fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Runs this program with these arguments under `valgrind`, and returns the number of instructions.
fn count(line: &[OsString], directory: &Path) -> Result<u64> {
    let out = directory.join("counts");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=cachegrind", "--cache-sim=no", "--quiet"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args(line);
    let output = command
        .output()
        .map_err(|error| format!("`valgrind` cannot be started, is it installed? {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}: {text}", output.status).into());
    }
    let counts = fs::read_to_string(&out)?;
    let summary = counts
        .lines()
        .find_map(|line| line.strip_prefix("summary:"));
    let summary = summary.ok_or("the output of `valgrind` has no summary")?;
    Ok(summary.trim().parse()?)
}
