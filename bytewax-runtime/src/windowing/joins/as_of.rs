//! Joins each row of the left with the closest row of the right in time.

use chrono::{DateTime, TimeDelta, Utc};

use super::interval::row;
use super::rows::Both;
use crate::operators::Of2;
use crate::state::State;
use crate::windowing::engine::{Event, Events, WindowEngine};
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time, span};
use crate::windowing::window::WindowId;

/// The match of a row of the left in [`join_as_of`](crate::flow::Stream::join_as_of).
///
/// # Examples
///
/// ```
/// use bytewax_runtime::windowing::AsOf;
/// use chrono::TimeDelta;
///
/// // The newest price, if it is not older than a day.
/// let newest = AsOf::backward().tolerance(TimeDelta::days(1));
/// # let _ = newest;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct AsOf {
    direction: Direction,
    tolerance: Option<i64>,
    waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Backward,
    Forward,
    Nearest,
}

impl AsOf {
    const fn toward(direction: Direction) -> Self {
        Self {
            direction,
            tolerance: None,
            waits: true,
        }
    }

    /// Matches the newest row at or before the time of the left; of several with the same time, the last to
    /// arrive.
    pub const fn backward() -> Self {
        Self::toward(Direction::Backward)
    }

    /// Matches the oldest row at or after the time of the left; of several with the same time, the first to
    /// arrive.
    ///
    /// Without a [`tolerance`](Self::tolerance), a row of the left may wait for any time, so the output has no
    /// event time: a later step that reads it, such as windows with a
    /// [`StreamClock`](crate::windowing::StreamClock), is refused.
    pub const fn forward() -> Self {
        Self::toward(Direction::Forward)
    }

    /// Matches the closest row, before or after; of two at the same distance, the one before.
    ///
    /// Without a [`tolerance`](Self::tolerance), the output has no event time, as for [`forward`](Self::forward).
    pub const fn nearest() -> Self {
        Self::toward(Direction::Nearest)
    }

    /// Limits the distance in time of a match. The default has no limit. The limit bounds the state: see
    /// [the state](crate::flow::Stream::join_as_of).
    pub const fn tolerance(mut self, time: TimeDelta) -> Self {
        self.tolerance = Some(span(time));
        self
    }

    /// Matches a row of the left when it arrives, instead of when the watermark excludes a closer row. The
    /// row does not wait, and its match depends on the order of arrival.
    pub const fn at_once(mut self) -> Self {
        self.waits = false;
        self
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        Fault::if_negative(
            self.tolerance?,
            "the tolerance of the join",
            "let rows be zero or more apart",
        )
    }

    /// Returns how far behind the watermark emitted rows can be.
    pub(super) fn held_back(&self) -> i64 {
        match (self.waits, self.direction) {
            (false, _) | (true, Direction::Backward) => 0,
            (true, _) => self.tolerance.unwrap_or(i64::MAX),
        }
    }

    fn is_near(&self, left: Time, right: Time) -> bool {
        let apart = left.saturating_sub(right).saturating_abs();
        self.tolerance.is_none_or(|tolerance| apart <= tolerance)
    }

    /// Returns the match of a row of the left among the rows of the right so far.
    fn meets<'a, A, B>(&self, kept: &'a Both<A, B>, time: Time) -> Option<(Time, &'a B)> {
        let before = || {
            let before = kept.right.at_or_before(time);
            before.map(|row| (row.time, &row.value))
        };
        let after = || {
            let after = kept.right.at_or_after(time);
            after.map(|row| (row.time, &row.value))
        };
        let found = match self.direction {
            Direction::Backward => before(),
            Direction::Forward => after(),
            Direction::Nearest => match (before(), after()) {
                (Some(before), Some(after)) => {
                    let is_nearer = after.0.saturating_sub(time) < time.saturating_sub(before.0);
                    Some(if is_nearer { after } else { before })
                }
                (before, after) => before.or(after),
            },
        };
        found.filter(|(right, _)| self.is_near(time, *right))
    }

    /// Returns the watermark at which no closer row can arrive for a row of the left.
    fn is_settled_at<A, B>(&self, kept: &Both<A, B>, time: Time) -> Time {
        let behind = time.saturating_add(1);
        let found = self.meets(kept, time).map(|(right, _)| right);
        let without = self
            .tolerance
            .map_or(END, |tolerance| behind.saturating_add(tolerance));
        match self.direction {
            Direction::Backward => behind,
            Direction::Forward => found.unwrap_or(without),
            Direction::Nearest => found.map_or(without, |right| {
                let apart = right.saturating_sub(time).saturating_abs();
                behind.max(time.saturating_add(apart))
            }),
        }
    }

    /// Returns the watermark at which the first row of the right is no longer needed, if no row of the left
    /// waits.
    fn first_is_gone_at<A, B>(&self, kept: &Both<A, B>) -> Time {
        let Some(first) = kept.right.first() else {
            return END;
        };
        let too_old = first.time.saturating_add(1);
        if self.direction == Direction::Forward {
            return too_old;
        }
        let too_far = self
            .tolerance
            .map_or(END, |tolerance| too_old.saturating_add(tolerance));
        let replaced = kept.right.second().map_or(END, |second| second.time);
        too_far.min(replaced)
    }

    /// Drops rows of the right that no row of the left can match any more.
    fn prune<A, B>(&self, kept: &mut Both<A, B>, mark: Time) {
        let waiting = kept.left.first().map_or(END, |row| row.time);
        while !kept.right.is_empty() && self.first_is_gone_at(kept) <= mark.min(waiting) {
            kept.right.pop();
        }
    }
}

impl<A: State + Clone, B: State + Clone> WindowEngine<Of2<A, B>> for AsOf {
    type KeyState = Both<A, B>;
    type Out = (A, Option<B>);

    const FORGETS: bool = true;

    fn begin(&self, _: DateTime<Utc>) {}

    fn add(
        &self,
        kept: &mut Both<A, B>,
        time: Time,
        value: Of2<A, B>,
        mark: Time,
        out: &mut Events<Self, Of2<A, B>>,
    ) -> Time {
        match value {
            Of2::A(left) if self.waits && self.is_settled_at(kept, time) > mark => {
                kept.left.put(time, false, left);
            }
            Of2::A(left) => {
                let right = self.meets(kept, time).map(|(_, right)| right.clone());
                out.emit(row((left, right)));
            }
            Of2::B(right) => kept.right.put(time, false, right),
        }
        self.next(kept)
    }

    /// Rows of the left are emitted in the order of their times.
    fn close(&self, kept: &mut Both<A, B>, mark: Time, out: &mut Events<Self, Of2<A, B>>) -> Time {
        while let Some(first) = kept.left.first()
            && let time = first.time
            && self.is_settled_at(kept, time) <= mark
            && let Some(left) = kept.left.pop()
        {
            let right = self.meets(kept, time).map(|(_, right)| right.clone());
            out.emit(row((left.value, right)));
        }
        self.prune(kept, mark);
        self.next(kept)
    }

    /// Rows of the right are kept, because rows of a later run may match them.
    fn end(&self, kept: &mut Both<A, B>, mark: Time, out: &mut Events<Self, Of2<A, B>>) {
        while let Some(left) = kept.left.pop() {
            let right = self.meets(kept, left.time).map(|(_, right)| right.clone());
            out.emit(row((left.value, right)));
        }
        self.prune(kept, mark);
    }

    fn next(&self, kept: &Both<A, B>) -> Time {
        let settled = kept
            .left
            .first()
            .map(|row| self.is_settled_at(kept, row.time));
        let gone = self.first_is_gone_at(kept);
        match (settled, kept.left.first()) {
            // What is needed no longer is dropped behind the rows that wait.
            (Some(settled), Some(first)) if gone > first.time => settled,
            (Some(settled), _) => settled.min(gone),
            (None, _) => gone,
        }
    }

    fn prefetch(&self, kept: &Both<A, B>) -> i64 {
        kept.oldest().unwrap_or_default()
    }

    fn is_empty(&self, kept: &Both<A, B>) -> bool {
        kept.len() == 0
    }

    fn fire_early(&self, _: &mut Both<A, B>, _: Time, _: &mut Events<Self, Of2<A, B>>) {}

    fn open(&self, kept: &Both<A, B>) -> (usize, Option<Time>) {
        (kept.len(), kept.oldest())
    }

    fn late(&self, _: Time, value: Of2<A, B>, out: &mut Events<Self, Of2<A, B>>) {
        out.emit(Event::Late(WindowId::NONE, true, value));
    }
}
