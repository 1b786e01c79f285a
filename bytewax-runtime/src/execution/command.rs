//! Runs a flow from the command line of a program.

use std::ffi::OsString;
use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::args::{Command, RunArgs};
use super::cluster::Ended;
use super::lock::lock;
use super::progress::Progress;
#[cfg(feature = "recovery")]
use super::recovery::Outcome;
use super::render::GraphFormat;
use super::signals::SignalGuard;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;

/// Runs a flow by the command line of the program, and returns the program's exit code.
///
/// This is the whole `main` of a program without its own arguments. [`RunArgs`] lists the options and
/// subcommands; [`RunArgs::execute`] lists the exit codes.
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::TestingSource;
///
/// fn main() -> ExitCode {
///     bytewax_runtime::run(Dataflow::build("hello", |flow| {
///         let words = flow.input(TestingSource::new(["hello", "world"])).named("words");
///         words.inspect(|word| println!("{word}"));
///     }))
/// }
/// ```
#[must_use = "it is the exit code of the process: give it back from `main`"]
pub fn run(flow: Dataflow) -> ExitCode {
    run_from(flow, std::env::args_os().skip(1))
}

/// Runs a flow by these arguments, and returns the program's exit code.
///
/// The arguments are those of [`RunArgs`], without the name of the program. Use it in programs that parse the
/// command line themselves.
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{TestingSink, TestingSource};
///
/// let out = TestingSink::new();
/// let flow = Dataflow::build("doubles", |flow| {
///     let numbers = flow.input(TestingSource::new(vec![1, 2, 3])).named("numbers");
///     numbers.map(|n| 2 * n).output(out.clone()).named("out");
/// });
/// assert_eq!(bytewax_runtime::run_from(flow.clone(), ["-w", "2"]), ExitCode::SUCCESS);
/// assert_eq!(out.sorted(), [2, 4, 6]);
///
/// assert_eq!(bytewax_runtime::run_from(flow, ["-w", "0"]), ExitCode::from(2));
/// ```
#[must_use = "it is the exit code of the process: give it back from `main`"]
pub fn run_from(
    flow: Dataflow,
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> ExitCode {
    let program = std::env::args_os()
        .next()
        .unwrap_or_else(|| flow.name().into());
    let args = iter::once(program).chain(args.into_iter().map(Into::into));
    let mut command = Cli::command().about(format!("Runs the dataflow `{}`", flow.name()));
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut command)));
    match parsed {
        Ok(cli) => cli
            .run
            .execute_or(&flow, |error| error.format(&mut command)),
        Err(error) => print_usage(&error),
    }
}

// No doc comment: the description is generated from the name of the flow.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
}

impl RunArgs {
    /// Runs the subcommand for the flow, and returns the program's exit code.
    ///
    /// An error is reported once on standard error, with its causes. Other messages are events of the crate
    /// `tracing`. They are written to standard error as `--log` states, unless the program has set a
    /// subscriber of its own; the options of the first run of a process apply. If standard error is a
    /// terminal, a summary ends the run, and a line shows the progress unless standard output is a terminal
    /// too. The exit code is
    ///
    /// | code | when |
    /// | --- | --- |
    /// | 0 | the input ended, or a source requested an abort |
    /// | 1 | the run failed, or the flow has defects |
    /// | 2 | the arguments or the environment are invalid |
    /// | 130 | the run was stopped by SIGINT (Ctrl-C) |
    /// | 143 | the run was stopped by SIGTERM, or by a request to `/stop` |
    ///
    /// While the flow runs, both signals stop it cleanly, on all processes of its cluster: sources are no
    /// longer polled, the epoch ends and is saved, and the next run continues after it. This is not the end
    /// of input: windows stay open, `on_eof` is not called, and sinks are not closed. If saving takes longer
    /// than `--stop-timeout`, the workers stop after their current batch, and the next run resumes from the
    /// last complete epoch. A second signal ends the process immediately. After the run, the signals end the
    /// process, as by default; an earlier handler of the program stays installed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::ExitCode;
    /// use bytewax_runtime::RunArgs;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSink, TestingSource};
    /// use clap::Parser;
    ///
    /// #[derive(Parser)]
    /// struct Args {
    ///     last: u32,
    ///     #[command(flatten)]
    ///     run: RunArgs,
    /// }
    ///
    /// let args = Args::try_parse_from(["numbers", "3", "-w", "2"]).unwrap();
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     let numbers = flow.input(TestingSource::new(1..=args.last)).named("numbers");
    ///     numbers.output(out.clone()).named("out");
    /// });
    /// assert_eq!(args.run.execute(flow), ExitCode::SUCCESS);
    /// assert_eq!(out.sorted(), [1, 2, 3]);
    /// ```
    #[must_use = "it is the exit code of the process: give it back from `main`"]
    pub fn execute(self, flow: Dataflow) -> ExitCode {
        self.execute_or(&flow, |error| error)
    }

    fn execute_or(
        &self,
        flow: &Dataflow,
        format: impl FnOnce(clap::Error) -> clap::Error,
    ) -> ExitCode {
        let _exported = self.start_log(flow.name());
        let command = self.command();
        if command.reads_steps() && !self.absent().is_empty() {
            let absent = self.absent().join("`, `");
            tracing::info!(
                "the flow was built with placeholders for `{absent}`; if its steps depend on them, write them before \
                 the subcommand"
            );
        }
        let ended = match command {
            Command::Graph { format } => draw(flow, format).map_err(Ended::from),
            Command::Lock { file, check } => {
                let told = lock(flow, file.as_deref(), check);
                told.and_then(|text| print(&text)).map_err(Ended::from)
            }
            #[cfg(feature = "recovery")]
            Command::Recovery { command } => finish(command.execute(flow)).map_err(Ended::from),
            #[cfg(feature = "top")]
            Command::Top(top) => top.execute().map_err(Ended::from),
            Command::Run => match self.config() {
                Ok(config) => config.run_with(flow, |shared, reading| {
                    Ok((SignalGuard::listen(shared)?, Progress::start(reading)))
                }),
                Err(error) => return print_usage(&format(error)),
            },
        };
        exit(ended)
    }
}

/// Reports the end of the run, and returns the exit code.
pub(super) fn exit(ended: Result<(), Ended>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(ended) => {
            ended.print();
            let Ended { error, code, .. } = ended;
            code.map_or_else(|| exit_code(error.kind()), ExitCode::from)
        }
    }
}

fn print_usage(error: &clap::Error) -> ExitCode {
    // Help and versions are such errors too; they have the code 0.
    let _ = error.print();
    if !error.to_string().ends_with('\n') {
        let _ = writeln!(io::stderr());
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn exit_code(kind: RunErrorKind) -> ExitCode {
    match kind {
        RunErrorKind::Interrupted => ExitCode::from(130),
        RunErrorKind::Terminated | RunErrorKind::Requested => ExitCode::from(143),
        _ => ExitCode::FAILURE,
    }
}

/// Draws the flow, even with defects, and then reports the defects.
fn draw(flow: &Dataflow, format: GraphFormat) -> Result<(), RunError> {
    print(&(flow.render(format) + "\n"))?;
    Ok(flow.check()?)
}

#[cfg(feature = "recovery")]
/// Prints the output of a command on a store, then returns its fault.
pub(super) fn finish(outcome: Result<Outcome, RunError>) -> Result<(), RunError> {
    let Outcome { text, problem } = outcome?;
    print(&text)?;
    problem.map_or(Ok(()), Err)
}

/// Writes to standard output. A closed reader is not an error.
fn print(text: &str) -> Result<(), RunError> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let text = "standard output cannot be written to";
            Err(RunError::new(RunErrorKind::Config, text).caused_by(error))
        }
        _ => Ok(()),
    }
}
