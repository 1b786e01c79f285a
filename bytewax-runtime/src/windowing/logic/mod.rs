//! The state of a window, and its operations.

mod collect;
mod combine;
mod join;
mod user;

pub(crate) use collect::Collect;
pub use collect::Collection;
pub(crate) use combine::{Count, FoldWith, Reduce};
pub(crate) use join::{Complete, Partial};
pub(crate) use user::Own;
pub use user::WindowLogic;

use chrono::{DateTime, Utc};

use crate::state::State;

/// The computation of a window.
pub(crate) trait Fold<V>: 'static {
    /// The state of a window.
    type State: State;
    /// The output of a window.
    type Out: 'static;

    /// Whether a window without values has a result.
    const HAS_EMPTY: bool = true;

    /// Sets the worker's time for the next operations.
    fn begin(&self, _: DateTime<Utc>) {}

    /// The state of a new window.
    fn open(&self) -> Self::State;

    /// Adds a value of the window.
    fn add(&self, state: &mut Self::State, value: V, emit: &mut impl FnMut(Self::Out));

    /// Merges another window into this one. For a fold in slices, it is the state of values that are later in
    /// time.
    fn merge(&self, state: &mut Self::State, other: Self::State, emit: &mut impl FnMut(Self::Out));

    /// Emits the value of a window that stays open.
    fn fire(&self, state: &mut Self::State, emit: &mut impl FnMut(Self::Out));

    /// Emits the value of a window for the last time.
    fn close(&self, state: Self::State, emit: &mut impl FnMut(Self::Out));
}
