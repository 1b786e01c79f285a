//! `expire_after`.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::TimedLogic;
use super::out::{DOWN, Either, LATE, SECOND, TimedStep, inputs, inputs_of};
use crate::flow::{Flow, KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::Exchange;
use crate::operators::join::{JoinSides, Sides};
use crate::operators::{JoinInsert, Of2};
use crate::state::{Field, Schema, State};
use crate::windowing::clock::{Clock, JoinClock};
use crate::windowing::engine::{Aside, output};
use crate::windowing::fault::Fault;
use crate::windowing::time::{Time, span};

impl<T: 'static> Stream<T> {
    /// Makes the next step drop the state of a key when no value of the key arrives for `time`.
    ///
    /// The result is not a stream. It has the operators [`stateful_map`](Expiring::stateful_map),
    /// [`scan`](Expiring::scan), [`stateful_flat_map`](Expiring::stateful_flat_map) and
    /// [`join_running`](Expiring::join_running). Each value of a key counts as a write, even if it changes
    /// nothing. Nothing else counts as access. A dropped state goes to the stream `expired`, which you need
    /// not read.
    ///
    /// `clock` selects the time. [`SystemClock`](crate::windowing::SystemClock) is the time of the worker. It
    /// advances while the program is stopped: a resume drops the states that expired in the meantime.
    /// [`StreamClock`](crate::windowing::StreamClock) is event time. A state is then dropped when a value of
    /// its key is `time` or more after the newest value before it, or when the watermark reaches that time.
    /// The result therefore depends on the values alone. A value before the watermark goes to `late` only.
    /// The end of input drops nothing.
    ///
    /// A [`stateful`](Stream::stateful) logic does not need this: it can set a timer and drop its key then.
    ///
    /// # Examples
    ///
    /// Counts the pages of a visit. A visit ends after half an hour without a page:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Micros, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// let minute = |minute: &i64| Micros(minute * 60_000_000);
    /// let out = run_keyed([('a', 0), ('a', 20), ('b', 25), ('a', 55)], |minutes| {
    ///     let lateness = Lateness::bounded(TimeDelta::minutes(5));
    ///     let minutes = minutes.event_time(move |(_, at)| minute(at), lateness).named("times").down;
    ///     let visits = minutes.expire_after(TimeDelta::minutes(30), StreamClock::new(minute));
    ///     let pages = visits.stateful_map(|pages: &mut u64, _| {
    ///         *pages += 1;
    ///         *pages
    ///     });
    ///     let pages = pages.named("pages");
    ///     // How many pages a visit had that is over, as a negative number.
    ///     pages.down.map_value(|n| n as i64).merge(pages.expired.map_value(|n| -(n as i64)))
    /// });
    /// let mut out = out;
    /// out.sort_unstable();
    /// assert_eq!(out, [('a', -2), ('a', 1), ('a', 1), ('a', 2), ('b', 1)]);
    /// ```
    ///
    /// # State
    ///
    /// The state of the operator and the time of the newest value, for each key, until it expires. `time` may change
    /// between runs; the new time applies to all states. States that were saved without `expire_after` have no such
    /// time, so a resume with it is refused, and so is one without it. Give the step another name, and drop the old
    /// states with [`flow.dropped`](crate::flow::Flow::dropped).
    pub fn expire_after<C>(
        self,
        time: TimeDelta,
        clock: C,
    ) -> Expiring<KeyOf<Self>, ValueOf<Self>, C>
    where
        Self: Keyed,
    {
        Expiring {
            stream: self.pairs(),
            after: span(time),
            clock,
        }
    }
}

/// A stream whose next step drops states after a time without values; see [`Stream::expire_after`].
#[must_use]
pub struct Expiring<K, V, C> {
    stream: KeyedStream<K, V>,
    after: i64,
    clock: C,
}

impl<K, V, C> fmt::Debug for Expiring<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiring")
            .field("stream", &self.stream)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// The streams of a step whose states expire: see [`Stream::expire_after`].
#[derive(Debug)]
#[must_use]
pub struct ExpiringOut<K, U, X, L> {
    /// The output of the step.
    pub down: KeyedStream<K, U>,
    /// The expired states.
    pub expired: KeyedStream<K, X>,
    /// The late values; for a join, those of each stream.
    pub late: L,
}

impl<K: 'static, U: 'static, X, L> ExpiringOut<K, U, X, L> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

/// The streams of a step on one stream.
type OfOne<K, U, X, V> = ExpiringOut<K, U, X, KeyedStream<K, V>>;

/// The row of a running join.
type Row<A, B> = (Option<A>, Option<B>);

impl<K, V, C> Expiring<K, V, C> {
    /// Connects the type of its keys with the compiler's information about it.
    #[doc(hidden)]
    pub fn with_keys(self, _: PhantomData<K>) -> Self {
        self
    }
}

impl<K: Key, V: 'static, C> Expiring<K, V, C> {
    /// [`Stream::stateful_map`] with expiring states: after expiry, a key starts with `S::default()` again.
    ///
    /// # State
    ///
    /// One `S` for each key, until it expires.
    #[track_caller]
    pub fn stateful_map<S, U, F>(self, f: F) -> ExpiringOut<K, U, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State + Default,
        U: 'static,
        F: Fn(&mut S, V) -> U + Send + Sync + 'static,
    {
        self.map_with("stateful_map", S::default, f)
    }

    /// [`Stream::scan`] with expiring states: after expiry, a key starts with `init()` again.
    ///
    /// # State
    ///
    /// One `S` for each key, until it expires.
    #[track_caller]
    pub fn scan<S, U, I, F>(self, init: I, f: F) -> ExpiringOut<K, U, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        U: 'static,
        I: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, V) -> U + Send + Sync + 'static,
    {
        self.map_with("scan", init, f)
    }

    /// [`Stream::stateful_flat_map`] with expiring states: after expiry, a key starts with `None` again.
    /// Setting a state to `None` drops it without expiry.
    ///
    /// # State
    ///
    /// One `S` for each key whose state is not `None`, until it expires.
    #[track_caller]
    pub fn stateful_flat_map<S, I, F>(self, f: F) -> ExpiringOut<K, I::Item, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        I: IntoIterator<Item: 'static> + 'static,
        F: Fn(&mut Option<S>, V) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.step("stateful_flat_map", move || FlatMap {
            f: Arc::clone(&f),
            types: PhantomData::<fn(S) -> I>,
        })
    }

    /// [`Stream::join_running`] with expiring values: the values of a key expire together, when neither
    /// stream has a new one for `time`. They go to `expired` as a row or, with [`JoinInsert::Product`], as
    /// all their rows.
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
    ) -> ExpiringOut<
        K,
        (Option<V>, Option<B>),
        (Option<V>, Option<B>),
        (KeyedStream<K, V>, KeyedStream<K, B>),
    >
    where
        V: State + Clone,
        B: State + Clone,
        C: JoinClock<Of2<V, B>>,
    {
        let sides = (self.stream, other);
        let inputs = inputs_of(
            sides.inputs(),
            <(KeyedStream<K, V>, KeyedStream<K, B>) as JoinSides>::enter,
            &["down", "expired", "late.0", "late.1"],
        );
        let after = self.after;
        let make = move || Written {
            after,
            write: Running {
                insert,
                sides: PhantomData::<
                    fn() -> <(KeyedStream<K, V>, KeyedStream<K, B>) as JoinSides>::Sides,
                >,
            },
        };
        let step = step_of("join_running", self.clock, after);
        let (flow, step) = step
            .split::<K, Of2<V, B>, _, Row<V, B>, Row<V, B>, (Aside<(K, V)>, Aside<(K, B)>), ()>(
                inputs, make,
            );
        let late = (output(&flow, step, LATE), output(&flow, step, LATE + 1));
        out_of((flow, step), late)
    }

    #[track_caller]
    fn map_with<S, U>(
        self,
        operator: &'static str,
        init: impl Fn() -> S + Send + Sync + 'static,
        f: impl Fn(&mut S, V) -> U + Send + Sync + 'static,
    ) -> OfOne<K, U, S, V>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        U: 'static,
    {
        let (init, f) = (Arc::new(init), Arc::new(f));
        self.step(operator, move || Map {
            init: Arc::clone(&init),
            f: Arc::clone(&f),
        })
    }

    #[track_caller]
    fn step<W>(
        self,
        operator: &'static str,
        write: impl Fn() -> W + Send + Sync + 'static,
    ) -> OfOne<K, W::Out, W::Expired, V>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        W: Write<V>,
    {
        let after = self.after;
        let inputs = inputs(&self.stream, &["down", "expired", "late"]);
        let make = move || Written {
            after,
            write: write(),
        };
        let step = step_of(operator, self.clock, after);
        let (flow, step) =
            step.split::<K, V, _, W::Out, W::Expired, Aside<(K, V)>, ()>(inputs, make);
        let late = output(&flow, step, LATE);
        out_of((flow, step), late)
    }
}

fn step_of<C>(operator: &'static str, clock: C, after: i64) -> TimedStep<C> {
    let fault = Fault::if_not_positive(
        after,
        "states would expire at once",
        "have them expire after a microsecond or more",
    );
    TimedStep {
        operator,
        clock,
        held_back: 0,
        facts: Vec::new(),
        faults: fault.into_iter().collect(),
    }
}

fn out_of<K: 'static, U: 'static, X: 'static, L>(
    (flow, step): (Flow, StepIndex),
    late: L,
) -> ExpiringOut<K, U, X, L> {
    ExpiringOut {
        down: output(&flow, step, DOWN),
        expired: output(&flow, step, SECOND),
        late,
    }
}

/// The effect of a value on the state of its key.
pub(super) trait Write<V>: 'static {
    type State: State;
    type Out: 'static;
    type Expired: 'static;

    fn write(&self, state: &mut Option<Self::State>, value: V, emit: &mut impl FnMut(Self::Out));

    /// Emits an expired state.
    fn expire(&self, state: Self::State, emit: &mut impl FnMut(Self::Expired));
}

struct Map<I, F> {
    init: Arc<I>,
    f: Arc<F>,
}

impl<V, S, U, I, F> Write<V> for Map<I, F>
where
    S: State,
    U: 'static,
    I: Fn() -> S + 'static,
    F: Fn(&mut S, V) -> U + 'static,
{
    type State = S;
    type Out = U;
    type Expired = S;

    fn write(&self, state: &mut Option<S>, value: V, emit: &mut impl FnMut(U)) {
        let state = state.get_or_insert_with(|| (self.init)());
        emit((self.f)(state, value));
    }

    fn expire(&self, state: S, emit: &mut impl FnMut(S)) {
        emit(state);
    }
}

struct FlatMap<F, S, I> {
    f: Arc<F>,
    types: PhantomData<fn(S) -> I>,
}

impl<V, S, I, F> Write<V> for FlatMap<F, S, I>
where
    S: State,
    I: IntoIterator<Item: 'static> + 'static,
    F: Fn(&mut Option<S>, V) -> I + 'static,
{
    type State = S;
    type Out = I::Item;
    type Expired = S;

    fn write(&self, state: &mut Option<S>, value: V, emit: &mut impl FnMut(I::Item)) {
        (self.f)(state, value).into_iter().for_each(emit);
    }

    fn expire(&self, state: S, emit: &mut impl FnMut(S)) {
        emit(state);
    }
}

struct Running<S> {
    insert: JoinInsert,
    sides: PhantomData<fn() -> S>,
}

impl<S: Sides> Write<S::Item> for Running<S> {
    type State = S;
    type Out = S::PartialRow;
    type Expired = S::PartialRow;

    fn write(&self, state: &mut Option<S>, value: S::Item, emit: &mut impl FnMut(S::PartialRow)) {
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

/// States that expire some time after their last write.
pub(super) struct Written<W> {
    pub(super) after: i64,
    pub(super) write: W,
}

/// The saved data of a key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Dated<S> {
    /// The time of the newest value.
    written: Time,
    state: S,
}

impl<S: State> State for Dated<S> {
    const SCHEMA: Schema = Schema::of_library(
        "Dated",
        1,
        &[Field::of::<i64>("written"), Field::of::<S>("state")],
    );
}

impl<V, W: Write<V>> TimedLogic<V> for Written<W> {
    type State = Dated<W::State>;
    type Out = Either<W::Out, W::Expired>;

    fn on_value(
        &self,
        kept: &mut Option<Dated<W::State>>,
        at: Time,
        value: V,
        emit: &mut impl FnMut(Self::Out),
    ) {
        let (mut state, written) = match kept.take() {
            Some(dated) => (Some(dated.state), dated.written.max(at)),
            None => (None, at),
        };
        let mut down = |result| emit(Either::Down(result));
        self.write.write(&mut state, value, &mut down);
        *kept = state.map(|state| Dated { written, state });
    }

    fn due(&self, dated: &Dated<W::State>) -> Time {
        dated.written.saturating_add(self.after)
    }

    fn on_due(
        &self,
        kept: &mut Option<Dated<W::State>>,
        _: Time,
        emit: &mut impl FnMut(Self::Out),
    ) {
        if let Some(dated) = kept.take() {
            let mut expired = |state| emit(Either::Second(state));
            self.write.expire(dated.state, &mut expired);
        }
    }
}
