//! Finds cards that a thief may have tried out.
//!
//! `fraud EVENTS.csv` reads rows with the columns `at`, `card`, `kind` and `cents`, in any order within five
//! minutes. Thieves try a card with a small payment before they use it. A line is printed for each card with a
//! payment below one euro, and one of at least 500 euros within ten minutes: the card, the times of both, and
//! the cents of the second. The owner's confirmation in between (`kind` is `confirmed`) ends the suspicion.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, Pattern, StreamClock};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    card: String,
    #[serde(flatten)]
    event: Event,
}

#[stateful]
#[derive(Clone)]
struct Event {
    at: DateTime<Utc>,
    kind: Kind,
    cents: u64,
}

#[stateful]
#[derive(Clone, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Payment,
    Confirmed,
}

impl Event {
    fn is_trial(&self) -> bool {
        self.kind == Kind::Payment && self.cents < 100
    }

    fn is_large(&self) -> bool {
        self.kind == Kind::Payment && self.cents >= 50_000
    }
}

fn describe(card: &str, events: &[Event]) -> Option<String> {
    let time = |event: &Event| event.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (trial, large) = (events.first()?, events.last()?);
    let (from, to) = (time(trial), time(large));
    Some(format!("{card} {from} {to} {}", large.cents))
}

fn fraud(events: PathBuf) -> Dataflow {
    dataflow!("fraud", |flow| {
        let rows = flow.input(CsvSource::<Row>::typed(events));
        let lateness = Lateness::bounded(TimeDelta::minutes(5)).any_future();
        let timed = rows.event_time(|row: &Row| row.event.at, lateness);
        let by_card = timed.down.map(|row| (row.card, row.event));

        let pattern = Pattern::within(TimeDelta::minutes(10))
            .begin(Event::is_trial)
            .without(|event: &Event| event.kind == Kind::Confirmed)
            .followed_by(Event::is_large);
        let clock = StreamClock::new(|event: &Event| event.at);
        let suspects = by_card.match_pattern(clock, pattern);
        let lines = suspects
            .down
            .filter_map(|(card, events)| describe(&card, &events));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The payments and confirmations.
    events: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(fraud(args.events))
}
