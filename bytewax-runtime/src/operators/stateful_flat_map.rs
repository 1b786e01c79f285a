//! `stateful_flat_map`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::guard::with_key;
use crate::key::Key;
use crate::kit::keyed::{Route, Routed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, Cx, Exchange, Flush, HeadLogic, Next};
use crate::state::{KeyTable, State};

impl<T: 'static> Stream<T> {
    /// Keeps an optional state for each key, and turns each value into any number of values.
    ///
    /// A new key starts with the state `None`. If the state is `None` after the call, the key is dropped; the
    /// results of the call are still emitted. Values of a key from one worker are processed in order. The
    /// step emits nothing at the end of input.
    ///
    /// # Examples
    ///
    /// Pairs values:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('b', 2), ('a', 3), ('a', 4)], |numbers| {
    ///     let pairs = numbers.stateful_flat_map(|waiting: &mut Option<i32>, n| match waiting.take() {
    ///         Some(first) => Some((first, n)),
    ///         None => {
    ///             *waiting = Some(n);
    ///             None
    ///         }
    ///     });
    ///     pairs.named("pairs")
    /// });
    /// assert_eq!(out, [('a', (1, 3))]);
    /// ```
    ///
    /// # State
    ///
    /// One `S` for each key whose state is not `None`; setting it to `None` drops the key.
    #[track_caller]
    #[must_use]
    pub fn stateful_flat_map<S, I, F>(self, f: F) -> KeyedStream<KeyOf<Self>, I::Item>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        S: State,
        I: IntoIterator<Item: 'static>,
        F: Fn(&mut Option<S>, ValueOf<Self>) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.pairs().keyed_step(
            "stateful_flat_map",
            |step, out| AnyPush::before(step, Route::new(step, out)),
            move |_, outputs| StatefulFlatMap {
                table: KeyTable::new(),
                f: Arc::clone(&f),
                next: outputs.next(0),
                values: PhantomData,
            },
        )
    }
}

struct StatefulFlatMap<K, V, S, U, F> {
    table: KeyTable<K, Option<S>>,
    f: Arc<F>,
    next: Next<(K, U)>,
    values: PhantomData<fn(V)>,
}

impl<K, V, S, I, F> HeadLogic<Routed<K, V>> for StatefulFlatMap<K, V, S, I::Item, F>
where
    K: Key,
    V: 'static,
    S: State,
    I: IntoIterator<Item: 'static>,
    F: Fn(&mut Option<S>, V) -> I + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        let numbers = cx.numbers(items.len());
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            let state = self.table.touch(hash, &key, || None);
            let call = || with_key(&key, || (self.f)(state, value).into_iter());
            let results = numbers.at(index, call);
            if state.is_none() {
                self.table.remove(hash, &key);
            }
            let buffer = &mut self.next.buffer;
            let results = results.map(|result| (key.clone(), result));
            numbers.at(index, || with_key(&key, || buffer.extend(results)));
            self.next.send_if_full(cx)?;
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<K, V, S, I, F> KeyedLogic<K, V> for StatefulFlatMap<K, V, S, I::Item, F>
where
    K: Key,
    V: 'static,
    S: State,
    I: IntoIterator<Item: 'static>,
    F: Fn(&mut Option<S>, V) -> I + 'static,
{
    type Cell = Option<S>;

    fn table(&mut self) -> &mut KeyTable<K, Option<S>> {
        &mut self.table
    }
}
