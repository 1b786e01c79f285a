//! `max_final`, `min_final`.

use super::reduce_final::Reduce;
use crate::flow::{Keyed, KeyedStream, Stream};
use crate::key::Key;
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Keeps the greatest value of each key, as `by` sees it, and emits it at the end of input.
    ///
    /// Of values that are equal to `by`, the first stays; with several workers, the first that comes to
    /// the worker of the key. A value that cannot be compared, such as one for which `by` gives a NaN,
    /// never takes the place of another. On each worker, keys come in ascending order.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', (1, 'x')), ('a', (9, 'y')), ('a', (3, 'z'))], |values| {
    ///     values.max_final(|value| value.0).named("max")
    /// });
    /// assert_eq!(out, [('a', (9, 'y'))]);
    /// ```
    ///
    /// # State
    ///
    /// One value for each key seen since the beginning, dropped at the end of input. Values are
    /// compared on the worker where they are, at most 2^18 keys at a time; the greatest go to the worker
    /// that keeps the key when an epoch ends, or sooner when there are more keys.
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
    ///
    /// Of values that are equal to `by`, the first stays; with several workers, the first that comes to
    /// the worker of the key. A value that cannot be compared, such as one for which `by` gives a NaN,
    /// never takes the place of another. On each worker, keys come in ascending order.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', (1, 'x')), ('a', (9, 'y')), ('a', (3, 'z'))], |values| {
    ///     values.min_final(|value| value.0).named("min")
    /// });
    /// assert_eq!(out, [('a', (1, 'x'))]);
    /// ```
    ///
    /// # State
    ///
    /// One value for each key seen since the beginning, dropped at the end of input. Values are
    /// compared on the worker where they are, at most 2^18 keys at a time; the least go to the worker
    /// that keeps the key when an epoch ends, or sooner when there are more keys.
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
