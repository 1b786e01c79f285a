//! `SessionWindower`.

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use super::{Open, Visit, WINDOWER, WindowList, Windower, Windows};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{Time, span};
use crate::windowing::window::WindowId;

/// Windows of values between two silences.
///
/// Values no further apart than `gap` are in one session. A session starts and ends with a value, and is over
/// when the watermark is more than the gap beyond the last value. The sessions of a key are counted from 0 in
/// the order of their creation.
///
/// A value between two sessions merges them, if it is close enough to both: the later session becomes part of
/// the earlier in time, whatever their ids, and never closes; the metadata of the session lists the merged
/// ones. The value itself is added to the session that was created first.
///
/// The time to find the session of a value grows with the logarithm of the number of open sessions of its
/// key.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, SessionWindower, WindowId};
/// use chrono::TimeDelta;
///
/// let ms = TimeDelta::milliseconds;
/// let out = run_keyed([('a', 0), ('a', 20), ('a', 10), ('a', 90)], |times| {
///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), ms(50));
///     let visits = times.count_window(clock, SessionWindower::new(ms(10)));
///     visits.named("visits").down
/// });
/// assert_eq!(out, [('a', (WindowId(0), 3)), ('a', (WindowId(2), 1))]);
/// ```
///
/// A gap of zero groups equal times. A flow with a negative gap is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SessionWindower {
    gap: i64,
}

impl SessionWindower {
    /// Creates sessions that are over after a silence of more than `gap`.
    pub const fn new(gap: TimeDelta) -> Self {
        Self { gap: span(gap) }
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        Fault::if_negative(
            self.gap,
            "the gap of sessions",
            "give sessions a gap of zero or more",
        )
    }

    pub(super) const fn windower_text(&self) -> Text {
        Text::new("session ").span(self.gap)
    }
}

impl Windower for SessionWindower {}

impl Windows for SessionWindower {
    const IDS_BY_TIME: bool = false;

    fn fault(&self) -> Option<Fault> {
        self.fault_found()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::new(WINDOWER, self.windower_text())]
    }

    // Open sessions are further apart than the gap, so only two can be near enough: the one that
    // begins last before the time, and the one behind it.
    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        let before = line.at_or_before(time).and_then(|(place, session)| {
            let near = time.saturating_sub(session.close) <= self.gap;
            near.then_some((place, session.id, session.close >= time))
        });
        if let Some((place, _, true)) = before {
            if let Some(session) = line.get_mut(place) {
                let ends = self.ends(0, session);
                visit.add(session, ends, false);
                visit.settled(session, ends);
            }
            return;
        }
        let after = line.after(time).and_then(|(place, session)| {
            let near = session.open.saturating_sub(time) <= self.gap;
            near.then_some((place, session.id))
        });
        let place = match (before, after) {
            (None, None) => {
                let id = line.counted;
                line.counted += 1;
                line.open(time, Open::new(id, time, time, visit.open()));
                if let Some(session) = line.get_mut(time) {
                    let ends = self.ends(0, session);
                    visit.add(session, ends, false);
                }
                time
            }
            (Some((place, ..)), None) => {
                if let Some(session) = line.get_mut(place) {
                    let ends = self.ends(0, session);
                    session.close = time;
                    visit.add(session, ends, false);
                }
                place
            }
            (None, Some((place, _))) => {
                if let Some(mut session) = line.take(place) {
                    let ends = self.ends(0, &session);
                    session.open = time;
                    visit.add(&mut session, ends, false);
                    line.put(time, session);
                }
                time
            }
            (Some((place, id, _)), Some((other_place, other_id))) => {
                if let Some(mut other) = line.take(other_place)
                    && let Some(session) = line.get_mut(place)
                {
                    let first = if id < other_id {
                        &mut *session
                    } else {
                        &mut other
                    };
                    let ends = self.ends(0, first);
                    visit.add(first, ends, false);
                    session.absorb(&mut other);
                    visit.merge(session, other);
                }
                place
            }
        };
        if let Some(session) = line.get_mut(place) {
            let ends = self.ends(0, session);
            visit.settled(session, ends);
        }
    }

    /// A session is open as long as a close enough value can arrive.
    #[inline]
    fn ends<S>(&self, _: i64, window: &Open<S>) -> Time {
        window.close.saturating_add(self.gap).saturating_add(1)
    }

    fn late(&self, _: Time) -> RangeInclusive<i64> {
        WindowId::NONE.0..=WindowId::NONE.0
    }
}
