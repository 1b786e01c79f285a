//! Joins whose values expire.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;

use super::super::out::{LATE, LateWays, inputs_of};
use super::write::{EachValue, Items, Write, Written};
use super::{Expiring, ExpiringOut, out_of, step_of};
use crate::error::RunError;
use crate::flow::{Flow, KeyedStream};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::{Cx, Flush, Outputs};
use crate::operators::join::{JoinSides, Sides, Waiting};
use crate::operators::{
    JoinAll, JoinInsert, KeyedStreams, Of1, Of2, Of3, Of4, Of5, Of6, Of7, Of8, ZipLatest,
};
use crate::state::State;
use crate::windowing::clock::JoinClock;
use crate::windowing::engine::{Aside, Lost, output};
use crate::windowing::time::{Time, span};

/// Makes the joins of the streams of a tuple expire. For two streams, see [`Expiring::join_running`].
///
/// # Examples
///
/// Orders with their payment and their delivery. What is not complete within a week expires:
///
/// ```
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{JoinAllExpiring, SystemClock};
/// use chrono::TimeDelta;
///
/// let out = run_keyed([(1, 20), (2, 30)], |orders| {
///     let payments = orders.clone().filter(|(order, _)| *order == 1);
///     let deliveries = orders.clone().map_value(|_| "sent".to_owned());
///     let week = (orders, payments, deliveries).expire_after(TimeDelta::days(7), SystemClock::new());
///     week.join().named("complete").down
/// });
/// assert_eq!(out, [(1, (20, 20, "sent".to_owned()))]);
/// ```
pub trait JoinAllExpiring: Sized {
    /// Makes the next join drop the values of a key when no stream has a new one for `time`; see
    /// [`Stream::expire_after`](crate::flow::Stream::expire_after).
    fn expire_after<C>(self, time: TimeDelta, clock: C) -> ExpiringAll<Self, C> {
        ExpiringAll {
            streams: self,
            after: span(time),
            clock,
        }
    }
}

// Also for other types than streams: rustc then reports the faults of other tuples.
impl<S: JoinAll> JoinAllExpiring for S {}

/// A tuple of streams whose next join drops values after a time without new ones; see [`JoinAllExpiring`].
#[derive(Debug)]
#[must_use]
pub struct ExpiringAll<S, C> {
    streams: S,
    after: i64,
    clock: C,
}

/// The streams of a join of `S` whose values expire.
type Out<S, U> = ExpiringOut<
    <S as KeyedStreams>::Key,
    U,
    <S as KeyedStreams>::PartialRow,
    <S as ExpiringStreams>::Late,
>;

impl<S: ExpiringStreams, C: JoinClock<S::Item>> ExpiringAll<S, C> {
    /// [`JoinAll::join`] with expiring values; see [`Expiring::join`].
    #[track_caller]
    pub fn join(self) -> Out<S, S::Row> {
        S::complete_for("join", self, JoinInsert::Last)
    }

    /// [`JoinAll::join_with`] with expiring values; see [`Expiring::join_with`].
    #[track_caller]
    pub fn join_with(self, insert: JoinInsert) -> Out<S, S::Row> {
        S::complete_for("join_with", self, insert)
    }

    /// [`JoinAll::join_running`] with expiring values; see [`Expiring::join_running`].
    #[track_caller]
    pub fn join_running(self, insert: JoinInsert) -> Out<S, S::PartialRow> {
        S::running_for("join_running", self, insert)
    }
}

/// The two streams of a join.
type Both<K, A, B> = (KeyedStream<K, A>, KeyedStream<K, B>);

impl<K, V, C> Expiring<K, V, C>
where
    K: Key,
    V: State + Clone,
{
    /// [`Stream::join`](crate::flow::Stream::join) with expiring values: those that wait for a value of the other stream
    /// for `time` go to `expired`, as a row that lacks it.
    ///
    /// With event time, the clock must get the times of both streams: see
    /// [`StreamClock::of_sides`](crate::windowing::StreamClock::of_sides).
    /// The order between the streams is undefined, so a row may contain a value that would have expired if it had arrived
    /// before a later one of the other stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::SystemClock;
    /// use chrono::TimeDelta;
    ///
    /// let out = run_keyed([('a', 1), ('b', 2), ('a', 30)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     let small = sides.trues.expire_after(TimeDelta::days(1), SystemClock::new());
    ///     small.join(sides.falses).named("pairs").down
    /// });
    /// assert_eq!(out, [('a', (1, 30))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key with an incomplete row, at most one value of each stream, until it is complete or expires.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    pub fn join<B>(self, other: KeyedStream<K, B>) -> Out<Both<K, V, B>, (V, B)>
    where
        B: State + Clone,
        C: JoinClock<Of2<V, B>>,
    {
        self.both(other).join()
    }

    /// [`Stream::join_with`](crate::flow::Stream::join_with) with expiring values: those that wait for a value of the
    /// other stream for `time` go to `expired`, as rows that lack it.
    ///
    /// # State
    ///
    /// For each key with an incomplete row, one value of each stream, or all of them with
    /// [`JoinInsert::Product`], until it is complete or expires.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    pub fn join_with<B>(
        self,
        other: KeyedStream<K, B>,
        insert: JoinInsert,
    ) -> Out<Both<K, V, B>, (V, B)>
    where
        B: State + Clone,
        C: JoinClock<Of2<V, B>>,
    {
        self.both(other).join_with(insert)
    }

    /// [`Stream::join_running`](crate::flow::Stream::join_running) with expiring values: the values of a key expire
    /// together, when neither stream has a new one for `time`. They go to `expired` as a row or, with
    /// [`JoinInsert::Product`], as all their rows.
    ///
    /// With event time, the clock must get the times of both streams: see
    /// [`StreamClock::of_sides`](crate::windowing::StreamClock::of_sides).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::JoinInsert;
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::SystemClock;
    /// use chrono::TimeDelta;
    ///
    /// let out = run_keyed([('a', 1), ('a', 30)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     let small = sides.trues.expire_after(TimeDelta::days(1), SystemClock::new());
    ///     small.join_running(sides.falses, JoinInsert::Last).named("rows").down
    /// });
    /// assert_eq!(out, [('a', (Some(1), None)), ('a', (Some(1), Some(30)))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key, one value of each stream, or all of them with [`JoinInsert::Product`], until they
    /// expire.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_running<B>(
        self,
        other: KeyedStream<K, B>,
        insert: JoinInsert,
    ) -> Out<Both<K, V, B>, (Option<V>, Option<B>)>
    where
        B: State + Clone,
        C: JoinClock<Of2<V, B>>,
    {
        self.both(other).join_running(insert)
    }

    /// [`Stream::zip_latest`](crate::flow::Stream::zip_latest) with expiring values: the values of a key expire together,
    /// when neither stream has a new one for `time`, and go to `expired`.
    ///
    /// # State
    ///
    /// For each key, one value of each stream, until they expire.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    pub fn zip_latest<B>(self, other: KeyedStream<K, B>) -> Out<Both<K, V, B>, (V, B)>
    where
        B: State + Clone,
        C: JoinClock<Of2<V, B>>,
    {
        let write = || Items::new(ZipLatest::default(), |newest| newest);
        add("zip_latest", self.both(other), write)
    }

    fn both<B>(self, other: KeyedStream<K, B>) -> ExpiringAll<Both<K, V, B>, C> {
        ExpiringAll {
            streams: (self.stream, other),
            after: self.after,
            clock: self.clock,
        }
    }
}

/// Tuples of keyed streams that can be joined with expiring values.
pub trait ExpiringStreams: KeyedStreams {
    /// A value of any of the streams, whose time the clock of the join reads.
    type Item;
    /// The streams of late values.
    type Late;

    #[doc(hidden)]
    fn complete_for<C: JoinClock<Self::Item>>(
        operator: &'static str,
        all: ExpiringAll<Self, C>,
        insert: JoinInsert,
    ) -> Out<Self, Self::Row>;

    #[doc(hidden)]
    fn running_for<C: JoinClock<Self::Item>>(
        operator: &'static str,
        all: ExpiringAll<Self, C>,
        insert: JoinInsert,
    ) -> Out<Self, Self::PartialRow>;
}

/// The late values of the streams of a join.
trait LateSides: JoinSides {
    type Late: 'static;
    type LateWay: LateWays<Self::Key, Item<Self>>;

    /// The outputs of a step.
    const OUTPUTS: &'static [&'static str];

    fn late(flow: &Flow, step: StepIndex) -> Self::Late;
}

/// An item of one of the streams.
type Item<S> = <<S as JoinSides>::Sides as Sides>::Item;

/// Adds a step.
#[track_caller]
fn add<S, C, W>(
    operator: &'static str,
    all: ExpiringAll<S, C>,
    write: impl Fn() -> W + Send + Sync + 'static,
) -> ExpiringOut<S::Key, W::Out, W::Expired, S::Late>
where
    S: LateSides,
    C: JoinClock<Item<S>>,
    W: Write<Item<S>>,
{
    let after = all.after;
    let inputs = inputs_of(all.streams.inputs(), S::enter, S::OUTPUTS);
    let make = move || Written {
        after,
        write: write(),
        renewal: EachValue,
    };
    let step = step_of(operator, all.clock, after);
    let (flow, step) =
        step.split::<S::Key, Item<S>, _, W::Out, W::Expired, S::LateWay, ()>(inputs, make);
    let late = S::late(&flow, step);
    out_of((flow, step), late)
}

macro_rules! joins {
    ($($item:ident: $($V:ident $n:tt),+;)+) => { $(
        impl<K: 'static, $($V: 'static),+> LateWays<K, $item<$($V),+>> for ($(Aside<(K, $V)>,)+) {
            fn new(outputs: &mut Outputs, first: usize, lost: &Arc<Lost>) -> Self {
                ($(Aside::new(outputs, first + $n, lost),)+)
            }

            fn put(&mut self, key: K, value: $item<$($V),+>) {
                match value { $($item::$V(value) => self.$n.put((key, value)),)+ }
            }

            fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
                $(self.$n.send(cx)?;)+
                Ok(())
            }

            fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
                $(self.$n.flush(what, cx)?;)+
                Ok(())
            }
        }

        impl<K: Key, $($V: State + Clone),+> LateSides for ($(KeyedStream<K, $V>,)+) {
            type Late = Self;
            type LateWay = ($(Aside<(K, $V)>,)+);

            const OUTPUTS: &'static [&'static str] =
                &["down", "expired", $(concat!("late.", $n)),+];

            fn late(flow: &Flow, step: StepIndex) -> Self {
                ($(output(flow, step, LATE + $n),)+)
            }
        }

        impl<K: Key, $($V: State + Clone),+> ExpiringStreams for ($(KeyedStream<K, $V>,)+) {
            type Item = $item<$($V),+>;
            type Late = Self;

            #[track_caller]
            fn complete_for<Time: JoinClock<Self::Item>>(
                operator: &'static str,
                all: ExpiringAll<Self, Time>,
                insert: JoinInsert,
            ) -> Out<Self, Self::Row> {
                add(operator, all, move || Complete::<<Self as JoinSides>::Waiting>::new(insert))
            }

            #[track_caller]
            fn running_for<Time: JoinClock<Self::Item>>(
                operator: &'static str,
                all: ExpiringAll<Self, Time>,
                insert: JoinInsert,
            ) -> Out<Self, Self::PartialRow> {
                add(operator, all, move || Running::<<Self as JoinSides>::Sides>::new(insert))
            }
        }
    )+ };
}

joins! {
    Of1: A 0;
    Of2: A 0, B 1;
    Of3: A 0, B 1, C 2;
    Of4: A 0, B 1, C 2, D 3;
    Of5: A 0, B 1, C 2, D 3, F 4;
    Of6: A 0, B 1, C 2, D 3, F 4, G 5;
    Of7: A 0, B 1, C 2, D 3, F 4, G 5, H 6;
    Of8: A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7;
}

/// A join that drops a key with its rows.
struct Complete<W> {
    insert: JoinInsert,
    waiting: PhantomData<fn() -> W>,
}

impl<W> Complete<W> {
    fn new(insert: JoinInsert) -> Self {
        Self {
            insert,
            waiting: PhantomData,
        }
    }
}

/// A value of a side of a join.
type ItemOf<W> = <<W as Waiting>::Sides as Sides>::Item;

impl<W: Waiting> Write<ItemOf<W>> for Complete<W> {
    type State = W;
    type Out = <W::Sides as Sides>::Row;
    type Expired = <W::Sides as Sides>::PartialRow;

    fn write(
        &self,
        state: &mut Option<W>,
        _: Time,
        value: ItemOf<W>,
        emit: &mut impl FnMut(Self::Out),
    ) {
        let completed = match state {
            Some(waiting) => waiting.take_in(value, self.insert),
            None if W::Sides::COUNT == 1 => W::default().take_in(value, self.insert),
            None => {
                *state = Some(W::first(value));
                return;
            }
        };
        let Some(sides) = completed else {
            return;
        };
        *state = None;
        match sides.into_row() {
            Ok(row) => emit(row),
            Err(several) => {
                let Ok(()) = several.rows(|row| -> Result<(), Infallible> {
                    emit(row);
                    Ok(())
                });
            }
        }
    }

    fn expire(&self, waiting: W, emit: &mut impl FnMut(Self::Expired)) {
        emit_rows(&waiting.into_sides(), emit);
    }
}

/// A join that emits its rows at each value.
struct Running<S> {
    insert: JoinInsert,
    sides: PhantomData<fn() -> S>,
}

impl<S> Running<S> {
    fn new(insert: JoinInsert) -> Self {
        Self {
            insert,
            sides: PhantomData,
        }
    }
}

impl<S: Sides> Write<S::Item> for Running<S> {
    type State = S;
    type Out = S::PartialRow;
    type Expired = S::PartialRow;

    fn write(
        &self,
        state: &mut Option<S>,
        _: Time,
        value: S::Item,
        emit: &mut impl FnMut(S::PartialRow),
    ) {
        let sides = state.get_or_insert_default();
        sides.insert(value, self.insert);
        emit_rows(sides, emit);
    }

    fn expire(&self, state: S, emit: &mut impl FnMut(S::PartialRow)) {
        emit_rows(&state, emit);
    }
}

fn emit_rows<S: Sides>(sides: &S, emit: &mut impl FnMut(S::PartialRow)) {
    let Ok(()) = sides.partial_rows(|row| -> Result<(), Infallible> {
        emit(row);
        Ok(())
    });
}
