//! The program `bytewax`: a package to start with, and commands without the program of a flow.

mod check;
mod new;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::command::{exit, finish};
use super::lock::diff;
use super::recovery::{InitArgs, Outcome, RestoreArgs, StoreCommand};
#[cfg(feature = "top")]
use super::top::TopArgs;
use crate::error::RunError;
use check::CheckArgs;
use new::NewArgs;
pub use new::{Template, Templates};

/// Creates packages for flows, checks their environment, and works on recovery stores without the program of a flow
#[derive(Parser)]
#[command(name = "bytewax", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a package: a program with a test, its lock file, and the files of its deployment
    New(NewArgs),
    /// Report what is wrong with the environment of a run: addresses, stores, versions. Takes the options of the run
    Check(Box<CheckArgs>),
    /// Work on a recovery store
    #[command(subcommand)]
    Recovery(AnyFlow),
    #[cfg(feature = "top")]
    /// Show the numbers of a running flow in the terminal
    Top(TopArgs),
    /// Report the changes of saved state between two lock files; fails if any is refused
    Diff {
        /// Old lock file, such as that of the main branch
        old: PathBuf,
        /// New lock file
        new: PathBuf,
    },
}

#[derive(Subcommand)]
enum AnyFlow {
    /// Create an empty recovery store for a flow
    Init {
        /// Name of the flow
        #[arg(long, value_name = "NAME")]
        flow: String,
        #[command(flatten)]
        init: InitArgs,
    },
    /// Create a recovery store of a flow from a backup
    Restore {
        /// Name of the flow
        #[arg(long, value_name = "NAME")]
        flow: String,
        #[command(flatten)]
        restore: RestoreArgs,
    },
    #[command(flatten)]
    Store(StoreCommand),
}

/// The whole `main` of the program `bytewax`.
#[must_use = "it is the exit code of the process: give it back from `main`"]
pub fn bytewax_main(templates: &Templates) -> ExitCode {
    let outcome = match Cli::parse().command {
        #[cfg(feature = "top")]
        Command::Top(top) => return exit(top.execute().map_err(Into::into)),
        Command::New(new) => new.execute(templates).map(Outcome::text),
        Command::Check(check) => Ok(check.execute(templates.version)),
        Command::Recovery(command) => command.execute(),
        Command::Diff { old, new } => {
            diff(&old, &new).map(|(text, problem)| Outcome { text, problem })
        }
    };
    exit(finish(outcome).map_err(Into::into))
}

impl AnyFlow {
    fn execute(&self) -> Result<Outcome, RunError> {
        match self {
            Self::Init { flow, init } => Ok(init.execute(flow)?),
            Self::Restore { flow, restore } => restore.execute(flow),
            Self::Store(command) => Ok(command.execute()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
