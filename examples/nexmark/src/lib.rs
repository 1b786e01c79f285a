//! Queries of Nexmark, a benchmark of stream processing: people register, open auctions and bid.
//!
//! Each query is a function from the stream of events to a stream of lines, and a program:
//! `cargo run --release -p bytewax-nexmark --bin q5 -- --events 1000000 -w 2`. The tests compare what they print with
//! loops over the events, with several workers and over stops.

mod events;
pub mod models;
pub mod queries;

use std::path::PathBuf;

use bytewax::chrono::TimeDelta;
use bytewax::connectors::files::DirSink;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::operators::{Sink, Source};
use bytewax::prelude::*;
use bytewax::windowing::Lateness;

pub use events::{Auction, Bid, Event, Events, Part, Person};

/// A query: from events to lines, or to something else.
pub type Query<T = String> = fn(Stream<Event>) -> Stream<T>;

/// The flow of a query over events that are at most so late.
pub fn flow<S, K, T, O, L>(query: Query<T>, events: S, late: TimeDelta, sink: O) -> Dataflow
where
    S: Source<K, Item = Event>,
    T: 'static,
    O: Sink<T, L>,
{
    Dataflow::build("nexmark", |flow| {
        let events = flow.input(events).named("events");
        // All partitions have events until they end, and all are of the past.
        let lateness = Lateness::bounded(late).never_idle().any_future();
        let events = events.event_time(Event::at, lateness).named("times");
        query(events.down).output(sink).named("lines");
    })
}

/// The flow of q10: lines go to a file for each minute of the hour, exactly once.
pub fn files<S, K>(events: S, late: TimeDelta, directory: PathBuf) -> Dataflow
where
    S: Source<K, Item = Event>,
{
    let minute = |line: &String| line.get(14..16).and_then(|minute| minute.parse().ok());
    let sink = DirSink::new(directory, 60).names(|minute| format!("{minute:02}.csv"));
    let sink = sink.assign(|minute: &u64| *minute as usize);
    Dataflow::build("nexmark", |flow| {
        let events = flow.input(events).named("events");
        let lateness = Lateness::bounded(late).never_idle().any_future();
        let events = events.event_time(Event::at, lateness).named("times");
        let lines = queries::q10(events.down);
        let by_minute = lines.key_on(move |line| minute(line).unwrap_or_default());
        by_minute.output(sink).named("files");
    })
}

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    events: Events,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

/// The program of a query, which prints its lines.
#[must_use]
pub fn main(query: Query) -> bytewax::ExitCode {
    let Args { events, run } = <Args as clap::Parser>::parse();
    run.execute(flow(query, events, events.disorder(), StdOutSink::new()))
}

#[derive(clap::Parser)]
struct FilesArgs {
    /// The directory of the files.
    directory: PathBuf,
    #[command(flatten)]
    events: Events,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

/// The program of q10, which writes files.
#[must_use]
pub fn main_of_files() -> bytewax::ExitCode {
    let args = <FilesArgs as clap::Parser>::parse();
    let late = args.events.disorder();
    args.run.execute(files(args.events, late, args.directory))
}
