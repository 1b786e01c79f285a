//! `reduce_final`.

use std::marker::PhantomData;

use super::combine::Combine;
use crate::flow::{Keyed, KeyedStream, Stream};
use crate::key::Key;
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Combines the values of each key into one, and emits it at the end of input.
    #[track_caller]
    #[must_use]
    pub fn reduce_final<F>(self, reduce: F) -> KeyedStream<T::Key, T::Value>
    where
        T: Keyed<Key: Key, Value: State>,
        F: Fn(T::Value, T::Value) -> T::Value + Send + Sync + 'static,
    {
        self.combine_final("reduce_final", Reduce::new(reduce))
    }
}

/// Combines values by a function of two of them.
pub(crate) struct Reduce<V, F> {
    reduce: F,
    values: PhantomData<fn(V)>,
}

impl<V, F: Fn(V, V) -> V> Reduce<V, F> {
    pub(crate) fn new(reduce: F) -> Self {
        Self {
            reduce,
            values: PhantomData,
        }
    }
}

impl<V: State, F: Fn(V, V) -> V + Send + Sync + 'static> Combine<V> for Reduce<V, F> {
    type Partial = V;

    fn add(&self, reduced: Option<V>, value: V) -> V {
        match reduced {
            Some(before) => (self.reduce)(before, value),
            None => value,
        }
    }

    fn merge(&self, reduced: V, other: V) -> V {
        (self.reduce)(reduced, other)
    }
}
