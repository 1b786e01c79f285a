//! `stateful_map`, `scan`.

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
    /// Keeps a state for each key, and turns each value into one other value.
    ///
    /// The state of a new key is `S::default()`. Values of a key from one worker are processed in order; the
    /// order between keys is undefined. The step emits nothing at the end of input.
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
    /// One `S` for each key ever seen; it is never dropped. To drop keys, use
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
        map_step(self.pairs(), "stateful_map", S::default, f)
    }

    /// Keeps a state for each key that starts as `init()`. Otherwise like
    /// [`stateful_map`](Stream::stateful_map).
    ///
    /// # Examples
    ///
    /// A running product:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 2), ('b', 7), ('a', 3)], |numbers| {
    ///     let products = numbers.scan(
    ///         || 1_u64,
    ///         |product, n| {
    ///             *product *= n;
    ///             *product
    ///         },
    ///     );
    ///     products.named("products")
    /// });
    /// assert_eq!(out, [('a', 2), ('b', 7), ('a', 6)]);
    /// ```
    ///
    /// # State
    ///
    /// One `S` for each key ever seen; it is never dropped.
    #[track_caller]
    #[must_use]
    pub fn scan<S, U, I, F>(self, init: I, f: F) -> KeyedStream<KeyOf<Self>, U>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        S: State,
        U: 'static,
        I: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, ValueOf<Self>) -> U + Send + Sync + 'static,
    {
        map_step(self.pairs(), "scan", init, f)
    }
}

#[track_caller]
fn map_step<K: Key, V: Exchange, S: State, U: 'static>(
    stream: KeyedStream<K, V>,
    operator: &'static str,
    init: impl Fn() -> S + Send + Sync + 'static,
    f: impl Fn(&mut S, V) -> U + Send + Sync + 'static,
) -> KeyedStream<K, U> {
    let (init, f) = (Arc::new(init), Arc::new(f));
    stream.keyed_step(
        operator,
        |step, out| AnyPush::before(step, Route::new(step, out)),
        move |build, outputs| StatefulMap {
            step: build.step,
            table: KeyTable::new(),
            init: Arc::clone(&init),
            f: Arc::clone(&f),
            next: outputs.next(0),
            values: PhantomData,
        },
    )
}

struct StatefulMap<K, V, S, U, I, F> {
    step: StepIndex,
    table: KeyTable<K, S>,
    init: Arc<I>,
    f: Arc<F>,
    next: Next<(K, U)>,
    values: PhantomData<fn(V)>,
}

impl<K, V, S, U, I, F> HeadLogic<Routed<K, V>> for StatefulMap<K, V, S, U, I, F>
where
    K: Key,
    V: 'static,
    S: State,
    U: 'static,
    I: Fn() -> S + 'static,
    F: Fn(&mut S, V) -> U + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        self.next.buffer.reserve(items.len());
        let numbers = cx.numbers(items.len());
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            let state = self.table.touch(hash, &key, &*self.init);
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

impl<K, V, S, U, I, F> KeyedLogic<K, V> for StatefulMap<K, V, S, U, I, F>
where
    K: Key,
    V: 'static,
    S: State,
    U: 'static,
    I: Fn() -> S + 'static,
    F: Fn(&mut S, V) -> U + 'static,
{
    type Cell = S;

    fn table(&mut self) -> &mut KeyTable<K, S> {
        &mut self.table
    }
}
