//! The view of a logic on the run: its output, and the time.

use chrono::{DateTime, Utc};

/// The output of a logic, which emits values under its key. It also returns the time.
#[derive(Debug)]
pub struct Emit<U> {
    now: DateTime<Utc>,
    values: Vec<U>,
}

impl<U> Emit<U> {
    pub(crate) fn new() -> Self {
        Self {
            now: DateTime::UNIX_EPOCH,
            values: Vec::new(),
        }
    }

    /// Emits a value.
    #[inline]
    pub fn emit(&mut self, value: U) {
        self.values.push(value);
    }

    /// Emits values, in their order.
    #[inline]
    pub fn extend(&mut self, values: impl IntoIterator<Item = U>) {
        self.values.extend(values);
    }

    /// Returns the time by the clock of the worker.
    ///
    /// The clock is read once for all values and timers that a worker processes together, so the time stands
    /// still in between. It never goes back during a run: if the system clock is set back, it goes on by monotonic
    /// time, so a timer of `now() + 10 s` fires after ten seconds. Tests advance it with
    /// [`WorkerClock::by_hand`](crate::clock::WorkerClock::by_hand).
    #[inline]
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(crate) fn set_now(&mut self, now: DateTime<Utc>) {
        self.now = now;
    }

    /// Whether anything was emitted.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        !self.values.is_empty()
    }

    /// Takes the emitted values.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = U> + '_ {
        self.values.drain(..)
    }

    /// Moves the emitted values to `items`, under a key.
    #[inline]
    pub(crate) fn deliver<K: Clone>(&mut self, key: K, items: &mut Vec<(K, U)>) {
        if let Some(last) = self.values.pop() {
            items.extend(self.values.drain(..).map(|value| (key.clone(), value)));
            items.push((key, last));
        }
    }
}
