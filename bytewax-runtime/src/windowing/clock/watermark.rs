//! How far the time of a key has got.

use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::{FIRST, Time};

/// A bound to the event times that are still expected, which moves on with the system's time.
///
/// It never goes back, whatever the system's clock does meanwhile or while nothing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermark {
    at: Time,
    /// The system's time when it was there.
    since: Time,
}

impl State for Watermark {
    const SCHEMA: Schema = Schema::of_library(
        "Watermark",
        1,
        &[Field::of::<i64>("at"), Field::of::<i64>("since")],
    );
}

impl Watermark {
    /// That of a key of which no value has been seen.
    pub(crate) const UNSET: Self = Self {
        at: Time::MIN,
        since: Time::MIN,
    };

    #[inline]
    pub(crate) fn is_unset(&self) -> bool {
        self.since == Time::MIN
    }

    /// One that stands at `at`.
    pub(crate) fn new(at: Time, now: Time) -> Self {
        Self { at, since: now }
    }

    pub(crate) fn at(&self) -> Time {
        self.at
    }

    /// Lets it move on by the time that has passed.
    #[inline]
    pub(crate) fn pass(&mut self, now: Time) -> Time {
        if now > self.since {
            self.at = self.at.saturating_add(now.saturating_sub(self.since));
            self.since = now;
        }
        self.at
    }

    /// Takes into account that no value before `bound` is expected.
    #[inline]
    pub(crate) fn raise(&mut self, bound: Option<Time>) -> Time {
        if let Some(bound) = bound
            && bound > self.at
        {
            self.at = bound;
        }
        self.at
    }

    /// The system's time at which it will have reached `time`, if nothing else moves it.
    #[inline]
    pub(crate) fn reaches(&self, time: Time) -> Time {
        self.since
            .saturating_add(time.saturating_sub(self.at).max(0))
    }
}

/// The watermark that a value stands for: it is `wait` behind it, unless that is before all times.
#[inline]
pub(crate) fn bound(timestamp: Time, wait: i64) -> Option<Time> {
    timestamp.checked_sub(wait).filter(|bound| *bound >= FIRST)
}
