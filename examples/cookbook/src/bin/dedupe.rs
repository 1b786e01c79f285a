//! Drops messages that a queue has delivered before.
//!
//! `dedupe EVENTS.jsonl OUT.jsonl` reads events with the fields `id`, `at`, `kind` and `order`, as a topic has
//! them, and writes the first event of each id. It remembers an id for a day. With `-r DIR`, it also remembers
//! the ids of earlier runs.

use std::path::PathBuf;
use std::time::Duration;

use bytewax::connectors::json::{JsonLinesSink, JsonLinesSource};
use bytewax::operators::Within;
use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Serialize, Deserialize)]
struct Event {
    id: String,
    at: String,
    kind: String,
    order: u64,
}

fn dedupe(events: PathBuf, out: PathBuf) -> Dataflow {
    dataflow!("dedupe", |flow| {
        // For a topic, with the feature `kafka`:
        //   let messages = flow.input(KafkaSource::new("localhost:9092", ["events"]));
        //   let parsed = messages.try_map(KafkaMessage::value_json::<Event>);
        //   parsed.errs.raises();
        //   let events = parsed.oks;
        let events = flow.input(JsonLinesSource::<Event>::new(events));
        let by_id = events.key_on(|event| event.id.clone());
        // The id is the key, so a key has one id.
        let once = by_id.dedupe(Within::Time(DAY), |_| ());
        let lines = once.key_rm();
        lines.output(JsonLinesSink::new(out));
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The events.
    events: PathBuf,
    /// The file for the events without repeats.
    out: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(dedupe(args.events, args.out))
}
