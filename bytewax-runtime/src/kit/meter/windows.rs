//! The open windows of a step on a worker, as they were counted last.

use std::sync::{Mutex, PoisonError};

use crate::report::HeldBy;

#[derive(Debug, Default)]
pub(crate) struct CountedWindows(Mutex<Option<SeenWindows>>);

/// The open windows of a step on a worker. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenWindows {
    pub(crate) open: usize,
    pub(crate) waiting: usize,
    pub(crate) oldest: Option<i64>,
    pub(crate) closes_at: Option<i64>,
    pub(crate) watermark: Option<i64>,
    pub(crate) held_by: HeldBy,
    pub(crate) key: Option<String>,
}

impl CountedWindows {
    pub(crate) fn set(&self, windows: SeenWindows) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(windows);
    }

    pub(crate) fn read(&self) -> Option<SeenWindows> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}
