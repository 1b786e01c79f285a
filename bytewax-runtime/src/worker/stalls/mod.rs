//! Why a run makes less progress than it could, and which step, worker or partition is the cause.
//!
//! [`Stalls`] looks at one report after the other, and knows nothing of threads and clocks. A sign in the numbers becomes a stall
//! when it lasts. One that ends and comes again has to last twice as long the next time, so that what is usual for a flow
//! is not reported again and again.

mod signs;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;

use crate::report::{RunReport, StallKind, StallReport};

use signs::{Moved, Sign, signs};
pub(crate) use watch::StallWatch;

/// How long a sign lasts until it is a stall, in seconds.
const PATIENCE: f64 = 1.4;
/// The most that this becomes for a sign that comes again and again.
const MOST_PATIENCE: f64 = 300.0;
/// How long a sign is away until a stall is over.
const CALM: f64 = 1.0;
/// Reports that are further apart are not compared: the machine did something else meanwhile.
const FAR_APART: f64 = 5.0;

/// What a stall is known by from one report to the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: StallKind,
    subject: String,
}

#[derive(Debug)]
struct Watched {
    stall: StallReport,
    /// Since when there are signs, if there are; and when there were any last.
    since: Option<f64>,
    seen: f64,
    /// Whether it has lasted long enough.
    is_stall: bool,
    patience: f64,
}

/// What has changed from one report to the next.
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
    /// Looks at the next report. Gives the stalls that begin and end.
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

    /// The stalls that there are now.
    pub(super) fn present(&self) -> Vec<StallReport> {
        let stalls = self.watched.values().filter(|watched| watched.is_stall);
        stalls.map(|watched| watched.stall.clone()).collect()
    }
}
