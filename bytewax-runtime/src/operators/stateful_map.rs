//! `stateful_map`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::keyed::{Route, Routed};
use crate::error::RunError;
use crate::flow::{Keyed, KeyedStream, Stream};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::state::{KeyTable, State};
use crate::worker::{AnyPush, Cx, Exchange, Flush, HeadLogic, Next};

impl<T: 'static> Stream<T> {
    /// Keeps a state for each key, and turns each value into one other value with its help.
    #[track_caller]
    #[must_use]
    pub fn stateful_map<S, U, F>(self, f: F) -> KeyedStream<T::Key, U>
    where
        T: Keyed<Key: Key, Value: Exchange>,
        S: State + Default,
        U: 'static,
        F: Fn(&mut S, T::Value) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.keyed_step(
            "stateful_map",
            |step, out| AnyPush::new(Route::<T>::new(step, out)),
            move |site, outs| StatefulMap {
                step: site.step,
                table: KeyTable::<T::Key, S>::new(),
                f: Arc::clone(&f),
                next: outs.next(0),
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
        for (hash, key, value) in items.drain(..) {
            let (state, _) = self.table.touch(hash, &key, cx.epoch, S::default);
            let result = (self.f)(state, value);
            self.next.buffer.push((key, result));
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.next.flush(what, cx)
    }
}
