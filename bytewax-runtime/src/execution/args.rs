//! The flags and subcommands that a program of the user takes.

mod flags;
mod values;

use std::time::Duration;

use clap::{Args, FromArgMatches, Subcommand};

use super::config::RunConfig;
#[cfg(feature = "recovery")]
use super::recovery::RecoveryCommand;
use super::render::GraphFormat;

pub(crate) use flags::Flags;
pub(crate) use values::{Addresses, Bytes, Seconds};

/// How a flow is run: flags and subcommands for a program's own command line.
///
/// A program without arguments of its own calls [`run`](crate::run). A program with arguments
/// flattens this into its parser, describes the flow, and calls [`execute`](Self::execute).
///
/// | flag | environment variable | default | meaning |
/// | --- | --- | --- | --- |
/// | `-w`, `--workers-per-process N` | `BYTEWAX_WORKERS_PER_PROCESS` | 1 | worker threads in each process |
/// | `-p`, `--processes N` | `BYTEWAX_PROCESSES` | | start this many processes on this machine |
/// | `-i`, `--process-id I` | `BYTEWAX_PROCESS_ID` | | which process of `--addresses` this one is, from 0 |
/// | `-a`, `--addresses LIST` | `BYTEWAX_ADDRESSES` | | `host:port` of every process, joined with `;` |
/// | `-s`, `--snapshot-interval SECONDS` | `BYTEWAX_SNAPSHOT_INTERVAL` | 10 | length of an epoch |
/// | `-r`, `--recovery-directory DIR` | `BYTEWAX_RECOVERY_DIRECTORY` | | keep the state in the recovery partitions in this directory, and resume from them; may be given several times |
/// | `-d`, `--local-state DIR` | `BYTEWAX_LOCAL_STATE` | | keep the state in this directory of this machine, and copy each closed epoch to `--backup`; instead of `--recovery-directory` |
/// | `-b`, `--backup PLACE` | `BYTEWAX_BACKUP` | `backup` | where the copies are: a directory, or the address of an object store |
/// | `--backup-interval SECONDS` | `BYTEWAX_RECOVERY_BACKUP_INTERVAL` | | how long replaced states are kept for copies of recovery partitions; not at all unless given |
/// | `--state-memory BYTES` | `BYTEWAX_STATE_MEMORY` | | how many bytes the states in memory may take in each process, such as `512MiB`; what is not needed stays on the disk |
/// | `--buffer-memory BYTES` | `BYTEWAX_BUFFER_MEMORY` | `256MiB` | how many bytes the items on their way between steps may take in each process; see [`RunConfig::buffer_memory`] |
/// | `--snapshot-mode batch\|immediate` | `BYTEWAX_SNAPSHOT_MODE` | `batch` | whether changed states are handed to the store at the end of an epoch or at once |
/// | `--resume require\|allow\|never` | `BYTEWAX_RESUME` | `allow` | whether the run must go on from an earlier one, may, or must not; with `require`, no store is made where there is none |
/// | `--connect-timeout SECONDS` | `BYTEWAX_CONNECT_TIMEOUT` | 60 | how long to wait for the other processes |
/// | `--stop-timeout SECONDS` | `BYTEWAX_STOP_TIMEOUT` | 10 | how long the last epoch may take to end and to be saved when a signal stops the run; with 0, the run stops at once |
///
/// A flag goes before its variable, and the variable before the default.
///
/// A subcommand may follow:
///
/// | subcommand | what it does |
/// | --- | --- |
/// | `run` | runs the flow; this is meant when there is none |
/// | `graph [--format mermaid\|dot\|json]` | draws the flow |
/// | `lock [--file FILE] [--check]` | writes down in `dataflow.lock` what the flow saves state under, for the compiler to check |
/// | `recovery init DIR N` | makes a recovery store of N partitions |
/// | `recovery restore BACKUP DIR` | makes the recovery store that a backup holds |
/// | `recovery show DIR.. [--json]` | shows partitions, executions, and what is saved for each step |
/// | `recovery verify DIR..` | reads every row, and tells what is damaged |
/// | `recovery repartition DIR N NEW_DIR` | copies the newest state to a store of N partitions |
/// | `recovery dump DIR.. --step ID --key KEY` | shows what is saved for a key, or for a partition of a source or a sink |
/// | `recovery drop-step DIR.. --step ID` | removes all that is saved for a step |
///
/// The commands of `recovery` work on a store that no run is using; `show`, `verify` and `dump` also
/// beside one. The program `bytewax` has them too, for those who do not have the program of the
/// flow: `bytewax recovery show DIR`, and `bytewax recovery init --flow NAME DIR N`.
///
/// The flags may stand before or behind the subcommand. A positional argument of the program that is spelled like a subcommand
/// needs a path (`./run`), and a parser with subcommands of its own flattens `RunArgs` into one of
/// them.
///
/// # Kubernetes
///
/// Without `--process-id`, the number in `BYTEWAX_POD_NAME` behind `BYTEWAX_STATEFULSET_NAME` and
/// `-` is taken. With an id and without `--addresses`, they are read from the file that
/// `BYTEWAX_HOSTFILE_PATH` names: one on a line; blank lines are skipped.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::RunArgs;
/// use clap::Parser;
///
/// /// Counts words.
/// #[derive(Parser)]
/// struct Args {
///     /// Text file to count.
///     file: std::path::PathBuf,
///     #[command(flatten)]
///     run: RunArgs,
/// }
///
/// let args = Args::try_parse_from(["wordcount", "book.txt", "-w", "4"]).unwrap();
/// assert_eq!(args.file.to_str(), Some("book.txt"));
/// assert!(Args::try_parse_from(["wordcount", "book.txt", "graph", "--format", "dot"]).is_ok());
/// assert!(Args::try_parse_from(["wordcount", "book.txt", "-w", "0"]).is_err());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RunArgs {
    flags: Flags,
}

impl RunArgs {
    /// Sets how long an epoch lasts, in place of `--snapshot-interval`; it may be less than a second.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use bytewax_runtime::RunArgs;
    /// use clap::Parser;
    ///
    /// #[derive(Parser)]
    /// struct Args {
    ///     #[command(flatten)]
    ///     run: RunArgs,
    /// }
    ///
    /// let args = Args::try_parse_from(["program", "-w", "2"]).unwrap();
    /// let run = args.run.epoch_interval(Duration::from_millis(100));
    /// # let _ = run;
    /// ```
    pub fn epoch_interval(mut self, interval: Duration) -> Self {
        self.flags.snapshot_interval = Seconds(interval);
        self
    }

    /// The configuration that the flags and the environment give, for a program that runs its flow by
    /// [`RunConfig::run`]. That ignores the subcommand, handles no signals, and returns the error of the run.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::RunArgs;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    /// use clap::Parser;
    ///
    /// #[derive(Parser)]
    /// struct Args {
    ///     #[command(flatten)]
    ///     run: RunArgs,
    /// }
    ///
    /// let args = Args::try_parse_from(["program", "-w", "2"]).unwrap();
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     flow.input(TestingSource::new([1])).named("numbers").output(out.clone()).named("out");
    /// });
    /// args.run.config().unwrap().run(flow).unwrap();
    /// assert_eq!(out.items(), [1]);
    /// ```
    ///
    /// # Errors
    ///
    /// Flags that do not fit together. `clap::Error::exit` reports it as the parser does.
    pub fn config(&self) -> Result<RunConfig, clap::Error> {
        self.flags.config(&|name| std::env::var(name).ok())
    }

    #[cfg(test)]
    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    pub(crate) fn command(&self) -> Command {
        self.flags.command.clone().unwrap_or(Command::Run)
    }
}

// By hand, because a derived impl would put the doc comment of `RunArgs` in the place of the
// program's own description.
impl Args for RunArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Flags::augment_args_for_update(command)
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Flags::from_arg_matches(matches).map(|flags| Self { flags })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.flags.update_from_arg_matches(matches)
    }
}

// What the program is to do with its flow. No doc comment here either.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run the flow; this is meant when no command is given
    Run,
    /// Draw the flow, and run nothing
    Graph {
        /// The language of the drawing
        #[arg(
            id = "bytewax-format",
            long = "format",
            value_name = "FORMAT",
            value_enum,
            default_value_t
        )]
        format: GraphFormat,
    },
    /// Write down in `dataflow.lock` what the flow saves state under; runs nothing
    Lock {
        /// The file, in place of the one beside the package's `Cargo.toml`
        #[arg(id = "bytewax-file", long = "file", value_name = "FILE")]
        file: Option<std::path::PathBuf>,

        /// Only tell whether the file is up to date
        #[arg(id = "bytewax-check", long = "check")]
        check: bool,
    },
    #[cfg(feature = "recovery")]
    /// Make, show, check and change recovery stores; runs nothing
    Recovery {
        #[command(subcommand)]
        command: RecoveryCommand,
    },
}

#[cfg(all(test, feature = "recovery"))]
mod tests;
