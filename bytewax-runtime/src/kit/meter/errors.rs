//! The newest errors of items of a step on a worker, kept while a page is served.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::Monotonic;
use crate::ids::Epoch;

/// The number of errors that are kept.
const KEPT: usize = 20;

/// The least time between two of them: of many errors, a sample is enough.
const APART: TimeDelta = TimeDelta::milliseconds(50);

#[derive(Debug, Default)]
pub(crate) struct NewestErrors(Mutex<ErrorLog>);

#[derive(Debug, Default)]
struct ErrorLog {
    last: Option<Monotonic>,
    errors: VecDeque<SeenError>,
}

/// An error of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeenError {
    pub(crate) at: DateTime<Utc>,
    pub(crate) epoch: Epoch,
    /// The key of the item, if it has one.
    pub(crate) key: Option<String>,
    pub(crate) text: String,
}

impl NewestErrors {
    /// Keeps an error, unless another one was kept just before.
    pub(crate) fn note(&self, now: Monotonic, error: impl FnOnce() -> SeenError) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.last.is_some_and(|last| now.since(last) < APART) {
            return;
        }
        kept.last = Some(now);
        if kept.errors.len() == KEPT {
            kept.errors.pop_front();
        }
        kept.errors.push_back(error());
    }

    /// The errors, the oldest first.
    pub(crate) fn read(&self) -> Vec<SeenError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.errors.iter().cloned().collect()
    }
}

#[cfg(all(test, feature = "web"))]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_the_newest_is_kept() {
        let errors = NewestErrors::default();
        for milliseconds in 0..3000_i64 {
            errors.note(Monotonic::of_micros(1000 * milliseconds), || SeenError {
                at: DateTime::UNIX_EPOCH,
                epoch: Epoch(1),
                key: None,
                text: milliseconds.to_string(),
            });
        }
        let texts: Vec<String> = errors.read().into_iter().map(|it| it.text).collect();
        let wanted: Vec<String> = (2000..3000)
            .step_by(50)
            .map(|it: i64| it.to_string())
            .collect();
        assert_eq!(texts, wanted);
    }
}
