//! Finds the ten songs that are played most in each minute.
//!
//! `top_ten PLAYS.csv` reads rows with the columns `at`, `listener` and `song`, in any order within ten
//! seconds. It prints ten lines for each minute: the minute, the rank, the song and its plays. Songs with equal
//! plays are in the order of their names.
//!
//! The last minute stays open: with `-r DIR`, the next run continues it with the rows that were added since.

use std::cmp::Reverse;
use std::path::PathBuf;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, StreamClock, TumblingWindower, Windowed};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Play {
    at: DateTime<Utc>,
    song: String,
}

/// The plays of a song in a minute.
type Count = (String, Windowed<u64>);

fn describe(minute: &Windowed<Vec<Count>>) -> Vec<String> {
    let begin = minute.begin.format("%H:%M");
    let ranks = minute.value.iter().zip(1..);
    ranks
        .map(|((song, plays), rank)| format!("{begin} {rank} {song} {}", plays.value))
        .collect()
}

fn top_ten(plays: PathBuf) -> Dataflow {
    dataflow!("top_ten", |flow| {
        let plays = flow.input(CsvSource::<Play>::typed(plays));
        let lateness = Lateness::bounded(TimeDelta::seconds(10)).any_future();
        let timed = plays.event_time(|play: &Play| play.at, lateness);

        let minute = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH);
        let minute = minute.with_times().keep_open();
        // Each worker counts the songs that are its own. Only the counts meet on one worker.
        let by_song = timed.down.key_on(|play: &Play| play.song.clone());
        let counts = by_song.count_window(StreamClock::new(|play: &Play| play.at), minute);
        let of_all = counts.down.map(|(song, (_, plays))| ((), (song, plays)));
        let clock = StreamClock::new(|(_, plays): &Count| plays.time());
        let most = |(song, plays): &Count| (plays.value, Reverse(song.clone()));
        let top = of_all.top_n_window(clock, minute, 10, most);
        let lines = top.down.flat_map(|(_, (_, songs))| describe(&songs));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The plays.
    plays: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(top_ten(args.plays))
}
