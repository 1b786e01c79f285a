//! `key_on`, `key_rm`.

use crate::flow::{Keyed, KeyedStream, Stream};
use crate::key::Key;

impl<T: 'static> Stream<T> {
    /// Gives each item a key, made from the item, which is kept whole as the value.
    #[track_caller]
    #[must_use]
    pub fn key_on<K, F>(self, key: F) -> KeyedStream<K, T>
    where
        K: Key,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.stage("key_on", move |batch, next, cx| {
            next.buffer.extend(batch.drain(..).map(|item| (key(&item), item)));
            next.send(cx)
        })
    }

    /// Drops the keys and gives the values.
    #[track_caller]
    #[must_use]
    pub fn key_rm(self) -> Stream<T::Value>
    where
        T: Keyed,
    {
        self.stage("key_rm", move |batch: &mut Vec<T>, next, cx| {
            next.buffer.extend(batch.drain(..).map(|item| item.into_pair().1));
            next.send(cx)
        })
    }
}
