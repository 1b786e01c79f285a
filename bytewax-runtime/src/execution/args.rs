//! The flags and subcommands that a program of the user takes.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, FromArgMatches, Subcommand, ValueEnum};

#[cfg(feature = "recovery")]
use super::recovery::RecoveryCommand;
use super::render::GraphFormat;
use crate::kit::{ResumePolicy, SnapshotMode};

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
/// | `--backup-interval SECONDS` | `BYTEWAX_RECOVERY_BACKUP_INTERVAL` | 0 | how long replaced states are kept for copies of recovery partitions |
/// | `--state-memory BYTES` | `BYTEWAX_STATE_MEMORY` | | how many bytes the states in memory may take in each process, such as `512MiB`; what is not needed stays on the disk |
/// | `--buffer-memory BYTES` | `BYTEWAX_BUFFER_MEMORY` | `256MiB` | how many bytes the items on their way between steps may take in each process; see [`ClusterConfig::buffer_memory`](crate::testing::ClusterConfig::buffer_memory) |
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
        self.flags.snapshot_interval = interval;
        self
    }

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

// No doc comment here: it would become the description of the program. The ids have a prefix
// because they share one space with the fields of the user's parser.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run options")]
#[group(skip)]
pub(crate) struct Flags {
    /// Worker threads in each process
    #[arg(
        id = "bytewax-workers-per-process",
        short = 'w',
        long = "workers-per-process",
        value_name = "N",
        env = "BYTEWAX_WORKERS_PER_PROCESS",
        default_value = "1",
        value_parser = at_least_one,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) workers: usize,

    /// Start this many processes on this machine
    #[arg(
        id = "bytewax-processes",
        short = 'p',
        long = "processes",
        value_name = "N",
        env = "BYTEWAX_PROCESSES",
        value_parser = at_least_one,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) processes: Option<usize>,

    /// Which process of `--addresses` this one is, from 0
    #[arg(
        id = "bytewax-process-id",
        short = 'i',
        long = "process-id",
        value_name = "I",
        env = "BYTEWAX_PROCESS_ID",
        value_parser = process_id,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) process_id: Option<usize>,

    /// `host:port` of every process, joined with `;`
    #[arg(
        id = "bytewax-addresses",
        short = 'a',
        long = "addresses",
        value_name = "LIST",
        env = "BYTEWAX_ADDRESSES",
        global = true
    )]
    pub(crate) addresses: Option<Addresses>,

    /// Length of an epoch, in whole seconds
    #[arg(
        id = "bytewax-snapshot-interval",
        short = 's',
        long = "snapshot-interval",
        value_name = "SECONDS",
        env = "BYTEWAX_SNAPSHOT_INTERVAL",
        default_value = "10",
        value_parser = whole_seconds,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) snapshot_interval: Duration,

    /// Keep the state in the recovery partitions in this directory, and resume from them; may be given
    /// several times
    #[arg(
        id = "bytewax-recovery-directory",
        short = 'r',
        long = "recovery-directory",
        value_name = "DIR",
        env = "BYTEWAX_RECOVERY_DIRECTORY",
        global = true
    )]
    pub(crate) recovery: Vec<PathBuf>,

    /// Keep the state in this directory of this machine, and copy each closed epoch to `--backup`;
    /// instead of `--recovery-directory`
    #[arg(
        id = "bytewax-local-state",
        short = 'd',
        long = "local-state",
        value_name = "DIR",
        env = "BYTEWAX_LOCAL_STATE",
        global = true
    )]
    pub(crate) local_state: Option<PathBuf>,

    /// Where the copies of local state are: a directory, or the address of an object store
    /// [default: backup]
    #[arg(
        id = "bytewax-backup",
        short = 'b',
        long = "backup",
        value_name = "PLACE",
        env = "BYTEWAX_BACKUP",
        global = true
    )]
    pub(crate) backup: Option<String>,

    /// How long replaced states are kept for copies of recovery partitions, in whole seconds
    #[arg(
        id = "bytewax-backup-interval",
        long = "backup-interval",
        value_name = "SECONDS",
        env = "BYTEWAX_RECOVERY_BACKUP_INTERVAL",
        default_value = "0",
        value_parser = whole_seconds,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) backup_interval: Duration,

    /// How many bytes the states in memory may take in each process, such as `512MiB`; what is not needed
    /// stays on the disk
    #[arg(
        id = "bytewax-state-memory",
        long = "state-memory",
        value_name = "BYTES",
        env = "BYTEWAX_STATE_MEMORY",
        value_parser = bytes,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) state_memory: Option<u64>,

    /// How many bytes the items on their way between steps may take in each process, such as `256MiB`
    #[arg(
        id = "bytewax-buffer-memory",
        long = "buffer-memory",
        value_name = "BYTES",
        env = "BYTEWAX_BUFFER_MEMORY",
        default_value = "256MiB",
        value_parser = some_bytes,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) buffer_memory: u64,

    /// When changed states are handed to the store
    #[arg(
        id = "bytewax-snapshot-mode",
        long = "snapshot-mode",
        value_name = "MODE",
        env = "BYTEWAX_SNAPSHOT_MODE",
        value_enum,
        default_value_t,
        global = true
    )]
    pub(crate) snapshot_mode: SnapshotMode,

    /// Whether the run must go on from what an earlier one has saved, may, or must not
    #[arg(
        id = "bytewax-resume",
        long = "resume",
        value_name = "POLICY",
        env = "BYTEWAX_RESUME",
        value_enum,
        default_value_t,
        global = true
    )]
    pub(crate) resume: ResumePolicy,

    /// How long to wait for the other processes at the start, in whole seconds
    #[arg(
        id = "bytewax-connect-timeout",
        long = "connect-timeout",
        value_name = "SECONDS",
        env = "BYTEWAX_CONNECT_TIMEOUT",
        default_value = "60",
        value_parser = whole_seconds,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) connect_timeout: Duration,

    /// How long the last epoch may take to end and to be saved when a signal stops the run, in whole seconds
    #[arg(
        id = "bytewax-stop-timeout",
        long = "stop-timeout",
        value_name = "SECONDS",
        env = "BYTEWAX_STOP_TIMEOUT",
        default_value = "10",
        value_parser = whole_seconds,
        allow_negative_numbers = true,
        global = true
    )]
    pub(crate) stop_timeout: Duration,

    #[command(subcommand)]
    command: Option<Command>,
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

/// The addresses of all processes of a cluster; each is `host:port` with a port from 1 up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses(Vec<String>);

impl Addresses {
    /// Checks a list of addresses. Spaces around an address do not count.
    pub(crate) fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut checked: Vec<String> = Vec::new();
        for address in addresses {
            let address = address.trim();
            check_address(address)?;
            if checked.iter().any(|earlier| earlier == address) {
                return Err(format!(
                    "`{address}` is there twice; every process needs an address of its own"
                ));
            }
            checked.push(address.to_owned());
        }
        Ok(Self(checked))
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        Self::new(list.split(';'))
    }
}

fn check_address(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err(
            "an address is empty; give `host:port` for every process, joined with `;`".to_owned(),
        );
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(format!("`{address}` has no port; write `{address}:2101`"));
    };
    if host.is_empty() {
        return Err(format!("`{address}` has no host; write `localhost:{port}`"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!(
            "`{address}` has several `:`; write an IPv6 address in brackets, `[::1]:2101`, and \
             join addresses with `;`"
        ));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!(
            "`{port}` in `{address}` is not a port; give a number from 1 to 65535"
        )),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("give 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("give a whole number, 1 or more".to_owned()),
    }
}

fn process_id(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "give a whole number, 0 or more".to_owned())
}

/// A number of bytes, perhaps with a unit.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = digits.trim_end().parse::<u64>().ok();
    let bytes = number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    bytes
        .ok_or_else(|| "give a number of bytes, such as `500000000`, `512MiB` or `4GiB`".to_owned())
}

/// A number of bytes that is not zero.
fn some_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("give 1 byte or more, such as `256MiB`".to_owned()),
        some => Ok(some),
    }
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| "give whole seconds, 0 or more, such as `10`".to_owned())
}

impl ValueEnum for SnapshotMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Batch, Self::Immediate]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Batch => (
                "batch",
                "When the epoch ends: each key once, while the items of the next epoch flow",
            ),
            Self::Immediate => (
                "immediate",
                "While the epoch goes on: a key each time it was touched, so that less is left for the end",
            ),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for ResumePolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Require, Self::Allow, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Require => (
                "require",
                "Only a run that goes on from an earlier one may start",
            ),
            Self::Allow => (
                "allow",
                "Go on if there is anything to go on from, and begin anew if there is not",
            ),
            Self::Never => ("never", "Only a run that begins anew may start"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

#[cfg(all(test, feature = "recovery"))]
mod tests;
