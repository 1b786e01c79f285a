//! Watches a run for stalls.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Change, Stalls};
use crate::logged::Logged;
use crate::report::StallReport;
use crate::worker::Reading;

/// How often the metrics are checked.
const EVERY: Duration = Duration::from_millis(500);

/// Watches a run for stalls until it is dropped.
pub(crate) struct StallWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StallWatch {
    /// Starts to watch, unless a test moves the clock of the run. Stalls are logged and added to the report.
    pub(crate) fn start(reading: &Reading) -> Option<Self> {
        if reading.is_by_hand() {
            return None;
        }
        let (reading, logged) = (reading.clone(), Logged::here());
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("bytewax-stalls".to_owned())
            .spawn(move || {
                logged.run(|| {
                    let mut stalls = Stalls::default();
                    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                        let changes = stalls.look(&reading.report());
                        reading.meter.set_stalls(stalls.present());
                        changes.iter().for_each(log);
                    }
                    // A run that is over does not stall.
                    reading.meter.set_stalls(Vec::new());
                });
            });
        // Without a thread nothing is watched, which does not affect the run.
        Some(Self {
            stop: Some(stop),
            thread: Some(thread.ok()?),
        })
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed a panic, which does not affect the run.
            let _ = thread.join();
        }
    }
}

fn log(change: &Change) {
    let (Change::Begins(stall) | Change::Ends(stall)) = change;
    let StallReport {
        kind,
        step,
        worker,
        partition,
        seconds,
        cause,
    } = stall;
    let kind = kind.as_str();
    let step = step.as_ref().map(ToString::to_string);
    let partition = partition.as_deref();
    match change {
        Change::Begins(_) => tracing::warn!(
            kind,
            step,
            worker,
            partition,
            "the run has stalled for {seconds:.1} s: {cause}"
        ),
        Change::Ends(_) => tracing::warn!(
            kind,
            step,
            worker,
            partition,
            "a stall of {seconds:.1} s is over: {cause}"
        ),
    }
}
