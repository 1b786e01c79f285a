//! `flat_map`, `flat_map_value`, `flat_map_with`, `flat_map_batch`, `flatten`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, OutputSpec, StepKind, Stream, ValueOf};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

impl<T: 'static> Stream<T> {
    /// Turns each item into any number of items.
    ///
    /// Results are emitted in order, after all results of earlier items. The iterator may be lazy: it is
    /// drained before `f` receives the next item.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["split this", "", "too"], |lines| lines.flat_map(str::split_whitespace));
    /// assert_eq!(out, ["split", "this", "too"]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn flat_map<I, F>(self, f: F) -> Stream<I::Item>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(T) -> I + Send + Sync + 'static,
    {
        self.stage("flat_map", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            for (index, item) in batch.drain(..).enumerate() {
                numbers.at(index, || send_all(f(item), next, cx))?;
            }
            next.send(cx)
        })
    }

    /// Turns each value into any number of values, each with the key.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 2), ('b', 0), ('c', 1)], |numbers| numbers.flat_map_value(|n| 0..n));
    /// assert_eq!(out, [('a', 0), ('a', 1), ('c', 0)]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn flat_map_value<I, F>(self, f: F) -> KeyedStream<KeyOf<Self>, I::Item>
    where
        Self: Keyed<Key: Clone>,
        I: IntoIterator<Item: 'static>,
        F: Fn(ValueOf<Self>) -> I + Send + Sync + 'static,
    {
        self.pairs()
            .stage("flat_map_value", move |batch, next, cx| {
                let numbers = cx.numbers(batch.len());
                for (index, (key, value)) in batch.drain(..).enumerate() {
                    numbers.at(index, || {
                        let results = f(value).into_iter().map(|value| (key.clone(), value));
                        send_all(results, next, cx)
                    })?;
                }
                next.send(cx)
            })
            .with_pairs()
    }

    /// Turns each item into any number of items, with a resource that each worker creates for itself.
    ///
    /// `init` runs once on every worker, when the worker builds the flow. The resource is for values that are
    /// expensive to create and independent of earlier items, as in [`map_with`](Stream::map_with). It is not
    /// saved. The results must not borrow from it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["b a", "c"], |lines| {
    ///     lines.flat_map_with(Vec::new, |words: &mut Vec<&str>, line: &'static str| {
    ///         words.extend(line.split(' '));
    ///         words.sort_unstable();
    ///         words.drain(..).collect::<Vec<_>>()
    ///     })
    /// });
    /// assert_eq!(out, ["a", "b", "c"]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn flat_map_with<R, O, I, F>(self, init: I, f: F) -> Stream<O::Item>
    where
        R: 'static,
        O: IntoIterator<Item: 'static>,
        I: Fn() -> R + Send + Sync + 'static,
        F: Fn(&mut R, T) -> O + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            Ok(FlatMapWith {
                step: build.step,
                resource: init(),
                f: Arc::clone(&f),
                next: outputs.next(0),
                items: PhantomData,
            })
        });
        let kind = StepKind::Stateless;
        let outputs = vec![OutputSpec::DOWN];
        let (flow, step) = self.then("flat_map_with", kind, outputs, Plan::Stage(plan));
        Stream::from_port(&flow, step, 0)
    }

    /// Turns each batch into any number of items.
    ///
    /// Use it for work that is cheaper for many items at once. A batch is never empty. Its size is undefined,
    /// so results must not depend on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([3, 1, 2], |numbers| {
    ///     numbers.flat_map_batch(|batch| batch.into_iter().filter(|n| *n > 1))
    /// });
    /// assert_eq!(out, [3, 2]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn flat_map_batch<I, F>(self, f: F) -> Stream<I::Item>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(Vec<T>) -> I + Send + Sync + 'static,
    {
        self.stage("flat_map_batch", move |batch, next, cx| {
            send_all(f(std::mem::take(batch)), next, cx)?;
            next.send(cx)
        })
    }

    /// Emits the elements of each item one by one.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([vec![1, 2], vec![], vec![3]], |lists| lists.flatten());
    /// assert_eq!(out, [1, 2, 3]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn flatten(self) -> Stream<T::Item>
    where
        T: IntoIterator<Item: 'static>,
    {
        self.stage("flatten", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            for (index, item) in batch.drain(..).enumerate() {
                numbers.at(index, || send_all(item, next, cx))?;
            }
            next.send(cx)
        })
    }
}

struct FlatMapWith<R, T, U, F> {
    step: StepIndex,
    resource: R,
    f: Arc<F>,
    next: Next<U>,
    items: PhantomData<fn(T)>,
}

impl<R, T, O, F> Push<T> for FlatMapWith<R, T, O::Item, F>
where
    R: 'static,
    T: 'static,
    O: IntoIterator<Item: 'static>,
    F: Fn(&mut R, T) -> O + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let numbers = cx.numbers(batch.len());
        for (index, item) in batch.drain(..).enumerate() {
            numbers.at(index, || {
                send_all((self.f)(&mut self.resource, item), &mut self.next, cx)
            })?;
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

/// The number of results of one item from which the size of the batch is checked in between.
const MANY: usize = 64;

/// Emits the results of one item.
#[inline]
pub(super) fn send_all<U: 'static>(
    results: impl IntoIterator<Item = U>,
    next: &mut Next<U>,
    cx: &mut Cx,
) -> Result<(), RunError> {
    let results = results.into_iter();
    if results.size_hint().1.is_some_and(|most| most < MANY) {
        next.buffer.extend(results);
        next.send_if_full(cx)
    } else {
        send_many(results, next, cx)
    }
}

/// Emits results in batches, so that an item with many results does not fill the memory.
#[inline(never)]
fn send_many<U: 'static>(
    mut results: impl Iterator<Item = U>,
    next: &mut Next<U>,
    cx: &mut Cx,
) -> Result<(), RunError> {
    loop {
        let room = next.room(cx);
        next.buffer.extend(results.by_ref().take(room));
        if !next.is_full(cx) {
            return Ok(());
        }
        next.send(cx)?;
    }
}
