//! The program `bytewax`: the commands on stores without the program of a flow.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{InitArgs, Outcome, RestoreArgs, StoreCommand};
use crate::error::RunError;
use crate::execution::command::{exit, finish};
use crate::execution::lock::diff;
#[cfg(feature = "top")]
use crate::execution::top::TopArgs;

/// Inspects running flows, and inspects and changes recovery stores, without the program of their flow
#[derive(Parser)]
#[command(name = "bytewax", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
pub fn recovery_main() -> ExitCode {
    let outcome = match Cli::parse().command {
        #[cfg(feature = "top")]
        Command::Top(top) => return exit(top.execute().map_err(Into::into)),
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
