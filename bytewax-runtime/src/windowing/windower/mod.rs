//! Windowers: which windows there are, and which of them a value belongs to.

mod count;
mod line;
mod session;
mod several;
mod sliding;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::fault::Fault;
use super::time::Time;
use crate::state::Fact;

pub use count::CountWindower;
pub(crate) use line::{Line, Open};
pub use session::SessionWindower;
pub(crate) use sliding::Slicing;
pub use sliding::{SlidingWindower, TumblingWindower};

/// A value may belong to so many windows.
const MOST_WINDOWS: i64 = 1_000_000;

/// What is wrong if a value belongs to too many windows.
fn too_many(length: i64, offset: i64, of_what: &str) -> Option<Fault> {
    let windows = length.checked_div(offset)?;
    (windows > MOST_WINDOWS).then(|| {
        Fault::new(
            format!("each value would be in {windows} windows"),
            format!("have windows begin no nearer to each other than {of_what} / {MOST_WINDOWS}"),
        )
    })
}

/// The name of the fact that says which windows there are.
pub(crate) const WINDOWER: &str = "windower";
/// The name of the fact that says where window 0 begins.
pub(crate) const ALIGN_TO: &str = "align_to";

/// Which windows there are: [`TumblingWindower`], [`SlidingWindower`], [`SessionWindower`] or
/// [`CountWindower`].
#[expect(private_bounds, reason = "windowers are those of this crate")]
pub trait Windower: Windows + Clone {}

/// The windows of each key. What is kept for a key is a [`Line`].
pub(crate) trait Windows: Send + Sync + 'static {
    /// Whether a window has its id by its times, so that nothing of a key need be remembered.
    const IDS_BY_TIME: bool;

    /// What is wrong with the parameters.
    fn fault(&self) -> Option<Fault>;

    /// What the windows that are saved for a key are windows of.
    fn facts(&self) -> Vec<Fact>;

    /// Hands out the windows of a value, in the order of ids; those that are not open are opened.
    fn place<S>(&self, line: &mut Line<S>, time: Time, visit: &mut impl Visit<S>);

    /// The first watermark at which a window is over.
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time;

    /// The ids that a late value is labelled with.
    fn late(&self, time: Time) -> RangeInclusive<i64>;

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

/// The facts of a windower as texts, so that `dataflow!` can compare them with those of the lock file.
macro_rules! in_lock_file {
    ($($windower:ident)+) => { $(
        impl $windower {
            /// Whether the lock file has this windower.
            #[doc(hidden)]
            #[must_use]
            pub const fn windower_is(&self, locked: &str) -> bool {
                self.windower_text().is(locked)
            }
        }
    )+ };
}

in_lock_file!(TumblingWindower SlidingWindower SessionWindower CountWindower);
