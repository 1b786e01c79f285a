//! Shows the progress of a run on a terminal: one line that is overwritten, and a summary at the end.
//!
//! No progress-bar crate is used. Such crates draw many lines and query the width of the terminal; a single
//! line that the terminal truncates at its edge needs only a few control sequences, and no further crates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::ids::StepKind;
use crate::report::{PartitionReport, RunReport, RunState, StepReport};
use crate::worker::Reading;

/// How often the line is updated.
const EVERY: Duration = Duration::from_millis(250);

/// Moves to the beginning of the line, and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Disables or enables wrapping at the edge of the terminal; a wrapped line could not be cleared.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Whether the line is on the terminal: it is then cleared before any other output to standard error.
static SHOWN: Mutex<bool> = Mutex::new(false);

fn shown() -> MutexGuard<'static, bool> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error; clears the progress line before each write.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BesideProgress;

impl Write for BesideProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut shown = shown();
        let mut stderr = io::stderr().lock();
        if std::mem::take(&mut *shown) {
            stderr.write_all(CLEAR.as_bytes())?;
        }
        stderr.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows the progress of a run until it is dropped, then the summary.
pub(super) struct Progress {
    reading: Reading,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows it on standard error, if that is a terminal. If standard output is one too, the line is not
    /// shown, because it would appear between the results. With several processes, the first one shows its
    /// metrics.
    pub(super) fn start(reading: Option<&Reading>) -> Option<Self> {
        let reading = reading.filter(|reading| reading.process() == 0)?;
        if !io::stderr().is_terminal() {
            return None;
        }
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let mut progress = Self {
            reading: reading.clone(),
            stop: None,
            thread: None,
        };
        if !is_dumb && !io::stdout().is_terminal() {
            progress.show();
        }
        Some(progress)
    }

    fn show(&mut self) {
        let reading = self.reading.clone();
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("bytewax-progress".to_owned())
            .spawn(move || {
                let mut seen = Seen::default();
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    let line = seen.line(&reading.report());
                    let mut shown = shown();
                    let line = format!("{CLEAR}{NO_WRAP}{line}{WRAP}");
                    // Without a terminal, nobody sees it.
                    let _ = io::stderr().write_all(line.as_bytes());
                    *shown = true;
                }
            });
        // Without a thread, no line is shown.
        if let Ok(thread) = thread {
            self.stop = Some(stop);
            self.thread = Some(thread);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed a panic.
            let _ = thread.join();
        }
        let report = self.reading.report();
        // A run that was refused before it began needs no summary.
        let has_run = report.state >= RunState::Ended;
        let summary = if has_run {
            summary(&report)
        } else {
            String::new()
        };
        // Without a terminal, nobody sees it.
        let _ = BesideProgress.write_all(summary.as_bytes());
    }
}

/// The previous observations of a run.
#[derive(Default)]
struct Seen {
    seconds: f64,
    items: u64,
    /// The first known size of each source partition.
    whole: BTreeMap<(String, usize, String), u64>,
}

impl Seen {
    /// The line for a report.
    fn line(&mut self, report: &RunReport) -> String {
        let (items, passed) = (report.items(), report.seconds - self.seconds);
        let more = items.saturating_sub(self.items);
        (self.seconds, self.items) = (report.seconds, items);
        let mut line = format!("{}: {}", report.flow, flowed(items, more, passed));
        if let Some(done) = self.done(report) {
            let _ = write!(line, ", {:.0}% done", 100.0 * done);
            if done > 0.0 {
                let left = report.seconds * (1.0 - done) / done;
                let _ = write!(line, ", {} left", span(left));
            }
        }
        line
    }

    /// The share of the input that was read, if all partitions know their size.
    fn done(&mut self, report: &RunReport) -> Option<f64> {
        let sources = report.steps.iter();
        let sources = sources.filter(|step| step.kind == StepKind::Source);
        let (mut whole, mut left) = (0, 0);
        for step in sources {
            for (worker, partition) in partitions(step) {
                let of = (step.step.to_string(), worker, partition.name.clone());
                let now = match left_of(partition) {
                    Some(now) => now,
                    None if partition.ended => 0,
                    None => return None,
                };
                let all = *self.whole.entry(of).or_insert(now);
                whole += all;
                left += now.min(all);
            }
        }
        (whole > 0).then(|| 1.0 - left as f64 / whole as f64)
    }
}

fn partitions(step: &StepReport) -> impl Iterator<Item = (usize, &PartitionReport)> {
    let workers = step.workers.iter();
    workers.flat_map(|worker| worker.partitions.iter().map(|it| (worker.worker, it)))
}

fn left_of(partition: &PartitionReport) -> Option<u64> {
    let lag = partition.lag?;
    lag.bytes.or(lag.items)
}

/// The number of items, and their rate over this many seconds.
fn flowed(items: u64, more: u64, seconds: f64) -> String {
    let rate = if seconds > 0.0 {
        more as f64 / seconds
    } else {
        0.0
    };
    format!("{items} items, {rate:.0} a second")
}

/// A readable duration.
fn span(seconds: f64) -> String {
    match seconds.round() as u64 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// The summary at the end of a run.
fn summary(report: &RunReport) -> String {
    let (items, seconds) = (report.items(), report.seconds);
    let state = report.state.as_str();
    format!(
        "{} {state} after {seconds:.1} s: {}, {} late, {} errors\n",
        report.flow,
        flowed(items, items, seconds),
        report.late(),
        report.errors(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunConfig;
    use crate::prelude::*;
    use crate::report::LagReport;
    use crate::testing::{TestingSink, TestingSource};
    use crate::worker::Monitor;

    /// The report of a flow with one source, to be changed.
    fn report() -> RunReport {
        let flow = Dataflow::build("f", |flow| {
            let numbers = flow.input(TestingSource::new([1, 2, 3])).named("in");
            numbers.output(TestingSink::new()).named("out");
        });
        let monitor = Monitor::new();
        RunConfig::new().monitor(&monitor).run(flow).unwrap();
        monitor.report().unwrap()
    }

    /// The same when so many items were given, and so many bytes are left.
    fn at(seconds: f64, items: u64, left: Option<u64>) -> RunReport {
        let mut report = report();
        report.seconds = seconds;
        let source = &mut report.steps[0].workers[0];
        source.items_out = items;
        source.partitions[0].ended = false;
        source.partitions[0].lag = left.map(|bytes| LagReport {
            items: None,
            bytes: Some(bytes),
            messages: None,
        });
        report
    }

    #[test]
    fn the_line_has_items_rate_share_and_time_left() {
        let mut seen = Seen::default();
        let line = seen.line(&at(0.0, 0, Some(1000)));
        assert_eq!(line, "f: 0 items, 0 a second, 0% done");
        let line = seen.line(&at(10.0, 50, Some(750)));
        assert_eq!(line, "f: 50 items, 5 a second, 25% done, 30 s left");
        // The rate covers the time since the previous line.
        let line = seen.line(&at(11.0, 250, Some(500)));
        assert_eq!(line, "f: 250 items, 200 a second, 50% done, 11 s left");
        // A file that grows has no negative share.
        let line = seen.line(&at(12.0, 250, Some(5000)));
        assert_eq!(line, "f: 250 items, 0 a second, 0% done");
    }

    #[test]
    fn without_an_end_that_is_known_there_is_no_share() {
        let mut seen = Seen::default();
        let line = seen.line(&at(2.0, 50, None));
        assert_eq!(line, "f: 50 items, 25 a second");
    }

    #[test]
    fn what_has_ended_is_done() {
        let mut seen = Seen::default();
        seen.line(&at(1.0, 0, Some(10)));
        let mut ended = at(2.0, 10, None);
        ended.steps[0].workers[0].partitions[0].ended = true;
        let line = seen.line(&ended);
        assert_eq!(line, "f: 10 items, 10 a second, 100% done, 0 s left");
    }

    #[test]
    fn spans_are_as_people_say_them() {
        let spans = [0.4, 119.0, 120.0, 7199.0, 7200.0].map(span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h"]);
    }

    #[test]
    fn the_summary_says_how_it_ended() {
        let mut report = at(4.0, 20, None);
        let text = "f ended after 4.0 s: 20 items, 5 a second, 0 late, 0 errors\n";
        assert_eq!(summary(&report), text);
        report.seconds = 0.0;
        let text = "f ended after 0.0 s: 20 items, 0 a second, 0 late, 0 errors\n";
        assert_eq!(summary(&report), text);
    }
}
