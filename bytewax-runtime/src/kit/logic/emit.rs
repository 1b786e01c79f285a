//! What a logic sees of the run: the way out, and the time.

use chrono::{DateTime, Utc};

/// The way out of a logic: what it emits goes on under its key. It also tells the time.
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

    /// Sends a value on.
    #[inline]
    pub fn emit(&mut self, value: U) {
        self.values.push(value);
    }

    /// Sends values on, in their order.
    #[inline]
    pub fn extend(&mut self, values: impl IntoIterator<Item = U>) {
        self.values.extend(values);
    }

    /// The time by the clock of the worker.
    ///
    /// It is read once for all values and times that a worker handles together, so it stands still
    /// meanwhile. Tests move it by [`WorkerClock::by_hand`](crate::clock::WorkerClock::by_hand).
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

    /// Takes what was emitted.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = U> + '_ {
        self.values.drain(..)
    }

    /// Moves what was emitted to `items`, under a key.
    #[inline]
    pub(crate) fn deliver<K: Clone>(&mut self, key: K, items: &mut Vec<(K, U)>) {
        if let Some(last) = self.values.pop() {
            items.extend(self.values.drain(..).map(|value| (key.clone(), value)));
            items.push((key, last));
        }
    }
}
