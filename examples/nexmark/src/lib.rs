//! Queries of Nexmark, a benchmark of stream processing: people register, open auctions and bid.
//!
//! Each query is a function from the stream of events to a stream of lines, and a program:
//! `cargo run --release -p bytewax-nexmark --bin q5 -- --events 1000000 -w 2`. The tests compare what they print with
//! loops over the events, with several workers and over stops.

mod events;
pub mod models;
pub mod queries;

use bytewax::chrono::TimeDelta;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::operators::{Sink, Source};
use bytewax::prelude::*;
use bytewax::windowing::Lateness;

pub use events::{Auction, Bid, Event, Events, Part, Person};

/// A query: from events to lines.
pub type Query = fn(Stream<Event>) -> Stream<String>;

/// The flow of a query.
pub fn flow<S, K, O, L>(query: Query, events: S, sink: O) -> Dataflow
where
    S: Source<K, Item = Event>,
    O: Sink<String, L>,
{
    Dataflow::build("nexmark", |flow| {
        let events = flow.input(events).named("events");
        // Events are shuffled, but not by as much as a second; and they are of the past.
        let lateness = Lateness::bounded(TimeDelta::seconds(1))
            .never_idle()
            .any_future();
        let events = events.event_time(Event::at, lateness).named("times");
        query(events.down).output(sink).named("lines");
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
    let args = <Args as clap::Parser>::parse();
    args.run
        .execute(flow(query, args.events, StdOutSink::new()))
}
