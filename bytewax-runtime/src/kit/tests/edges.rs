//! What is under way on an edge, and what batches are on the wire.

use std::rc::Rc;

use chrono::TimeDelta;
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;

use crate::ids::{Epoch, WorkerIndex};
use crate::key::Key;
use crate::kit::batch::Batch;
use crate::kit::bench::{Bench, OUT};
use crate::kit::edge::EventMark;
use crate::kit::keyed::{KeyedOut, Route};
use crate::kit::push::batch_items;
use crate::kit::router::Router;
use crate::kit::{Flush, Push, RemoteAlarm};

#[test]
fn an_edge_is_full_at_its_limit_and_its_sender_is_woken_below_it() {
    // Each of these items counts as eight bytes.
    let bench = Bench::new(2, TimeDelta::seconds(10), 24);
    let (mut cx, _, woken) = bench.cx();
    let shared = &bench.worker.shared;
    shared.register_waker(OUT, bench.worker.index, RemoteAlarm::Bench(woken.clone()));
    let (mut edge, wire) = bench.edge::<u8>(OUT);
    cx.advance(Epoch(5));
    edge.send_all(WorkerIndex(1), &mut vec![1, 2], &cx);
    assert!(!bench.worker.is_full(OUT));
    edge.send_all(WorkerIndex(0), &mut vec![3, 4], &cx);
    assert!(bench.worker.is_full(OUT));
    assert_eq!(wire.sent(), [(5, 1, vec![1, 2]), (5, 0, vec![3, 4])]);

    // Another worker's items are counted for themselves.
    shared.count_taken(OUT, WorkerIndex(1), 72);
    assert!(bench.worker.is_full(OUT) && !woken.take());
    shared.count_taken(OUT, WorkerIndex(0), 8);
    assert!(bench.worker.is_full(OUT) && !woken.take());
    shared.count_taken(OUT, WorkerIndex(0), 8);
    assert!(!bench.worker.is_full(OUT) && woken.take());
    shared.count_taken(OUT, WorkerIndex(0), 16);
    assert!(!woken.take());
}

#[test]
fn an_empty_batch_is_not_sent_unless_it_says_something() {
    let bench = Bench::new(1, TimeDelta::seconds(10), 3);
    let (cx, ..) = bench.cx();
    let (mut edge, wire) = bench.edge::<u8>(OUT);
    edge.send_all(WorkerIndex(0), &mut Vec::new(), &cx);
    assert_eq!(wire.sent(), []);
    Router::new(edge).send(0, EventMark(4), &cx);
    assert_eq!(wire.sent(), [(0, 0, Vec::new())]);
}

#[test]
fn the_items_of_a_key_go_to_its_worker_in_whole_batches() {
    let bench = Bench::new(3, TimeDelta::seconds(10), 1 << 20);
    let (mut cx, ..) = bench.cx();
    let (edge, wire) = bench.edge(OUT);
    let mut route = Route::new(crate::kit::bench::STEP, KeyedOut::new(edge));
    let size = batch_items::<(u64, u32, u32)>();
    let mut items: Vec<(u32, u32)> = (0..4 * size as u32).map(|n| (n % 100, n)).collect();
    route.push(&mut items, &mut cx).unwrap();
    assert!(items.is_empty());
    let sent = wire.sent();
    assert!(!sent.is_empty() && sent.iter().all(|(.., items)| items.len() == size));
    let owners = Rc::clone(bench.worker.owners());
    for (_, target, items) in &sent {
        for (hash, key, _) in items {
            assert_eq!(*hash, key.stable_hash());
            assert_eq!(owners.owner(*hash), *target);
        }
    }
    route.flush(Flush::Activation, &mut cx).unwrap();
    let rest: usize = wire.sent().iter().map(|(.., items)| items.len()).sum();
    assert_eq!(sent.len() * size + rest, 4 * size);
}

#[test]
fn a_batch_comes_through_bytes_as_it_was() {
    let items = vec!["a".to_owned(), String::new(), "long".repeat(100)];
    let batch = Batch {
        origin: 3,
        target: 5,
        mark: EventMark(-7),
        load: 1 << 40,
        items: items.clone(),
    };
    let mut bytes = Vec::new();
    batch.into_bytes(&mut bytes);
    assert_eq!(bytes.len(), batch.length_in_bytes());
    assert_eq!(bytes.len() % 8, 0);
    let mut bytes = BytesMut::from(bytes);
    let read = Batch::<String>::from_bytes(bytes.extract_to(batch.length_in_bytes()));
    let header = (read.origin, read.target, read.mark, read.load);
    assert_eq!(header, (3, 5, EventMark(-7), 1 << 40));
    assert_eq!(read.items, items);
}

#[test]
fn the_time_for_which_an_edge_is_full_is_counted() {
    // Each of these items counts as eight bytes.
    let bench = Bench::new(1, TimeDelta::seconds(10), 24);
    let (cx, ..) = bench.cx();
    let worker = &bench.worker;
    let (mut edge, _wire) = bench.edge::<u8>(OUT);
    let meter = worker.meter.edges().pop().unwrap();
    edge.send_all(WorkerIndex(0), &mut vec![1, 2], &cx);
    assert!(!worker.any_full(&[OUT]) && !meter.waits());
    edge.send_all(WorkerIndex(0), &mut vec![3], &cx);
    assert_eq!(
        (meter.items.get(), meter.batches.get(), meter.bytes.get()),
        (3, 2, 24)
    );
    assert_eq!(worker.shared.queued(OUT, WorkerIndex(0)), (24, 24));

    assert!(worker.any_full(&[OUT]) && meter.waits());
    bench.advance(TimeDelta::seconds(2));
    assert!(worker.any_full(&[OUT]) && meter.waits());
    bench.advance(TimeDelta::seconds(1));
    worker.shared.count_taken(OUT, WorkerIndex(0), 16);
    assert!(!worker.any_full(&[OUT]) && !meter.waits());
    assert_eq!(meter.waited.get(), 3_000_000_000);
    bench.advance(TimeDelta::seconds(4));
    assert!(!worker.any_full(&[OUT]));
    assert_eq!(meter.waited.get(), 3_000_000_000);
}
