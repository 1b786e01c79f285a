//! `GlobalWindower`.

use std::ops::RangeInclusive;

use super::{Open, Visit, WINDOWER, WindowList, Windower, Windows};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time};

/// One window for all values of a key.
///
/// The window is number 0. It is over at the end of input, and the next run starts another one, unless it is
/// [`keep_open`](Self::keep_open). Let it emit before: after a number of values with [`fire_every`](Self::fire_every),
/// or after some time with [`fire_early`](Self::fire_early).
///
/// [`with_times`](Self::with_times) returns the times of the first and the last value so far; a last value at the end of
/// input may be behind the watermark.
///
/// # Examples
///
/// The greatest value so far, after every second one:
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{Firing, GlobalWindower, SystemClock};
///
/// let out = run_keyed([3, 1, 2, 5, 4].map(|n| ('a', n)), |numbers| {
///     let all = GlobalWindower::new().fire_every(2);
///     numbers.max_window(SystemClock::new(), all, |n| *n).named("max").down
/// });
/// let max: Vec<_> = out.into_iter().map(|(_, (_, max))| (max.firing, max.value)).collect();
/// assert_eq!(max, [(Firing::Early, 3), (Firing::Early, 5), (Firing::OnTime, 5)]);
/// ```
///
/// # State
///
/// The state of the operator for each key ever seen, until the end of input.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct GlobalWindower(());

/// The only window.
const ALL: i64 = 0;

impl GlobalWindower {
    /// Creates one window for all values.
    pub const fn new() -> Self {
        Self(())
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        None
    }

    pub(super) const fn windower_text(&self) -> Text {
        Text::new("global")
    }
}

impl Windower for GlobalWindower {}

impl Windows for GlobalWindower {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::new(WINDOWER, self.windower_text())]
    }

    #[inline]
    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        if line.get_mut(ALL).is_none() {
            line.open(ALL, Open::new(ALL, time, time, visit.open()));
        }
        if let Some(window) = line.get_mut(ALL) {
            window.open = window.open.min(time);
            window.close = window.close.max(time);
            visit.add(window, END, false);
            visit.settled(window, END);
        }
    }

    #[inline]
    fn ends<S>(&self, _: i64, _: &Open<S>) -> Time {
        END
    }

    fn span<S>(&self, window: &Open<S>) -> (Time, Time) {
        (window.open, window.close.saturating_add(1))
    }

    fn late(&self, _: Time) -> RangeInclusive<i64> {
        ALL..=ALL
    }
}
