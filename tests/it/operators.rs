//! Operators of the user's, by `#[operator]`.

use bytewax::prelude::*;
use bytewax::testing::{TestingSink, TestingSource, run_main};

/// Numbers each value of a key.
#[operator(method = Numbered)]
fn numbered<K: Key, V>(up: KeyedStream<K, V>, start: u64) -> KeyedStream<K, (u64, V)>
where
    V: bytewax::Exchange,
{
    up.stateful_map(move |seen: &mut u64, value| {
        *seen += 1;
        (start + *seen, value)
    })
}

/// Both streams by parity; the odd ones are numbered.
#[operator]
fn parted(
    left: Stream<u64>,
    right: Stream<u64>,
) -> (KeyedStream<u64, u64>, KeyedStream<u64, (u64, u64)>) {
    let all = left.merge(right);
    let sides = all.branch(|n| n % 2 == 0);
    let odds = sides.falses.key_on(|_| 1);
    let odds = numbered(odds, 10);
    (sides.trues.key_on(|_| 0), odds)
}

/// A list, and a stream that a method form of another operator is called on.
#[operator]
fn shop(flow: &Flow, list: Vec<u64>, out: TestingSink<(u64, (u64, u64))>) {
    let numbers = flow.input(TestingSource::new(list));
    let by_one = numbers.key_on(|n| *n);
    by_one.numbered(0).output(out);
}

/// A function that can fail before it has described anything.
#[operator]
fn parsed(flow: &Flow, text: &str) -> Result<Stream<u64>, std::num::ParseIntError> {
    let last: u64 = text.parse()?;
    Ok(flow.input(TestingSource::new(1..=last)))
}

/// Without a method form it is generic over a closure too.
#[operator(method = Passed)]
fn passed<T: 'static, F: Fn(&T) -> bool + Send + Sync + 'static>(
    up: Stream<T>,
    test: F,
) -> Stream<T> {
    up.filter(test)
}

fn ids(flow: &Dataflow) -> Vec<String> {
    flow.step_ids().iter().map(ToString::to_string).collect()
}

#[test]
fn several_streams_go_in_and_out_and_operators_nest() {
    let (evens, odds) = (TestingSink::new(), TestingSink::new());
    let flow = dataflow!("f", |flow| {
        let left = flow.input(TestingSource::new([1, 2]));
        let right = flow.input(TestingSource::new([3, 4]));
        let both = parted(left, right);
        both.0.output(evens.clone());
        both.1.output(odds.clone());
    });
    assert_eq!(
        ids(&flow),
        [
            "f.left.input",
            "f.right.input",
            "f.both.parted.all.merge",
            "f.both.parted.sides.branch",
            "f.both.parted.odds.key_on",
            "f.both.parted.odds.numbered.up.stateful_map",
            "f.both.parted.sides.trues.key_on",
            "f.both.0.output",
            "f.both.1.output",
        ]
    );
    run_main(flow).expect("a run");
    assert_eq!(evens.sorted(), [(0, 2), (0, 4)]);
    let mut numbers: Vec<_> = odds.items().iter().map(|odd| odd.1.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [11, 12]);
}

#[test]
fn the_flow_is_a_parameter_and_a_method_form_is_called() {
    let out = TestingSink::new();
    let flow = dataflow!("f", |flow| {
        shop(flow, vec![5, 5, 6], out.clone());
    });
    assert_eq!(
        ids(&flow),
        [
            "f.shop.numbers.input",
            "f.shop.by_one.key_on",
            "f.shop.by_one.numbered.up.stateful_map",
            "f.shop.by_one.output",
        ]
    );
    run_main(flow).expect("a run");
    assert_eq!(out.sorted(), [(5, (1, 5)), (5, (2, 5)), (6, (1, 6))]);
}

#[test]
fn plain_rust_can_call_an_operator() {
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let numbers = parsed(flow, "4").expect("a number");
        assert!(parsed(flow, "four").is_err());
        let even = flow.scope("even", || numbers.passed(|n| n % 2 == 0));
        even.output(out.clone()).named("out");
    });
    assert_eq!(
        ids(&flow),
        ["f.parsed.input", "f.even.passed.up.filter", "f.out"]
    );
    run_main(flow).expect("a run");
    assert_eq!(out.items(), [2, 4]);
}
