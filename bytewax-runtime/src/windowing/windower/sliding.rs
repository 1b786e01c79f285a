//! `SlidingWindower` and `TumblingWindower`.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ALIGN_TO, FixedWindows, Open, Visit, WINDOWER, WindowList, Windower, Windows, too_many,
};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time, span};

/// Windows of one length, one after the other, without gap or overlap.
///
/// Window 0 starts at the given time, and earlier windows have negative ids. A window includes its start and
/// excludes its end.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
/// use chrono::{DateTime, TimeDelta};
///
/// let out = run_keyed([('a', -1), ('a', 0), ('a', 9), ('a', 10)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::zero());
///     let windower = TumblingWindower::new(TimeDelta::milliseconds(10), DateTime::UNIX_EPOCH);
///     times.count_window(clock, windower).named("counts").down
/// });
/// let counts: Vec<_> = out.into_iter().map(|(_, count)| count).collect();
/// assert_eq!(counts, [(WindowId(-1), 1), (WindowId(0), 2), (WindowId(1), 1)]);
/// ```
///
/// The length must be positive; otherwise the flow is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TumblingWindower(SlidingWindower);

impl TumblingWindower {
    /// Creates windows of `length`, one of which starts at `align_to`.
    pub const fn new(length: TimeDelta, align_to: DateTime<Utc>) -> Self {
        Self(SlidingWindower::new(length, length, align_to))
    }

    pub(super) const fn windower_text(&self) -> Text {
        self.0.windower_text()
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        self.0.fault_found()
    }

    /// Whether the lock file contains windows of this alignment.
    #[doc(hidden)]
    #[must_use]
    pub const fn align_to_is(&self, locked: &str) -> bool {
        self.0.align_to_is(locked)
    }
}

/// Windows of one length that start at equal distances, so that they overlap.
///
/// Window *n* starts *n* times `offset` after `align_to`; *n* may be negative. A window includes its start
/// and excludes its end. If the length is not a multiple of the offset, some values are in one window more
/// than others.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, SlidingWindower, WindowId};
/// use chrono::{DateTime, TimeDelta};
///
/// let ms = TimeDelta::milliseconds;
/// let out = run_keyed([('a', 1), ('a', 4), ('a', 8)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::zero());
///     let windower = SlidingWindower::new(ms(10), ms(5), DateTime::UNIX_EPOCH);
///     times.count_window(clock, windower).named("counts").down
/// });
/// let counts: Vec<_> = out.into_iter().map(|(_, count)| count).collect();
/// assert_eq!(counts, [(WindowId(-1), 2), (WindowId(0), 3), (WindowId(1), 1)]);
/// ```
///
/// Both spans must be positive, and the offset at most the length; otherwise the flow is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SlidingWindower {
    length: i64,
    offset: i64,
    align_to: Time,
}

impl SlidingWindower {
    /// Creates windows of `length`, one of which starts at `align_to` and the next `offset` later.
    pub const fn new(length: TimeDelta, offset: TimeDelta, align_to: DateTime<Utc>) -> Self {
        Self {
            length: span(length),
            offset: span(offset),
            align_to: align_to.timestamp_micros(),
        }
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        let fault = if self.length <= 0 {
            Fault::new(
                "windows have no length",
                "give windows a length of a microsecond or more",
            )
        } else if self.length == END {
            Fault::new(
                "the window length exceeds the supported range of ±292,000 years",
                "use a shorter window length",
            )
        } else if self.offset <= 0 {
            Fault::new(
                "windows begin at the same time",
                "give windows an offset of a microsecond or more",
            )
        } else if self.offset > self.length {
            Fault::new(
                "the offset of windows is longer than their length, so that values between them would \
                 be lost",
                "give windows an offset that is no longer than their length",
            )
        } else {
            return too_many(self.length, self.offset, "their length");
        };
        Some(fault)
    }

    /// Tumbling windows are equal under both names.
    pub(super) const fn windower_text(&self) -> Text {
        if self.length == self.offset {
            return Text::new("tumbling ").span(self.length);
        }
        let text = Text::new("sliding ").span(self.length).text(" every ");
        text.span(self.offset)
    }

    /// Whether the lock file contains windows of this alignment.
    #[doc(hidden)]
    #[must_use]
    pub const fn align_to_is(&self, locked: &str) -> bool {
        Text::new("").time(self.align_to).is(locked)
    }

    pub(crate) fn ids(&self, time: Time) -> RangeInclusive<i64> {
        let behind = time.saturating_sub(self.align_to);
        let last = behind.div_euclid(self.offset);
        if self.length == self.offset {
            return last..=last;
        }
        let first = behind.saturating_sub(self.length).div_euclid(self.offset) + 1;
        // At the end of all times there is a window at least.
        first.min(last)..=last
    }

    pub(crate) fn opens(&self, id: i64) -> Time {
        self.align_to.saturating_add(id.saturating_mul(self.offset))
    }

    pub(crate) fn closes(&self, id: i64) -> Time {
        self.opens(id).saturating_add(self.length)
    }
}

impl Windower for SlidingWindower {}
impl Windower for TumblingWindower {}
impl FixedWindows for SlidingWindower {}
impl FixedWindows for TumblingWindower {}

impl Windows for SlidingWindower {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        let align_to = Text::new("").time(self.align_to);
        vec![
            Fact::new(WINDOWER, self.windower_text()),
            Fact::new(ALIGN_TO, align_to),
        ]
    }

    #[inline]
    fn are_apart(&self) -> bool {
        self.length == self.offset
    }

    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        let ids = self.ids(time);
        let last = *ids.end();
        for id in ids {
            let window = match line.get_mut(id) {
                Some(window) => window,
                None => {
                    let window = Open::new(id, self.opens(id), self.closes(id), visit.open());
                    line.open(id, window);
                    match line.get_mut(id) {
                        Some(window) => window,
                        None => unreachable!("it was put there"),
                    }
                }
            };
            let ends = window.close;
            visit.add(window, ends, id != last);
            visit.settled(window, ends);
        }
    }

    #[inline]
    fn ends<S>(&self, _: i64, window: &Open<S>) -> Time {
        window.close
    }

    fn late(&self, time: Time) -> RangeInclusive<i64> {
        self.ids(time)
    }

    fn times(&self, id: i64) -> Option<(Time, Time)> {
        Some((self.opens(id), self.closes(id)))
    }

    fn cell(&self, time: Time) -> Option<(Time, Time)> {
        Some(Slicing::of(*self).around(time))
    }

    fn slicing(&self) -> Option<Slicing> {
        (self.offset < self.length).then(|| Slicing::of(*self))
    }
}

impl Windows for TumblingWindower {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        self.0.facts()
    }

    #[inline]
    fn are_apart(&self) -> bool {
        true
    }

    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        self.0.place(line, time, visit);
    }

    #[inline]
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time {
        self.0.ends(counted, window)
    }

    fn late(&self, time: Time) -> RangeInclusive<i64> {
        self.0.late(time)
    }

    fn times(&self, id: i64) -> Option<(Time, Time)> {
        self.0.times(id)
    }

    fn cell(&self, time: Time) -> Option<(Time, Time)> {
        self.0.cell(time)
    }
}

/// Cuts the time of sliding windows into slices that lie wholly inside or outside of each window, at most two
/// per offset: from the start of a window to the end of an older one, and from there to the start of the
/// next.
///
/// The cuts are those of "pairs" (Krishnamurthy, Wu and Franklin, 2006), which are never more than the
/// "panes" of Li, Maier, Tufte, Papadimos and Tucker (2005).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slicing {
    pub(crate) windows: SlidingWindower,
    /// The end of an older window, after the start of each.
    rest: i64,
    /// The number of windows that start before one of them ends.
    most: i64,
    /// No slice is shorter.
    least: i64,
}

impl Slicing {
    fn of(windows: SlidingWindower) -> Self {
        let rest = windows.length % windows.offset;
        Self {
            windows,
            rest,
            most: windows.length / windows.offset,
            least: if rest == 0 {
                windows.offset
            } else {
                rest.min(windows.offset - rest)
            },
        }
    }

    /// Whether a time is in the slice that starts at `begin`, as far as it is known without a division: false for the later
    /// times of longer slices.
    #[inline]
    pub(crate) fn is_near(&self, begin: Time, time: Time) -> bool {
        time >= begin && time.abs_diff(begin) < self.least.unsigned_abs()
    }

    /// Returns the start of the slice of a time, and the last window that contains it.
    #[inline]
    pub(crate) fn slice(&self, time: Time) -> (Time, i64) {
        let last = time
            .saturating_sub(self.windows.align_to)
            .div_euclid(self.windows.offset);
        let begin = self.windows.opens(last);
        let cut = begin.saturating_add(self.rest);
        (if time >= cut { cut } else { begin }, last)
    }

    /// Returns the start and the end of the slice of a time.
    fn around(&self, time: Time) -> (Time, Time) {
        let (begin, last) = self.slice(time);
        let cut = self.windows.opens(last).saturating_add(self.rest);
        let end = if begin < cut {
            cut
        } else {
            self.windows.opens(last.saturating_add(1))
        };
        (begin, end)
    }

    /// Returns the first window that is not over at a watermark.
    pub(crate) fn first_open(&self, mark: Time) -> i64 {
        let windows = &self.windows;
        let behind = mark.saturating_sub(windows.align_to);
        let last_over = behind.saturating_sub(windows.length);
        last_over.div_euclid(windows.offset).saturating_add(1)
    }

    /// Returns the first window that contains a slice.
    #[inline]
    pub(crate) fn first(&self, begin: Time, last: i64) -> i64 {
        // In front of the cut, one window more is still open.
        let is_cut = self.rest == 0 || begin >= self.windows.opens(last).saturating_add(self.rest);
        last - self.most + i64::from(is_cut)
    }
}
