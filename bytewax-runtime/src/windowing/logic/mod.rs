//! What is kept for a window, and what becomes of it.

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

/// What values become in a window.
pub(crate) trait Fold<V>: 'static {
    /// What is kept for a window.
    type State: State;
    /// What a window emits.
    type Out: 'static;

    /// What is done next is done at this time of the worker.
    fn begin(&self, _: DateTime<Utc>) {}

    /// The state of a window that is opened.
    fn open(&self) -> Self::State;

    /// Takes in a value of the window.
    fn add(&self, state: &mut Self::State, value: V, emit: &mut impl FnMut(Self::Out));

    /// Takes in another window that has become part of this one. For a fold that is kept by slices, this
    /// is the state of values that came later in time.
    fn merge(&self, state: &mut Self::State, other: Self::State, emit: &mut impl FnMut(Self::Out));

    /// Emits the value of a window that stays open.
    fn fire(&self, state: &mut Self::State, emit: &mut impl FnMut(Self::Out));

    /// Emits the value of a window for the last time.
    fn close(&self, state: Self::State, emit: &mut impl FnMut(Self::Out));
}
