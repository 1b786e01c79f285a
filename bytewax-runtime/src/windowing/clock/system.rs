//! `SystemClock`.

use chrono::TimeDelta;

use super::{Clock, ClockOf, Watermark};
use crate::windowing::time::{Time, span};

/// The time at which a value arrives is the time of the value.
///
/// Nothing is ever late. Values that a worker handles together have the same time. If the system's
/// clock steps back, the time stands still until it is there again.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{SessionWindower, SystemClock};
/// use chrono::TimeDelta;
///
/// let out = run_keyed([('a', 1), ('a', 2)], |values| {
///     let sessions = SessionWindower::new(TimeDelta::hours(1));
///     values.collect_window::<Vec<_>, _, _>(SystemClock::new(), sessions).named("lists").down
/// });
/// assert_eq!(out[0].1.1, [1, 2]);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SystemClock {
    forget_after: i64,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemClock {
    /// A clock that goes by the time at which values arrive.
    pub fn new() -> Self {
        Self {
            forget_after: super::FORGET_AFTER,
        }
    }

    /// How long the ids of a key's sessions are remembered after the last of them was closed; an hour
    /// unless set. Later ones count from 0 again.
    pub fn forget_after(mut self, time: TimeDelta) -> Self {
        self.forget_after = span(time).max(0);
        self
    }
}

impl<V> Clock<V> for SystemClock {}

impl<V> ClockOf<V> for SystemClock {
    #[inline]
    fn start(&self, now: Time) -> Watermark {
        Watermark::new(now, now)
    }

    #[inline]
    fn observe(&self, watermark: &mut Watermark, _: &V) -> (Time, Time) {
        let now = watermark.raise(None);
        (now, now)
    }

    fn forget_after(&self) -> i64 {
        self.forget_after
    }

    fn needs_no_memory(&self) -> bool {
        true
    }
}
