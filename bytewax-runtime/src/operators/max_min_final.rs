//! `max_final`, `min_final`.

use super::reduce_final::Reduce;
use crate::flow::{Keyed, KeyedStream, Stream};
use crate::key::Key;
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Keeps the greatest value of each key, as `by` sees it, and emits it at the end of input.
    #[track_caller]
    #[must_use]
    pub fn max_final<B, F>(self, by: F) -> KeyedStream<T::Key, T::Value>
    where
        T: Keyed<Key: Key, Value: State>,
        B: PartialOrd,
        F: Fn(&T::Value) -> B + Send + Sync + 'static,
    {
        // Of equals, the first stays.
        let reduce = move |a, b| if by(&b) > by(&a) { b } else { a };
        self.combine_final("max_final", Reduce::new(reduce))
    }

    /// Keeps the least value of each key, as `by` sees it, and emits it at the end of input.
    #[track_caller]
    #[must_use]
    pub fn min_final<B, F>(self, by: F) -> KeyedStream<T::Key, T::Value>
    where
        T: Keyed<Key: Key, Value: State>,
        B: PartialOrd,
        F: Fn(&T::Value) -> B + Send + Sync + 'static,
    {
        let reduce = move |a, b| if by(&b) < by(&a) { b } else { a };
        self.combine_final("min_final", Reduce::new(reduce))
    }
}
