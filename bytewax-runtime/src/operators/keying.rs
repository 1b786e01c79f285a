//! `key_on`, `key_rm`.

use crate::flow::{Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;

impl<T: 'static> Stream<T> {
    /// Computes the key of each item. The value is the whole item.
    ///
    /// Items stay on their worker; the next keyed step sends each to the worker of its key.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["apple", "fig"], |words| words.key_on(|word| word.len()));
    /// assert_eq!(out, [(5, "apple"), (3, "fig")]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn key_on<K, F>(self, key: F) -> KeyedStream<K, T>
    where
        K: Key,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.flow().add_keys::<K, T>();
        self.stage("key_on", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            let items = batch.drain(..).enumerate();
            next.buffer
                .extend(items.map(|(index, item)| (numbers.at(index, || key(&item)), item)));
            next.send(cx)
        })
    }

    /// Drops the keys and emits the values.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([('a', 1), ('b', 2)], |numbers| numbers.key_rm());
    /// assert_eq!(out, [1, 2]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn key_rm(self) -> Stream<ValueOf<Self>>
    where
        Self: Keyed,
    {
        self.pairs().stage("key_rm", move |batch, next, cx| {
            next.buffer.extend(batch.drain(..).map(|(_, value)| value));
            next.send(cx)
        })
    }
}
