//! The engine of window steps: the state of keys, and their schedule.

mod ahead;
mod early;
mod head;
mod key;
mod out;
mod parts;
mod per_window;
mod plan;
mod queue;
mod slices;
#[cfg(test)]
mod tests;

pub(crate) use out::{Aside, DOWN, LATE, LateOut, LateWay, Lost, LostOfRun, META};
pub(crate) use parts::Part;
pub(crate) use parts::PartQueue;
pub(crate) use per_window::PerWindow;
pub(crate) use plan::{Inputs, Step, WindowStep, output};
pub(crate) use queue::{Queue, Waiters};
pub(crate) use slices::Slices;

use chrono::{DateTime, Utc};

use super::time::Time;
use super::window::{Label, WindowId, WindowMetadata};
use crate::kit::logic::Emit;
use crate::state::State;

/// An event of a window step.
pub(crate) enum Event<U, V> {
    /// A value of a window.
    Down(Label, U),
    /// A value that is too late for a window, and whether that is the last of its windows.
    Late(WindowId, bool, V),
    /// A window was closed.
    Meta(WindowId, WindowMetadata),
}

/// When windows emit, and the order in which they process values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// How long a window that is over still accepts values.
    pub(crate) lateness: i64,
    /// The maximum distance of output timestamps behind the watermark. A step without timestamps of its own
    /// has none: it forwards the watermarks of its inputs.
    pub(crate) held_back: Option<i64>,
    /// The delay of early results after a change.
    pub(crate) early: Option<i64>,
    /// Whether values wait for the watermark, and are processed in the order of time.
    pub(crate) ordered: bool,
    /// Whether windows stay open at the end of input, because another run continues.
    pub(crate) keep_open: bool,
}

/// The receiver of a key's events.
pub(crate) type Events<B, V> = Emit<Event<<B as WindowEngine<V>>::Out, V>>;

/// The windows of a key.
pub(crate) trait WindowEngine<V>: 'static {
    /// The state of a key.
    type KeyState: State + Default;
    /// The output of windows.
    type Out: 'static;

    /// Whether a key without windows needs no state.
    const FORGETS: bool;

    /// Whether values are processed in the order of time across ends of input too: of a later run, those before the
    /// values that an end has processed are late.
    const IN_ORDER: bool = false;

    /// Sets the worker's time for the next operations.
    fn begin(&self, now: DateTime<Utc>);

    /// Handles a value when the watermark is `mark`. Returns the next watermark at which work is due for the
    /// windows of the value.
    fn add(
        &self,
        kept: &mut Self::KeyState,
        time: Time,
        value: V,
        mark: Time,
        out: &mut Events<Self, V>,
    ) -> Time;

    /// Closes the windows that are over. Returns [`next`](Self::next).
    fn close(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) -> Time;

    /// Closes all windows at the end of input. The watermark stays at `mark`: values of a later run may
    /// belong to windows that are closed here, and open them again.
    fn end(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>);

    /// Corrects the saved data of an earlier release, when the watermark is at `mark`.
    fn restored(&self, _: &mut Self::KeyState, _mark: Time) {}

    /// The next watermark at which [`close`](Self::close) has work to do; [`END`](super::time::END) if
    /// windows end only with the input, or without windows.
    fn next(&self, kept: &Self::KeyState) -> Time;

    /// Prefetches the data that a value will need.
    fn prefetch(&self, kept: &Self::KeyState) -> i64;

    /// Whether there are no windows.
    fn is_empty(&self, kept: &Self::KeyState) -> bool;

    /// Emits the early results of open windows that have changed.
    fn fire_early(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>);

    /// The number of open windows, and the start of the oldest.
    fn open(&self, kept: &Self::KeyState) -> (usize, Option<Time>);

    /// Labels a value that is too late.
    fn late(&self, time: Time, value: V, out: &mut Events<Self, V>);
}
