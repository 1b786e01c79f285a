//! `CalendarWindower`.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::spans::{Spans, place};
use super::{FixedWindows, Open, Visit, WINDOWER, WindowList, Windower, Windows};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::compiled::calendar_text;
use crate::windowing::fault::Fault;
use crate::windowing::time::Time;

/// Windows of days, weeks or months in a time zone.
///
/// A day starts when its date does in the time zone, and ends when the next one starts. In most zones, a day
/// therefore has 23 hours when clocks are set forward, and 25 when they are set back. Weeks start on Monday.
/// Days are numbered from 1970-01-01, weeks from the week of that day, and months from January 1970.
///
/// The rules of time zones are compiled in, so they do not depend on the machine. If a government changes
/// them, a later release applies other rules to future days.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{CalendarWindower, EventClock};
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
/// // On 2026-03-29, clocks in Berlin go from 2 to 3: the day has 23 hours.
/// let times = ["2026-03-28T22:59:00Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:00Z", "2026-03-29T22:00:00Z"];
/// let out = run_keyed(times.map(|time| ('a', at(time))), |times| {
///     let clock = EventClock::per_partition(|at: &DateTime<Utc>| *at, TimeDelta::zero());
///     times.count_window(clock, CalendarWindower::days("Europe/Berlin")).named("days").down
/// });
/// let counts: Vec<u64> = out.into_iter().map(|(_, (_, count))| count).collect();
/// assert_eq!(counts, [1, 2, 1]);
/// ```
///
/// A flow with a time zone that is not in the IANA database is refused.
#[derive(Clone, Debug)]
#[must_use]
pub struct CalendarWindower {
    unit: Unit,
    /// The given name.
    name: String,
    /// UTC, if no zone has this name.
    zone: TimeZone,
    is_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
        }
    }
}

/// The first numbered day: 1970-01-01.
const FIRST_DAY: Date = Date::constant(1970, 1, 1);
/// The Monday before it.
const FIRST_MONDAY: Date = Date::constant(1969, 12, 29);

impl CalendarWindower {
    /// Creates windows of days in a time zone of the IANA database, such as `Europe/Berlin`.
    pub fn days(zone: &str) -> Self {
        Self::new(Unit::Day, zone)
    }

    /// Creates windows of weeks, which start on Monday.
    pub fn weeks(zone: &str) -> Self {
        Self::new(Unit::Week, zone)
    }

    /// Creates windows of months.
    pub fn months(zone: &str) -> Self {
        Self::new(Unit::Month, zone)
    }

    fn new(unit: Unit, zone: &str) -> Self {
        let found = TimeZoneDatabase::bundled().get(zone).ok();
        Self {
            unit,
            name: zone.to_owned(),
            is_known: found.is_some(),
            zone: found.unwrap_or(TimeZone::UTC),
        }
    }

    /// The window of a date.
    fn of_date(&self, date: Date) -> i64 {
        let days = |since: Date| i64::from((date - since).get_days());
        match self.unit {
            Unit::Day => days(FIRST_DAY),
            Unit::Week => days(FIRST_MONDAY).div_euclid(7),
            Unit::Month => (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1,
        }
    }

    /// The date on which a window begins, if there is one.
    fn first_date(&self, id: i64) -> Option<Date> {
        match self.unit {
            Unit::Day => FIRST_DAY.checked_add(Span::new().try_days(id).ok()?).ok(),
            Unit::Week => FIRST_MONDAY
                .checked_add(Span::new().try_weeks(id).ok()?)
                .ok(),
            Unit::Month => {
                let year = i16::try_from(1970 + id.div_euclid(12)).ok()?;
                Date::new(year, id.rem_euclid(12) as i8 + 1, 1).ok()
            }
        }
    }

    /// The start of a window: the first of two midnights, or without a midnight, the time when clocks are set
    /// forward.
    fn begins(&self, id: i64) -> Time {
        let begin = self.first_date(id).and_then(|date| {
            let midnight = date.to_datetime(jiff::civil::Time::midnight());
            let begin = self.zone.to_ambiguous_timestamp(midnight);
            begin.compatible().ok()
        });
        match begin {
            Some(begin) => begin.as_microsecond(),
            // Before and behind all dates.
            None if id < 0 => Time::MIN,
            None => Time::MAX,
        }
    }

    fn id(&self, time: Time) -> i64 {
        let nearest = if time < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let at = Timestamp::from_microsecond(time).unwrap_or(nearest);
        let mut id = self.of_date(self.zone.to_datetime(at).date());
        // Where clocks are set back over midnight, the date goes back too; windows do not.
        while time < self.begins(id) {
            id -= 1;
        }
        while time >= self.begins(id + 1) && self.begins(id + 1) < Time::MAX {
            id += 1;
        }
        id
    }
}

impl Spans for CalendarWindower {
    fn ids(&self, time: Time) -> RangeInclusive<i64> {
        let id = self.id(time);
        id..=id
    }

    fn times(&self, id: i64) -> (Time, Time) {
        (self.begins(id), self.begins(id + 1))
    }
}

impl Windower for CalendarWindower {}
impl FixedWindows for CalendarWindower {}

impl Windows for CalendarWindower {
    const IDS_BY_TIME: bool = true;

    fn fault(&self) -> Option<Fault> {
        (!self.is_known).then(|| {
            Fault::of(
                Text::new("`").text(&self.name).text("` is no time zone"),
                Text::new("give a name of the IANA database, such as `Europe/Berlin`"),
            )
        })
    }

    fn facts(&self) -> Vec<Fact> {
        let text = calendar_text(self.unit.name(), &self.name);
        vec![Fact::new(WINDOWER, text)]
    }

    #[inline]
    fn are_apart(&self) -> bool {
        true
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
        Some(Spans::times(self, self.id(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Time = 3_600_000_000;

    fn at(text: &str) -> Time {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// The windows of two years of hours, and the hours of each.
    fn hours(windower: &CalendarWindower) -> Vec<(i64, i64)> {
        let mut windows: Vec<(i64, i64)> = Vec::new();
        let (begin, end) = (at("2025-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        for time in (begin..end).step_by(HOUR as usize) {
            let id = windower.id(time);
            let (begins, ends) = Spans::times(windower, id);
            assert!(begins <= time && time < ends, "{id}");
            assert_eq!(windower.id(begins), id);
            assert_eq!(windower.id(ends - 1), id);
            assert_eq!(windower.id(ends), id + 1);
            match windows.last_mut() {
                Some((last, hours)) if *last == id => *hours += 1,
                last => {
                    assert!(last.is_none_or(|last| last.0 + 1 == id));
                    windows.push((id, 1));
                }
            }
        }
        // The first and the last are not whole.
        windows.pop();
        windows.remove(0);
        windows
    }

    /// The local date of a window's start, and the number of its half hours.
    fn short_and_long(zone: &str) -> Vec<(String, i64)> {
        let windower = CalendarWindower::days(zone);
        let all = hours(&windower);
        let length = |id| {
            let (begins, ends) = Spans::times(&windower, id);
            (ends - begins) / (HOUR / 2)
        };
        let odd = all
            .into_iter()
            .map(|(id, _)| id)
            .filter(|id| length(*id) != 48);
        odd.map(|id| (windower.first_date(id).unwrap().to_string(), length(id)))
            .collect()
    }

    #[test]
    fn days_have_the_hours_that_clocks_give_them() {
        let told = |days: &[(&str, i64)]| {
            let days = days
                .iter()
                .map(|(day, halves)| ((*day).to_owned(), *halves));
            days.collect::<Vec<_>>()
        };
        assert_eq!(
            short_and_long("Europe/Berlin"),
            told(&[
                ("2025-03-30", 46),
                ("2025-10-26", 50),
                ("2026-03-29", 46),
                ("2026-10-25", 50)
            ])
        );
        assert_eq!(
            short_and_long("America/New_York"),
            told(&[
                ("2025-03-09", 46),
                ("2025-11-02", 50),
                ("2026-03-08", 46),
                ("2026-11-01", 50)
            ])
        );
        // There clocks are set by half an hour.
        assert_eq!(
            short_and_long("Australia/Lord_Howe"),
            told(&[
                ("2025-04-06", 49),
                ("2025-10-05", 47),
                ("2026-04-05", 49),
                ("2026-10-04", 47)
            ])
        );
        assert_eq!(short_and_long("UTC"), []);
    }

    #[test]
    fn hours_are_those_of_local_dates() {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            let zone = TimeZoneDatabase::bundled().get(name).unwrap();
            for (windower, same) in [
                (
                    CalendarWindower::days(name),
                    (|a, b| a == b) as fn(Date, Date) -> bool,
                ),
                (CalendarWindower::weeks(name), |a, b| {
                    a.iso_week_date().week() == b.iso_week_date().week()
                }),
                (CalendarWindower::months(name), |a, b| {
                    (a.year(), a.month()) == (b.year(), b.month())
                }),
            ] {
                let (begin, end) = (at("2025-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
                let date = |time| {
                    let at = Timestamp::from_microsecond(time).unwrap();
                    zone.to_datetime(at).date()
                };
                for time in (begin..end).step_by(HOUR as usize) {
                    let (one, next) = (windower.id(time), windower.id(time + HOUR));
                    assert_eq!(
                        one == next,
                        same(date(time), date(time + HOUR)),
                        "{name} {time}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_are_numbered_from_1970() {
        let id = |windower: CalendarWindower, text| windower.id(at(text));
        assert_eq!(id(CalendarWindower::days("UTC"), "1970-01-01T00:00:00Z"), 0);
        assert_eq!(
            id(CalendarWindower::days("UTC"), "1969-12-31T23:59:59Z"),
            -1
        );
        assert_eq!(
            id(CalendarWindower::weeks("UTC"), "1970-01-04T23:59:59Z"),
            0
        );
        assert_eq!(
            id(CalendarWindower::weeks("UTC"), "1970-01-05T00:00:00Z"),
            1
        );
        assert_eq!(
            id(CalendarWindower::months("UTC"), "1970-02-01T00:00:00Z"),
            1
        );
        assert_eq!(
            id(CalendarWindower::months("UTC"), "1969-11-30T00:00:00Z"),
            -2
        );
    }

    /// Clocks in St. John's were set back at a minute past midnight, and the date with them.
    #[test]
    fn a_midnight_that_comes_twice_begins_one_day() {
        let days = CalendarWindower::days("America/St_Johns");
        let first = at("2010-11-07T02:30:00Z");
        assert_eq!(days.id(first - 1) + 1, days.id(first));
        for minute in 0..120 {
            assert_eq!(days.id(first + minute * HOUR / 60), days.id(first));
        }
    }

    #[test]
    fn times_out_of_all_dates_have_windows_at_the_ends() {
        for windower in [
            CalendarWindower::days("Europe/Berlin"),
            CalendarWindower::weeks("Europe/Berlin"),
            CalendarWindower::months("Europe/Berlin"),
        ] {
            for time in [crate::windowing::time::FIRST, crate::windowing::time::LAST] {
                let (begins, ends) = Spans::times(&windower, windower.id(time));
                assert!(begins <= time && time < ends);
            }
        }
        assert!(CalendarWindower::days("Europe/Nowhere").fault().is_some());
    }
}
