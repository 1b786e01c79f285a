//! `SessionWindower`.

use std::any::{Any, TypeId};
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use chrono::TimeDelta;

use super::{Open, Visit, WINDOWER, WindowList, Windower, Windows};
use crate::state::Fact;
use crate::state::facts::Text;
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time, span};
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
/// [`max_length`](Self::max_length) limits the length of a session. A gap of zero groups equal times. A flow with a
/// negative gap is refused.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SessionWindower {
    gap: i64,
    /// The maximum time between the first and the last value.
    max_length: i64,
}

impl SessionWindower {
    /// Creates sessions that are over after a silence of more than `gap`.
    pub const fn new(gap: TimeDelta) -> Self {
        Self {
            gap: span(gap),
            max_length: i64::MAX,
        }
    }

    /// Limits the time between the first and the last value of a session to `length`. A later value starts
    /// another session, even within the gap, and sessions that would together be longer are not merged.
    ///
    /// A key without gaps thus emits at least every `length`. The limit may change between runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, SessionWindower};
    /// use chrono::TimeDelta;
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([0, 8, 16, 24].map(|at| ('a', at)), |times| {
    ///     let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), ms(50));
    ///     let windower = SessionWindower::new(ms(10)).max_length(ms(20));
    ///     times.collect_window::<Vec<_>, _, _>(clock, windower).named("visits").down
    /// });
    /// let lists: Vec<_> = out.into_iter().map(|(_, (_, list))| list).collect();
    /// assert_eq!(lists, [vec![0, 8, 16], vec![24]]);
    /// ```
    pub const fn max_length(mut self, length: TimeDelta) -> Self {
        self.max_length = span(length);
        self
    }

    /// Lets values close sessions: one for which `closes` returns `true` is the last of its session, and the next value
    /// starts another one, even within the gap. A logout, or the payment of an order, are such values.
    ///
    /// Values with the time of the closing one still belong to the session. If values are processed in the order of
    /// their times, all later ones belong to the next session. If they are processed in order of arrival, a closing value
    /// that arrives behind later values of its session closes the session with these.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, SessionWindower};
    /// use chrono::TimeDelta;
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let visits = [('a', (0, "home")), ('a', (4, "logout")), ('a', (5, "home")), ('a', (30, "home"))];
    /// let out = run_keyed(visits.map(|(user, (at, page))| (user, (at, page.to_owned()))), |visits| {
    ///     let clock = EventClock::per_partition(|visit: &(i64, String)| Millis(visit.0), ms(5));
    ///     let sessions = SessionWindower::new(ms(10)).until(|visit: &(i64, String)| visit.1 == "logout");
    ///     visits.collect_window::<Vec<_>, _, _>(clock, sessions).named("visits").down
    /// });
    /// let lengths: Vec<_> = out.into_iter().map(|(_, (_, pages))| pages.len()).collect();
    /// assert_eq!(lengths, [2, 1, 1]);
    /// ```
    pub const fn until<V, F>(self, closes: F) -> SessionsUntil<V, F>
    where
        F: Fn(&V) -> bool + Clone + Send + Sync + 'static,
    {
        SessionsUntil {
            sessions: self,
            closes,
            values: PhantomData,
        }
    }

    /// Whether a session may contain values of these times.
    const fn may_last(&self, first: Time, last: Time) -> bool {
        last.saturating_sub(first) <= self.max_length
    }

    pub(super) const fn fault_found(&self) -> Option<Fault> {
        let gap = Fault::if_negative(
            self.gap,
            "the gap of sessions",
            "give sessions a gap of zero or more",
        );
        if gap.is_some() {
            return gap;
        }
        Fault::if_negative(
            self.max_length,
            "the greatest length of sessions",
            "give sessions a greatest length of zero or more",
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

    // Open sessions do not overlap, and are further apart than the gap unless they would be too long together, or an
    // item has closed the first. So only two can be near enough: the one that begins last before the time, and the one
    // behind it.
    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        let closes = visit.closes();
        let before = line.at_or_before(time).and_then(|(place, session)| {
            let is_inside = session.close >= time;
            let near = time.saturating_sub(session.close) <= self.gap
                && (is_inside || !session.is_closed() && self.may_last(session.open, time));
            near.then_some((place, session.id, is_inside))
        });
        if let Some((place, _, true)) = before {
            if let Some(session) = line.get_mut(place) {
                let ends = self.ends(0, session);
                visit.add(session, ends, false);
                if closes {
                    session.close_by_item();
                }
                visit.settled(session, self.ends(0, session));
            }
            return;
        }
        let after = line.after(time).and_then(|(place, session)| {
            let near = !closes
                && session.open.saturating_sub(time) <= self.gap
                && self.may_last(time, session.close);
            near.then_some((place, session.id, session.close))
        });
        // Of two that would be too long together, the value is in the first.
        let first = before.and_then(|(place, ..)| line.get_mut(place).map(|session| session.open));
        let after =
            after.filter(|(_, _, last)| first.is_none_or(|first| self.may_last(first, *last)));
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
            (None, Some((place, ..))) => {
                if let Some(mut session) = line.take(place) {
                    let ends = self.ends(0, &session);
                    session.open = time;
                    visit.add(&mut session, ends, false);
                    line.put(time, session);
                }
                time
            }
            (Some((place, id, _)), Some((other_place, other_id, _))) => {
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
            if closes {
                session.close_by_item();
            }
            let ends = self.ends(0, session);
            visit.settled(session, ends);
        }
    }

    /// A session is open as long as a close enough value can arrive.
    #[inline]
    fn ends<S>(&self, _: i64, window: &Open<S>) -> Time {
        if window.is_closed() {
            return window.close.saturating_add(1);
        }
        let quiet = window.close.saturating_add(self.gap);
        let longest = match self.max_length {
            i64::MAX => END,
            length => window.open.saturating_add(length),
        };
        // What was begun with a greater length in an earlier run is over at once.
        quiet.min(longest.max(window.close)).saturating_add(1)
    }

    fn late(&self, _: Time) -> RangeInclusive<i64> {
        WindowId::NONE.0..=WindowId::NONE.0
    }
}

/// Sessions that a value may close; see [`SessionWindower::until`].
#[must_use]
pub struct SessionsUntil<V, F> {
    sessions: SessionWindower,
    closes: F,
    values: PhantomData<fn(&V)>,
}

impl<V, F: Clone> Clone for SessionsUntil<V, F> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions,
            closes: self.closes.clone(),
            values: PhantomData,
        }
    }
}

impl<V, F> fmt::Debug for SessionsUntil<V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsUntil")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl<V, F> Windower for SessionsUntil<V, F>
where
    V: 'static,
    F: Fn(&V) -> bool + Clone + Send + Sync + 'static,
{
}

/// The same as of sessions that nothing closes, so that a step can change to them and back.
impl<V, F> Windows for SessionsUntil<V, F>
where
    V: 'static,
    F: Fn(&V) -> bool + Clone + Send + Sync + 'static,
{
    const IDS_BY_TIME: bool = false;

    fn fault(&self) -> Option<Fault> {
        self.sessions.fault()
    }

    fn fault_with<T: 'static>(&self) -> Option<Fault> {
        let is_same = TypeId::of::<T>() == TypeId::of::<V>();
        (!is_same).then(|| {
            Fault::new(
                "the function that closes sessions is for other values",
                "let the function of `until` take the values of the stream",
            )
        })
    }

    fn facts(&self) -> Vec<Fact> {
        self.sessions.facts()
    }

    // A comparison of types, which the compiler knows.
    #[inline]
    fn closes<T: 'static>(&self, value: &T) -> bool {
        let value = (value as &dyn Any).downcast_ref::<V>();
        value.is_some_and(|value| (self.closes)(value))
    }

    fn place<S>(&self, line: &mut WindowList<S>, time: Time, visit: &mut impl Visit<S>) {
        self.sessions.place(line, time, visit);
    }

    #[inline]
    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time {
        self.sessions.ends(counted, window)
    }

    fn late(&self, time: Time) -> RangeInclusive<i64> {
        self.sessions.late(time)
    }
}
