//! `count_final`.

use super::combine::Combine;
use crate::flow::{Keyed, KeyedStream, Stream};
use crate::key::Key;

impl<T: 'static> Stream<T> {
    /// Counts the items of each key, and emits the counts at the end of input.
    #[track_caller]
    #[must_use]
    pub fn count_final(self) -> KeyedStream<T::Key, u64>
    where
        T: Keyed<Key: Key>,
    {
        self.combine_final("count_final", Count)
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
