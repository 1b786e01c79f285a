//! `map`, `map_value`, `map_with`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, OutputSpec, StepKind, Stream, ValueOf};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item.
    ///
    /// Items keep their order on each worker. The closure is `Fn`, so it cannot store anything between items.
    /// For state per key, use [`stateful_map`](Stream::stateful_map); for a resource such as a buffer or a
    /// client, use [`map_with`](Stream::map_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items([0, 1, 2], |numbers| numbers.map(|n| n + 1));
    /// assert_eq!(out, [1, 2, 3]);
    /// ```
    ///
    /// # Panics
    ///
    /// A panic of `f` fails the run, with its message and location. For a fallible function, use
    /// [`try_map`](Stream::try_map).
    #[track_caller]
    #[must_use]
    pub fn map<U, F>(self, f: F) -> Stream<U>
    where
        U: 'static,
        F: Fn(T) -> U + Send + Sync + 'static,
    {
        self.stage("map", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            let items = batch.drain(..).enumerate();
            next.buffer
                .extend(items.map(|(index, item)| numbers.at(index, || f(item))));
            next.send(cx)
        })
    }

    /// Turns the value of each item into one other value, and keeps the key.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('b', 2)], |numbers| numbers.map_value(|n| n * 10));
    /// assert_eq!(out, [('a', 10), ('b', 20)]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn map_value<U, F>(self, f: F) -> KeyedStream<KeyOf<Self>, U>
    where
        Self: Keyed,
        U: 'static,
        F: Fn(ValueOf<Self>) -> U + Send + Sync + 'static,
    {
        let mapped = self.pairs().stage("map_value", move |batch, next, cx| {
            let numbers = cx.numbers(batch.len());
            let items = batch.drain(..).enumerate();
            next.buffer
                .extend(items.map(|(index, (key, value))| (key, numbers.at(index, || f(value)))));
            next.send(cx)
        });
        mapped.with_pairs()
    }

    /// Turns each item into one other item, with a resource that each worker creates for itself.
    ///
    /// `init` runs once on every worker, when the worker builds the flow. The resource is for values that are
    /// expensive to create and independent of earlier items: a compiled pattern, a buffer, a client. It is
    /// not saved; state that must survive a crash belongs in [`stateful_map`](Stream::stateful_map).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(["b,a", "d,c,e"], |lines| {
    ///     lines.map_with(Vec::new, |fields: &mut Vec<&str>, line: &'static str| {
    ///         fields.clear();
    ///         fields.extend(line.split(','));
    ///         fields.sort_unstable();
    ///         fields.join(",")
    ///     })
    /// });
    /// assert_eq!(out, ["a,b", "c,d,e"]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn map_with<R, U, I, F>(self, init: I, f: F) -> Stream<U>
    where
        R: 'static,
        U: 'static,
        I: Fn() -> R + Send + Sync + 'static,
        F: Fn(&mut R, T) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            Ok(MapWith {
                step: build.step,
                resource: init(),
                f: Arc::clone(&f),
                next: outputs.next(0),
                items: PhantomData,
            })
        });
        let kind = StepKind::Stateless;
        let (flow, step) = self.then("map_with", kind, vec![OutputSpec::DOWN], Plan::Stage(plan));
        Stream::from_port(&flow, step, 0)
    }
}

struct MapWith<R, T, U, F> {
    step: StepIndex,
    resource: R,
    f: Arc<F>,
    next: Next<U>,
    items: PhantomData<fn(T)>,
}

impl<R, T, U, F> Push<T> for MapWith<R, T, U, F>
where
    R: 'static,
    T: 'static,
    U: 'static,
    F: Fn(&mut R, T) -> U + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        let resource = &mut self.resource;
        let numbers = cx.numbers(batch.len());
        let items = batch.drain(..).enumerate();
        self.next
            .buffer
            .extend(items.map(|(index, item)| numbers.at(index, || (self.f)(resource, item))));
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}
