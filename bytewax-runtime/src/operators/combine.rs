//! Combining before the exchange, and the finals: one result a key, at the end of input.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{KeyedStream, Stream};
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Routed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, Cx, EventMark, Exchange, Flush, HeadLogic, Next, Push};
use crate::state::{KeyTable, State};

/// With more keys than this, partial results are sent before the epoch ends.
const COMBINED_KEYS: usize = 1 << 18;

/// Combines values into a state, and states into one state.
pub(crate) trait Combine<V>: Send + Sync + 'static {
    type Partial: State + Exchange;
    fn add(&self, partial: Option<Self::Partial>, value: V) -> Self::Partial;
    fn merge(&self, partial: Self::Partial, other: Self::Partial) -> Self::Partial;
}

impl<K: Key, V: 'static> Stream<(K, V)> {
    /// Adds a step that combines the values of each key, first on the worker where they are, then
    /// on the worker that keeps the key, and emits the result at the end of input.
    #[track_caller]
    pub(crate) fn combine_final<C: Combine<V>>(
        self,
        operator: &'static str,
        combine: C,
    ) -> KeyedStream<K, C::Partial> {
        let combine = Arc::new(combine);
        let before = Arc::clone(&combine);
        self.keyed_step(
            operator,
            move |step, out| combiner(step, &before, out),
            move |build, outputs| {
                let combine = Arc::clone(&combine);
                let merge = move |partial: &mut Option<C::Partial>, other| {
                    *partial = Some(match partial.take() {
                        Some(before) => combine.merge(before, other),
                        None => other,
                    });
                };
                Final::new(
                    build.step,
                    || None,
                    merge,
                    |partial| partial,
                    outputs.next(0),
                )
            },
        )
    }
}

/// Combines the values of each key on their worker, before the exchange.
pub(crate) fn combiner<K: Key, V: 'static, C: Combine<V>>(
    step: StepIndex,
    combine: &Arc<C>,
    out: KeyedOut<K, C::Partial>,
) -> AnyPush {
    AnyPush::before::<(K, V)>(
        step,
        Combiner {
            step,
            combine: Arc::clone(combine),
            partials: KeyTable::new(),
            out,
            values: PhantomData,
        },
    )
}

struct Combiner<K, V, C: Combine<V>> {
    step: StepIndex,
    combine: Arc<C>,
    partials: KeyTable<K, Option<C::Partial>>,
    out: KeyedOut<K, C::Partial>,
    values: PhantomData<fn(V)>,
}

impl<K: Key, V, C: Combine<V>> Combiner<K, V, C> {
    fn send_partials(&mut self, cx: &Cx) {
        for (hash, key, partial) in self.partials.drain() {
            if let Some(partial) = partial {
                self.out.send(hash, key, partial, cx);
            }
        }
    }
}

impl<K: Key, V: 'static, C: Combine<V>> Push<(K, V)> for Combiner<K, V, C> {
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let numbers = cx.numbers(batch.len());
        for (index, (key, value)) in batch.drain(..).enumerate() {
            let hash = key.stable_hash();
            let (key, partial) = self.partials.touch_owned(hash, key, || None);
            let before = partial.take();
            let add = || with_key(key, || self.combine.add(before, value));
            *partial = Some(numbers.at(index, add));
        }
        if self.partials.len() > COMBINED_KEYS {
            self.send_partials(cx);
        }
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if what >= Flush::Epoch {
            self.send_partials(cx);
        }
        self.out.flush(cx);
        Ok(())
    }
}

/// Adds up the values of each key and emits the result at the end of input, in order of keys.
pub(crate) struct Final<K, V, A, U, I, F, G> {
    step: StepIndex,
    table: KeyTable<K, A>,
    init: I,
    fold: F,
    finish: G,
    next: Next<(K, U)>,
    items: PhantomData<fn(V)>,
}

impl<K, V, A, U, I, F, G> Final<K, V, A, U, I, F, G>
where
    K: Key,
    A: State,
    I: Fn() -> A,
    F: Fn(&mut A, V),
    G: Fn(A) -> Option<U>,
{
    pub(crate) fn new(step: StepIndex, init: I, fold: F, finish: G, next: Next<(K, U)>) -> Self {
        Self {
            step,
            table: KeyTable::new(),
            init,
            fold,
            finish,
            next,
            items: PhantomData,
        }
    }
}

impl<K, V, A, U, I, F, G> HeadLogic<Routed<K, V>> for Final<K, V, A, U, I, F, G>
where
    K: Key,
    V: 'static,
    A: State,
    U: 'static,
    I: Fn() -> A + 'static,
    F: Fn(&mut A, V) + 'static,
    G: Fn(A) -> Option<U> + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        let numbers = cx.numbers(items.len());
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            let (key, state) = self.table.touch_owned(hash, key, &self.init);
            numbers.at(index, || with_key(key, || (self.fold)(state, value)));
        }
        Ok(())
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        for (key, state) in self.table.drain_sorted() {
            if let Some(result) = (self.finish)(state) {
                self.next.buffer.push((key, result));
                self.next.send_if_full(cx)?;
            }
        }
        self.next.send(cx)
    }

    /// Its whole output is still to come.
    fn output_mark(&self, _: EventMark) -> EventMark {
        EventMark::NONE
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<K, V, A, U, I, F, G> KeyedLogic<K, V> for Final<K, V, A, U, I, F, G>
where
    K: Key,
    V: 'static,
    A: State,
    U: 'static,
    I: Fn() -> A + 'static,
    F: Fn(&mut A, V) + 'static,
    G: Fn(A) -> Option<U> + 'static,
{
    type Cell = A;

    fn table(&mut self) -> &mut KeyTable<K, A> {
        &mut self.table
    }

    fn looks_at_end(&self) -> bool {
        true
    }
}
