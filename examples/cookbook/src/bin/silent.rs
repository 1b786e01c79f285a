//! Reports what did not happen: devices that have stopped to send.
//!
//! `silent HEARTBEATS.csv` reads rows with the columns `at` and `device`, in any order within 30 seconds. A
//! device sends every minute. It is reported when it has been silent for five minutes, and again when it is
//! back.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, StreamClock};
use serde::{Deserialize, Serialize};

#[stateful]
#[derive(Clone)]
struct Heartbeat {
    at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    at: DateTime<Utc>,
    device: String,
}

/// What is known of a device.
#[stateful]
#[derive(Default)]
struct Device {
    seen: Option<DateTime<Utc>>,
    is_reported: bool,
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[stateful]
impl Device {
    fn on_item(&mut self, heartbeat: Heartbeat, out: &mut Emit<String>) -> Keep {
        let at = heartbeat.at;
        if let (true, Some(seen)) = (self.is_reported, self.seen) {
            let minutes = (at - seen).num_minutes();
            out.emit(format!("{} back after {minutes} minutes", text(at)));
        }
        *self = Device {
            seen: Some(at),
            is_reported: false,
        };
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        let seen = self.seen.filter(|_| !self.is_reported)?;
        Some(seen + TimeDelta::minutes(5))
    }

    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        self.is_reported = true;
        out.emit(format!("{} silent for 5 minutes", text(out.now())));
        Keep::Yes
    }
}

fn silent(heartbeats: PathBuf) -> Dataflow {
    dataflow!("silent", |flow| {
        let rows = flow.input(CsvSource::<Row>::typed(heartbeats));
        let lateness = Lateness::bounded(TimeDelta::seconds(30)).any_future();
        let timed = rows.event_time(|row: &Row| row.at, lateness);
        let by_device = timed.down.map(|row| (row.device, Heartbeat { at: row.at }));
        let clock = StreamClock::new(|heartbeat: &Heartbeat| heartbeat.at);
        let reports = by_device.stateful_by_time(clock, Device::default);
        let lines = reports
            .down
            .map(|(device, what)| format!("{device}: {what}"));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The heartbeats.
    heartbeats: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(silent(args.heartbeats))
}
