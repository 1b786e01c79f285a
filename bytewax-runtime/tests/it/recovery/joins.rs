//! Joins that go on.

use bytewax_runtime::operators::JoinInsert::Last;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::Eof;
use bytewax_runtime::windowing::{FullOuter, Inner, Kept, RightOuter};
use chrono::TimeDelta;

use super::logic::{again, item};

type Rows = KeyedStream<char, (Option<u32>, Option<u32>)>;

/// The rows of both runs for a left value, the end, a right value and a left value.
fn joined(
    join: impl FnOnce(KeyedStream<char, u32>, KeyedStream<char, u32>) -> Rows,
) -> Vec<String> {
    let elements = [item('k', (0, 1)), Eof, item('k', (1, 1)), item('k', (0, 2))];
    let got = again(2, elements, |s: KeyedStream<char, (u32, u32)>| {
        let side = |number| {
            let of_side = s.clone().filter(move |(_, (side, _))| *side == number);
            of_side.map_value(|(_, value)| value)
        };
        join(side(0), side(1)).key_rm()
    });
    let show = |value: Option<u32>| value.map_or("-".to_owned(), |value| value.to_string());
    let row = |(left, right)| format!("L{}R{}", show(left), show(right));
    let run = |rows: Vec<_>| rows.into_iter().map(row).collect::<Vec<_>>().join(" ");
    got.into_iter().map(run).collect()
}

#[test]
fn j27_joins_go_on() {
    let complete = joined(|left, right| {
        let rows = left.join(right).named("rows");
        rows.map_value(|(left, right)| (Some(left), Some(right)))
    });
    assert_eq!(complete, ["", "L1R1"]);
    let running = joined(|left, right| left.join_running(right, Last).named("rows"));
    assert_eq!(running, ["L1R-", "L1R1 L2R1"]);
    let at_the_end = joined(|left, right| left.join_final(right, Last).named("rows"));
    assert_eq!(at_the_end, ["L1R-", "L2R1"]);
}

#[test]
fn joins_of_rows_go_on() {
    for kept in [Kept::Unbounded, Kept::For(TimeDelta::days(1000))] {
        let inner = joined(|left, right| {
            let rows = left.join_rows(right, Inner, kept).named("rows");
            rows.map_value(|(left, right)| (Some(left), Some(right)))
        });
        assert_eq!(inner, ["", "L1R1 L2R1"], "{kept:?}");
        // A row without a match is emitted at the first end, and once.
        let outer = joined(|left, right| left.join_rows(right, FullOuter, kept).named("rows"));
        assert_eq!(outer, ["L1R-", "L1R1 L2R1"], "{kept:?}");
    }
    let elements = [item('k', 1), Eof, item('k', 2), Eof, item('k', 3)];
    let got = again(3, elements, |s: KeyedStream<char, u32>| {
        let none = s.clone().filter(|_| false);
        let rows = none.join_rows(s, RightOuter, Kept::Unbounded).named("rows");
        rows.map(|(_, (_, right))| right)
    });
    assert_eq!(got, [[1], [2], [3]], "each is emitted once");
}
