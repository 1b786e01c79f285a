//! `last_n`.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::State;

impl<T: 'static> Stream<T> {
    /// Turns each value into one of the last `n` values of its key, oldest first and itself included.
    ///
    /// A key with fewer than `n` values so far returns fewer. An `n` of 0 counts as 1.
    ///
    /// # Examples
    ///
    /// A moving mean:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 2.0), ('a', 4.0), ('a', 9.0)], |readings| {
    ///     let means = readings.last_n(2, |last| last.iter().sum::<f64>() / last.len() as f64);
    ///     means.named("means")
    /// });
    /// assert_eq!(out, [('a', 2.0), ('a', 3.0), ('a', 6.5)]);
    /// ```
    ///
    /// # State
    ///
    /// The last `n` values of each key ever seen; they are never dropped. `n` may change from one run to the next.
    #[track_caller]
    #[must_use]
    pub fn last_n<U, F>(self, n: usize, f: F) -> KeyedStream<KeyOf<Self>, U>
    where
        Self: Keyed<Key: Key, Value: State + Exchange>,
        U: 'static,
        F: Fn(&VecDeque<ValueOf<Self>>) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.pairs()
            .item_step("last_n", move || LastN::new(n, Arc::clone(&f)))
    }
}

/// The logic of `last_n`.
pub(crate) struct LastN<V, U, F> {
    n: usize,
    f: Arc<F>,
    values: PhantomData<fn(V) -> U>,
}

impl<V, U, F> LastN<V, U, F> {
    pub(crate) fn new(n: usize, f: Arc<F>) -> Self {
        Self {
            n: n.max(1),
            f,
            values: PhantomData,
        }
    }
}

impl<K, V, U, F> KeyLogic<K> for LastN<V, U, F>
where
    V: State,
    U: 'static,
    F: Fn(&VecDeque<V>) -> U + 'static,
{
    type State = VecDeque<V>;
    type Out = U;

    fn new_state(&self, _: &K) -> VecDeque<V> {
        VecDeque::new()
    }
}

impl<K, V, U, F> ItemLogic<K, V> for LastN<V, U, F>
where
    V: State,
    U: 'static,
    F: Fn(&VecDeque<V>) -> U + 'static,
{
    fn on_item(&self, last: &mut VecDeque<V>, value: V, out: &mut Emit<U>) -> Keep {
        last.push_back(value);
        let surplus = last.len().saturating_sub(self.n);
        last.drain(..surplus);
        out.emit((self.f)(last));
        Keep::Yes
    }
}
