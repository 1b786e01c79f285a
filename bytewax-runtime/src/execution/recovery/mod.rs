//! The subcommands on a recovery store, of a user's program and of the program `bytewax`.

mod args;
mod dump;
mod migrate;
mod show;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::PathBuf;

pub(crate) use args::{InitArgs, RecoveryCommand, RestoreArgs, StoreCommand};

use super::RunConfig;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;
use crate::recovery::{self, Error, RecoveryConfig, Wanted};

/// The result of a command: text for standard output, and the fault of the store.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) problem: Option<RunError>,
}

impl Outcome {
    pub(crate) fn text(text: String) -> Self {
        Self {
            text,
            problem: None,
        }
    }
}

impl RecoveryCommand {
    /// Runs the command for this flow.
    pub(crate) fn execute(&self, flow: &Dataflow) -> Result<Outcome, RunError> {
        let name = flow.name();
        match self {
            Self::Try { dirs } => try_resume(flow, dirs),
            Self::Migrate { dirs } => migrate::migrate(flow, dirs),
            Self::Init(args) => Ok(args.execute(name)?),
            Self::Restore(args) => args.execute(name),
            Self::Store(command) => Ok(command.execute()?),
        }
    }
}

/// The configuration of the store in these directories.
fn config(dirs: &[PathBuf]) -> Option<RecoveryConfig> {
    let (first, rest) = dirs.split_first()?;
    let first = RecoveryConfig::new(first);
    Some(rest.iter().fold(first, RecoveryConfig::dir))
}

/// Whether the flow would resume the store in these directories.
fn try_resume(flow: &Dataflow, dirs: &[PathBuf]) -> Result<Outcome, RunError> {
    let Some(config) = config(dirs) else {
        return Ok(Outcome::default());
    };
    let place = config.dirs_as_arguments();
    let config = RunConfig::new().recovery(config.trial());
    let tried = config.run_with(flow, |_, _| Ok(()));
    tried.map_err(|ended| ended.error)?;
    let name = flow.name();
    Ok(Outcome::text(format!(
        "flow `{name}` would resume the store in `{place}`\n"
    )))
}

impl InitArgs {
    pub(crate) fn execute(&self, flow: &str) -> Result<Outcome, Error> {
        let Self { dir, partitions } = self;
        recovery::init(dir, *partitions, flow)?;
        let count = counted(u64::from(*partitions), "partition");
        let dir = dir.display();
        let text = format!("made {count} for flow `{flow}` in `{dir}`\n");
        Ok(Outcome::text(text))
    }
}

impl RestoreArgs {
    pub(crate) fn execute(&self, flow: &str) -> Result<Outcome, RunError> {
        let Self { place, dir } = self;
        let backup = recovery::open_backup(place)
            .map_err(|text| RunError::new(RunErrorKind::Config, text))?;
        let restored = recovery::restore_all(&backup, dir, flow)?;
        let count = counted(restored.partitions as u64, "partition");
        let (dir, epoch) = (dir.display(), restored.resume);
        let text = format!(
            "restored {count} of flow `{flow}` in `{dir}`; the next run begins with epoch {epoch}\n"
        );
        Ok(Outcome::text(text))
    }
}

impl StoreCommand {
    pub(crate) fn execute(&self) -> Result<Outcome, Error> {
        match self {
            Self::Show { dirs, json } => show::show(&recovery::show(dirs)?, *json),
            Self::Verify { dirs } => verify(dirs),
            Self::Repartition {
                dir,
                partitions,
                new_dir,
            } => {
                recovery::repartition(&[dir], *partitions, new_dir)?;
                let count = counted(u64::from(*partitions), "partition");
                let (dir, new_dir) = (dir.display(), new_dir.display());
                let text = format!("copied the state in `{dir}` to {count} in `{new_dir}`\n");
                Ok(Outcome::text(text))
            }
            Self::Dump {
                dirs,
                step,
                key,
                key_bytes,
            } => {
                let text = key.clone().map(Wanted::Text);
                let bytes = key_bytes.clone().map(|bytes| Wanted::Bytes(bytes.0));
                // The parser ensures that one of them is given.
                let wanted = text.or(bytes).unwrap_or(Wanted::Bytes(Vec::new()));
                let dump = recovery::dump(dirs, step, &wanted)?;
                Ok(dump::print(&dump, &wanted))
            }
            Self::DropStep { dirs, step } => {
                recovery::drop_step(dirs, step)?;
                let text = format!("dropped all that was saved for step `{step}`\n");
                Ok(Outcome::text(text))
            }
        }
    }
}

fn verify(dirs: &[PathBuf]) -> Result<Outcome, Error> {
    let recovery::Report { rows, problems } = recovery::verify(dirs)?;
    let rows = counted(rows, "row");
    if problems.is_empty() {
        return Ok(Outcome::text(format!("{rows} read, all sound\n")));
    }
    let mut text = String::new();
    for problem in &problems {
        let _ = writeln!(text, "{problem}");
    }
    let count = counted(problems.len() as u64, "problem");
    let problem = format!("{count} found in {rows} of the recovery store");
    Ok(Outcome {
        text,
        problem: Some(RunError::new(RunErrorKind::Recovery, problem)),
    })
}

/// `1 row`, `2 rows`.
fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}
