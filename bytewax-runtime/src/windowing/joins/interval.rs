//! Joins rows of two sides that are close in time.

use std::marker::PhantomData;

use chrono::{DateTime, TimeDelta, Utc};

use super::kind::JoinKind;
use super::rows::Both;
use crate::operators::Of2;
use crate::state::State;
use crate::windowing::engine::{Event, Events, WindowEngine};
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time, span};
use crate::windowing::window::{Label, WindowId};

/// The distance in time of rows that match in [`join_interval`](crate::flow::Stream::join_interval). Both
/// ends are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Interval {
    /// The least and the greatest difference between the time of the right and that of the left.
    least: i64,
    most: i64,
}

impl Interval {
    /// Matches rows of the right up to `time` before or after the left.
    pub const fn within(time: TimeDelta) -> Self {
        let time = span(time);
        Self {
            least: time.saturating_neg(),
            most: time,
        }
    }

    /// Matches rows of the right at the time of the left or up to `time` after it.
    pub const fn after(time: TimeDelta) -> Self {
        Self {
            least: 0,
            most: span(time),
        }
    }

    /// Matches rows of the right at the time of the left or up to `time` before it.
    pub const fn before(time: TimeDelta) -> Self {
        Self {
            least: span(time).saturating_neg(),
            most: 0,
        }
    }

    /// Matches rows of the right at least `least` and at most `most` after the left; negative values are
    /// before it.
    pub const fn between(least: TimeDelta, most: TimeDelta) -> Self {
        Self {
            least: span(least),
            most: span(most),
        }
    }

    /// Matches any row with any other.
    pub(super) const ENDLESS: Self = Self {
        least: -i64::MAX,
        most: i64::MAX,
    };

    pub(super) fn fault(&self) -> Option<Fault> {
        (self.least > self.most).then(|| {
            Fault::new(
                "no two rows can be so far apart: the least is more than the most",
                "give an interval of zero or more",
            )
        })
    }

    /// Returns how far behind the watermark emitted rows can be.
    pub(super) fn held_back(&self) -> i64 {
        self.most.max(self.least.saturating_neg()).max(0)
    }
}

/// Keeps the rows of both sides as long as a match can arrive.
pub(super) struct IntervalJoin<J> {
    interval: Interval,
    /// Whether rows are kept at the end of input, because those of a later run may match them.
    keeps: bool,
    kind: PhantomData<fn(J)>,
}

/// Creates a row without a window.
pub(super) fn row<U, V>(value: U) -> Event<U, V> {
    Event::Down(Label::NONE, value)
}

impl<J> IntervalJoin<J> {
    pub(super) fn new(interval: Interval) -> Self {
        Self {
            interval,
            keeps: false,
            kind: PhantomData,
        }
    }

    /// Sets whether rows are kept at the end of input.
    pub(super) fn keeping(self, keeps: bool) -> Self {
        Self { keeps, ..self }
    }

    /// Returns the first watermark at which no match for a row of the left can arrive any more.
    fn left_is_over(&self, time: Time) -> Time {
        time.saturating_add(self.interval.most).saturating_add(1)
    }

    fn right_is_over(&self, time: Time) -> Time {
        time.saturating_sub(self.interval.least).saturating_add(1)
    }
}

impl<A, B, J> WindowEngine<Of2<A, B>> for IntervalJoin<J>
where
    A: State + Clone,
    B: State + Clone,
    J: JoinKind<A, B>,
{
    type KeyState = Both<A, B>;
    type Out = J::Row;

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
        let Interval { least, most } = self.interval;
        let (matched, next);
        match value {
            Of2::A(left) => {
                let near = time.saturating_add(least)..=time.saturating_add(most);
                let mut any = false;
                for other in kept.right.within(&near) {
                    other.matched = true;
                    any = true;
                    out.emit(row(J::both(left.clone(), other.value.clone())));
                }
                (matched, next) = (any, self.left_is_over(time));
                if next > mark {
                    kept.left.put(time, matched, left);
                } else if !matched {
                    J::left(left)
                        .into_iter()
                        .for_each(|left| out.emit(row(left)));
                }
            }
            Of2::B(right) => {
                let near = time.saturating_sub(most)..=time.saturating_sub(least);
                let mut any = false;
                for other in kept.left.within(&near) {
                    other.matched = true;
                    any = true;
                    out.emit(row(J::both(other.value.clone(), right.clone())));
                }
                (matched, next) = (any, self.right_is_over(time));
                if next > mark {
                    kept.right.put(time, matched, right);
                } else if !matched {
                    J::right(right)
                        .into_iter()
                        .for_each(|right| out.emit(row(right)));
                }
            }
        }
        next
    }

    fn close(&self, kept: &mut Both<A, B>, mark: Time, out: &mut Events<Self, Of2<A, B>>) -> Time {
        let is_over = |first: Option<Time>| first.is_some_and(|over| over <= mark);
        while is_over(kept.left.first().map(|row| self.left_is_over(row.time))) {
            let gone = kept.left.pop().filter(|row| !row.matched);
            let gone = gone.and_then(|gone| J::left(gone.value));
            gone.into_iter().for_each(|left| out.emit(row(left)));
        }
        while is_over(kept.right.first().map(|row| self.right_is_over(row.time))) {
            let gone = kept.right.pop().filter(|row| !row.matched);
            let gone = gone.and_then(|gone| J::right(gone.value));
            gone.into_iter().for_each(|right| out.emit(row(right)));
        }
        self.next(kept)
    }

    fn end(&self, kept: &mut Both<A, B>, _: Time, out: &mut Events<Self, Of2<A, B>>) {
        if !self.keeps {
            self.close(kept, END, out);
            return;
        }
        // An unmatched row is emitted once, at the first end.
        for left in kept.left.unmatched() {
            if let Some(alone) = J::left(left.value.clone()) {
                left.matched = true;
                out.emit(row(alone));
            }
        }
        for right in kept.right.unmatched() {
            if let Some(alone) = J::right(right.value.clone()) {
                right.matched = true;
                out.emit(row(alone));
            }
        }
    }

    fn next(&self, kept: &Both<A, B>) -> Time {
        let left = kept.left.first().map(|row| self.left_is_over(row.time));
        let right = kept.right.first().map(|row| self.right_is_over(row.time));
        left.into_iter().chain(right).min().unwrap_or(END)
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
