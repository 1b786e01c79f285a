//! Folds: `fold_window`, `reduce_window` and `count_window`.

use super::Fold;
use crate::state::State;

/// A state that accepts values and other states.
pub(crate) struct FoldWith<I, A, M> {
    pub(crate) init: I,
    pub(crate) add: A,
    pub(crate) merge: M,
}

impl<V, S, I, A, M> Fold<V> for FoldWith<I, A, M>
where
    S: State + Clone,
    I: Fn() -> S + 'static,
    A: Fn(&mut S, V) + 'static,
    M: Fn(&mut S, S) + 'static,
{
    type State = S;
    type Out = S;

    #[inline]
    fn open(&self) -> S {
        (self.init)()
    }

    #[inline]
    fn add(&self, state: &mut S, value: V, _: &mut impl FnMut(S)) {
        (self.add)(state, value);
    }

    #[inline]
    fn merge(&self, state: &mut S, other: S, _: &mut impl FnMut(S)) {
        (self.merge)(state, other);
    }

    fn fire(&self, state: &mut S, emit: &mut impl FnMut(S)) {
        emit(state.clone());
    }

    #[inline]
    fn close(&self, state: S, emit: &mut impl FnMut(S)) {
        emit(state);
    }
}

/// Combines two values into one.
pub(crate) struct Reduce<R>(pub(crate) R);

impl<R> Reduce<R> {
    #[inline]
    fn join<V>(&self, state: &mut Option<V>, value: V)
    where
        R: Fn(V, V) -> V,
    {
        *state = Some(match state.take() {
            Some(before) => (self.0)(before, value),
            None => value,
        });
    }
}

impl<V, R> Fold<V> for Reduce<R>
where
    V: State + Clone,
    R: Fn(V, V) -> V + 'static,
{
    /// `None` only until the first value.
    type State = Option<V>;
    type Out = V;

    const HAS_EMPTY: bool = false;

    fn open(&self) -> Option<V> {
        None
    }

    #[inline]
    fn add(&self, state: &mut Option<V>, value: V, _: &mut impl FnMut(V)) {
        self.join(state, value);
    }

    #[inline]
    fn merge(&self, state: &mut Option<V>, other: Option<V>, _: &mut impl FnMut(V)) {
        if let Some(other) = other {
            self.join(state, other);
        }
    }

    fn fire(&self, state: &mut Option<V>, emit: &mut impl FnMut(V)) {
        state.clone().into_iter().for_each(emit);
    }

    fn close(&self, state: Option<V>, emit: &mut impl FnMut(V)) {
        state.into_iter().for_each(emit);
    }
}

/// Counts values.
pub(crate) struct Count;

impl<V> Fold<V> for Count {
    type State = u64;
    type Out = u64;

    fn open(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, state: &mut u64, _: V, _: &mut impl FnMut(u64)) {
        *state += 1;
    }

    #[inline]
    fn merge(&self, state: &mut u64, other: u64, _: &mut impl FnMut(u64)) {
        *state += other;
    }

    fn fire(&self, state: &mut u64, emit: &mut impl FnMut(u64)) {
        emit(*state);
    }

    #[inline]
    fn close(&self, state: u64, emit: &mut impl FnMut(u64)) {
        emit(state);
    }
}
