//! What `stateful`, `stateful_batch` and `collect` have in common: a state for each key, what is done
//! with it when values come, when a time comes and at the end, and when that is.

mod emit;
mod keys;
mod schedule;
#[cfg(test)]
mod tests;
mod wheel;

use chrono::{DateTime, Utc};

use crate::state::State;

pub use emit::Emit;
pub(crate) use keys::{ItemHead, Keys, Timed};
pub(crate) use schedule::{Entry, NEVER, Schedule};

/// Whether a key is kept after its logic was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Keep {
    /// Its state stays.
    Yes,
    /// It is forgotten, with its state and the time it waits for. If another value of it comes, it
    /// is a new key.
    No,
}

/// What a step does with the state of a key. What all keys share is in `self`, and is not saved.
pub(crate) trait KeyLogic<K>: 'static {
    type State: State;
    type Out: 'static;

    /// The state of a new key.
    fn new_state(&self, key: &K) -> Self::State;

    /// The time that the key waited for has come.
    fn on_notify(&self, _state: &mut Self::State, _out: &mut Emit<Self::Out>) -> Keep {
        Keep::Yes
    }

    /// No more values will come in this run.
    fn on_eof(&self, _state: &mut Self::State, _out: &mut Emit<Self::Out>) -> Keep {
        Keep::Yes
    }

    /// Puts right what is not saved, when a key is there again.
    fn restored(&self, _: &mut Self::State) {}

    /// The time that the key waits for now.
    fn notify_at(&self, _state: &Self::State) -> Option<DateTime<Utc>> {
        None
    }
}

/// A logic that takes values one by one.
pub(crate) trait ItemLogic<K, V>: KeyLogic<K> {
    fn on_item(&self, state: &mut Self::State, value: V, out: &mut Emit<Self::Out>) -> Keep;
}
