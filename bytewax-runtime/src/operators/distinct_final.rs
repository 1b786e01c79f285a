//! `distinct_final`.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use super::combine::{Combine, combiner};
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemHead, ItemLogic, Keep, KeyLogic};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Emits each distinct value of each key once, at the end of input.
    ///
    /// On each worker, keys are emitted in ascending order, and so are the values of a key.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let visits = [("ada", "/buy"), ("bob", "/"), ("ada", "/"), ("ada", "/buy")];
    /// let out = run_keyed(visits.map(|(who, page)| (who.to_owned(), page.to_owned())), |visits| {
    ///     visits.distinct_final().named("pages")
    /// });
    /// let out: Vec<_> = out.iter().map(|(who, page)| (who.as_str(), page.as_str())).collect();
    /// assert_eq!(out, [("ada", "/"), ("ada", "/buy"), ("bob", "/")]);
    /// ```
    ///
    /// # State
    ///
    /// The distinct values of each key seen since the beginning, dropped at the end of input. Each worker
    /// first compares its own values, at most 2^18 keys at a time. It sends them to the worker of the key at
    /// the end of an epoch, or sooner if there are more keys.
    #[track_caller]
    #[must_use]
    pub fn distinct_final(self) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Ord>,
    {
        let before = Arc::new(Distinct::<ValueOf<Self>>(PhantomData));
        self.pairs().keyed_step(
            "distinct_final",
            move |step, out| combiner(step, &before, out),
            move |build, outputs| ItemHead::new(build, outputs, Distinct(PhantomData)),
        )
    }
}

struct Distinct<V>(PhantomData<fn(V)>);

impl<V: State + Exchange + Ord> Combine<V> for Distinct<V> {
    type Partial = BTreeSet<V>;

    fn add(&self, values: Option<BTreeSet<V>>, value: V) -> BTreeSet<V> {
        let mut values = values.unwrap_or_default();
        values.insert(value);
        values
    }

    fn merge(&self, mut values: BTreeSet<V>, mut others: BTreeSet<V>) -> BTreeSet<V> {
        values.append(&mut others);
        values
    }
}

impl<K, V: State + Ord> KeyLogic<K> for Distinct<V> {
    type State = BTreeSet<V>;
    type Out = V;

    fn new_state(&self, _: &K) -> BTreeSet<V> {
        BTreeSet::new()
    }

    fn on_eof(&self, values: &mut BTreeSet<V>, out: &mut Emit<V>) -> Keep {
        out.extend(std::mem::take(values));
        Keep::No
    }
}

/// The values are those that one worker has seen.
impl<K, V: State + Ord> ItemLogic<K, BTreeSet<V>> for Distinct<V> {
    fn on_item(&self, values: &mut BTreeSet<V>, mut seen: BTreeSet<V>, _: &mut Emit<V>) -> Keep {
        values.append(&mut seen);
        Keep::Yes
    }
}
