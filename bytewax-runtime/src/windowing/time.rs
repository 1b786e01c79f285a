//! Times as whole numbers: event times are compared and added for each value, dates are not.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

/// Microseconds since 1970, between [`FIRST`] and [`LAST`], or [`END`].
pub(crate) type Time = i64;

/// The earliest time there is.
pub(crate) const FIRST: Time = DateTime::<Utc>::MIN_UTC.timestamp_micros();
/// The latest time there is.
pub(crate) const LAST: Time = DateTime::<Utc>::MAX_UTC.timestamp_micros();
/// Behind all times: what the watermark is at the end of input, and when that which never happens is due.
pub(crate) const END: Time = Time::MAX;

/// The date of a time; times outside of all dates are the first and the last one.
pub(crate) fn date(time: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time).unwrap_or(if time < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// The microseconds of a span; spans that have none that many are endless.
pub(crate) fn span(span: TimeDelta) -> i64 {
    span.num_microseconds()
        .unwrap_or(if span < TimeDelta::zero() {
            i64::MIN
        } else {
            i64::MAX
        })
}

/// What may say when a value happened.
///
/// Event times count in whole microseconds; what is finer is cut off. A date of any time zone is as good
/// as one in UTC. [`Micros`] and [`Millis`] are for values that carry a number: no date is made of it.
pub trait Timestamp {
    /// Microseconds since the beginning of 1970 in UTC.
    fn micros(&self) -> i64;
}

impl<Z: TimeZone> Timestamp for DateTime<Z> {
    #[inline]
    fn micros(&self) -> i64 {
        self.timestamp_micros()
    }
}

impl Timestamp for SystemTime {
    fn micros(&self) -> i64 {
        DateTime::<Utc>::from(*self).timestamp_micros()
    }
}

/// A time as microseconds since the beginning of 1970 in UTC.
///
/// ```
/// use bytewax_runtime::windowing::{Micros, Timestamp};
/// use chrono::DateTime;
///
/// assert_eq!(Micros(1_500_000).micros(), 1_500_000);
/// assert_eq!(DateTime::from_timestamp(2, 0).unwrap().micros(), 2_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// A time as milliseconds since the beginning of 1970 in UTC.
///
/// ```
/// use bytewax_runtime::windowing::{Millis, Timestamp};
///
/// assert_eq!(Millis(1_500).micros(), 1_500_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Timestamp for Micros {
    #[inline]
    fn micros(&self) -> i64 {
        self.0
    }
}

impl Timestamp for Millis {
    #[inline]
    fn micros(&self) -> i64 {
        self.0.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_and_others_are_the_nearest() {
        for time in [FIRST, -1, 0, 1, LAST] {
            assert_eq!(date(time).timestamp_micros(), time);
        }
        assert_eq!(date(END), DateTime::<Utc>::MAX_UTC);
        assert_eq!(date(Time::MIN), DateTime::<Utc>::MIN_UTC);
    }

    #[test]
    fn the_longest_spans_are_endless() {
        assert_eq!(span(TimeDelta::MAX), i64::MAX);
        assert_eq!(span(TimeDelta::MIN), i64::MIN);
        assert_eq!(span(TimeDelta::seconds(2)), 2_000_000);
    }
}
