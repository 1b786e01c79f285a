//! What the page asks for beside the report: the course of the run, and the most frequent keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::history::{Course, History};
use crate::worker::Reading;

pub(super) use super::history::EVERY;

/// How long keys are counted after the last request for them.
const LOOKED_AT: Duration = Duration::from_secs(10);

/// The number of keys in a response.
const MOST_KEYS: usize = 10;

/// The most frequent keys of a step that keeps state per key. They are counted, in a sample of the items, from the
/// first request until ten seconds after the last one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct KeysReport {
    /// The step.
    step: String,
    /// How long they have been counted, in seconds.
    seconds: f64,
    /// The approximate number of items since then.
    items: u64,
    /// The most frequent keys, the first one most.
    keys: Vec<KeyReport>,
}

/// A frequent key.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct KeyReport {
    /// Its debug form, shortened.
    key: String,
    /// Its worker.
    worker: usize,
    /// Its approximate share of the items.
    share: f64,
    /// How much of this share may be that of other keys.
    error: f64,
}

pub(super) struct Live {
    reading: Reading,
    history: History,
    /// The steps whose keys are counted: since when, and the time of the last request.
    counted: Mutex<BTreeMap<String, (Instant, Instant)>>,
}

impl Live {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            history: History::default(),
            counted: Mutex::default(),
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Instant)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the present numbers, and stops to count keys that nobody looks at. Called every [`EVERY`].
    pub(super) fn tick(&self) {
        self.history.note(self.reading.report_without_histograms());
        self.counted().retain(|step, (_, looked)| {
            let is_looked_at = looked.elapsed() < LOOKED_AT;
            if !is_looked_at {
                for (_, meter) in self.reading.keyed_step(step).unwrap_or_default() {
                    meter.hot.stop();
                }
            }
            is_looked_at
        });
    }

    /// The course of a step, if there is one of this id; without an id, that of the run.
    pub(super) fn course(&self, step: Option<&str>) -> Option<Course> {
        self.history.of(step)
    }

    /// The most frequent keys of a step, if it is one that keeps state per key.
    pub(super) fn keys(&self, step: &str) -> Option<KeysReport> {
        let meters = self.reading.keyed_step(step)?;
        let now = Instant::now();
        let since = {
            let mut counted = self.counted();
            let (since, looked) = counted.entry(step.to_owned()).or_insert((now, now));
            *looked = now;
            *since
        };
        let (mut items, mut keys) = (0, Vec::new());
        for (worker, meter) in meters {
            // A worker may have started since the last request.
            meter.hot.start();
            let (of_worker, hot) = meter.hot.read(MOST_KEYS);
            items += of_worker;
            keys.extend(hot.into_iter().map(|hot| (worker.0, hot)));
        }
        keys.sort_by_key(|(_, hot)| Reverse(hot.count));
        keys.truncate(MOST_KEYS);
        let share = |count: u64| count as f64 / items.max(1) as f64;
        let keys = keys.into_iter().map(|(worker, hot)| KeyReport {
            share: share(hot.count),
            error: share(hot.error),
            key: hot.key,
            worker,
        });
        Some(KeysReport {
            step: step.to_owned(),
            seconds: (now - since).as_secs_f64(),
            items,
            keys: keys.collect(),
        })
    }
}
