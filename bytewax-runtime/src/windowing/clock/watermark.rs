//! The watermark of a key.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::{END, FIRST, Time};

/// A lower bound of the expected event times, which advances with the system time.
///
/// It never moves back, whatever the system clock does, even while the program is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermark {
    at: Time,
    /// The system time at which it was there.
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
    /// Creates a watermark at `at`.
    pub(crate) fn new(at: Time, now: Time) -> Self {
        Self { at, since: now }
    }

    /// Starts at `at` with the first value of a key.
    #[inline]
    pub(crate) fn begin(&mut self, at: Time, now: Time) {
        if self.since == Time::MIN {
            *self = Self::new(at, now);
        }
    }

    /// Raises the watermark, because no value before `bound` is expected.
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

/// The watermark data of a key: its watermark, or nothing if all keys share one.
///
/// The *time of the step* is the system time if each key has its own watermark. If all keys share one, it is
/// that watermark.
pub(crate) trait KeyMark: Serialize + DeserializeOwned + Send + 'static {
    /// How the time of early results is saved.
    type Early: EarlyAt;

    /// Whether each key has its own watermark.
    const OF_KEY: bool;

    /// Creates the data of a key without values.
    fn new() -> Self;

    /// Returns the watermark at the time `now` of the step.
    fn pass(&mut self, now: Time) -> Time;

    /// Raises the watermark of a key with its own.
    fn raise(&mut self, to: Time);

    /// Returns the known watermark; it may have advanced since.
    fn at(&self, now: Time) -> Time;

    /// Returns the time of the step at which the watermark reaches `time`, if no value moves it.
    fn reaches(&self, time: Time) -> Time;
}

impl KeyMark for Watermark {
    type Early = Time;

    const OF_KEY: bool = true;

    #[inline]
    fn new() -> Self {
        Self::new(Time::MIN, Time::MIN)
    }

    /// Advances by the time that has passed.
    #[inline]
    fn pass(&mut self, now: Time) -> Time {
        if now > self.since {
            self.at = self.at.saturating_add(now.saturating_sub(self.since));
            self.since = now;
        }
        self.at
    }

    fn raise(&mut self, to: Time) {
        Self::raise(self, Some(to));
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

/// A watermark that only values move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing(pub(super) Watermark);

impl KeyMark for Standing {
    type Early = Time;

    const OF_KEY: bool = true;

    #[inline]
    fn new() -> Self {
        Self(<Watermark as KeyMark>::new())
    }

    #[inline]
    fn pass(&mut self, _: Time) -> Time {
        self.0.at
    }

    fn raise(&mut self, to: Time) {
        self.0.raise(Some(to));
    }

    fn at(&self, _: Time) -> Time {
        self.0.at
    }

    #[inline]
    fn reaches(&self, time: Time) -> Time {
        if time <= self.0.at { self.0.since } else { END }
    }
}

/// A key shares the watermark of all keys.
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

    fn raise(&mut self, _: Time) {}

    fn at(&self, now: Time) -> Time {
        now
    }

    #[inline]
    fn reaches(&self, time: Time) -> Time {
        time
    }
}

/// The system time at which windows emit early, as far as it is saved.
pub(crate) trait EarlyAt: Serialize + DeserializeOwned + Send + 'static {
    /// Windows do not wait to emit early.
    fn never() -> Self;

    /// Records when windows emit early; [`END`] if they do not wait.
    fn note(&mut self, at: Time);

    /// Returns the recorded time, if it is saved.
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

/// Returns the watermark of a value: `wait` behind it, unless that is before all times.
#[inline]
pub(crate) fn bound(timestamp: Time, wait: i64) -> Option<Time> {
    timestamp.checked_sub(wait).filter(|bound| *bound >= FIRST)
}
