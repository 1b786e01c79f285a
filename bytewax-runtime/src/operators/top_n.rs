//! `top_n`, `top_n_final`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::combine::Combine;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Keeps the `n` greatest values of each key by `by`, and emits them, the greatest first, whenever they
    /// change.
    ///
    /// Of equal values, the first to arrive ranks higher, so a later one does not displace it. A value that
    /// cannot be compared, for example if `by` returns NaN, ranks below all comparable values. With an `n` of
    /// 0, nothing is emitted.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 3), ('a', 1), ('a', 2), ('a', 0)], |scores| {
    ///     scores.top_n(2, |score| *score).named("best")
    /// });
    /// assert_eq!(out, [('a', vec![3]), ('a', vec![3, 1]), ('a', vec![3, 2])]);
    /// ```
    ///
    /// # State
    ///
    /// At most `n` values for each key ever seen; they are never dropped. `n` may change from one run to the
    /// next; a greater `n` fills up with new values.
    #[track_caller]
    #[must_use]
    pub fn top_n<B, F>(self, n: usize, by: F) -> KeyedStream<KeyOf<Self>, Vec<ValueOf<Self>>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
        B: PartialOrd + 'static,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let by = Arc::new(by);
        self.pairs()
            .item_step("top_n", move || RunningTop::new(n, Arc::clone(&by)))
    }

    /// Keeps the `n` greatest values of each key by `by`, and emits them at the end of input, the greatest first.
    ///
    /// Of equal values, the first to arrive ranks higher; with several workers, the first to arrive at the
    /// worker of the key. A value that cannot be compared ranks below all comparable values. On each worker,
    /// keys are emitted in ascending order. With an `n` of 0, lists are empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 3), ('b', 9), ('a', 1), ('a', 2)], |scores| {
    ///     scores.top_n_final(2, |score| *score).named("best")
    /// });
    /// assert_eq!(out, [('a', vec![3, 2]), ('b', vec![9])]);
    /// ```
    ///
    /// # State
    ///
    /// At most `n` values for each key seen since the beginning, dropped at the end of input. Each worker
    /// first compares its own values, at most 2^18 keys at a time. It sends the greatest to the worker of the
    /// key at the end of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn top_n_final<B, F>(self, n: usize, by: F) -> KeyedStream<KeyOf<Self>, Vec<ValueOf<Self>>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange>,
        B: PartialOrd + 'static,
        F: Fn(&ValueOf<Self>) -> B + Send + Sync + 'static,
    {
        let by = Arc::new(by);
        self.pairs().combine_final("top_n_final", Top { n, by })
    }
}

/// The greatest values, as a function sees them.
pub(crate) struct Top<F> {
    pub(crate) n: usize,
    pub(crate) by: Arc<F>,
}

impl<F> Top<F> {
    /// Whether a value ranks above an earlier one.
    fn is_ahead<B: PartialOrd>(rank: &B, earlier: &B) -> bool {
        let is_comparable = |rank: &B| rank.partial_cmp(rank).is_some();
        rank > earlier || is_comparable(rank) && !is_comparable(earlier)
    }

    /// Inserts a value after those that are not less; returns whether the list has changed.
    pub(crate) fn insert<V, B: PartialOrd>(&self, list: &mut Vec<V>, value: V) -> bool
    where
        F: Fn(&V) -> B,
    {
        // An earlier run may have had a greater `n`.
        list.truncate(self.n);
        let rank = (self.by)(&value);
        let place = list.partition_point(|other| !Self::is_ahead(&rank, &(self.by)(other)));
        if place >= self.n {
            return false;
        }
        list.truncate(self.n - 1);
        list.insert(place, value);
        true
    }
}

impl<V, B, F> Combine<V> for Top<F>
where
    V: State + Exchange,
    B: PartialOrd + 'static,
    F: Fn(&V) -> B + Send + Sync + 'static,
{
    type Partial = Vec<V>;

    fn add(&self, list: Option<Vec<V>>, value: V) -> Vec<V> {
        let mut list = list.unwrap_or_default();
        self.insert(&mut list, value);
        list
    }

    fn merge(&self, mut list: Vec<V>, others: Vec<V>) -> Vec<V> {
        for value in others {
            if !self.insert(&mut list, value) {
                break;
            }
        }
        list
    }
}

/// The logic of `top_n`.
pub(crate) struct RunningTop<V, F> {
    top: Top<F>,
    values: PhantomData<fn(V)>,
}

impl<V, F> RunningTop<V, F> {
    pub(crate) fn new(n: usize, by: Arc<F>) -> Self {
        Self {
            top: Top { n, by },
            values: PhantomData,
        }
    }
}

impl<K, V, B, F> KeyLogic<K> for RunningTop<V, F>
where
    V: State + Clone,
    B: PartialOrd,
    F: Fn(&V) -> B + 'static,
{
    type State = Vec<V>;
    type Out = Vec<V>;

    fn new_state(&self, _: &K) -> Vec<V> {
        Vec::new()
    }
}

impl<K, V, B, F> ItemLogic<K, V> for RunningTop<V, F>
where
    V: State + Clone,
    B: PartialOrd,
    F: Fn(&V) -> B + 'static,
{
    fn on_item(&self, list: &mut Vec<V>, value: V, out: &mut Emit<Vec<V>>) -> Keep {
        if self.top.insert(list, value) {
            out.emit(list.clone());
        }
        Keep::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(n: usize, values: &[(f64, char)]) -> String {
        let by = Arc::new(|value: &(f64, char)| value.0);
        let (top, mut list) = (Top { n, by }, Vec::new());
        for value in values {
            top.insert(&mut list, *value);
        }
        list.iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn of_equals_the_first_is_ahead_and_what_cannot_be_compared_is_last() {
        let values = [
            (1.0, 'a'),
            (f64::NAN, 'x'),
            (2.0, 'b'),
            (1.0, 'c'),
            (2.0, 'd'),
        ];
        assert_eq!(top(9, &values), "bdacx");
        assert_eq!(top(3, &values), "bda");
        assert_eq!(top(1, &values), "b");
        assert_eq!(top(0, &values), "");
    }

    #[test]
    fn a_smaller_n_than_before_holds_from_the_next_value_on() {
        let top = Top {
            n: 2,
            by: Arc::new(|value: &i32| *value),
        };
        let mut list = vec![9, 8, 7, 6];
        assert!(!top.insert(&mut list, 1));
        assert_eq!(list, [9, 8]);
    }
}
