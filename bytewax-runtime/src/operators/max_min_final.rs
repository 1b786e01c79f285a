//! `max_final`, `min_final`.

use std::cmp::Ordering;

use super::reduce_final::Reduce;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Emits the greatest value of each key by `by`, at the end of input.
    ///
    /// Of equal values, the first is kept; with several workers, the first to arrive at the worker of the
    /// key. A value that cannot be compared, for example if `by` returns NaN, loses against any comparable
    /// value. On each worker, keys are emitted in ascending order.
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
    /// One value for each key seen since the beginning, dropped at the end of input. Each worker first
    /// compares its own values, at most 2^18 keys at a time. It sends the greatest to the worker of the key
    /// at the end of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn max_final<B, F>(self, by: F) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State>,
        B: PartialOrd,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let reduce = move |a, b| further(a, b, &by, Ordering::Greater);
        self.pairs().combine_final("max_final", Reduce::new(reduce))
    }

    /// Emits the least value of each key by `by`, at the end of input.
    ///
    /// Of equal values, the first is kept; with several workers, the first to arrive at the worker of the
    /// key. A value that cannot be compared, for example if `by` returns NaN, loses against any comparable
    /// value. On each worker, keys are emitted in ascending order.
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
    /// One value for each key seen since the beginning, dropped at the end of input. Each worker first
    /// compares its own values, at most 2^18 keys at a time. It sends the least to the worker of the key at
    /// the end of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn min_final<B, F>(self, by: F) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State>,
        B: PartialOrd,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let reduce = move |a, b| further(a, b, &by, Ordering::Less);
        self.pairs().combine_final("min_final", Reduce::new(reduce))
    }
}

/// The one of two values that lies further in a direction; of equals, the first.
pub(crate) fn further<V, B: PartialOrd>(
    a: V,
    b: V,
    by: impl Fn(&V) -> B,
    direction: Ordering,
) -> V {
    let (by_a, by_b) = (by(&a), by(&b));
    match by_b.partial_cmp(&by_a) {
        Some(order) if order == direction => b,
        Some(_) => a,
        // One of them is no number; it is the first if that does not even equal itself.
        None if by_a.partial_cmp(&by_a).is_none() => b,
        None => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_of_two_and_the_first_of_equals() {
        let by = |value: &(f64, char)| value.0;
        let (one, two, nan) = ((1.0, 'a'), (2.0, 'a'), (f64::NAN, 'a'));
        let (same, other_nan) = ((1.0, 'b'), (f64::NAN, 'b'));
        for (a, b, max, min) in [
            (one, two, two, one),
            (two, one, two, one),
            (one, same, one, one),
            (same, one, same, same),
            (one, nan, one, one),
            (nan, one, one, one),
        ] {
            assert_eq!(further(a, b, by, Ordering::Greater), max, "{a:?} {b:?}");
            assert_eq!(further(a, b, by, Ordering::Less), min, "{a:?} {b:?}");
        }
        assert_eq!(further(nan, other_nan, by, Ordering::Less).1, 'b');
    }
}
