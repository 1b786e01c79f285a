//! What the page asks for beside the report: the course of the run, and the most frequent keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::history::{Course, History};
use crate::ids::StepId;
use crate::kit::Question;
use crate::kit::meter::{SeenError, SeenItem};
use crate::worker::{Detail, Reading};

pub(super) use super::history::EVERY;

/// How long keys are counted after the last request for them.
const LOOKED_AT: Duration = Duration::from_secs(10);

/// The number of keys, and of errors, in a response.
const MOST_KEYS: usize = 10;
const MOST_ERRORS: usize = 200;

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

/// The newest errors of items: of each step and worker a sample of at most twenty.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ErrorsReport {
    /// The errors, the newest first.
    errors: Vec<ErrorReport>,
}

/// An error of an item.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ErrorReport {
    /// When it occurred.
    at: DateTime<Utc>,
    /// The step.
    step: StepId,
    /// Its worker.
    worker: usize,
    /// The epoch of the item.
    epoch: u64,
    /// The debug form of its key, shortened, if the item has a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The text of the error.
    error: String,
}

/// Items of an output that may be shown, at most ten a second of each worker. They are kept from the first request
/// until ten seconds after the last one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TailReport {
    /// The step.
    step: String,
    /// Its output.
    output: String,
    /// The items, the newest first.
    items: Vec<ItemReport>,
}

/// An item of an output.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ItemReport {
    /// When it was emitted.
    at: DateTime<Utc>,
    /// The worker.
    worker: usize,
    /// Its debug form, shortened.
    item: String,
}

pub(super) struct Live {
    reading: Reading,
    history: History,
    /// The steps whose keys are counted: since when, and the time of the last request.
    counted: Mutex<BTreeMap<String, (Instant, Instant)>>,
    /// The outputs whose items are shown, by step and name, and the time of the last request.
    shown: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Live {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            history: History::default(),
            counted: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Instant)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the present numbers, and stops to count keys that nobody looks at. Called every [`EVERY`].
    pub(super) fn tick(&self) {
        let detail = Detail {
            histograms: false,
            keys: false,
        };
        // Process 0 shows the whole cluster.
        let is_first = self.reading.process() == 0 && self.reading.processes() > 1;
        self.history.note(match is_first {
            true => self.reading.read_whole(detail),
            false => self.reading.read(detail),
        });
        if is_first {
            // The answers are for the next time.
            self.reading.ask(Question::default());
        }
        self.counted().retain(|step, (_, looked)| {
            let is_looked_at = looked.elapsed() < LOOKED_AT;
            if !is_looked_at {
                for (_, meter) in self.reading.keyed_step(step).unwrap_or_default() {
                    meter.hot.stop();
                }
            }
            is_looked_at
        });
        self.shown().retain(|(step, output), looked| {
            let is_looked_at = looked.elapsed() < LOOKED_AT;
            if !is_looked_at {
                for (_, meter) in self.reading.output(step, output).unwrap_or_default() {
                    meter.tail.stop();
                }
            }
            is_looked_at
        });
    }

    fn shown(&self) -> MutexGuard<'_, BTreeMap<(String, String), Instant>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest errors of items: of the workers of this process, or of the whole cluster.
    pub(super) fn errors(&self, is_whole: bool) -> ErrorsReport {
        let errors = match is_whole {
            true => self.reading.errors_of_all(),
            false => self.reading.errors(),
        };
        let errors = errors.into_iter().map(
            |(
                step,
                worker,
                SeenError {
                    at,
                    epoch,
                    key,
                    text,
                },
            )| ErrorReport {
                at,
                step,
                worker: worker.0,
                epoch: epoch.0,
                key,
                error: text,
            },
        );
        let mut errors: Vec<ErrorReport> = errors.collect();
        errors.sort_by_key(|error| Reverse(error.at));
        errors.truncate(MOST_ERRORS);
        ErrorsReport { errors }
    }

    /// Items of an output, if there is one of this name.
    pub(super) fn tail(&self, step: &str, output: &str) -> Option<TailReport> {
        let meters = self.reading.output(step, output)?;
        let (step, output) = (step.to_owned(), output.to_owned());
        let place = (step.clone(), output.clone());
        self.shown().insert(place, Instant::now());
        let mut items = Vec::new();
        for (worker, meter) in meters {
            meter.tail.start();
            let seen = meter.tail.read().into_iter();
            items.extend(seen.map(|SeenItem { at, text }| ItemReport {
                at,
                worker: worker.0,
                item: text,
            }));
        }
        items.sort_by_key(|item| Reverse(item.at));
        Some(TailReport {
            step,
            output,
            items,
        })
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
