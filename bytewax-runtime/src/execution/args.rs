//! The options and subcommands of a program.

mod flags;
mod placeholders;
mod values;

use std::time::Duration;

use clap::{Args, FromArgMatches, Subcommand};

use super::config::RunConfig;
use super::log;
#[cfg(feature = "otlp")]
use super::otlp::Spans;
#[cfg(feature = "recovery")]
use super::recovery::RecoveryCommand;
use super::render::GraphFormat;
#[cfg(feature = "top")]
use super::top::TopArgs;

pub(crate) use flags::Flags;
pub(crate) use values::{Addresses, Bytes, Seconds};

/// The options and subcommands that run a flow, for the command line of a program.
///
/// A program without its own arguments calls [`run`](crate::run). A program with arguments flattens `RunArgs`
/// into its parser, describes the flow, and calls [`execute`](Self::execute).
///
/// | flag | environment variable | default | meaning |
/// | --- | --- | --- | --- |
/// | `-w`, `--workers-per-process N` | `BYTEWAX_WORKERS_PER_PROCESS` | 1 | worker threads in each process |
/// | `-p`, `--processes N` | `BYTEWAX_PROCESSES` | | start N processes on this machine |
/// | `-i`, `--process-id I` | `BYTEWAX_PROCESS_ID` | | number of this process in `--addresses`, from 0 |
/// | `-a`, `--addresses LIST` | `BYTEWAX_ADDRESSES` | | `host:port` of each process, separated by `;` |
/// | `--cluster-secret-file FILE` | `BYTEWAX_CLUSTER_SECRET_FILE` | | read the secret of the cluster from this file: 64 hexadecimal digits, the same for all processes (feature `encryption`); or set the secret itself in `BYTEWAX_CLUSTER_SECRET` |
/// | `--insecure [=BOOL]` | `BYTEWAX_INSECURE` | `false` | connect to other machines without a secret, in a network that you trust |
/// | `-s`, `--snapshot-interval SECONDS` | `BYTEWAX_SNAPSHOT_INTERVAL` | 10 | length of an epoch |
/// | `-r`, `--recovery-directory DIR` | `BYTEWAX_RECOVERY_DIRECTORY` | | save state in this directory, and resume from it; repeat the option to use several directories |
/// | `-d`, `--local-state DIR` | `BYTEWAX_LOCAL_STATE` | | save state in this local directory, and copy each epoch to `--backup`; replaces `--recovery-directory` |
/// | `-b`, `--backup PLACE` | `BYTEWAX_BACKUP` | `backup` | backup of the local state: a directory, or the address of an object store |
/// | `--backup-interval SECONDS` | `BYTEWAX_RECOVERY_BACKUP_INTERVAL` | 0 | keep replaced states for this long, so that copies of recovery partitions fit together |
/// | `--state-memory BYTES` | `BYTEWAX_STATE_MEMORY` | | limit the memory for states in each process, such as `512MiB`; the least recently used keys are evicted to disk; see `RecoveryConfig::state_memory` |
/// | `--buffer-memory BYTES` | `BYTEWAX_BUFFER_MEMORY` | `256MiB` | limit the memory for items between steps in each process; see [`RunConfig::buffer_memory`] |
/// | `--snapshot-mode batch\|immediate` | `BYTEWAX_SNAPSHOT_MODE` | `batch` | write changed states to the store at the end of an epoch, or immediately |
/// | `--resume require\|allow\|never` | `BYTEWAX_RESUME` | `allow` | whether the run must, may or must not resume from saved state; `require` never creates a store or a backup |
/// | `--metrics ADDRESS` | `BYTEWAX_METRICS` | | serve `/metrics` to Prometheus, `/healthz` and `/readyz` at this address, such as `127.0.0.1:9464` (feature `metrics`); process I of `--processes` uses the port I higher |
/// | `--web ADDRESS` | `BYTEWAX_WEB` | | serve the live page of the run at this address, such as `127.0.0.1:8088` (feature `web`); process I of `--processes` uses the port I higher |
/// | `--web-token TOKEN` | `BYTEWAX_WEB_TOKEN` | | show the page only to those who know this token; required at an address other than loopback |
/// | `--control-token TOKEN` | `BYTEWAX_CONTROL_TOKEN` | | let clients of `--metrics` and `--web` that have this token stop the run (`POST /stop`) and make savepoints (`POST /savepoint/NAME`); prefer the variable, which `ps` does not show |
/// | `--otlp URL` | `BYTEWAX_OTLP` | | push metrics and spans to a collector by OTLP over HTTP, such as `http://localhost:4318` (feature `otlp`) |
/// | `--log FILTER` | `BYTEWAX_LOG` | `bytewax=info` | log what is of this level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or of these levels by target, such as `warn,bytewax=debug` |
/// | `--log-format text\|json` | `BYTEWAX_LOG_FORMAT` | `text` | how the log is written to standard error; text is the message alone, unless `--log` is given |
/// | `--connect-timeout SECONDS` | `BYTEWAX_CONNECT_TIMEOUT` | 60 | wait this long for the other processes at the start |
/// | `--peer-timeout SECONDS` | `BYTEWAX_PEER_TIMEOUT` | 60 | fail when another process is silent for this long, at least 3; each sends something every second |
/// | `--stop-timeout SECONDS` | `BYTEWAX_STOP_TIMEOUT` | 10 | limit the time to save the last epoch when a signal stops the run; with 0, the run stops immediately |
///
/// An option overrides its variable, and the variable overrides the default.
///
/// A subcommand may follow:
///
/// | subcommand | what it does |
/// | --- | --- |
/// | `run` | runs the flow; the default |
/// | `graph [--format mermaid\|dot\|json]` | draws the flow |
/// | `lock [--file FILE] [--check]` | writes the names and types of saved state to `dataflow.lock`, for the compiler to check; with `--check`, reports the differences |
/// | `top [ADDRESS] [--once]` | shows the numbers of a running flow with `--metrics` in the terminal (feature `top`) |
/// | `recovery init DIR N` | creates a recovery store of N partitions |
/// | `recovery restore BACKUP DIR` | creates a recovery store from a backup |
/// | `recovery try DIR..` | reports whether this program would resume a store; runs and changes nothing |
/// | `recovery show DIR.. [--json]` | shows partitions, runs, and the saved state of each step |
/// | `recovery verify DIR..` | reads every row and reports damage |
/// | `recovery repartition DIR N NEW_DIR` | copies the newest state to a store of N partitions |
/// | `recovery dump DIR.. --step ID --key KEY` | shows the state of a key, or the position of a partition |
/// | `recovery drop-step DIR.. --step ID` | deletes the saved state of a step |
///
/// `show`, `verify` and `dump` also work while a run uses the store; the other commands of `recovery` do not.
/// The program `bytewax` has the same commands except `try`, for use without the program of the flow:
/// `bytewax recovery show DIR`, and `bytewax recovery init --flow NAME DIR N`. `bytewax diff OLD NEW` reports
/// the changes of saved state between two lock files.
///
/// A subcommand that does not read the input works without the required arguments of the program:
/// `wordcount lock`, `wordcount graph`, `wordcount recovery show DIR`. The program then sees placeholders: `<FILE>`
/// for a text or a path, 1 for a number, the first value of a choice. `lock` and `graph` report them, because the
/// steps of the flow may depend on them; in that case, write the arguments before the subcommand
/// (`wordcount book.txt lock`). `run`, `recovery try` and `recovery migrate` require the arguments. So does every
/// subcommand if a required argument has a type that is none of `std`, `chrono` and `ValueEnum`, because its
/// parser may do more than parse.
///
/// The options may precede or follow the subcommand. A positional argument of the program that is spelled
/// like a subcommand needs a path (`./run`). A parser with its own subcommands flattens `RunArgs` into one of
/// them.
///
/// # Kubernetes
///
/// Without `--process-id`, the process id is the number in `BYTEWAX_POD_NAME` after
/// `BYTEWAX_STATEFULSET_NAME` and `-`. With an id and without `--addresses`, the addresses are read from the
/// file in `BYTEWAX_HOSTFILE_PATH`, one per line; blank lines are skipped.
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
/// assert!(Args::try_parse_from(["wordcount", "lock"]).is_ok());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RunArgs {
    flags: Flags,
    command: Command,
    /// The required arguments of the program that have placeholders, in words.
    absent: Vec<String>,
}

impl RunArgs {
    /// Sets the length of an epoch, instead of `--snapshot-interval`; it may be less than a second.
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

    /// Returns the configuration of the options and the environment, for a program that runs its flow with
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
    /// Contradictory options. `clap::Error::exit` reports the error like the parser.
    pub fn config(&self) -> Result<RunConfig, clap::Error> {
        self.flags.config(&|name| std::env::var(name).ok())
    }

    /// Writes the log and exports spans as the flags say, unless the program has a subscriber of its own.
    pub(super) fn start_log(&self, flow: &str) -> log::Exported {
        log::start(self.flags.log.as_ref(), self.flags.log_format, || {
            self.export(flow)
        })
    }

    /// Starts the export of the spans of a run.
    #[cfg(feature = "otlp")]
    fn export(&self, flow: &str) -> log::Exported {
        let is_run = self.command() == Command::Run;
        // The configuration of the run reports a fault of the option.
        let collector = self.flags.collector().ok().flatten();
        collector
            .filter(|_| is_run)
            .map(|collector| Spans::start(collector, flow))
    }

    #[cfg(not(feature = "otlp"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn export(&self, _: &str) -> log::Exported {
        None
    }

    #[cfg(test)]
    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    pub(crate) fn command(&self) -> Command {
        self.command.clone()
    }

    /// The required arguments of the program that have placeholders, in words.
    pub(crate) fn absent(&self) -> &[String] {
        &self.absent
    }
}

// Hand-written, because a derived impl would replace the program's own description with the doc comment of
// `RunArgs`.
impl Args for RunArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Command::augment_subcommands(Flags::augment_args(command)).defer(placeholders::fill_in)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Command::augment_subcommands(Flags::augment_args_for_update(command))
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let command = match matches.subcommand() {
            Some(_) => Command::from_arg_matches(matches)?,
            None => Command::Run,
        };
        let absent = placeholders::absent(matches);
        if command.reads_arguments() && !absent.is_empty() {
            return Err(placeholders::missing(&absent, matches));
        }
        Ok(Self {
            flags: Flags::from_arg_matches(matches)?,
            command,
            absent,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        if matches.subcommand().is_some() {
            self.command = Command::from_arg_matches(matches)?;
        }
        self.flags.update_from_arg_matches(matches)
    }
}

// The action of the program on its flow. No doc comment here either.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run the flow (the default)
    Run,
    /// Draw the flow without running it
    Graph {
        /// Language of the drawing
        #[arg(
            id = "bytewax-format",
            long = "format",
            value_name = "FORMAT",
            value_enum,
            default_value_t
        )]
        format: GraphFormat,
    },
    /// Write the names and types of saved state to `dataflow.lock`
    Lock {
        /// File to write [default: `dataflow.lock` beside the package's `Cargo.toml`]
        #[arg(id = "bytewax-file", long = "file", value_name = "FILE")]
        file: Option<std::path::PathBuf>,

        /// Fail if the file is outdated, and write nothing
        #[arg(id = "bytewax-check", long = "check")]
        check: bool,
    },
    #[cfg(feature = "recovery")]
    /// Create, inspect, verify and change recovery stores
    Recovery {
        #[command(subcommand)]
        command: RecoveryCommand,
    },
    #[cfg(feature = "top")]
    /// Show the numbers of a running flow in the terminal
    Top(TopArgs),
}

impl Command {
    /// Whether the command reads what the arguments of the program name: its input, or saved positions in it.
    fn reads_arguments(&self) -> bool {
        match self {
            Self::Run => true,
            #[cfg(feature = "recovery")]
            Self::Recovery { command } => matches!(
                command,
                RecoveryCommand::Try { .. } | RecoveryCommand::Migrate { .. }
            ),
            _ => false,
        }
    }

    /// Whether the result of the command depends on the steps of the flow.
    pub(crate) fn reads_steps(&self) -> bool {
        matches!(self, Self::Graph { .. } | Self::Lock { .. })
    }
}

#[cfg(all(test, feature = "recovery"))]
mod tests;
