//! Reports of a running window step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::time::{FIRST, Time, date};
use crate::brief::brief;
use crate::ids::WorkerIndex;
use crate::kit::EventMark;

/// A view of a running window step: the number of open windows, the oldest window, the watermark, and what
/// holds it back.
///
/// Attach it to the clock of the step. It reports the state at the end of the last epoch. A step with a probe
/// visits all keys for this; a step without one does not. Keys that are evicted from memory
/// (`RecoveryConfig::state_memory`) are not included.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, SessionWindower, WindowProbe};
/// use chrono::TimeDelta;
///
/// let probe = WindowProbe::new();
/// let watched = probe.clone();
/// run_keyed([('a', 5)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::zero()).probe(&watched);
///     times.count_window(clock, SessionWindower::new(TimeDelta::hours(1))).named("visits").down
/// });
/// // The input has ended, so all windows are closed.
/// assert_eq!(probe.reports()[0].open_windows, 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct WindowProbe(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    reports: BTreeMap<WorkerIndex, WindowReport>,
    /// For each sender of values: its slowest partition, and its bound.
    senders: BTreeMap<WorkerIndex, (usize, Time)>,
}

/// The open windows of one worker in a window step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowReport {
    /// The worker.
    pub worker: WorkerIndex,
    /// The number of kept keys, with or without windows.
    pub keys: usize,
    /// The number of open windows.
    pub open_windows: usize,
    /// The number of values that wait for the watermark.
    pub waiting_values: usize,
    /// The start of the oldest open window, and its key.
    pub oldest: Option<(DateTime<Utc>, String)>,
    /// The watermark of the key with the oldest window, or without open windows, with the oldest waiting
    /// value; or the shared watermark of all keys. `None` before the first value.
    pub watermark: Option<DateTime<Utc>>,
    /// A description of what holds the watermark back.
    pub held_by: String,
}

/// The open windows of one key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    pub(crate) windows: usize,
    pub(crate) waiting: usize,
    pub(crate) oldest: Option<Time>,
    /// The time of the first waiting value.
    pub(crate) first_waiting: Option<Time>,
    /// The watermark at which the next window closes.
    pub(crate) closes_at: Option<Time>,
}

/// The sum over all keys.
pub(crate) struct Tally<K> {
    keys: usize,
    pub(crate) windows: usize,
    pub(crate) waiting: usize,
    oldest: Option<FirstKey<K>>,
    first_waiting: Option<FirstKey<K>>,
    closes_first: Option<FirstKey<K>>,
}

/// The key with the earliest time of some kind.
pub(crate) struct FirstKey<K> {
    time: Time,
    pub(crate) key: K,
    /// The watermark of the key.
    pub(crate) mark: Time,
}

/// Keeps the earliest time with its key.
fn keep_first<K: Clone>(first: &mut Option<FirstKey<K>>, time: Option<Time>, key: &K, mark: Time) {
    if let Some(time) = time
        && first.as_ref().is_none_or(|first| time < first.time)
    {
        let key = key.clone();
        *first = Some(FirstKey { time, key, mark });
    }
}

impl<K: Clone> Tally<K> {
    pub(crate) fn new() -> Self {
        Self {
            keys: 0,
            windows: 0,
            waiting: 0,
            oldest: None,
            first_waiting: None,
            closes_first: None,
        }
    }

    /// Adds a key with its watermark.
    pub(crate) fn add(&mut self, key: &K, status: Status, mark: Time) {
        self.keys += 1;
        self.windows += status.windows;
        self.waiting += status.waiting;
        keep_first(&mut self.oldest, status.oldest, key, mark);
        keep_first(&mut self.first_waiting, status.first_waiting, key, mark);
        keep_first(&mut self.closes_first, status.closes_at, key, mark);
    }

    pub(crate) fn of(keys: impl Iterator<Item = (K, Status, Time)>) -> Self {
        let mut tally = Self::new();
        for (key, status, mark) in keys {
            tally.add(&key, status, mark);
        }
        tally
    }

    /// The start of the oldest window.
    pub(crate) fn oldest_start(&self) -> Option<Time> {
        self.oldest.as_ref().map(|first| first.time)
    }

    /// The watermark at which the next window closes.
    pub(crate) fn closes_at(&self) -> Option<Time> {
        self.closes_first.as_ref().map(|first| first.time)
    }

    /// The key that is waited for: that of the next window to close, or of the oldest, or of the first waiting
    /// value.
    pub(crate) fn first(&self) -> Option<&FirstKey<K>> {
        let first = self.closes_first.as_ref().or(self.oldest.as_ref());
        first.or(self.first_waiting.as_ref())
    }
}

impl WindowProbe {
    /// Creates an empty probe.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the last report of each worker of this process, in the order of workers.
    #[must_use]
    pub fn reports(&self) -> Vec<WindowReport> {
        self.seen().reports.values().cloned().collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the open windows of a worker. `mark` is the watermark of all keys, and `slowest` the worker
    /// that holds it back; without it, each key has its own.
    pub(crate) fn report<K: std::fmt::Debug>(
        &self,
        worker: WorkerIndex,
        tally: &Tally<&K>,
        mark: Option<(Time, Option<WorkerIndex>)>,
    ) {
        let mut seen = self.seen();
        let first = tally.oldest.as_ref().or(tally.first_waiting.as_ref());
        let (watermark, held_by) = match (mark, first) {
            (Some((mark, Some(slowest))), _) => {
                let part = match seen.senders.get(&slowest) {
                    Some((partition, _)) => format!("partition {partition} of the source on "),
                    None => String::new(),
                };
                (
                    mark,
                    format!("{part}worker {slowest}, which is furthest behind"),
                )
            }
            (Some((mark, None)), _) => (mark, "no partition has values to come".to_owned()),
            (None, Some(FirstKey { key, mark, .. })) => {
                let held_by = format!(
                    "the newest value of key {}; it goes on with the system's time",
                    brief(key)
                );
                (*mark, held_by)
            }
            (None, None) => (FIRST, "nothing is open".to_owned()),
        };
        let report = WindowReport {
            worker,
            keys: tally.keys,
            open_windows: tally.windows,
            waiting_values: tally.waiting,
            oldest: tally
                .oldest
                .as_ref()
                .map(|first| (date(first.time), brief(&first.key))),
            watermark: (watermark > FIRST).then(|| date(watermark)),
            held_by,
        };
        seen.reports.insert(worker, report);
    }

    /// Reports the slowest partition of a worker.
    pub(crate) fn report_sender(&self, worker: WorkerIndex, slowest: Option<(usize, Time)>) {
        let waited_for = slowest.filter(|(_, bound)| *bound < EventMark::IDLE.0);
        let mut seen = self.seen();
        match waited_for {
            Some(slowest) => drop(seen.senders.insert(worker, slowest)),
            None => drop(seen.senders.remove(&worker)),
        }
    }
}
