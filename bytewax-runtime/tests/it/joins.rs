//! Joins.

use std::time::Duration;

use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::operators::JoinInsert::{First, Last, Product};
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main, run_keyed};

use crate::rows::rows;
use crate::shared::run_in;

type Item = (char, (usize, i32));
type Sided = KeyedStream<char, (usize, i32)>;

/// Items of one key from a text such as `L1 R2`, where `L` and `A` are the first side.
fn items(text: &str) -> Vec<Item> {
    let item = |word: &str| {
        let side = match &word[..1] {
            "L" | "A" => 0,
            "R" | "B" => 1,
            _ => 2,
        };
        ('k', (side, word[1..].parse().unwrap()))
    };
    text.split_whitespace().map(item).collect()
}

fn side(stream: &Sided, number: usize) -> KeyedStream<char, i32> {
    let of_side = stream.clone().filter(move |(_, (side, _))| *side == number);
    of_side.map_value(|(_, value)| value)
}

/// One item an epoch, so that the order across sides is that of the source on all workers.
fn in_turn(workers: usize) -> RunConfig {
    RunConfig::new()
        .workers(workers)
        .epoch_interval(Duration::ZERO)
}

/// The rows of one key, `-` for a side without a value; the same on one worker and on three.
fn run(arrivals: &str, join: impl Fn(Sided) -> KeyedStream<char, String>) -> String {
    let outs = [1, 3].map(|workers| {
        let out = run_in(&in_turn(workers), 1, items(arrivals), &join);
        let rows: Vec<_> = out.into_iter().map(|(_, row)| row).collect();
        rows.join(" ")
    });
    assert_eq!(outs[0], outs[1]);
    outs[0].clone()
}

fn show<const N: usize>(row: [Option<i32>; N]) -> String {
    row.map(|value| value.map_or("-".to_owned(), |value| value.to_string()))
        .join(",")
}

#[derive(Clone, Copy)]
enum Mode {
    Complete,
    Final,
    Running,
}
use Mode::{Complete, Final, Running};

fn two(insert: JoinInsert, mode: Mode, arrivals: &str) -> String {
    run(arrivals, |s| {
        let (l, r) = (side(&s, 0), side(&s, 1));
        match mode {
            Complete => l
                .join_with(r, insert)
                .named("j")
                .map_value(|(l, r)| show([Some(l), Some(r)])),
            Final => l
                .join_final(r, insert)
                .named("j")
                .map_value(|(l, r)| show([l, r])),
            Running => l
                .join_running(r, insert)
                .named("j")
                .map_value(|(l, r)| show([l, r])),
        }
    })
}

fn three(insert: JoinInsert, mode: Mode, arrivals: &str) -> String {
    run(arrivals, |s| {
        let sides = (side(&s, 0), side(&s, 1), side(&s, 2));
        match mode {
            Complete => sides
                .join_with(insert)
                .named("j")
                .map_value(|(a, b, c)| show([Some(a), Some(b), Some(c)])),
            Final => sides
                .join_final(insert)
                .named("j")
                .map_value(|(a, b, c)| show([a, b, c])),
            Running => sides
                .join_running(insert)
                .named("j")
                .map_value(|(a, b, c)| show([a, b, c])),
        }
    })
}

fn one(mode: Mode, arrivals: &str) -> String {
    run(arrivals, |s| match mode {
        Complete => (side(&s, 0),)
            .join()
            .named("j")
            .map_value(|(a,)| show([Some(a)])),
        Final => (side(&s, 0),)
            .join_final(Last)
            .named("j")
            .map_value(|(a,)| show([a])),
        Running => (side(&s, 0),)
            .join_running(Last)
            .named("j")
            .map_value(|(a,)| show([a])),
    })
}

const FIVE: &str = "L1 L2 R1 R2 L3";
const ABC: &str = "A1 C1 C2 B1 A2";

rows! {
    j02_the_defaults: run("L1 R2", |s| side(&s, 0).join(side(&s, 1)).named("j").map_value(|(l, r)| show([Some(l), Some(r)]))) => "1,2";
    j03_first_final: two(First, Final, "L1 R2 R3") => "1,2";
    j04_last_final: two(Last, Final, "L1 R2 R3") => "1,3";
    j05_last_running: two(Last, Running, "L1 R2 R3") => "1,- 1,2 1,3";
    j06_product_final: two(Product, Final, "L1 L2 R3 R4") => "1,3 1,4 2,3 2,4";
    j07_first_complete: two(First, Complete, FIVE) => "1,1 3,2";
    j08_first_final: two(First, Final, FIVE) => "1,1";
    j09_first_running: two(First, Running, FIVE) => "1,- 1,- 1,1 1,1 1,1";
    j10_last_complete: two(Last, Complete, FIVE) => "2,1 3,2";
    j11_last_final: two(Last, Final, FIVE) => "3,2";
    j12_last_running: two(Last, Running, FIVE) => "1,- 2,- 2,1 2,2 3,2";
    j13_product_complete: two(Product, Complete, FIVE) => "1,1 2,1 3,2";
    j14_product_final: two(Product, Final, FIVE) => "1,1 1,2 2,1 2,2 3,1 3,2";
    j15_product_running: two(Product, Running, FIVE) => "1,- 1,- 2,- 1,1 2,1 1,1 1,2 2,1 2,2 1,1 1,2 2,1 2,2 3,1 3,2";
    j16_three_first_complete: three(First, Complete, ABC) => "1,1,1";
    j17_three_first_final: three(First, Final, ABC) => "1,1,1";
    j18_three_last_complete: three(Last, Complete, ABC) => "1,1,2";
    j19_three_last_final: three(Last, Final, ABC) => "2,1,2";
    j20_three_last_running: three(Last, Running, ABC) => "1,-,- 1,-,1 1,-,2 1,1,2 2,1,2";
    j21_three_product_complete: three(Product, Complete, ABC) => "1,1,1 1,1,2";
    j22_three_product_final: three(Product, Final, ABC) => "1,1,1 1,1,2 2,1,1 2,1,2";
    j23_one_side_complete: one(Complete, "A1 A2") => "1 2";
    j23_one_side_final: one(Final, "A1 A2") => "2";
    j23_one_side_running: one(Running, "A1 A2") => "1 2";
    j24_a_side_is_missing_first: two(First, Final, "R1 R2") => "-,1";
    j24_a_side_is_missing_last: two(Last, Final, "R1 R2") => "-,2";
    j24_a_side_is_missing_product: two(Product, Final, "R1 R2") => "-,1 -,2";
    j25_none_is_a_value_complete: run_keyed([('k', ())], |s| nones(&s).join(s.map_value(|()| 'x')).named("j")) => [('k', (None, 'x'))];
    j25_none_is_a_value_running: run_keyed([('k', ())], |s| nones(&s).join_running(s.map_value(|()| 'x'), Last).named("j")) => [('k', (Some(None), None)), ('k', (Some(None), Some('x')))];
    j26_final_in_order_of_keys: run_keyed([('b', 1), ('a', 2), ('b', 30)], |s| {
        let sides = s.branch(|(_, n)| *n < 10);
        sides.trues.join_final(sides.falses, Last).named("j")
    }) => [('a', (Some(2), None)), ('b', (Some(1), Some(30)))];
    j28_two_inputs_in_one_epoch_each: two_inputs(1) => [(1, 3), (2, 4)];
    j28_two_inputs_in_one_epoch: two_inputs(10) => [(2, 3)];
    j29_a_stream_with_itself: run_in(&in_turn(1), 1, [('k', 1), ('k', 2)], |s| s.clone().join_running(s, Last).named("j").key_rm()) => [(Some(1), None), (Some(1), Some(1)), (Some(2), Some(1)), (Some(2), Some(2))];
    eight_sides: run_keyed([('k', 1)], |s| {
        let n = |more| s.clone().map_value(move |n| n + more);
        (n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)).join().named("j")
    }) => [('k', (1, 2, 3, 4, 5, 6, 7, 8))];
    more_rows_than_a_batch_holds: many_rows() => 90_000;
}

fn nones(stream: &KeyedStream<char, ()>) -> KeyedStream<char, Option<i32>> {
    stream.clone().map_value(|()| None)
}

fn two_inputs(batch_size: usize) -> Vec<(i32, i32)> {
    let out = TestingSink::new();
    let flow = Dataflow::build("f", |flow| {
        let side = |name, values: [i32; 2]| {
            let items = values.map(|value| ('k', value));
            let source = TestingSource::new(items).batch_size(batch_size);
            flow.input(source).named(name)
        };
        let (l, r) = (side("l", [1, 2]), side("r", [3, 4]));
        l.join(r)
            .named("j")
            .key_rm()
            .output(out.clone())
            .named("out");
    });
    cluster_main(flow, in_turn(1)).unwrap();
    out.take()
}

fn many_rows() -> usize {
    let items = (0..600).map(|n| ('k', n));
    let out = run_keyed(items, |s| {
        let sides = s.branch(|(_, n)| *n < 300);
        sides.trues.join_final(sides.falses, Product).named("j")
    });
    out.len()
}

#[test]
#[should_panic(expected = "streams of two dataflows cannot meet in one step")]
fn streams_of_two_flows_cannot_be_joined() {
    let stream = || {
        let mut stream = None;
        let _ = Dataflow::build("f", |flow| {
            stream = Some(flow.input(TestingSource::new([(1, 1)])).named("in"));
        });
        stream.unwrap()
    };
    let _ = stream().join(stream());
}
