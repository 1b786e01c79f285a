//! `collect_window`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::marker::PhantomData;

use super::Fold;
use crate::state::State;

/// A collection of the values of a window: a `Vec`, a set, or, for pairs, a map.
///
/// A set contains each value once. A map contains the last value of each field.
#[diagnostic::on_unimplemented(
    message = "values `{V}` cannot be collected into `{Self}`",
    label = "not a collection of `{V}`",
    note = "values go into a `Vec`, a `BTreeSet` or a `HashSet`, and pairs into a `BTreeMap` or a `HashMap`"
)]
pub trait Collection<V>: State + Clone + Default {
    /// Adds a value.
    fn add(&mut self, value: V);

    /// Appends another collection.
    fn append(&mut self, other: Self);
}

impl<V: State + Clone> Collection<V> for Vec<V> {
    #[inline]
    fn add(&mut self, value: V) {
        self.push(value);
    }

    fn append(&mut self, mut other: Self) {
        Vec::append(self, &mut other);
    }
}

impl<V: State + Clone + Ord> Collection<V> for BTreeSet<V> {
    fn add(&mut self, value: V) {
        self.insert(value);
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<V: State + Clone + Eq + Hash> Collection<V> for HashSet<V> {
    fn add(&mut self, value: V) {
        self.insert(value);
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<F: State + Clone + Ord, V: State + Clone> Collection<(F, V)> for BTreeMap<F, V> {
    fn add(&mut self, (field, value): (F, V)) {
        self.insert(field, value);
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<F: State + Clone + Eq + Hash, V: State + Clone> Collection<(F, V)> for HashMap<F, V> {
    fn add(&mut self, (field, value): (F, V)) {
        self.insert(field, value);
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

pub(crate) struct Collect<C>(PhantomData<fn() -> C>);

impl<C> Collect<C> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V, C: Collection<V>> Fold<V> for Collect<C> {
    type State = C;
    type Out = C;

    fn open(&self) -> C {
        C::default()
    }

    #[inline]
    fn add(&self, state: &mut C, value: V, _: &mut impl FnMut(C)) {
        state.add(value);
    }

    fn merge(&self, state: &mut C, other: C, _: &mut impl FnMut(C)) {
        state.append(other);
    }

    fn fire(&self, state: &mut C, emit: &mut impl FnMut(C)) {
        emit(state.clone());
    }

    fn close(&self, state: C, emit: &mut impl FnMut(C)) {
        emit(state);
    }
}
