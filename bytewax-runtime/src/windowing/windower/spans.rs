//! Windows that are defined by their times, and a windower for custom ones.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::{Open, Visit, WINDOWER, WindowList, Windower, Windows};
use crate::state::Fact;
use crate::windowing::fault::Fault;
use crate::windowing::time::{Time, date};

/// Numbered windows with a start and an end. Of two windows, the one with the greater number ends later.
pub(super) trait Spans {
    /// The windows that contain a time.
    fn ids(&self, time: Time) -> RangeInclusive<i64>;

    /// The start and the end of a window.
    fn times(&self, id: i64) -> (Time, Time);
}

/// Returns the windows of a value, like [`Windows::place`].
pub(super) fn place<S>(
    spans: &impl Spans,
    line: &mut WindowList<S>,
    time: Time,
    visit: &mut impl Visit<S>,
) {
    let ids = spans.ids(time);
    let last = *ids.end();
    for id in ids {
        if line.get_mut(id).is_none() {
            let (begin, end) = spans.times(id);
            line.open(id, Open::new(id, begin, end, visit.open()));
        }
        if let Some(window) = line.get_mut(id) {
            let ends = window.close;
            visit.add(window, ends, id != last);
            visit.settled(window, ends);
        }
    }
}

/// The windows of a [`CustomWindower`]: numbered windows, each with a start and an end.
///
/// They are part of the saved state: a time must always belong to the same windows.
pub trait TimeWindows: Clone + Send + Sync + 'static {
    /// Returns the name under which the windows are saved, in one line. A step whose saved windows have
    /// another name is refused, so include all parameters in the name.
    fn name(&self) -> String;

    /// Returns the ids of the windows that contain a time: at least one. Of two windows, the one with the
    /// greater id ends later.
    fn ids(&self, time: DateTime<Utc>) -> RangeInclusive<i64>;

    /// Returns the start of a window, and its end, which it excludes.
    fn span(&self, id: i64) -> (DateTime<Utc>, DateTime<Utc>);
}

/// A windower for the [`TimeWindows`] of a program.
///
/// # Examples
///
/// Two shifts a day, of different lengths:
///
/// ```
/// use std::ops::RangeInclusive;
///
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{CustomWindower, EventClock, TimeWindows};
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// #[derive(Clone)]
/// struct Shifts;
///
/// const HOUR: i64 = 3600;
///
/// impl TimeWindows for Shifts {
///     fn name(&self) -> String {
///         "shifts from 6 to 20 and from 20 to 6".to_owned()
///     }
///
///     fn ids(&self, time: DateTime<Utc>) -> RangeInclusive<i64> {
///         let since_six = time.timestamp() - 6 * HOUR;
///         let (day, second) = (since_six.div_euclid(24 * HOUR), since_six.rem_euclid(24 * HOUR));
///         let id = 2 * day + i64::from(second >= 14 * HOUR);
///         id..=id
///     }
///
///     fn span(&self, id: i64) -> (DateTime<Utc>, DateTime<Utc>) {
///         let at = |hours| DateTime::from_timestamp(hours * HOUR, 0).unwrap_or_default();
///         let six = id.div_euclid(2) * 24 + 6;
///         if id.rem_euclid(2) == 0 { (at(six), at(six + 14)) } else { (at(six + 14), at(six + 24)) }
///     }
/// }
///
/// let at = |hour| DateTime::from_timestamp(hour * HOUR, 0).unwrap();
/// let out = run_keyed([7, 19, 20, 29, 30].map(|hour| ('a', at(hour))), |times| {
///     let clock = EventClock::per_partition(|at: &DateTime<Utc>| *at, TimeDelta::zero());
///     times.count_window(clock, CustomWindower::new(Shifts)).named("shifts").down
/// });
/// let counts: Vec<_> = out.into_iter().map(|(_, (id, count))| (id.0, count)).collect();
/// assert_eq!(counts, [(0, 2), (1, 2), (2, 1)]);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CustomWindower<T>(T);

impl<T: TimeWindows> CustomWindower<T> {
    /// Creates a windower with these windows.
    pub const fn new(windows: T) -> Self {
        Self(windows)
    }
}

impl<T: TimeWindows> Spans for CustomWindower<T> {
    fn ids(&self, time: Time) -> RangeInclusive<i64> {
        let ids = self.0.ids(date(time));
        assert!(
            !ids.is_empty(),
            "`TimeWindows::ids` returns no window for {}: each time must belong to one at least",
            date(time)
        );
        ids
    }

    fn times(&self, id: i64) -> (Time, Time) {
        let (begin, end) = self.0.span(id);
        (begin.timestamp_micros(), end.timestamp_micros())
    }
}

impl<T: TimeWindows> Windower for CustomWindower<T> {}

impl<T: TimeWindows> Windows for CustomWindower<T> {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        let name = self.0.name();
        (name.is_empty() || name.contains('\n')).then(|| {
            Fault::new(
                "the name of its windows is not one line",
                "return one line from `TimeWindows::name`",
            )
        })
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::new(WINDOWER, self.0.name())]
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
}
