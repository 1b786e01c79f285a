//! `CountWindower`.

use std::ops::RangeInclusive;

use super::{Open, Visit, WINDOWER, WindowList, Windower, Windows, too_many};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time};
use crate::windowing::window::WindowId;

/// Windows of a number of values.
///
/// Window 0 starts with the first value of its key. A window is over with its last value, regardless of the
/// watermark; at the end of input, incomplete windows close. Late values are not counted.
///
/// # Examples
///
/// The mean of the last three values, every second one:
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{CountWindower, SystemClock, WindowId};
///
/// let out = run_keyed([1, 2, 3, 4, 5].map(|n| ('a', n)), |numbers| {
///     let threes = CountWindower::new(3).every(2);
///     let lists = numbers.collect_window::<Vec<_>, _, _>(SystemClock::new(), threes);
///     lists.named("threes").down
/// });
/// let lists: Vec<_> = out.into_iter().map(|(_, list)| list).collect();
/// assert_eq!(
///     lists,
///     [(WindowId(0), vec![1, 2, 3]), (WindowId(1), vec![3, 4, 5]), (WindowId(2), vec![5])],
/// );
/// ```
///
/// A window needs at least one value, and each window starts at another value; otherwise the flow is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CountWindower {
    length: u64,
    every: u64,
}

impl CountWindower {
    /// Creates windows of `values` values, one after the other.
    pub const fn new(values: u64) -> Self {
        Self {
            length: values,
            every: values,
        }
    }

    /// Starts a window at every `values`-th value.
    pub const fn every(mut self, values: u64) -> Self {
        self.every = values;
        self
    }

    const fn length(&self) -> i64 {
        at_most(self.length)
    }

    const fn offset(&self) -> i64 {
        at_most(self.every)
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        let fault = if self.length == 0 {
            Fault::new(
                "windows have no values",
                "give windows a number of values of at least 1",
            )
        } else if self.every == 0 {
            Fault::new(
                "windows begin at the same value",
                "have a window begin at every first value or more",
            )
        } else if self.every > self.length {
            Fault::new(
                "windows begin further apart than they are long, so that values between them would be \
                 lost",
                "have windows begin no further apart than their number of values",
            )
        } else {
            return too_many(self.length(), self.offset(), "their number of values");
        };
        Some(fault)
    }

    pub(super) const fn windower_text(&self) -> Text {
        let text = Text::new("count ").number(self.length());
        if self.every == self.length {
            return text;
        }
        text.text(" every ").number(self.offset())
    }
}

const fn at_most(number: u64) -> i64 {
    if number > i64::MAX as u64 {
        i64::MAX
    } else {
        number as i64
    }
}

impl Windower for CountWindower {}

impl Windows for CountWindower {
    const IDS_BY_TIME: bool = false;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::new(WINDOWER, self.windower_text())]
    }

    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        let number = line.counted;
        line.counted = number.saturating_add(1);
        let last = number.div_euclid(self.offset());
        let first = (number.saturating_sub(self.length())).div_euclid(self.offset()) + 1;
        for id in first.max(0)..=last {
            if line.get_mut(id).is_none() {
                line.open(id, Open::new(id, time, time, visit.open()));
            }
            let counted = line.counted;
            if let Some(window) = line.get_mut(id) {
                window.open = window.open.min(time);
                window.close = window.close.max(time);
                // It is over by this value alone.
                visit.add(window, END, id != last);
                let ends = self.ends(counted, window);
                visit.settled(window, ends);
            }
        }
    }

    #[inline]
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time {
        let begin = window.id.saturating_mul(self.offset());
        if counted >= begin.saturating_add(self.length()) {
            Time::MIN
        } else {
            END
        }
    }

    fn span<S>(&self, window: &Open<S>) -> (Time, Time) {
        (window.open, window.close.saturating_add(1))
    }

    fn late(&self, _: Time) -> RangeInclusive<i64> {
        WindowId::NONE.0..=WindowId::NONE.0
    }
}
