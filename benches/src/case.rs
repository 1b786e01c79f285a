//! What can be run, and the arguments that say so.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::keyed;

/// The work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Counts the words of a text: see [`words`](crate::words).
    W1,
    /// A chain of stateless steps: see [`chain`](crate::chain).
    W2,
    /// Running state per key: see [`keyed`].
    W3,
    /// Windows that follow each other: see [`windows`](crate::windows).
    W4,
    /// Windows that overlap: see [`windows`](crate::windows).
    W5,
    /// A join of two streams: see [`pairs`](crate::pairs).
    W6,
}

impl Workload {
    /// All of them, in the order in which they are compared.
    pub const ALL: [Workload; 6] = [
        Workload::W1,
        Workload::W2,
        Workload::W3,
        Workload::W4,
        Workload::W5,
        Workload::W6,
    ];

    /// The number of inputs that the comparison takes. W1 has the size of its text instead.
    pub fn default_n(self) -> u64 {
        match self {
            Workload::W1 => 0,
            Workload::W2 => 100_000_000,
            Workload::W3 | Workload::W4 | Workload::W5 => 20_000_000,
            Workload::W6 => 5_000_000,
        }
    }

    /// What the other implementations are measured against.
    pub fn baseline(self) -> Implementation {
        match self {
            Workload::W1 => Implementation::TimelyCombiner,
            _ => Implementation::Timely,
        }
    }
}

/// The program that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Implementation {
    /// This project's library.
    Bytewax,
    /// W4 and W5 only: as `bytewax`, but each key has a time of its own.
    BytewaxPerKey,
    /// Written by hand on timely's own operators, one for each step.
    Timely,
    /// W1 only: as `timely`, but each worker counts its own words before it sends them on.
    TimelyCombiner,
    /// No framework at all.
    Loop,
}

impl Implementation {
    /// All of them, in the order in which they are compared.
    pub const ALL: [Implementation; 5] = [
        Implementation::Bytewax,
        Implementation::BytewaxPerKey,
        Implementation::Timely,
        Implementation::TimelyCombiner,
        Implementation::Loop,
    ];
}

/// Shows a value by its name on the command line.
pub(crate) fn name(value: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = value
        .to_possible_value()
        .expect("no value is hidden from the command line");
    f.pad(value.get_name())
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(self, f)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(self, f)
    }
}

/// One run of one program.
#[derive(Args, Clone, Debug)]
pub struct Case {
    /// The work to do.
    pub workload: Workload,
    /// The program that does it.
    #[arg(long = "impl", default_value = "timely")]
    pub implementation: Implementation,
    /// The number of worker threads.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// The number of inputs, for w2 (100,000,000 if not given) w3 to w5 (20,000,000), and
    /// of each stream for w6 (5,000,000).
    #[arg(long, value_parser = number)]
    pub n: Option<u64>,
    /// The text to read, for w1.
    #[arg(long, default_value = "target/bench-data/words-200000000.txt")]
    pub file: PathBuf,
    /// How many items a source puts out at a time; 1024 lines for w1 and 8192 items otherwise, if
    /// not given.
    #[arg(long, value_parser = at_least_one)]
    pub batch: Option<usize>,
}

impl Case {
    /// The number of inputs.
    pub fn n(&self) -> u64 {
        self.n.unwrap_or_else(|| self.workload.default_n())
    }

    /// How many items a source puts out at a time.
    pub fn batch(&self) -> usize {
        let default = if self.workload == Workload::W1 {
            1024
        } else {
            8192
        };
        self.batch.unwrap_or(default)
    }

    /// The arguments of a program that flattens [`Case`].
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![self.workload.to_string().into()];
        let mut option = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        option("--impl", self.implementation.to_string().into());
        option("--workers", self.workers.to_string().into());
        if let Some(n) = self.n {
            option("--n", n.to_string().into());
        }
        if self.file != Path::new("") {
            option("--file", self.file.clone().into());
        }
        if let Some(batch) = self.batch {
            option("--batch", batch.to_string().into());
        }
        arguments
    }

    /// Whether there is such a program, and if not, why.
    pub fn possible(&self) -> Result<(), String> {
        let Case {
            workload,
            implementation,
            workers,
            ..
        } = self;
        match (workload, implementation) {
            (Workload::W1, Implementation::TimelyCombiner) => Ok(()),
            (_, Implementation::TimelyCombiner) => {
                Err(format!("{workload} has nothing to combine"))
            }
            (
                Workload::W1 | Workload::W2 | Workload::W3 | Workload::W6,
                Implementation::BytewaxPerKey,
            ) => Err(format!("{workload} knows no times")),
            (Workload::W6, _) if *workers > 1 => {
                Err("with several workers, nothing keeps the two streams side by side".to_owned())
            }
            (Workload::W3 | Workload::W4 | Workload::W5, Implementation::Loop) if *workers > 1 => {
                Err("one loop cannot exchange by key with another".to_owned())
            }
            (Workload::W3 | Workload::W4 | Workload::W5, _) if *workers > keyed::MAX_WORKERS => {
                Err(format!("{workload} has {} partitions", keyed::MAX_WORKERS))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a number from the command line, which may have `_` in it.
pub fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|error| format!("{error}"))
}

/// Reads a number from the command line that must not be zero.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("must be at least one".to_owned()),
        number => usize::try_from(number).map_err(|error| error.to_string()),
    }
}
