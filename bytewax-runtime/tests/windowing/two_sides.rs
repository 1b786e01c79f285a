//! Joins by time behind random graphs: each side is behind steps of its own.

use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::windowing::{AsOf, Inner, Interval, Kept, Lateness, LeftOuter, StreamClock};
use chrono::TimeDelta;
use proptest::prelude::*;

use super::exact::Exact;
use super::graphs::{Dealt, PASSES, Part, part, run_all, stops};
use super::streams::{Hit, at};
use super::support::tumbling;
use crate::shared::sorted;

/// The length of windows, in microseconds.
const WINDOW: i64 = 10_000_000;

/// Rows are near each other if they are at most so far apart.
const NEAR: i64 = 4_000_000;

/// The rows of each join: its number, the page, and the times of both sides.
type Row = (u8, u64, i64, Option<i64>);

const INTERVAL: u8 = 0;
const AS_OF: u8 = 1;
const WINDOWS: u8 = 2;
const ALL: u8 = 3;

#[derive(Clone, Debug)]
struct Case {
    parts: Vec<Part>,
    wait: i64,
    /// The steps in front of the left and of the right side.
    graphs: [Vec<usize>; 2],
    batch: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let graph = || prop::collection::vec(0..PASSES.len(), 0..3);
    let parts = prop::collection::vec(part(), 3);
    (parts, 0..20_000_000_i64, [graph(), graph()], 1..20_usize).prop_map(
        |(parts, wait, graphs, batch)| Case {
            parts,
            wait,
            graphs,
            batch,
        },
    )
}

/// The side of a hit; each page has hits on both.
fn is_left(hit: &Hit) -> bool {
    hit.1 / 1_000_000 % 3 != 0
}

/// The rows, and the hits that are late.
type Outcome = (Vec<Row>, Vec<Hit>);

impl Case {
    fn outcome(&self, stops: &[usize], workers: &[usize]) -> Outcome {
        let (down, late) = (Exact::new(), Exact::new());
        let flow = Dataflow::build("f", |flow| {
            let hits = flow
                .input(Dealt::new(&self.parts, self.batch, stops))
                .named("in");
            let lateness = Lateness::bounded(TimeDelta::microseconds(self.wait));
            let timed = hits.event_time(|(_, hit)| at(hit), lateness).named("time");
            let too_late = timed.late.map(|(_, hit)| hit);
            too_late.output(late.clone()).named("late");
            let sides = timed.down.branch(|(_, hit)| is_left(hit));
            let [left, right] = [(sides.trues, 0), (sides.falses, 1)].map(|(side, number)| {
                let steps = self.graphs[number].iter().enumerate();
                steps.fold(side, |side, (place, step)| {
                    PASSES[*step](side, &format!("step{number}_{place}"))
                })
            });
            let clock = || StreamClock::of_sides((at, at));
            let near = Interval::within(TimeDelta::microseconds(NEAR));
            let rows = left
                .clone()
                .join_interval(right.clone(), clock(), near, LeftOuter);
            let interval = rows
                .named("interval")
                .down
                .map(|(page, (l, r))| (INTERVAL, page, l.1, r.map(|r| r.1)));
            let rows = left
                .clone()
                .join_as_of(right.clone(), clock(), AsOf::backward());
            let as_of = rows
                .named("as_of")
                .down
                .map(|(page, (l, r))| (AS_OF, page, l.1, r.map(|r| r.1)));
            let rows = left.clone().join_window(
                right.clone(),
                clock(),
                tumbling(10.0),
                JoinInsert::Product,
            );
            let windows = rows.named("windows").down;
            let windows = windows.filter_map(|(page, (_, row))| match row {
                (Some(l), Some(r)) => Some((WINDOWS, page, l.1, Some(r.1))),
                _ => None,
            });
            let rows = left.join_rows(right, Inner, Kept::Unbounded).named("all");
            let all = rows.map(|(page, (l, r))| (ALL, page, l.1, Some(r.1)));
            let rows = interval.merge(as_of).merge(windows).merge(all);
            rows.output(down.clone()).named("out");
        });
        run_all(&flow, stops.len(), workers);
        (down.sorted(), late.sorted())
    }

    /// Each partition by itself determines what is late.
    fn model(&self) -> Outcome {
        let (mut hits, mut late) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let mut newest = i64::MIN;
            for hit in &part.hits {
                newest = newest.max(hit.1);
                match hit.1 < newest - self.wait {
                    true => late.push(*hit),
                    false => hits.push(*hit),
                }
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for l in hits.iter().filter(|hit| is_left(hit)) {
            let rights = hits.iter().filter(|r| r.0 == l.0 && !is_left(r));
            let rights: Vec<i64> = rights.map(|r| r.1).collect();
            let near = rights.iter().filter(|r| (*r - l.1).abs() <= NEAR);
            let near: Vec<_> = near.map(|r| (INTERVAL, l.0, l.1, Some(*r))).collect();
            match near.is_empty() {
                true => rows.push((INTERVAL, l.0, l.1, None)),
                false => rows.extend(near),
            }
            let newest = rights.iter().filter(|r| **r <= l.1).max();
            rows.push((AS_OF, l.0, l.1, newest.copied()));
            for r in &rights {
                if r / WINDOW == l.1 / WINDOW {
                    rows.push((WINDOWS, l.0, l.1, Some(*r)));
                }
                rows.push((ALL, l.0, l.1, Some(*r)));
            }
        }
        (sorted(rows), sorted(late))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_depend_on_the_items_alone(case in cases()) {
        for workers in [1, 2, 4] {
            prop_assert_eq!(case.outcome(&[], &[workers]), case.model(), "{} workers", workers);
        }
    }

    #[test]
    fn stops_do_not_change_the_rows(
        case in cases(),
        stops in stops(),
        workers in [1..5_usize, 1..5_usize, 1..5_usize],
    ) {
        prop_assert_eq!(case.outcome(&stops, &workers), case.model());
    }
}
