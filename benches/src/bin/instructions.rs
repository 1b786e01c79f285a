//! Counts the instructions of small runs, and compares them with those of earlier code.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt};

use bytewax_benches::case::{Case, Implementation, Workload};
use bytewax_benches::words;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The greatest accepted difference to a stored count. Two runs of one program differ by less than 0.5 %.
const ACCEPTED: f64 = 0.03;

/// The size of the text for W1, in bytes.
const TEXT_BYTES: u64 = 500_000;

/// Counts the instructions of a small run of each workload by this library, with one worker, under `valgrind`. Fails if a
/// count differs by more than 3 % from the stored one.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    internal: Option<Internal>,
    /// Store the counts instead of comparing them.
    #[arg(long)]
    write: bool,
    /// The workloads to run; all if not given.
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<Workload>,
    /// The file with the stored counts.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    stored: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Runs one workload; this program executes itself with it.
    #[command(hide = true)]
    RunOne(Case),
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
struct Difference {
    workload: Workload,
    count: u64,
    stored: u64,
}

impl Difference {
    fn share(&self) -> f64 {
        self.count as f64 / self.stored as f64 - 1.0
    }

    fn is_accepted(&self) -> bool {
        self.share().abs() <= ACCEPTED
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workload,
            count,
            stored,
        } = self;
        let percent = 100.0 * self.share();
        write!(
            f,
            "{workload}: {count} instructions, stored {stored}: {percent:+.2} %"
        )
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::RunOne(case)) = &arguments.internal {
        bytewax_benches::run(case)?;
        return Ok(());
    }
    if cfg!(feature = "mimalloc") || cfg!(debug_assertions) {
        return Err(
            "the stored counts are those of `--release` with the allocator of the system".into(),
        );
    }
    let directory = tempfile::tempdir()?;
    let text = directory.path().join("words.txt");
    words::write_text(TEXT_BYTES, &mut BufWriter::new(File::create(&text)?))?;

    let compiler = compiler()?;
    let selected =
        |workload: &Workload| arguments.only.is_empty() || arguments.only.contains(workload);
    let counted = Workload::ALL.into_iter().filter(selected).map(|workload| {
        let count = count(&case(workload, &text), directory.path())?;
        Ok((workload, count))
    });
    if arguments.write {
        let counted: Result<Vec<_>> = counted.collect();
        let instructions = counted?
            .into_iter()
            .map(|(workload, count)| (workload.to_string(), count));
        let instructions = instructions.collect();
        return Counts {
            compiler,
            instructions,
        }
        .write(&arguments.stored);
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
    for counted in counted {
        let (workload, count) = counted?;
        let stored = stored.instructions.get(&workload.to_string());
        let stored =
            *stored.ok_or_else(|| format!("no count of {workload} is stored; use `--write`"))?;
        let difference = Difference {
            workload,
            count,
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

/// A run that takes a few seconds under `valgrind`.
fn case(workload: Workload, text: &Path) -> Case {
    let n = match workload {
        Workload::W1 => None,
        Workload::W2 => Some(1_000_000),
        Workload::W3 | Workload::W4 | Workload::W5 => Some(200_000),
        Workload::W6 => Some(100_000),
    };
    Case {
        workload,
        implementation: Implementation::Bytewax,
        workers: 1,
        n,
        file: text.to_owned(),
        batch: None,
    }
}

fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Runs a case under `valgrind`, and returns the number of its instructions.
fn count(case: &Case, directory: &Path) -> Result<u64> {
    let out = directory.join("counts");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=cachegrind", "--cache-sim=no", "--quiet"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .arg("run-one")
        .args(case.arguments());
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
