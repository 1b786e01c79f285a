//! `join_table`: joins each row of the left with the version of a table that is valid at its time.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::interval::row;
use super::kind::TableKind;
use super::operators::{Join, RowsOut};
use super::rows::Both;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::operators::Of2;
use crate::state::State;
use crate::windowing::clock::JoinClock;
use crate::windowing::engine::{Event, Events, WindowEngine};
use crate::windowing::fault::Fault;
use crate::windowing::time::{END, Time, span};
use crate::windowing::window::WindowId;

/// How long [`join_table`](crate::flow::Stream::join_table) keeps replaced versions of a row, and whether values wait
/// for the watermark.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::windowing::Versions;
/// use chrono::TimeDelta;
///
/// // Values may be late by ten minutes, and still find the version of their time.
/// let versions = Versions::kept_for(TimeDelta::minutes(10));
/// # let _ = versions;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Versions {
    kept: i64,
    waits: bool,
}

impl Versions {
    /// Keeps a version until the watermark is this time behind the change that replaced it, or behind its deletion.
    ///
    /// Values and changes that are up to this time behind the watermark are not late. The event time of the output
    /// is as far behind, so later windows close that much later. With zero, versions are kept as long as a value
    /// that is not late needs them.
    pub const fn kept_for(time: TimeDelta) -> Self {
        Self {
            kept: span(time),
            waits: true,
        }
    }

    /// Joins a value when it arrives, instead of when the watermark excludes further changes before it. The value
    /// does not wait, and its row depends on the order of arrival.
    pub const fn at_once(mut self) -> Self {
        self.waits = false;
        self
    }

    fn fault(&self) -> Option<Fault> {
        Fault::if_negative(
            self.kept,
            "the time for which versions are kept",
            "keep versions for zero or more",
        )
    }
}

/// Keeps the versions of a row of the table, and the rows of the left that wait. A version without a value is a
/// deletion.
pub(super) struct TableJoin<J, F> {
    versions: Versions,
    row: Arc<F>,
    kind: PhantomData<fn(J)>,
}

impl<J, F> TableJoin<J, F> {
    pub(super) fn new(versions: Versions, row: Arc<F>) -> Self {
        Self {
            versions,
            row,
            kind: PhantomData,
        }
    }

    /// Emits a row of the left with the version that is valid at its time.
    fn emit<A, B, V>(
        kept: &Both<A, Option<V>>,
        (time, left): (Time, A),
        out: &mut Events<Self, Of2<A, B>>,
    ) where
        A: State + Clone,
        B: State + Clone,
        V: State + Clone,
        J: TableKind<A, V>,
        F: Fn(B) -> Option<V> + Send + Sync + 'static,
    {
        let valid = kept.right.at_or_before(time);
        match valid.and_then(|version| version.value.as_ref()) {
            Some(value) => out.emit(row(J::both(left, value.clone()))),
            None => J::left(left)
                .into_iter()
                .for_each(|left| out.emit(row(left))),
        }
    }

    /// Returns the watermark at which no row of the left needs the first version any more.
    fn first_is_gone_at<A, V>(&self, kept: &Both<A, Option<V>>) -> Time {
        let Some(first) = kept.right.first() else {
            return END;
        };
        // Nothing is valid before the first version, and nothing after a deletion.
        let over = match first.value {
            Some(_) => kept.right.second().map_or(END, |second| second.time),
            None => first.time,
        };
        over.saturating_add(self.versions.kept)
    }

    /// Drops versions that no row of the left needs. Those that wait are not before the watermark.
    fn prune<A, V>(&self, kept: &mut Both<A, Option<V>>, mark: Time) {
        while !kept.right.is_empty() && self.first_is_gone_at(kept) <= mark {
            kept.right.pop();
        }
    }
}

/// The watermark at which no change before or at a time can arrive any more.
fn settled_at(time: Time) -> Time {
    time.saturating_add(1)
}

impl<A, B, V, J, F> WindowEngine<Of2<A, B>> for TableJoin<J, F>
where
    A: State + Clone,
    B: State + Clone,
    V: State + Clone,
    J: TableKind<A, V>,
    F: Fn(B) -> Option<V> + Send + Sync + 'static,
{
    type KeyState = Both<A, Option<V>>;
    type Out = J::Row;

    const FORGETS: bool = true;

    fn begin(&self, _: DateTime<Utc>) {}

    fn add(
        &self,
        kept: &mut Self::KeyState,
        time: Time,
        value: Of2<A, B>,
        mark: Time,
        out: &mut Events<Self, Of2<A, B>>,
    ) -> Time {
        match value {
            Of2::A(left) if self.versions.waits && settled_at(time) > mark => {
                kept.left.put(time, false, left);
            }
            Of2::A(left) => Self::emit(kept, (time, left), out),
            Of2::B(change) => kept.right.put(time, false, (self.row)(change)),
        }
        self.next(kept)
    }

    /// Rows of the left are emitted in the order of their times.
    fn close(
        &self,
        kept: &mut Self::KeyState,
        mark: Time,
        out: &mut Events<Self, Of2<A, B>>,
    ) -> Time {
        while kept
            .left
            .first()
            .is_some_and(|first| settled_at(first.time) <= mark)
            && let Some(left) = kept.left.pop()
        {
            Self::emit(kept, (left.time, left.value), out);
        }
        self.prune(kept, mark);
        self.next(kept)
    }

    /// Versions are kept, because rows of a later run need them.
    fn end(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, Of2<A, B>>) {
        while let Some(left) = kept.left.pop() {
            Self::emit(kept, (left.time, left.value), out);
        }
        self.prune(kept, mark);
    }

    fn next(&self, kept: &Self::KeyState) -> Time {
        let settled = kept.left.first().map_or(END, |row| settled_at(row.time));
        settled.min(self.first_is_gone_at(kept))
    }

    fn prefetch(&self, kept: &Self::KeyState) -> i64 {
        kept.oldest().unwrap_or_default()
    }

    fn is_empty(&self, kept: &Self::KeyState) -> bool {
        kept.len() == 0
    }

    fn fire_early(&self, _: &mut Self::KeyState, _: Time, _: &mut Events<Self, Of2<A, B>>) {}

    fn open(&self, kept: &Self::KeyState) -> (usize, Option<Time>) {
        (kept.len(), kept.oldest())
    }

    fn late(&self, _: Time, value: Of2<A, B>, out: &mut Events<Self, Of2<A, B>>) {
        out.emit(Event::Late(WindowId::NONE, true, value));
    }
}

impl<T: 'static> Stream<T> {
    /// Joins each value with the row of a table that is valid at the time of the value. The table is a stream of
    /// changes: upserts and deletions.
    ///
    /// `row` turns a change into the row that is valid from the time of the change on, however long, until the next
    /// change of the key; `None` deletes the row. Of several changes with the same time, the last to arrive counts.
    /// With [`LeftOuter`](crate::windowing::LeftOuter), values without a row are emitted too; with
    /// [`Inner`](crate::windowing::Inner), they are dropped.
    ///
    /// A value waits until the watermark excludes further changes before it, unless `versions` are joined
    /// [`at_once`](crate::windowing::Versions::at_once). Values are emitted in the order of their times.
    ///
    /// The clock must know the times of both: [`StreamClock::of_sides`] takes a function for each. Values and changes
    /// that are further behind the watermark than versions are [kept](crate::windowing::Versions::kept_for) are late.
    /// A late change is not applied to the table. A later window step uses the time of this stream. At the end of
    /// input, waiting values are emitted, unless the clock
    /// [keeps them open](crate::windowing::StreamClock::keep_open).
    ///
    /// # Examples
    ///
    /// Amounts with the price of their article, which is not sold for a while:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{LeftOuter, Lateness, Millis, StreamClock, Versions};
    /// use chrono::TimeDelta;
    ///
    /// // A time, and an amount; or the new price, as a negative number, with 0 for none.
    /// let rows = [('a', (10, -3)), ('a', (15, 2)), ('a', (20, 0)), ('a', (25, 7)), ('a', (19, 4))];
    /// let at = |row: &(i64, i64)| Millis(row.0);
    /// let out = run_keyed(rows, |rows| {
    ///     let lateness = Lateness::bounded(TimeDelta::milliseconds(9));
    ///     let rows = rows.event_time(move |(_, row)| at(row), lateness).named("times").down;
    ///     let prices = rows.clone().filter_value(|row| row.1 <= 0);
    ///     let amounts = rows.filter_value(|row| row.1 > 0);
    ///     let price = |(_, price): (i64, i64)| (price < 0).then_some(-price);
    ///     let versions = Versions::kept_for(TimeDelta::zero());
    ///     let clock = StreamClock::of_sides((at, at));
    ///     let sold = amounts.join_table(prices, clock, versions, LeftOuter, price);
    ///     sold.named("sold").down.map_value(|((_, amount), price)| (amount, price))
    /// });
    /// assert_eq!(out, [('a', (2, Some(3))), ('a', (4, Some(3))), ('a', (7, None))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the waiting values of this stream; the current row; and the versions that were valid after the
    /// watermark less the time that versions are [kept](crate::windowing::Versions::kept_for). A deletion is kept that
    /// long, too; then the key is dropped, unless values wait or later changes exist.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    ///
    /// [`StreamClock::of_sides`]: crate::windowing::StreamClock::of_sides
    #[track_caller]
    pub fn join_table<B, C, J, V, F>(
        self,
        changes: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        versions: Versions,
        kind: J,
        row: F,
    ) -> RowsOut<KeyOf<Self>, J::Row, ValueOf<Self>, B>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<Of2<ValueOf<Self>, B>>,
        J: TableKind<ValueOf<Self>, V>,
        V: State + Clone,
        F: Fn(B) -> Option<V> + Send + Sync + 'static,
    {
        let _ = kind;
        let row = Arc::new(row);
        let join = Join {
            operator: "join_table",
            clock,
            lateness: versions.kept,
            held_back: Some(versions.kept),
            fault: versions.fault(),
            make: move || TableJoin::<J, F>::new(versions, Arc::clone(&row)),
        };
        join.add(self.pairs(), changes)
    }
}
