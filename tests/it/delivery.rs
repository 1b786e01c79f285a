//! What `#[source]` and `#[sink]` declare, and what `dataflow!` makes of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytewax::delivery::{Delivery, Promise};
use bytewax::operators::{Sink, Source};
use bytewax::prelude::*;
use bytewax::source::Poll;
use bytewax::testing::connector::{check_sink_in_flows, check_source};
use bytewax::testing::{TestingSink, TestingSource, run_main};
use bytewax::{RunConfig, StepId, WorkerIndex};

#[source]
fn ticks(limit: u64, #[resume] next: &mut u64) -> Poll<u64> {
    *next += 1;
    match *next > limit {
        true => Poll::end(),
        false => Poll::item(*next),
    }
}

#[source]
fn once(#[local(Some(1))] item: &mut Option<u64>) -> Poll<u64> {
    item.take().map_or(Poll::end(), Poll::item)
}

#[source(not_replayable)]
fn socket(#[resume] received: &mut u64) -> Poll<u64> {
    *received += 1;
    Poll::end()
}

type Rows = Arc<Mutex<BTreeMap<u64, u64>>>;

#[sink(idempotent)]
fn upsert(rows: Vec<u64>, table: &Rows) {
    let rows = rows.into_iter().map(|row| (row, 10 * row));
    table.lock().unwrap().extend(rows);
}

#[sink]
fn append(items: Vec<u64>, to: &Arc<Mutex<Vec<u64>>>) {
    to.lock().unwrap().extend(items);
}

struct Whole;

#[sink(transactional)]
impl Whole {
    fn build(&self, _step: &StepId, _worker: WorkerIndex, _workers: usize) -> Part {
        Part
    }
}

struct Part;

#[sink(partition)]
impl Part {
    fn write_batch(&mut self, _items: Vec<u64>) {}
}

fn promise_of_source<K>(source: impl Source<K>) -> Promise {
    let flow = Dataflow::build("f", |flow| {
        let items = flow.input(source).named("in").map(|_| 0_u64);
        items.output(TestingSink::new()).named("out");
    });
    flow.steps()[0].promise.unwrap()
}

fn promise_of_sink<K>(sink: impl Sink<u64, K>) -> Promise {
    let flow = Dataflow::build("f", |flow| {
        let items = flow.input(TestingSource::new([1])).named("in");
        items.output(sink).named("out");
    });
    flow.steps()[1].promise.unwrap()
}

#[test]
fn attributes_declare_what_they_say() {
    assert_eq!(promise_of_source(ticks(3)), Promise::Replayable);
    assert_eq!(promise_of_source(once()), Promise::NotReplayable);
    assert_eq!(promise_of_source(socket()), Promise::NotReplayable);
    assert_eq!(
        promise_of_sink(upsert(Rows::default())),
        Promise::Idempotent
    );
    assert_eq!(promise_of_sink(append(Arc::default())), Promise::Append);
    assert_eq!(promise_of_sink(Whole), Promise::Transactional);
}

#[test]
fn functions_keep_what_they_declare() {
    let items = check_source(|| ticks(5)).unwrap();
    assert_eq!(items[0].1, [1, 2, 3, 4, 5]);
    let numbers = [1, 2, 3, 4, 5];
    let make = || {
        let table = Rows::default();
        let read = Arc::clone(&table);
        let read = move || read.lock().unwrap().keys().copied().collect::<Vec<_>>();
        (move || upsert(Arc::clone(&table)), read)
    };
    check_sink_in_flows(make, &numbers, &numbers).unwrap();
    let make = || {
        let items = Arc::<Mutex<Vec<u64>>>::default();
        let read = Arc::clone(&items);
        let read = move || read.lock().unwrap().clone();
        (move || append(Arc::clone(&items)), read)
    };
    check_sink_in_flows(make, &numbers, &numbers).unwrap();
}

/// A function that the macro does not look into.
fn items(flow: &bytewax::flow::Flow) -> bytewax::flow::Stream<u64> {
    flow.input(once()).named("items")
}

#[test]
fn a_path_that_the_macro_does_not_see_is_found_by_the_check() {
    let flow = dataflow!("f", delivery = at_least_once, |flow| {
        let numbers = items(flow);
        numbers.output(TestingSink::new());
    });
    let text = flow.check().unwrap_err().to_string();
    assert!(
        text.contains(
            "the flow declares delivery at least once, and the path `f.numbers.items` -> `f.numbers.output` is best \
             effort: the source `f.numbers.items` at tests/it/delivery.rs"
        ),
        "{text}"
    );
    assert!(run_main(flow).is_err());
}

#[test]
fn a_declared_delivery_needs_a_store() {
    let out = TestingSink::new();
    let flow = dataflow!("f", delivery = at_least_once, |flow| {
        let numbers = flow.input(TestingSource::new([1, 2]));
        numbers.output(out.clone());
    });
    let text = RunConfig::new().run(flow.clone()).unwrap_err().to_string();
    assert!(
        text.starts_with(
            "the flow `f` declares delivery at least once, and this run has no recovery store"
        ),
        "{text}"
    );
    assert!(out.items().is_empty());
    // Nothing goes on from this one.
    run_main(flow.clone()).unwrap();
    assert_eq!(out.take(), [1, 2]);
    let store = tempfile::tempdir().unwrap();
    let config = RunConfig::new().recovery(bytewax::RecoveryConfig::new(store.path()));
    config.run(flow).unwrap();
    assert_eq!(out.take(), [1, 2]);
}

#[test]
fn what_is_declared_is_the_same_without_the_macro() {
    let build = |delivery| {
        Dataflow::build("f", |flow| {
            flow.delivery(delivery);
            let numbers = flow.input(TestingSource::new([1_u64])).named("in");
            numbers.output(upsert(Rows::default())).named("out");
        })
    };
    build(Delivery::ExactlyOnce).check().unwrap();
    let flow = dataflow!("f", delivery = exactly_once, |flow| {
        let numbers = flow.input(TestingSource::new([1_u64]));
        numbers.output(upsert(Rows::default()));
    });
    assert_eq!(flow.paths()[0].delivery, Delivery::ExactlyOnce);
}
