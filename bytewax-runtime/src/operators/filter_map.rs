//! `filter_map`, `filter_map_value`.

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item, or drops it if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["1", "x", "3"], |texts| texts.filter_map(|text| text.parse::<u32>().ok()));
    /// assert_eq!(out, [1, 3]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn filter_map<U, F>(self, f: F) -> Stream<U>
    where
        U: 'static,
        F: Fn(T) -> Option<U> + Send + Sync + 'static,
    {
        self.stage("filter_map", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            let items = batch.drain(..).enumerate();
            next.buffer
                .extend(items.filter_map(|(index, item)| numbers.at(index, || f(item))));
            next.send(cx)
        })
    }

    /// Turns each value into one other value and keeps the key, or drops the item if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 7), ('b', 0)], |numbers| {
    ///     numbers.filter_map_value(|n| 100_u32.checked_div(n))
    /// });
    /// assert_eq!(out, [('a', 14)]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn filter_map_value<U, F>(self, f: F) -> KeyedStream<KeyOf<Self>, U>
    where
        Self: Keyed,
        U: 'static,
        F: Fn(ValueOf<Self>) -> Option<U> + Send + Sync + 'static,
    {
        self.pairs()
            .stage("filter_map_value", move |batch, next, cx| {
                let numbers = cx.numbers(batch.len());
                let items = batch.drain(..).enumerate();
                next.buffer
                    .extend(items.filter_map(|(index, (key, value))| {
                        let value = numbers.at(index, || f(value))?;
                        Some((key, value))
                    }));
                next.send(cx)
            })
            .with_pairs()
    }
}
