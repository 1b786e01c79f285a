//! Runs of a few steps: items in, items out.

use super::{TestingSink, TestingSource, run_main};
use crate::flow::{Dataflow, KeyedStream, Stream};

/// Runs a few steps over a list of items, on one worker, and returns their output.
///
/// The flow is named `example`, its source `items` and its sink `out`. The steps of `body` follow the usual
/// rules for names: stateful steps need `.named(..)`.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_items;
///
/// let out = run_items([1, 2, 3], |numbers| numbers.map(|n| n * 10));
/// assert_eq!(out, [10, 20, 30]);
/// ```
///
/// # Panics
///
/// Panics if the flow has defects or fails, with the report of the error. To test for errors, build the flow
/// and call [`run_main`], which returns them.
#[track_caller]
pub fn run_items<T, U>(
    items: impl IntoIterator<Item = T>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<U>
where
    T: Clone + Send + Sync + 'static,
    U: Send + 'static,
{
    let out = TestingSink::new();
    let flow = Dataflow::build("example", |flow| {
        let items = flow.input(TestingSource::new(items)).named("items");
        body(items).output(out.clone()).named("out");
    });
    if let Err(error) = run_main(flow) {
        panic!("{}", error.report());
    }
    out.take()
}

/// Runs a few steps over a list of keys and values, on one worker, and returns their output.
///
/// Like [`run_items`] for pairs, without type annotations.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::testing::run_keyed;
///
/// let out = run_keyed([('a', 2), ('b', 1), ('a', 3)], |numbers| {
///     numbers.reduce_final(|a, b| a + b).named("sum")
/// });
/// assert_eq!(out, [('a', 5), ('b', 1)]);
/// ```
///
/// # Panics
///
/// Like [`run_items`].
#[track_caller]
pub fn run_keyed<K, V, U>(
    items: impl IntoIterator<Item = (K, V)>,
    body: impl FnOnce(KeyedStream<K, V>) -> KeyedStream<K, U>,
) -> Vec<(K, U)>
where
    K: Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    U: Send + 'static,
{
    run_items(items, body)
}
