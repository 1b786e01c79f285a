//! The common parts of `stateful`, `stateful_batch` and `collect`: a state per key, its reactions to values,
//! timers and the end of input, and their order.

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
    /// Keeps its state.
    Yes,
    /// Drops it, with its state and its timer. A later value of it starts a new key.
    No,
}

/// The processing of the state of a key. `self` contains the data that all keys share, which is not saved.
pub(crate) trait KeyLogic<K>: 'static {
    type State: State;
    type Out: 'static;

    /// Creates the state of a new key.
    fn new_state(&self, key: &K) -> Self::State;

    /// Called at the time of the key's timer.
    fn on_notify(&self, _state: &mut Self::State, _out: &mut Emit<Self::Out>) -> Keep {
        Keep::Yes
    }

    /// Called when no more values arrive in this run.
    fn on_eof(&self, _state: &mut Self::State, _out: &mut Emit<Self::Out>) -> Keep {
        Keep::Yes
    }

    /// Returns the time of the key's timer.
    fn notify_at(&self, _state: &Self::State) -> Option<DateTime<Utc>> {
        None
    }
}

/// A logic that processes values one by one.
pub(crate) trait ItemLogic<K, V>: KeyLogic<K> {
    fn on_item(&self, state: &mut Self::State, value: V, out: &mut Emit<Self::Out>) -> Keep;
}
