//! Determines why a run makes less progress than it could, and which step, worker or partition is the cause.
//!
//! [`Stalls`] compares consecutive reports, and is independent of threads and clocks. A sign in the metrics
//! becomes a stall when it persists. A sign that ends and recurs must persist twice as long the next time, so
//! that normal behaviour of a flow is not reported repeatedly.

mod signs;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;

use crate::report::{RunReport, StallKind, StallReport};

use signs::{Moved, Sign, signs};
pub(crate) use watch::StallWatch;

/// How long a sign must persist to become a stall, in seconds.
const PATIENCE: f64 = 1.4;
/// The maximum of this time for a recurring sign.
const MOST_PATIENCE: f64 = 300.0;
/// How long a sign must be absent until a stall is over.
const CALM: f64 = 1.0;
/// Reports further apart than this are not compared: the machine was doing something else in between.
const FAR_APART: f64 = 5.0;

/// The identity of a stall across reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: StallKind,
    subject: String,
}

#[derive(Debug)]
struct Watched {
    stall: StallReport,
    /// The start of the present signs, if any, and the time of the last ones.
    since: Option<f64>,
    seen: f64,
    /// Whether it has persisted long enough.
    is_stall: bool,
    patience: f64,
}

/// The changes between two reports.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Begins(StallReport),
    Ends(StallReport),
}

/// The stalls of a run.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    before: Option<RunReport>,
    moved: Moved,
    watched: BTreeMap<Key, Watched>,
}

impl Stalls {
    /// Compares the next report. Returns the stalls that begin and end.
    pub(super) fn look(&mut self, report: &RunReport) -> Vec<Change> {
        let before = self.before.replace(report.clone());
        self.moved.note(report);
        let Some(before) = before.filter(|before| {
            let passed = report.seconds - before.seconds;
            passed > 0.0 && passed < FAR_APART
        }) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let now = report.seconds;
        for sign in signs(&before, report, &self.moved) {
            let Sign { key, began, stall } = sign;
            let watched = self.watched.entry(key).or_insert_with(|| Watched {
                stall: stall.clone(),
                since: None,
                seen: now,
                is_stall: false,
                patience: PATIENCE,
            });
            let since = began.or(watched.since).unwrap_or(before.seconds);
            watched.since = Some(since);
            watched.seen = now;
            watched.stall = StallReport {
                seconds: now - since,
                ..stall
            };
            if !watched.is_stall && now - since >= watched.patience {
                watched.is_stall = true;
                changes.push(Change::Begins(watched.stall.clone()));
            }
        }
        for watched in self.watched.values_mut() {
            let is_away = watched.seen < now;
            if !watched.is_stall && is_away {
                watched.since = None;
            } else if watched.is_stall && now - watched.seen >= CALM {
                (watched.is_stall, watched.since) = (false, None);
                watched.patience = (2.0 * watched.patience).min(MOST_PATIENCE);
                changes.push(Change::Ends(watched.stall.clone()));
            }
        }
        changes
    }

    /// The current stalls.
    pub(super) fn present(&self) -> Vec<StallReport> {
        let stalls = self.watched.values().filter(|watched| watched.is_stall);
        stalls.map(|watched| watched.stall.clone()).collect()
    }
}
