//! Turns the log of a web server into visits.
//!
//! `visits ACCESS.log` reads lines in the Common Log Format, in any order within a minute. A visit ends when
//! its visitor requests nothing for 30 minutes. It prints a line for each visit: the visitor, the time of the
//! first page, the number of pages, the minutes until the last page, and the first and the last page. Lines
//! that it cannot read go to standard error.
//!
//! A visit that may go on stays open: with `-r DIR`, the next run continues it with the lines that were
//! added to the log since.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use bytewax::connectors::files::FileSource;
use bytewax::connectors::stdio::{StdErrSink, StdOutSink};
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, SessionWindower, StreamClock};

#[stateful]
#[derive(Clone)]
struct Request {
    at: DateTime<Utc>,
    path: String,
}

/// Reads `203.0.113.7 - - [30/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 512`: the visitor and the request.
fn parse(line: &str) -> Option<(String, Request)> {
    let (visitor, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once('[')?;
    let (at, rest) = rest.split_once("] \"")?;
    let at = DateTime::parse_from_str(at, "%d/%b/%Y:%H:%M:%S %z").ok()?;
    let path = rest.split(' ').nth(1)?.to_owned();
    let at = at.to_utc();
    Some((visitor.to_owned(), Request { at, path }))
}

fn describe(visitor: &str, pages: &[Request]) -> Option<String> {
    let (first, last) = (pages.first()?, pages.last()?);
    let begin = first.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let minutes = (last.at - first.at).num_minutes();
    let pages = pages.len();
    let (from, to) = (&first.path, &last.path);
    Some(format!("{visitor} {begin} {pages} {minutes} {from} {to}"))
}

fn visits(log: PathBuf) -> Dataflow {
    dataflow!("visits", |flow| {
        let lines = flow.input(FileSource::new(log));
        let parsed = lines.map(|line: String| parse(&line).ok_or(line));
        let requests = parsed.split_result();
        let unread = requests.errs.map(|line| format!("unreadable: {line}"));
        unread.output(StdErrSink::new());

        // It is a log of the past, however the clock of this machine goes.
        let lateness = Lateness::bounded(TimeDelta::minutes(1)).any_future();
        let timed = requests.oks.event_time(|(_, request)| request.at, lateness);
        let clock = StreamClock::new(|request: &Request| request.at);
        let silence = SessionWindower::new(TimeDelta::minutes(30)).keep_open();
        let visits = timed.down.collect_window::<Vec<_>, _, _>(clock, silence);
        let lines = visits
            .down
            .filter_map(|(visitor, (_, pages))| describe(&visitor, &pages));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The log to read.
    log: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(visits(args.log))
}
