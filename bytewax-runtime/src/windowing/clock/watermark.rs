//! How far the time of a key has got.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::{END, FIRST, Time};

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
    /// One that stands at `at`.
    pub(crate) fn new(at: Time, now: Time) -> Self {
        Self { at, since: now }
    }

    /// Begins at `at` with the first value of a key.
    #[inline]
    pub(crate) fn begin(&mut self, at: Time, now: Time) {
        if self.since == Time::MIN {
            *self = Self::new(at, now);
        }
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
}

/// What a key knows of its watermark: all of it, or nothing if all keys have the same.
///
/// The *time of the step* is the system's if each key has a watermark of its own. If all keys have one, it is that
/// watermark.
pub(crate) trait KeyMark: Serialize + DeserializeOwned + Send + 'static {
    /// How it is saved when windows emit early.
    type Early: EarlyAt;

    /// Whether each key has a watermark of its own.
    const OF_KEY: bool;

    /// That of a key of which no value has been seen.
    fn new() -> Self;

    /// The watermark, when the time of the step is `now`.
    fn pass(&mut self, now: Time) -> Time;

    /// The watermark as far as it is known: it may be further by now.
    fn at(&self, now: Time) -> Time;

    /// The time of the step at which the watermark will have reached `time`, if no value moves it.
    fn reaches(&self, time: Time) -> Time;
}

impl KeyMark for Watermark {
    type Early = Time;

    const OF_KEY: bool = true;

    #[inline]
    fn new() -> Self {
        Self::new(Time::MIN, Time::MIN)
    }

    /// It moves on by the time that has passed.
    #[inline]
    fn pass(&mut self, now: Time) -> Time {
        if now > self.since {
            self.at = self.at.saturating_add(now.saturating_sub(self.since));
            self.since = now;
        }
        self.at
    }

    fn at(&self, _: Time) -> Time {
        self.at
    }

    #[inline]
    fn reaches(&self, time: Time) -> Time {
        self.since
            .saturating_add(time.saturating_sub(self.at).max(0))
    }
}

/// A key has the watermark of all keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfAllKeys;

impl KeyMark for OfAllKeys {
    type Early = ();

    const OF_KEY: bool = false;

    #[inline]
    fn new() -> Self {
        Self
    }

    #[inline]
    fn pass(&mut self, now: Time) -> Time {
        now
    }

    fn at(&self, now: Time) -> Time {
        now
    }

    #[inline]
    fn reaches(&self, time: Time) -> Time {
        time
    }
}

/// The system's time at which windows emit early, as far as it is saved.
pub(crate) trait EarlyAt: Serialize + DeserializeOwned + Send + 'static {
    /// Windows do not wait to emit early.
    fn never() -> Self;

    /// Notes when windows emit early; [`END`] if they do not wait.
    fn note(&mut self, at: Time);

    /// What was noted, if it is saved.
    fn noted(&self) -> Option<Time>;
}

impl EarlyAt for Time {
    fn never() -> Self {
        END
    }

    fn note(&mut self, at: Time) {
        *self = at;
    }

    fn noted(&self) -> Option<Time> {
        Some(*self)
    }
}

impl EarlyAt for () {
    fn never() {}

    fn note(&mut self, _: Time) {}

    fn noted(&self) -> Option<Time> {
        None
    }
}

/// The watermark that a value stands for: it is `wait` behind it, unless that is before all times.
#[inline]
pub(crate) fn bound(timestamp: Time, wait: i64) -> Option<Time> {
    timestamp.checked_sub(wait).filter(|bound| *bound >= FIRST)
}
