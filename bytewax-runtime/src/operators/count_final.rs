//! `count_final`.

use super::combine::Combine;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream};
use crate::key::Key;

impl<T: 'static> Stream<T> {
    /// Counts the items of each key, and emits the counts at the end of input.
    ///
    /// On each worker, keys are emitted in ascending order.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(['b', 'a', 'b'], |letters| {
    ///     letters.key_on(|letter| *letter).count_final().named("count")
    /// });
    /// assert_eq!(out, [('a', 1), ('b', 2)]);
    /// ```
    ///
    /// # State
    ///
    /// One `u64` for each key seen since the beginning, dropped at the end of input. Each worker first counts
    /// its own items, at most 2^18 keys at a time. It sends these counts to the worker of the key at the end
    /// of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn count_final(self) -> KeyedStream<KeyOf<Self>, u64>
    where
        Self: Keyed<Key: Key>,
    {
        self.pairs().combine_final("count_final", Count)
    }
}

struct Count;

impl<V: 'static> Combine<V> for Count {
    type Partial = u64;

    fn add(&self, count: Option<u64>, _: V) -> u64 {
        count.unwrap_or(0) + 1
    }

    fn merge(&self, count: u64, other: u64) -> u64 {
        count + other
    }
}
