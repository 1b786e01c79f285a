//! The dates that operators see.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::{Due, Monotonic, WorkerClock};

/// The dates of a worker, which follow the system clock forward, but not back.
///
/// When the system clock is set back, dates go on by monotonic time. Otherwise, all timers of an hour ago would wait for an
/// hour. Until the run ends, dates are then ahead of the system clock.
#[derive(Clone)]
pub(crate) struct Dates {
    clock: WorkerClock,
    last: Rc<Cell<(DateTime<Utc>, Monotonic)>>,
}

impl Dates {
    pub(crate) fn new(clock: WorkerClock) -> Self {
        let last = Rc::new(Cell::new(clock.both()));
        Self { clock, last }
    }

    /// Returns the present date.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let (wall, at) = self.clock.both();
        let (last, before) = self.last.get();
        let passed = last.checked_add_signed(at.since(before)).unwrap_or(last);
        let now = wall.max(passed);
        self.last.set((now, at));
        now
    }

    /// Returns how long a thread may sleep until a date; `None` means until it is woken.
    pub(super) fn sleep_until(&self, date: DateTime<Utc>) -> Option<Duration> {
        let now = self.now();
        let (wall, _) = self.clock.both();
        // By as much as dates are ahead, the system clock comes later.
        let date = date.checked_sub_signed(now - wall).unwrap_or(date);
        self.clock.sleep_until(Due::Wall(date))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    #[test]
    fn dates_follow_the_clock_forward_and_monotonic_time_when_it_is_set_back() {
        let (clock, hand) = WorkerClock::by_hand(second(7200));
        let dates = Dates::new(clock);
        assert_eq!(dates.now(), second(7200));
        hand.advance(TimeDelta::seconds(5));
        hand.adjust(TimeDelta::hours(-1));
        assert_eq!(dates.now(), second(7205));
        hand.advance(TimeDelta::seconds(5));
        assert_eq!(dates.now(), second(7210));
        assert_eq!(dates.sleep_until(second(7211)), None);
        assert_eq!(dates.sleep_until(second(7210)), Some(Duration::ZERO));
        hand.adjust(TimeDelta::hours(2));
        assert_eq!(dates.now(), second(3610 + 7200));
        assert_eq!(dates.clone().now(), dates.now());
    }
}
