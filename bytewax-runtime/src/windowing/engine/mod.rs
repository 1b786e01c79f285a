//! How window steps work: what is kept for a key, and who tells it the time.

mod early;
mod head;
mod key;
mod out;
mod per_window;
mod plan;
mod queue;
mod slices;
#[cfg(test)]
mod tests;

pub(crate) use out::{Aside, DOWN, LATE, LateOut, LateWay, Lost, LostOfRun, META};
pub(crate) use per_window::PerWindow;
pub(crate) use plan::{Inputs, Step, WindowStep, output};
pub(crate) use queue::{Queue, Waiters};
pub(crate) use slices::Slices;

use chrono::{DateTime, Utc};

use super::time::Time;
use super::window::{Label, WindowId, WindowMetadata};
use crate::kit::logic::Emit;
use crate::state::State;

/// What a window step emits.
pub(crate) enum Event<U, V> {
    /// A value of a window.
    Down(Label, U),
    /// A value that came too late for a window, and whether that is the last of its windows.
    Late(WindowId, bool, V),
    /// A window was closed.
    Meta(WindowId, WindowMetadata),
}

/// When windows emit, and in which order they take values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// How long a window that is over still takes values.
    pub(crate) lateness: i64,
    /// How far behind the watermark what is emitted may be stamped. A step that does not emit by it has none: what is
    /// said of its inputs is said of its output.
    pub(crate) held_back: Option<i64>,
    /// How long after a change a window emits what it holds so far.
    pub(crate) early: Option<i64>,
    /// Whether values wait until the watermark has reached them, and are taken in the order of time.
    pub(crate) ordered: bool,
    /// Whether nothing is done at the end of input: another run goes on.
    pub(crate) keep_open: bool,
}

/// Where the events of a key go.
pub(crate) type Events<B, V> = Emit<Event<<B as WindowEngine<V>>::Out, V>>;

/// How the windows of a key are kept.
pub(crate) trait WindowEngine<V>: 'static {
    /// What is kept of a key.
    type KeyState: State + Default;
    /// What windows emit.
    type Out: 'static;

    /// Whether nothing need be remembered of a key that has no windows.
    const FORGETS: bool;

    /// What is done next is done at this time of the worker.
    fn begin(&self, now: DateTime<Utc>);

    /// Takes in a value, at a time when the watermark is `mark`. Gives the next watermark at which
    /// something is to be done for the windows of the value.
    fn add(
        &self,
        kept: &mut Self::KeyState,
        time: Time,
        value: V,
        mark: Time,
        out: &mut Events<Self, V>,
    ) -> Time;

    /// Closes the windows that are over.
    fn close(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>);

    /// Closes all windows at the end of input. The watermark stays at `mark`: what comes in another run
    /// may belong to windows that are closed here, and opens them again.
    fn end(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>);

    /// Puts right what an earlier release saved, when the watermark is at `mark`.
    fn restored(&self, _: &mut Self::KeyState, _mark: Time) {}

    /// The next watermark at which [`close`](Self::close) has something to do; [`END`](super::time::END)
    /// if there are windows that end with the input only, or no windows.
    fn next(&self, kept: &Self::KeyState) -> Time;

    /// Reads a little of all that a value will need, so that it is in the caches when its turn comes.
    fn prefetch(&self, kept: &Self::KeyState) -> i64;

    /// Whether there are no windows.
    fn is_empty(&self, kept: &Self::KeyState) -> bool;

    /// Emits what windows that are not over hold so far, if it has changed.
    fn fire_early(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>);

    /// How many windows are open, and the begin of the oldest.
    fn open(&self, kept: &Self::KeyState) -> (usize, Option<Time>);

    /// Labels a value that comes too late.
    fn late(&self, time: Time, value: V, out: &mut Events<Self, V>);
}
