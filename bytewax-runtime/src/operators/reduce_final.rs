//! `reduce_final`.

use std::marker::PhantomData;

use super::combine::Combine;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Combines the values of each key into one, and emits it at the end of input.
    ///
    /// A single value of a key is emitted unchanged. `reduce` must be associative: neighbouring values may be
    /// combined before earlier ones. One worker keeps the order of values; with several workers, `reduce`
    /// must be commutative too. On each worker, keys are emitted in ascending order.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('b', 7), ('a', 1), ('a', 4)], |numbers| {
    ///     numbers.reduce_final(|a, b| a + b).named("sum")
    /// });
    /// assert_eq!(out, [('a', 5), ('b', 7)]);
    /// ```
    ///
    /// # State
    ///
    /// One value for each key seen since the beginning, dropped at the end of input. Each worker first
    /// combines its own values, at most 2^18 keys at a time. It sends the results to the worker of the key at
    /// the end of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn reduce_final<F>(self, reduce: F) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State>,
        F: Fn(ValueOf<Self>, ValueOf<Self>) -> ValueOf<Self> + Send + Sync + 'static,
    {
        self.pairs()
            .combine_final("reduce_final", Reduce::new(reduce))
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
