//! Times as integers, because each value compares and adds event times.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

/// Microseconds since 1970, between [`FIRST`] and [`LAST`], or [`END`].
pub(crate) type Time = i64;

/// The earliest supported time.
pub(crate) const FIRST: Time = DateTime::<Utc>::MIN_UTC.timestamp_micros();
/// The latest supported time.
pub(crate) const LAST: Time = DateTime::<Utc>::MAX_UTC.timestamp_micros();
/// After all times: the watermark at the end of input, and the due time of events that never happen.
pub(crate) const END: Time = Time::MAX;

/// Returns the date of a time, clamped to the supported dates.
pub(crate) fn date(time: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time).unwrap_or(if time < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// Returns the microseconds of a span, saturating at infinity.
pub(crate) const fn span(span: TimeDelta) -> i64 {
    match span.num_microseconds() {
        Some(micros) => micros,
        None if span.num_seconds() < 0 => i64::MIN,
        None => i64::MAX,
    }
}

/// The event time of a value.
///
/// Event times have microsecond precision; finer parts are truncated. A date may be in any time zone.
/// [`Micros`] and [`Millis`] are for values that contain a number, without a conversion to a date.
pub trait Timestamp {
    /// Returns the microseconds since the start of 1970 in UTC.
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
        match self.duration_since(Self::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                let before = before.duration().as_nanos().div_ceil(1000);
                i64::try_from(before).map_or(i64::MIN, |before| -before)
            }
        }
    }
}

/// A time as microseconds since the start of 1970 in UTC.
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

/// A time as milliseconds since the start of 1970 in UTC.
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
    use std::time::Duration;

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
    fn times_of_the_system_are_cut_off_as_dates_are() {
        let epoch = SystemTime::UNIX_EPOCH;
        for nanos in [0, 1, 999, 1_000, 1_500, 7_000_000_001] {
            let span = Duration::from_nanos(nanos);
            for time in [epoch + span, epoch - span] {
                let date = DateTime::<Utc>::from(time);
                assert_eq!(time.micros(), date.timestamp_micros(), "{time:?}");
            }
        }
    }

    #[test]
    fn times_of_the_system_out_of_all_dates_are_the_nearest() {
        let far = Duration::from_secs(i64::MAX as u64);
        let after = SystemTime::UNIX_EPOCH.checked_add(far);
        let before = SystemTime::UNIX_EPOCH.checked_sub(far);
        for (time, nearest) in [(after, LAST), (before, FIRST)] {
            // Not every system has times so far away.
            let Some(time) = time else { continue };
            assert_eq!(time.micros().clamp(FIRST, LAST), nearest);
        }
    }

    #[test]
    fn the_longest_spans_are_endless() {
        assert_eq!(span(TimeDelta::MAX), i64::MAX);
        assert_eq!(span(TimeDelta::MIN), i64::MIN);
        assert_eq!(span(TimeDelta::seconds(2)), 2_000_000);
    }
}
