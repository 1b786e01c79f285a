//! Windowers: which windows there are, and which of them a value belongs to.

mod count;
mod list;
mod session;
mod several;
mod sliding;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::fault::Fault;
use super::time::Time;
use crate::state::Fact;
use crate::state::facts::Text;

pub use count::CountWindower;
pub(crate) use list::{Open, WindowList};
pub use session::SessionWindower;
pub(crate) use sliding::Slicing;
pub use sliding::{SlidingWindower, TumblingWindower};

/// A value may belong to so many windows.
const MOST_WINDOWS: i64 = 1_000_000;

/// What is wrong if a value belongs to too many windows.
const fn too_many(length: i64, offset: i64, of_what: &str) -> Option<Fault> {
    let windows = length / offset;
    if windows <= MOST_WINDOWS {
        return None;
    }
    let fault = Text::new("each value would be in ")
        .number(windows)
        .text(" windows");
    let help = Text::new("have windows begin no nearer to each other than ").text(of_what);
    Some(Fault::of(fault, help.text(" / ").number(MOST_WINDOWS)))
}

/// The name of the fact that says which windows there are.
pub(crate) const WINDOWER: &str = "windower";
/// The name of the fact that says where window 0 begins.
pub(crate) const ALIGN_TO: &str = "align_to";

/// Which windows there are: [`TumblingWindower`], [`SlidingWindower`], [`SessionWindower`] or
/// [`CountWindower`].
#[expect(private_bounds, reason = "windowers are those of this crate")]
pub trait Windower: Windows + Clone {}

/// The windows of each key. What is kept for a key is a [`WindowList`].
pub(crate) trait Windows: Send + Sync + 'static {
    /// Whether a window has its id by its times, so that nothing of a key need be remembered.
    const IDS_BY_TIME: bool;

    /// What is wrong with the parameters.
    fn fault(&self) -> Option<Fault>;

    /// What the windows that are saved for a key are windows of.
    fn facts(&self) -> Vec<Fact>;

    /// Hands out the windows of a value, in the order of ids; those that are not open are opened.
    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>);

    /// The first watermark at which a window is over.
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time;

    /// The ids that a late value is labelled with.
    fn late(&self, time: Time) -> RangeInclusive<i64>;

    /// When a window begins, and when it ends, which does not belong to it.
    fn span<S>(&self, window: &Open<S>) -> (Time, Time) {
        (window.open, self.ends(0, window))
    }

    /// How values can be kept once, if a value belongs to several windows.
    fn slicing(&self) -> Option<Slicing> {
        None
    }
}

/// What is done with the windows of a value.
pub(crate) trait Visit<S> {
    /// The state of a window that is opened.
    fn open(&mut self) -> S;

    /// The value belongs to this window, which without it is over at `ends`, and perhaps to `more`.
    fn add(&mut self, window: &mut Open<S>, ends: Time, more: bool);

    /// A session has become part of another one.
    fn merge(&mut self, into: &mut Open<S>, other: Open<S>);

    /// All is done with a window, which is over at `ends`.
    fn settled(&mut self, window: &mut Open<S>, ends: Time);
}

/// What `dataflow!` has the compiler ask of windowers whose parameters it can read.
macro_rules! in_const {
    ($($windower:ident)+) => { $(
        impl $windower {
            /// Whether the lock file has this windower.
            #[doc(hidden)]
            #[must_use]
            pub const fn windower_is(&self, locked: &str) -> bool {
                self.windower_text().is(locked)
            }

            /// What is wrong with the parameters.
            #[doc(hidden)]
            #[must_use]
            pub const fn fault_text(&self) -> Option<Text> {
                Fault::text(self.fault_found())
            }
        }
    )+ };
}

in_const!(TumblingWindower SlidingWindower SessionWindower CountWindower);
