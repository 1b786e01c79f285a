//! `flat_map`, `flat_map_value`, `flat_map_batch`, `flatten`.

use crate::flow::{Keyed, KeyedStream, Stream};

impl<T: 'static> Stream<T> {
    /// Turns each item into any number of items.
    #[track_caller]
    #[must_use]
    pub fn flat_map<I, F>(self, f: F) -> Stream<I::Item>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(T) -> I + Send + Sync + 'static,
    {
        self.stage("flat_map", move |batch, next, cx| {
            for item in batch.drain(..) {
                next.buffer.extend(f(item));
                next.send_if_full(cx)?;
            }
            next.send(cx)
        })
    }

    /// Turns each value into any number of values, each with the key.
    #[track_caller]
    #[must_use]
    pub fn flat_map_value<I, F>(self, f: F) -> KeyedStream<T::Key, I::Item>
    where
        T: Keyed<Key: Clone>,
        I: IntoIterator<Item: 'static>,
        F: Fn(T::Value) -> I + Send + Sync + 'static,
    {
        self.stage("flat_map_value", move |batch: &mut Vec<T>, next, cx| {
            for item in batch.drain(..) {
                let (key, value) = item.into_pair();
                next.buffer.extend(f(value).into_iter().map(|value| (key.clone(), value)));
                next.send_if_full(cx)?;
            }
            next.send(cx)
        })
    }

    /// Turns each batch into any number of items.
    ///
    /// A batch is never empty; how many items are in one is not determined.
    #[track_caller]
    #[must_use]
    pub fn flat_map_batch<I, F>(self, f: F) -> Stream<I::Item>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(Vec<T>) -> I + Send + Sync + 'static,
    {
        self.stage("flat_map_batch", move |batch, next, cx| {
            for item in f(std::mem::take(batch)) {
                next.buffer.push(item);
                next.send_if_full(cx)?;
            }
            next.send(cx)
        })
    }

    /// Gives the elements of each item one by one.
    #[track_caller]
    #[must_use]
    pub fn flatten(self) -> Stream<T::Item>
    where
        T: IntoIterator<Item: 'static>,
    {
        self.stage("flatten", move |batch, next, cx| {
            for item in batch.drain(..) {
                next.buffer.extend(item);
                next.send_if_full(cx)?;
            }
            next.send(cx)
        })
    }
}
