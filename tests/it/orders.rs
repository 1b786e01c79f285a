//! The flow of the orders program, with messages from a list and to lists: orders are read and priced,
//! and what cannot be read goes to a list of its own.

use bytewax::prelude::*;
use bytewax::testing::{TestingSink, TestingSource, run_main};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
    count: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Priced {
    id: u64,
    cents: u64,
}

/// A message, as a broker has them.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    key: Option<String>,
    value: Vec<u8>,
    error: Option<String>,
}

impl Message {
    fn new(value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: None,
            value: value.into(),
            error: None,
        }
    }
}

/// Drops orders whose id was among the last `size` ids of the same item.
#[operator]
fn dedupe(orders: KeyedStream<String, Order>, size: usize) -> KeyedStream<String, Order> {
    let marked = orders.stateful_map(move |seen: &mut Vec<u64>, order: Order| {
        let fresh = !seen.contains(&order.id);
        if fresh {
            seen.push(order.id);
            if seen.len() > size {
                seen.remove(0);
            }
        }
        (fresh, order)
    });
    marked
        .filter_value(|(fresh, _)| *fresh)
        .map_value(|(_, order)| order)
}

fn orders(
    messages: TestingSource<Message>,
    out: TestingSink<Message>,
    bad: TestingSink<Message>,
) -> Dataflow {
    dataflow!("orders", |flow| {
        let raw = flow.input(messages);
        let parsed =
            raw.try_map(|message: &Message| serde_json::from_slice::<Order>(&message.value));
        let fresh = dedupe(parsed.oks.key_on(|order: &Order| order.item.clone()), 2);
        let priced = fresh.map(|(_, order)| Priced {
            id: order.id,
            cents: 100 * u64::from(order.count),
        });
        priced
            .map(|order: Priced| Message {
                key: Some(order.id.to_string()),
                ..Message::new(serde_json::to_vec(&order).expect("it has only numbers"))
            })
            .output(out);
        parsed
            .errs
            .map(|bad| Message {
                error: Some(bad.error),
                ..bad.item
            })
            .output(bad);
    })
}

fn order(id: u64, item: &str, count: u32) -> Message {
    let item = item.to_owned();
    Message::new(serde_json::to_vec(&Order { id, item, count }).expect("it can be written"))
}

#[test]
fn orders_are_priced_once_and_bad_ones_kept() {
    let messages = [
        order(1, "pen", 3),
        Message::new("no order"),
        order(2, "ink", 1),
        order(1, "pen", 3),
        order(1, "ink", 2),
        order(3, "pen", 1),
        order(4, "pen", 1),
        // Two others came in between, so that nobody remembers the first.
        order(1, "pen", 3),
    ];
    let (out, bad) = (TestingSink::new(), TestingSink::new());
    let flow = orders(TestingSource::new(messages), out.clone(), bad.clone());
    let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    assert_eq!(
        ids,
        [
            "orders.raw.input",
            "orders.parsed.try_map",
            "orders.fresh.key_on",
            "orders.fresh.dedupe.marked.stateful_map",
            "orders.fresh.dedupe.marked.filter_value",
            "orders.fresh.dedupe.marked.map_value",
            "orders.priced.map",
            "orders.priced.map_2",
            "orders.priced.output",
            "orders.parsed.errs.map",
            "orders.parsed.errs.output",
        ]
    );
    run_main(flow).expect("a run");

    let priced: Vec<Priced> = out
        .items()
        .iter()
        .map(|message| serde_json::from_slice(&message.value).expect("a price"))
        .collect();
    let found: Vec<_> = priced.iter().map(|order| (order.id, order.cents)).collect();
    let expect = [(1, 300), (2, 100), (1, 200), (3, 100), (4, 100), (1, 300)];
    assert_eq!(found, expect);
    let keys: Vec<_> = out.items().into_iter().filter_map(|it| it.key).collect();
    assert_eq!(keys, ["1", "2", "1", "3", "4", "1"]);

    let [bad] = &bad.items()[..] else {
        panic!("{:?}", bad.items());
    };
    assert_eq!(bad.value, b"no order");
    assert_eq!(
        bad.error.as_deref(),
        Some("expected ident at line 1 column 2")
    );
}
