//! `stateful_map`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::{Route, Routed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, Cx, Exchange, Flush, HeadLogic, Next};
use crate::state::{KeyTable, State};

impl<T: 'static> Stream<T> {
    /// Keeps a state for each key, and turns each value into one other value with its help.
    ///
    /// The state of a new key is `S::default()`. Values of a key that come from one worker are taken in
    /// order; nothing is said of the order between keys. Nothing is emitted at the end of input.
    ///
    /// # Examples
    ///
    /// A running sum:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 2), ('b', 1), ('a', 3)], |numbers| {
    ///     let sums = numbers.stateful_map(|sum: &mut u64, n| {
    ///         *sum += n;
    ///         *sum
    ///     });
    ///     sums.named("sum")
    /// });
    /// assert_eq!(out, [('a', 2), ('b', 1), ('a', 5)]);
    /// ```
    ///
    /// # State
    ///
    /// One `S` for each key ever seen; it is never dropped. To forget keys, use
    /// [`stateful_flat_map`](Stream::stateful_flat_map).
    #[track_caller]
    #[must_use]
    pub fn stateful_map<S, U, F>(self, f: F) -> KeyedStream<KeyOf<Self>, U>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        S: State + Default,
        U: 'static,
        F: Fn(&mut S, ValueOf<Self>) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.pairs().keyed_step(
            "stateful_map",
            |step, out| AnyPush::new(Route::new(step, out)),
            move |build, outputs| StatefulMap {
                step: build.step,
                table: KeyTable::new(),
                f: Arc::clone(&f),
                next: outputs.next(0),
                values: PhantomData,
            },
        )
    }
}

struct StatefulMap<K, V, S, U, F> {
    step: StepIndex,
    table: KeyTable<K, S>,
    f: Arc<F>,
    next: Next<(K, U)>,
    values: PhantomData<fn(V)>,
}

impl<K, V, S, U, F> HeadLogic<Routed<K, V>> for StatefulMap<K, V, S, U, F>
where
    K: Key,
    V: 'static,
    S: State + Default,
    U: 'static,
    F: Fn(&mut S, V) -> U + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        self.next.buffer.reserve(items.len());
        let numbers = cx.numbers(items.len());
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            let state = self.table.touch(hash, &key, S::default);
            let result = numbers.at(index, || with_key(&key, || (self.f)(state, value)));
            self.next.buffer.push((key, result));
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.next.flush(what, cx)
    }
}

impl<K, V, S, U, F> KeyedLogic<K, V> for StatefulMap<K, V, S, U, F>
where
    K: Key,
    V: 'static,
    S: State + Default,
    U: 'static,
    F: Fn(&mut S, V) -> U + 'static,
{
    type Cell = S;

    fn table(&mut self) -> &mut KeyTable<K, S> {
        &mut self.table
    }
}
