//! `CumulateWindower`.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use super::spans::{Spans, place};
use super::{
    ALIGN_TO, FixedWindows, Open, Visit, WINDOWER, WindowList, Windower, Windows, too_many,
};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{Time, span};

/// Windows that start together and end one step after the other, up to a maximum length; then the next ones
/// start.
///
/// A total that grows over a day is thus emitted each hour: all windows of a day start when the day does. If
/// the maximum length has *n* steps, the windows of a period have *n* consecutive ids; window 0 is the
/// shortest of those that start at `align_to`. A value belongs to all windows of its period that end after
/// it.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{CumulateWindower, EventClock, Millis, WindowId};
/// use chrono::{DateTime, TimeDelta};
///
/// let ms = TimeDelta::milliseconds;
/// let out = run_keyed([('a', 1), ('a', 12), ('a', 31)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::zero());
///     let windower = CumulateWindower::new(ms(10), ms(30), DateTime::UNIX_EPOCH);
///     times.count_window(clock, windower).named("counts").down
/// });
/// let counts: Vec<_> = out.into_iter().map(|(_, (id, count))| (id.0, count)).collect();
/// assert_eq!(counts, [(0, 1), (1, 2), (2, 2), (3, 1), (4, 1), (5, 1)]);
/// ```
///
/// The step must be positive, and the maximum length a multiple of it; otherwise the flow is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CumulateWindower {
    step: i64,
    length: i64,
    align_to: Time,
}

impl CumulateWindower {
    /// Creates windows that end every `step`, and start every `length`, aligned to `align_to`.
    pub const fn new(step: TimeDelta, length: TimeDelta, align_to: DateTime<Utc>) -> Self {
        Self {
            step: span(step),
            length: span(length),
            align_to: align_to.timestamp_micros(),
        }
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        if self.step <= 0 {
            return Some(Fault::new(
                "windows end at the same time",
                "have windows end a microsecond or more after each other",
            ));
        }
        if self.length < self.step || self.length % self.step != 0 {
            return Some(Fault::new(
                "the greatest length of windows is no number of steps",
                "give windows a greatest length that is a multiple of the step",
            ));
        }
        too_many(self.length, self.step, "their greatest length")
    }

    pub(super) const fn windower_text(&self) -> Text {
        let text = Text::new("cumulate ").span(self.step).text(" up to ");
        text.span(self.length)
    }

    /// Whether the lock file contains windows of this alignment.
    #[doc(hidden)]
    #[must_use]
    pub const fn align_to_is(&self, locked: &str) -> bool {
        Text::new("").time(self.align_to).is(locked)
    }

    fn steps(&self) -> i64 {
        self.length / self.step
    }
}

impl Spans for CumulateWindower {
    fn ids(&self, time: Time) -> RangeInclusive<i64> {
        let behind = time.saturating_sub(self.align_to);
        let (period, inside) = (
            behind.div_euclid(self.length),
            behind.rem_euclid(self.length),
        );
        let first = period.saturating_mul(self.steps());
        first.saturating_add(inside / self.step)..=first.saturating_add(self.steps() - 1)
    }

    fn times(&self, id: i64) -> (Time, Time) {
        let (period, step) = (id.div_euclid(self.steps()), id.rem_euclid(self.steps()));
        let begin = self
            .align_to
            .saturating_add(period.saturating_mul(self.length));
        (begin, begin.saturating_add((step + 1) * self.step))
    }
}

impl Windower for CumulateWindower {}
impl FixedWindows for CumulateWindower {}

impl Windows for CumulateWindower {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::new(WINDOWER, self.windower_text()),
            Fact::new(ALIGN_TO, Text::new("").time(self.align_to)),
        ]
    }

    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        place(self, line, time, visit);
    }

    #[inline]
    fn ends<S>(&self, _: i64, window: &Open<S>) -> Time {
        window.close
    }

    fn late(&self, time: Time) -> RangeInclusive<i64> {
        self.ids(time)
    }

    fn times(&self, id: i64) -> Option<(Time, Time)> {
        Some(Spans::times(self, id))
    }

    fn cell(&self, time: Time) -> Option<(Time, Time)> {
        // The first window of a time ends with its step.
        let (_, end) = Spans::times(self, *self.ids(time).start());
        Some((end.saturating_sub(self.step), end))
    }
}
