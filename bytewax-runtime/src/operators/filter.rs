//! `filter`, `filter_value`.

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::kit::Cx;

impl<T: 'static> Stream<T> {
    /// Keeps the items for which `keep` is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([1, 2, 3], |numbers| numbers.filter(|n| n % 2 == 1));
    /// assert_eq!(out, [1, 3]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn filter<F>(self, keep: F) -> Stream<T>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.stage("filter", move |batch, next, cx| {
            keep_items(batch, cx, &keep);
            next.pass(batch, cx)
        })
    }

    /// Keeps the items for whose values `keep` is true.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 2), ('b', 3)], |numbers| {
    ///     numbers.filter_value(|n| n % 2 == 1)
    /// });
    /// assert_eq!(out, [('a', 1), ('b', 3)]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn filter_value<F>(self, keep: F) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed,
        F: Fn(&ValueOf<Self>) -> bool + Send + Sync + 'static,
    {
        self.pairs().stage("filter_value", move |batch, next, cx| {
            keep_items(batch, cx, |(_, value)| keep(value));
            next.pass(batch, cx)
        })
    }
}

fn keep_items<T>(batch: &mut Vec<T>, cx: &Cx, keep: impl Fn(&T) -> bool) {
    let numbers = cx.numbers(batch.len());
    let mut indexes = 0..;
    batch.retain(|item| {
        let index = indexes.next().unwrap_or_default();
        numbers.at(index, || keep(item))
    });
}
