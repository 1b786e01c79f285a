//! Limits alerts: the first goes out at once, repeats are counted.
//!
//! `alerts ALERTS.csv` reads rows with the columns `at`, `host` and `check`, in any order within ten seconds. It
//! prints the first alert of a host and check. Alerts of the same host and check in the ten minutes after it are
//! only counted; the count is printed at the end of the ten minutes.

use std::path::PathBuf;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::windowing::{Lateness, StreamClock};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Alert {
    at: DateTime<Utc>,
    host: String,
    check: String,
}

/// The time of an alert.
#[stateful]
#[derive(Clone)]
struct Raised(DateTime<Utc>);

/// The repeats of an alert, and the time until which they are counted.
#[stateful]
#[derive(Default)]
struct Quiet {
    until: Option<DateTime<Utc>>,
    repeats: u64,
}

#[stateful]
impl Quiet {
    fn on_item(&mut self, alert: Raised, out: &mut Emit<String>) -> Keep {
        if self.until.is_some() {
            self.repeats += 1;
        } else {
            self.until = Some(alert.0 + TimeDelta::minutes(10));
            out.emit(format!("{} raised", alert.0.format("%H:%M:%S")));
        }
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.until
    }

    /// The next alert is a first one again.
    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        if self.repeats > 0 {
            let at = out.now().format("%H:%M:%S");
            out.emit(format!("{at} {} repeats in 10 minutes", self.repeats));
        }
        Keep::No
    }
}

fn alerts(alerts: PathBuf) -> Dataflow {
    dataflow!("alerts", |flow| {
        let alerts = flow.input(CsvSource::<Alert>::typed(alerts));
        let lateness = Lateness::bounded(TimeDelta::seconds(10)).any_future();
        let timed = alerts.event_time(|alert: &Alert| alert.at, lateness);
        let by_check = timed
            .down
            .map(|Alert { at, host, check }| ((host, check), Raised(at)));
        let clock = StreamClock::new(|alert: &Raised| alert.0);
        let limited = by_check.stateful_by_time(clock, Quiet::default);
        let lines = limited
            .down
            .map(|((host, check), what)| format!("{host} {check}: {what}"));
        lines.output(StdOutSink::new());
    })
}

#[derive(clap::Parser)]
struct Args {
    /// The alerts.
    alerts: PathBuf,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(alerts(args.alerts))
}
