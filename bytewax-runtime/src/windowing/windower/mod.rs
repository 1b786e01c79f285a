//! Windowers: the windows, and the windows of a value.

#[cfg(feature = "calendar")]
mod calendar;
mod count;
mod cumulate;
mod global;
mod list;
mod session;
mod several;
mod sliding;
mod spans;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::fault::Fault;
use super::time::Time;
use crate::state::Fact;
use crate::state::facts::Text;

#[cfg(feature = "calendar")]
pub use calendar::CalendarWindower;
pub use count::CountWindower;
pub use cumulate::CumulateWindower;
pub use global::GlobalWindower;
pub(crate) use list::{Open, WindowList};
pub use session::{SessionWindower, SessionsUntil};
pub(crate) use sliding::Slicing;
pub use sliding::{SlidingWindower, TumblingWindower};
pub use spans::{CustomWindower, TimeWindows};

/// The maximum number of windows of a value, and of empty windows in a row.
pub(super) const MOST_WINDOWS: i64 = 1_000_000;

/// Returns a fault if a value belongs to too many windows.
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

/// The name of the fact about the windower.
pub(crate) const WINDOWER: &str = "windower";
/// The name of the fact about the start of window 0.
pub(crate) const ALIGN_TO: &str = "align_to";

/// A windower: [`TumblingWindower`], [`SlidingWindower`], [`CumulateWindower`], [`SessionWindower`], [`CountWindower`],
/// [`GlobalWindower`], or a [`CustomWindower`] for windows that a program defines with [`TimeWindows`]. The feature `calendar` adds
/// `CalendarWindower`.
#[expect(private_bounds, reason = "windowers are those of this crate")]
pub trait Windower: Windows + Clone {}

/// A windower whose windows have fixed times and follow each other, so that a window can be empty: [`TumblingWindower`],
/// [`SlidingWindower`], [`CumulateWindower`] and `CalendarWindower`.
pub trait FixedWindows: Windower {}

/// The windows of each key, in a [`WindowList`].
pub(crate) trait Windows: Send + Sync + 'static {
    /// Whether the times of a window determine its id, so that no data of a key is kept.
    const IDS_BY_TIME: bool;

    /// Checks the parameters.
    fn fault(&self) -> Option<Fault>;

    /// Checks the parameters against the type of values.
    fn fault_with<V: 'static>(&self) -> Option<Fault> {
        None
    }

    /// Whether a value closes its window.
    #[inline]
    fn closes<V: 'static>(&self, _: &V) -> bool {
        false
    }

    /// Whether each time has one window at most, which does not depend on the values.
    #[inline]
    fn are_apart(&self) -> bool {
        false
    }

    /// Returns the facts about the saved windows.
    fn facts(&self) -> Vec<Fact>;

    /// Visits the windows of a value, in the order of ids; opens missing ones.
    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>);

    /// Returns the first watermark at which a window is over.
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time;

    /// Returns the ids that label a late value.
    fn late(&self, time: Time) -> RangeInclusive<i64>;

    /// Returns the start and the exclusive end of a window.
    fn span<S>(&self, window: &Open<S>) -> (Time, Time) {
        (window.open, self.ends(0, window))
    }

    /// Returns the start and the end of a window without values, if its id determines them and the ids of windows have no
    /// gaps.
    fn times(&self, _id: i64) -> Option<(Time, Time)> {
        None
    }

    /// Returns a span of time around a value, excluding its end, all of whose values have the same windows, if times
    /// determine them.
    fn cell(&self, _time: Time) -> Option<(Time, Time)> {
        None
    }

    /// Returns the slicing that stores a value of several windows once.
    fn slicing(&self) -> Option<Slicing> {
        None
    }
}

/// The actions on the windows of a value.
pub(crate) trait Visit<S> {
    /// Whether the value closes its window.
    #[inline]
    fn closes(&self) -> bool {
        false
    }

    /// Creates the state of a new window.
    fn open(&mut self) -> S;

    /// Adds the value to this window, which without it is over at `ends`; `more` windows may follow.
    fn add(&mut self, window: &mut Open<S>, ends: Time, more: bool);

    /// Merges a session into another.
    fn merge(&mut self, into: &mut Open<S>, other: Open<S>);

    /// Called when a window is settled; it is over at `ends`.
    fn settled(&mut self, window: &mut Open<S>, ends: Time);
}

/// Compile-time checks of windowers whose parameters `dataflow!` can read.
macro_rules! in_const {
    ($($windower:ident)+) => { $(
        impl $windower {
            /// Whether the lock file contains this windower.
            #[doc(hidden)]
            #[must_use]
            pub const fn windower_is(&self, locked: &str) -> bool {
                self.windower_text().is(locked)
            }

            /// Checks the parameters.
            #[doc(hidden)]
            #[must_use]
            pub const fn fault_text(&self) -> Option<Text> {
                Fault::text(self.fault_found())
            }
        }
    )+ };
}

in_const!(TumblingWindower SlidingWindower CumulateWindower SessionWindower CountWindower GlobalWindower);
