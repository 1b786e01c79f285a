//! `filter`, `filter_value`.

use crate::flow::{Keyed, Stream};

impl<T: 'static> Stream<T> {
    /// Keeps the items for which `keep` is true.
    #[track_caller]
    #[must_use]
    pub fn filter<F>(self, keep: F) -> Stream<T>
    where
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.stage("filter", move |batch, next, cx| {
            batch.retain(|item| keep(item));
            next.pass(batch, cx)
        })
    }

    /// Keeps the items for whose value `keep` is true.
    #[track_caller]
    #[must_use]
    pub fn filter_value<F>(self, keep: F) -> Stream<T>
    where
        T: Keyed,
        F: Fn(&T::Value) -> bool + Send + Sync + 'static,
    {
        self.stage("filter_value", move |batch: &mut Vec<T>, next, cx| {
            batch.retain(|item| keep(item.as_pair().1));
            next.pass(batch, cx)
        })
    }
}
