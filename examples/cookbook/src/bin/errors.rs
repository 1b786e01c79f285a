//! Follows a log file as it grows, and counts the errors of each component.
//!
//! `errors APP.log` reads lines such as `2026-11-30T08:00:00Z ERROR db: connection lost`, and prints each error
//! with the number of errors of its component so far. It waits for more lines until it is stopped, also when
//! the log is rotated. With `-r DIR`, the next run continues after the last line, with the counts.

use std::path::PathBuf;

use bytewax::connectors::files::FileSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;

/// The component and the text of an error; `None` for other lines.
fn error(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once(" ERROR ")?;
    let (component, text) = rest.split_once(": ")?;
    Some((component.to_owned(), text.to_owned()))
}

fn errors(log: PathBuf) -> Dataflow {
    dataflow!("errors", |flow| {
        let lines = flow.input(FileSource::new(log).follow());
        let errors = lines.filter_map(|line: String| error(&line));
        let counted = errors.stateful_map(|count: &mut u64, text| {
            *count += 1;
            (*count, text)
        });
        let lines = counted.map(|(component, (n, text))| format!("{component} {n}: {text}"));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The log to follow.
    log: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(errors(args.log))
}
