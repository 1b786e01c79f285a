//! The command `check`: what a run would find wrong with its environment.

#[cfg(test)]
mod tests;

use std::fmt::{Display, Write};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use super::Cli;
use crate::error::{RunError, RunErrorKind};
use crate::execution::RunConfig;
use crate::execution::args::Flags;
use crate::execution::config::Placement;
use crate::execution::lock;
use crate::execution::plan::BACKUP;
use crate::execution::recovery::Outcome;
use crate::recovery::{open_backup, show};
use crate::worker::Peers;

/// Variables that are not the default of an option.
const OTHER_VARIABLES: [&str; 4] = [
    "BYTEWAX_CLUSTER_SECRET",
    "BYTEWAX_HOSTFILE_PATH",
    "BYTEWAX_POD_NAME",
    "BYTEWAX_STATEFULSET_NAME",
];

/// The options of the run to check.
#[derive(Clone, Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    flags: Flags,
}

/// What the command looks at. Tests have their own.
pub(super) struct World<'a> {
    pub(super) variables: Vec<String>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) resolve: &'a dyn Fn(&str) -> io::Result<Vec<SocketAddr>>,
    /// The directory of the program's package.
    pub(super) directory: PathBuf,
    pub(super) version: &'a str,
}

impl CheckArgs {
    /// Checks the environment of this process.
    pub(super) fn execute(&self, version: &str) -> Outcome {
        let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        self.check(&World {
            variables: names.collect(),
            env: &|name| std::env::var(name).ok(),
            resolve: &|address| Ok(address.to_socket_addrs()?.collect()),
            directory: PathBuf::new(),
            version,
        })
    }

    pub(super) fn check(&self, world: &World<'_>) -> Outcome {
        let mut findings = Findings::default();
        findings.versions(world);
        findings.variables(world);
        findings.cluster(&self.flags, world);
        for (option, address) in [("--metrics", self.flags.metrics), ("--web", self.flags.web)] {
            if let Some(address) = address {
                findings.listen(option, &address.to_string());
            }
        }
        findings.store(&self.flags);
        findings.outcome()
    }
}

/// What was found, a line each.
#[derive(Default)]
struct Findings {
    text: String,
    faults: u64,
}

impl Findings {
    fn fine(&mut self, what: &str, text: impl Display) {
        let _ = writeln!(self.text, "ok      {what:<12} {text}");
    }

    fn fault(&mut self, what: &str, text: impl Display) {
        self.faults += 1;
        let _ = writeln!(self.text, "FAULT   {what:<12} {text}");
    }

    /// A fault of the options.
    fn refused(&mut self, what: &str, error: &clap::Error) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        self.fault(what, text.trim_end());
    }

    fn outcome(self) -> Outcome {
        let problem = (self.faults > 0).then(|| {
            let plural = if self.faults == 1 { "" } else { "s" };
            let text = format!("{} fault{plural} found in the environment", self.faults);
            RunError::new(RunErrorKind::Config, text)
        });
        Outcome {
            text: self.text,
            problem,
        }
    }

    /// Compares this command with the library of the package, and reads the lock file of its flows.
    fn versions(&mut self, world: &World<'_>) {
        let lock = fs::read_to_string(world.directory.join("Cargo.lock"));
        match lock.ok().as_deref().and_then(library_version) {
            Some(library) if library != world.version => self.fault(
                "version",
                format_args!(
                    "this command is of version {}, but `Cargo.lock` builds the program with bytewax {library}; \
                     install the same version of both",
                    world.version
                ),
            ),
            _ => self.fine("version", format_args!("bytewax {}", world.version)),
        }
        let path = world.directory.join("dataflow.lock");
        match lock::read(&path) {
            Err(error) => self.fault("lock", chain(&error)),
            Ok(_) if path.exists() => self.fine("lock", "`dataflow.lock` can be read"),
            Ok(_) => {}
        }
    }

    /// Finds variables that nothing reads.
    fn variables(&mut self, world: &World<'_>) {
        let command = Cli::command();
        let check = command.find_subcommand("check");
        let options = check.into_iter().flat_map(clap::Command::get_arguments);
        let options = options.filter_map(|option| option.get_env()?.to_str());
        let known: Vec<_> = options.chain(OTHER_VARIABLES).collect();
        let ours = world.variables.iter().map(String::as_str);
        for name in ours.filter(|name| name.starts_with("BYTEWAX_")) {
            if known.contains(&name) {
                continue;
            }
            let alike = |other: &&&str| distance(name, other) <= 3;
            let hint = match known
                .iter()
                .filter(alike)
                .min_by_key(|it| distance(name, it))
            {
                Some(other) => format!("; did you mean {other}?"),
                None => String::new(),
            };
            self.fault("variables", format_args!("nothing reads {name}{hint}"));
        }
    }

    /// Checks the addresses of the processes.
    fn cluster(&mut self, flags: &Flags, world: &World<'_>) {
        let has_secret =
            flags.cluster_secret_file.is_some() || (world.env)("BYTEWAX_CLUSTER_SECRET").is_some();
        let is_unread = cfg!(not(feature = "encryption")) && has_secret;
        let key = match is_unread {
            true => {
                let text = "not read: this command was built without the feature `encryption`";
                self.fine("secret", text);
                None
            }
            false => match flags.cluster_key(world.env) {
                Ok(key) => key,
                Err(error) => return self.refused("secret", &error),
            },
        };
        let peers = match flags.placement(world.env) {
            Err(error) => return self.refused("cluster", &error),
            Ok(Placement::Here) => return self.fine("cluster", "one process"),
            Ok(Placement::Spawned { processes }) => {
                let text = format!("{processes} processes on this machine");
                return self.fine("cluster", text);
            }
            Ok(Placement::Member(peers)) => peers,
        };
        let Peers { index, addresses } = &peers;
        let text = format!("process {index} of {}", addresses.len());
        self.fine("cluster", text);
        let config = RunConfig::new()
            .maybe_cluster_key(key)
            .insecure(flags.insecure || is_unread);
        if let Err(error) = config.check_reach(&peers) {
            self.fault("secret", error);
        }
        for (process, address) in addresses.iter().enumerate() {
            match (world.resolve)(address) {
                Err(error) => {
                    let text =
                        format!("the name in `{address}` (process {process}) is unknown: {error}");
                    self.fault("addresses", text);
                }
                Ok(found) if found.is_empty() => {
                    let text =
                        format!("the name in `{address}` (process {process}) has no address");
                    self.fault("addresses", text);
                }
                Ok(_) if process == *index => self.listen("addresses", address),
                Ok(found) => self.fine("addresses", format_args!("`{address}` is {}", found[0])),
            }
        }
    }

    /// Checks that a run could listen at an address.
    fn listen(&mut self, what: &str, address: &str) {
        match TcpListener::bind(address) {
            Ok(_) => self.fine(what, format_args!("`{address}` is free")),
            Err(error) => self.fault(
                what,
                format_args!("this process cannot listen at `{address}`: {error}"),
            ),
        }
    }

    /// Checks the places of saved state.
    fn store(&mut self, flags: &Flags) {
        // Contradictory options, before the places that they name.
        if let Err(error) = flags.recovery() {
            return self.refused("store", &error);
        }
        if let Some(dir) = &flags.local_state {
            self.writable("local state", dir);
            let place = flags.backup.as_deref().unwrap_or(BACKUP);
            match open_backup(place) {
                Err(text) => self.fault("backup", text),
                Ok(backup) => match backup.list("flows/") {
                    Ok(_) => self.fine("backup", format_args!("`{place}` can be read")),
                    Err(error) => {
                        self.fault("backup", format_args!("`{place}` cannot be read: {error}"));
                    }
                },
            }
            return;
        }
        if flags.recovery.is_empty() {
            return self.fine(
                "store",
                "none: a run starts without saved state, and saves none",
            );
        }
        for dir in &flags.recovery {
            self.writable("store", dir);
        }
        if !flags.recovery.iter().all(|dir| dir.is_dir()) {
            return;
        }
        let is_empty = |dir: &PathBuf| {
            let mut files = fs::read_dir(dir).into_iter().flatten().flatten();
            !files.any(|file| file.path().extension().is_some_and(|it| it == "sqlite3"))
        };
        if flags.recovery.iter().all(is_empty) {
            return self.fine("store", "empty; the first run creates the store");
        }
        match show(&flags.recovery) {
            Err(error) => self.fault("store", chain(&RunError::from(error))),
            Ok(store) => {
                let flow = &store.meta.flow;
                match &store.resume {
                    Ok(resume) => self.fine(
                        "store",
                        format_args!("flow `{flow}` resumes at epoch {}", resume.epoch.0),
                    ),
                    Err(refused) => self.fault("store", refused),
                }
            }
        }
    }

    /// Checks that a run could create files in a directory.
    fn writable(&mut self, what: &str, dir: &Path) {
        let shown = dir.display();
        let probe = dir.join(format!(".bytewax-check-{}", std::process::id()));
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&probe)
        {
            Ok(_) => {
                let _ = fs::remove_file(&probe);
                self.fine(what, format_args!("`{shown}` can be written"));
            }
            Err(_) if !dir.is_dir() => {
                let text = format!("`{shown}` is not a directory; create it, or mount its volume");
                self.fault(what, text);
            }
            Err(error) => self.fault(what, format_args!("`{shown}` cannot be written: {error}")),
        }
    }
}

/// An error with its causes.
fn chain(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// The version of the library in a `Cargo.lock`.
fn library_version(lock: &str) -> Option<&str> {
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != "name = \"bytewax\"");
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"')
}

/// The number of letters to insert, delete or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
