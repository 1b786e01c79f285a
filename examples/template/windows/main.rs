//! Counts the clicks of each user a minute, by the time in the click.
use std::path::PathBuf;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{EventClock, TumblingWindower};
use serde::{Deserialize, Serialize};

// It is faster than glibc's allocator when one thread allocates and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A row of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Click {
    at: DateTime<Utc>,
    user: String,
}

/// Describes the number of clicks of each user in each minute, and clicks that came too late for their minute.
#[operator]
fn clicks_per_minute(clicks: Stream<Click>) -> Stream<String> {
    let by_user = clicks.key_on(|click: &Click| click.user.clone());
    // A click may arrive up to ten seconds after later ones.
    let clock = EventClock::per_partition(|click: &Click| click.at, TimeDelta::seconds(10));
    let minute = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH);
    let counts = by_user.count_window(clock, minute.with_times());
    let in_time = counts
        .down
        .map(|(user, (_, count))| format!("{} {user}: {}", count.begin, count.value));
    let late = counts
        .late
        .map(|(user, (_, click))| format!("{} {user}: late", click.at));
    in_time.merge(late)
}

fn flow(file: PathBuf) -> Dataflow {
    dataflow!("my_flow", |flow| {
        let clicks = flow.input(CsvSource::<Click>::typed(file));
        let lines = clicks_per_minute(clicks);
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// File of clicks.
    #[arg(env = "CLICKS", default_value = "clicks.csv")]
    clicks: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(flow(args.clicks))
}

#[cfg(test)]
mod tests {
    use bytewax::testing::run_items;

    use super::*;

    #[test]
    fn clicks_are_counted_by_their_minute() {
        let click = |second, user: &str| Click {
            at: DateTime::from_timestamp(second, 0).expect("a time"),
            user: user.to_owned(),
        };
        let clicks = [
            click(5, "ada"),
            click(61, "ada"),
            click(55, "ada"),
            click(200, "bob"),
            click(9, "ada"),
        ];
        let mut lines = run_items(clicks, |clicks| clicks_per_minute(clicks).named("counts"));
        lines.sort();
        let expected = [
            "1970-01-01 00:00:00 UTC ada: 2",
            "1970-01-01 00:00:09 UTC ada: late",
            "1970-01-01 00:01:00 UTC ada: 1",
            "1970-01-01 00:03:00 UTC bob: 1",
        ];
        assert_eq!(lines, expected);
    }
}
