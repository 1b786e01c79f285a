//! Finds the page with the most hits of each minute in the log of a web server.
//!
//! `hot_pages LOG.csv` reads rows with the columns `at` and `path`, in any order within ten minutes;
//! `LOG.csv` may also be a directory of such files. It counts the hits of each page and minute, and prints
//! the page with the most hits for each minute with hits: `2026-11-01T00:01:00Z /p/3 17`. Of pages with equal
//! counts, it prints the one with the smaller path. Unreadable rows are reported on standard error.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::{StdErrSink, StdOutSink};
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, StreamClock, TumblingWindower, Windowed};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Hit {
    #[serde(deserialize_with = "time")]
    at: DateTime<Utc>,
    path: String,
}

/// Parses a time in RFC 3339 format; without a zone, it is UTC.
fn time<'de, D: Deserializer<'de>>(cell: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(cell)?;
    let zoned = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
    let plain = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.or_else(|error| match plain() {
        Ok(at) => Ok(at.and_utc()),
        Err(_) => Err(serde::de::Error::custom(format!(
            "`{text}` is no time: {error}"
        ))),
    })
}

/// The number of hits of a page in a minute.
type Count = (String, Windowed<u64>);

fn keep_hotter(best: &mut Option<Count>, count: Count) {
    let (path, hits) = (&count.0, count.1.value);
    let is_hotter = |best: &Count| hits > best.1.value || hits == best.1.value && *path < best.0;
    if best.as_ref().is_none_or(is_hotter) {
        *best = Some(count);
    }
}

fn hot_pages(log: PathBuf) -> Dataflow {
    dataflow!("hot_pages", |flow| {
        let log = CsvSource::<Hit>::typed(log).results().range_bytes(16 << 20);
        let rows = flow.input(log);
        let hits = rows.split_result();
        hits.errs.output(StdErrSink::new());

        // It is a log of the past, however the clock of this machine goes.
        let lateness = Lateness::bounded(TimeDelta::minutes(10)).any_future();
        let timed = hits.oks.event_time(|hit: &Hit| hit.at, lateness);

        let minute = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH);
        let by_page = timed.down.key_on(|hit: &Hit| hit.path.clone());
        let counts =
            by_page.count_window(StreamClock::new(|hit: &Hit| hit.at), minute.with_times());

        let of_all = counts.down.map(|(path, (_, hits))| ((), (path, hits)));
        let clock = StreamClock::new(|(_, hits): &Count| hits.time());
        let merge = |best: &mut Option<Count>, other: Option<Count>| {
            other.into_iter().for_each(|count| keep_hotter(best, count));
        };
        let hottest = of_all.fold_window(clock, minute, || None, keep_hotter, merge);
        let lines = hottest.down.filter_map(|(_, (_, best))| {
            let (path, hits) = best?;
            let begin = hits.begin.to_rfc3339_opts(SecondsFormat::Secs, true);
            Some(format!("{begin} {path} {}", hits.value))
        });
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The log to read, or a directory of logs.
    log: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(hot_pages(args.log))
}
