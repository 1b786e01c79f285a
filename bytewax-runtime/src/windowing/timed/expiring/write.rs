//! What a value does to the state of its key, and when the state expires.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::TimedLogic;
use super::super::out::Either;
use crate::kit::logic::{Emit, ItemLogic, Keep};
use crate::state::{Field, Schema, State};
use crate::windowing::time::{Time, date};

/// The effect of a value on the state of its key.
pub(super) trait Write<V>: 'static {
    type State: State;
    type Out: 'static;
    type Expired: 'static;

    /// Handles a value. `now` is its time, or that of a newer value of the key.
    fn write(
        &self,
        state: &mut Option<Self::State>,
        now: Time,
        value: V,
        emit: &mut impl FnMut(Self::Out),
    );

    /// Emits an expired state.
    fn expire(&self, state: Self::State, emit: &mut impl FnMut(Self::Expired));

    /// No more values arrive in this run.
    fn end(&self, _state: &mut Option<Self::State>, _emit: &mut impl FnMut(Self::Out)) {}
}

/// One state per key, and one result per value.
pub(super) struct Map<I, F> {
    pub(super) init: Arc<I>,
    pub(super) f: Arc<F>,
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

    fn write(&self, state: &mut Option<S>, _: Time, value: V, emit: &mut impl FnMut(U)) {
        let state = state.get_or_insert_with(|| (self.init)());
        emit((self.f)(state, value));
    }

    fn expire(&self, state: S, emit: &mut impl FnMut(S)) {
        emit(state);
    }
}

/// A state that a value may create or drop, and any number of results.
pub(super) struct FlatMap<F, S, I> {
    pub(super) f: Arc<F>,
    pub(super) types: PhantomData<fn(S) -> I>,
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

    fn write(&self, state: &mut Option<S>, _: Time, value: V, emit: &mut impl FnMut(I::Item)) {
        (self.f)(state, value).into_iter().for_each(emit);
    }

    fn expire(&self, state: S, emit: &mut impl FnMut(S)) {
        emit(state);
    }
}

/// The logic of an operator that processes values one by one and sets no timers, or none that must fire. `expired`
/// converts an expired state.
pub(super) struct Items<L: ItemLogic<(), V>, V, E> {
    logic: L,
    expired: E,
    /// The results of a value; empty in between.
    out: RefCell<Emit<L::Out>>,
    values: PhantomData<fn(V)>,
}

impl<V, L: ItemLogic<(), V>, E> Items<L, V, E> {
    pub(super) fn new(logic: L, expired: E) -> Self {
        Self {
            logic,
            expired,
            out: RefCell::new(Emit::new()),
            values: PhantomData,
        }
    }
}

impl<V, X, L, E> Write<V> for Items<L, V, E>
where
    V: 'static,
    X: 'static,
    L: ItemLogic<(), V>,
    E: Fn(L::State) -> X + 'static,
{
    type State = L::State;
    type Out = L::Out;
    type Expired = X;

    fn write(
        &self,
        state: &mut Option<L::State>,
        now: Time,
        value: V,
        emit: &mut impl FnMut(L::Out),
    ) {
        let mut out = self.out.borrow_mut();
        out.set_now(date(now));
        let known = state.get_or_insert_with(|| self.logic.new_state(&()));
        if self.logic.on_item(known, value, &mut out) == Keep::No {
            *state = None;
        }
        out.drain().for_each(emit);
    }

    fn expire(&self, state: L::State, emit: &mut impl FnMut(X)) {
        emit((self.expired)(state));
    }

    fn end(&self, state: &mut Option<L::State>, emit: &mut impl FnMut(L::Out)) {
        let mut out = self.out.borrow_mut();
        if let Some(known) = state
            && self.logic.on_eof(known, &mut out) == Keep::No
        {
            *state = None;
        }
        out.drain().for_each(emit);
    }
}

/// Which values renew the time of their key; see [`Stream::expire_after`](crate::flow::Stream::expire_after).
pub trait Renewal<V>: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    fn renews(&self, value: &V) -> bool;
}

/// Each value renews the time of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EachValue;

impl<V> Renewal<V> for EachValue {
    #[inline]
    fn renews(&self, _: &V) -> bool {
        true
    }
}

/// The values that a function selects renew the time of their key.
#[derive(Debug)]
pub struct SomeValues<F>(pub(super) Arc<F>);

impl<F> Clone for SomeValues<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V, F: Fn(&V) -> bool + Send + Sync + 'static> Renewal<V> for SomeValues<F> {
    #[inline]
    fn renews(&self, value: &V) -> bool {
        (self.0)(value)
    }
}

/// States that expire some time after they were last renewed.
pub(super) struct Written<W, R> {
    pub(super) after: i64,
    pub(super) write: W,
    pub(super) renewal: R,
}

/// The saved data of a key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Dated<S> {
    /// The time of the newest value that renewed it.
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

impl<V, W: Write<V>, R: Renewal<V>> TimedLogic<V> for Written<W, R> {
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
            Some(dated) if self.renewal.renews(&value) => {
                (Some(dated.state), dated.written.max(at))
            }
            Some(dated) => (Some(dated.state), dated.written),
            None => (None, at),
        };
        let mut down = |result| emit(Either::Down(result));
        self.write
            .write(&mut state, written.max(at), value, &mut down);
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

    fn on_end(
        &self,
        kept: &mut Option<Dated<W::State>>,
        _: Time,
        emit: &mut impl FnMut(Self::Out),
    ) {
        if let Some(Dated { written, state }) = kept.take() {
            let mut state = Some(state);
            let mut down = |result| emit(Either::Down(result));
            self.write.end(&mut state, &mut down);
            *kept = state.map(|state| Dated { written, state });
        }
    }
}
