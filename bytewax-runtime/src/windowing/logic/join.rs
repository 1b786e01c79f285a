//! `join_window` and its variants.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::Fold;
use crate::operators::JoinInsert;
use crate::operators::join::Sides;

/// Emits rows when each side has a value, and starts empty again.
pub(crate) struct Complete<S> {
    insert: JoinInsert,
    sides: PhantomData<fn() -> S>,
}

/// Emits the current rows, at each value or at the end.
pub(crate) struct Partial<S> {
    insert: JoinInsert,
    running: bool,
    sides: PhantomData<fn() -> S>,
}

impl<S> Complete<S> {
    pub(crate) fn new(insert: JoinInsert) -> Self {
        Self {
            insert,
            sides: PhantomData,
        }
    }
}

impl<S: Sides> Complete<S> {
    fn emit_rows(state: &mut S, emit: &mut impl FnMut(S::Row)) {
        if state.is_complete() {
            let Ok(()) = std::mem::take(state).rows(|row| -> Result<(), Infallible> {
                emit(row);
                Ok(())
            });
        }
    }
}

impl<S> Partial<S> {
    pub(crate) fn new(insert: JoinInsert, running: bool) -> Self {
        Self {
            insert,
            running,
            sides: PhantomData,
        }
    }
}

impl<S: Sides> Partial<S> {
    fn emit_rows(state: &S, emit: &mut impl FnMut(S::PartialRow)) {
        let Ok(()) = state.partial_rows(|row| -> Result<(), Infallible> {
            emit(row);
            Ok(())
        });
    }
}

impl<S: Sides> Fold<S::Item> for Complete<S> {
    type State = S;
    type Out = S::Row;

    const HAS_EMPTY: bool = false;

    fn open(&self) -> S {
        S::default()
    }

    fn add(&self, state: &mut S, item: S::Item, emit: &mut impl FnMut(S::Row)) {
        state.insert(item, self.insert);
        Self::emit_rows(state, emit);
    }

    fn merge(&self, state: &mut S, other: S, emit: &mut impl FnMut(S::Row)) {
        state.merge(other, self.insert);
        Self::emit_rows(state, emit);
    }

    fn fire(&self, _: &mut S, _: &mut impl FnMut(S::Row)) {}

    fn close(&self, _: S, _: &mut impl FnMut(S::Row)) {}
}

impl<S: Sides> Fold<S::Item> for Partial<S> {
    type State = S;
    type Out = S::PartialRow;

    const HAS_EMPTY: bool = false;

    fn open(&self) -> S {
        S::default()
    }

    fn add(&self, state: &mut S, item: S::Item, emit: &mut impl FnMut(S::PartialRow)) {
        state.insert(item, self.insert);
        if self.running {
            Self::emit_rows(state, emit);
        }
    }

    fn merge(&self, state: &mut S, other: S, emit: &mut impl FnMut(S::PartialRow)) {
        state.merge(other, self.insert);
        if self.running {
            Self::emit_rows(state, emit);
        }
    }

    fn fire(&self, state: &mut S, emit: &mut impl FnMut(S::PartialRow)) {
        if !self.running {
            Self::emit_rows(state, emit);
        }
    }

    fn close(&self, mut state: S, emit: &mut impl FnMut(S::PartialRow)) {
        self.fire(&mut state, emit);
    }
}
