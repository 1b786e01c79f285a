//! Joins by time behind random graphs: each side is behind steps of its own.

use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingSink;
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
type Row = (u8, u64, Option<i64>, Option<i64>);

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
        let (down, late, joins_late) = (Exact::new(), Exact::new(), TestingSink::new());
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
            let time = |hit: Hit| hit.1;
            let interval = left
                .clone()
                .join_interval(right.clone(), clock(), near, LeftOuter)
                .named("interval");
            let as_of = left
                .clone()
                .join_as_of(right.clone(), clock(), AsOf::backward())
                .named("as_of");
            let windows = left
                .clone()
                .join_window(right.clone(), clock(), tumbling(10.0), JoinInsert::Product)
                .named("windows");
            let all = left.join_rows(right, Inner, Kept::Unbounded).named("all");
            let of_joins = interval.late.0.merge(interval.late.1);
            let of_joins = of_joins.merge(as_of.late.0).merge(as_of.late.1);
            let of_windows = windows.late.0.merge(windows.late.1);
            let of_windows = of_windows.map_value(|(_, hit)| hit);
            let none = of_joins.merge(of_windows);
            none.output(joins_late.clone()).named("joins_late");

            let interval = interval.down;
            let interval =
                interval.map(move |(page, (l, r))| (INTERVAL, page, Some(time(l)), r.map(time)));
            let as_of = as_of.down;
            let as_of = as_of.map(move |(page, (l, r))| (AS_OF, page, Some(time(l)), r.map(time)));
            let windows = windows.down;
            let windows =
                windows.map(move |(page, (_, (l, r)))| (WINDOWS, page, l.map(time), r.map(time)));
            let all = all.map(move |(page, (l, r))| (ALL, page, Some(time(l)), Some(time(r))));
            let rows = interval.merge(as_of).merge(windows).merge(all);
            rows.output(down.clone()).named("out");
        });
        run_all(&flow, stops.len(), workers);
        let joins_late: Vec<(u64, Hit)> = joins_late.take();
        assert_eq!(joins_late, [], "nothing is late behind the declaration");
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
        let window = |time: i64| time / WINDOW;
        let others = |hit: &Hit| -> Vec<i64> {
            let others = hits.iter();
            let others = others.filter(|it| it.0 == hit.0 && is_left(it) != is_left(hit));
            others.map(|it| it.1).collect()
        };
        for r in hits.iter().filter(|hit| !is_left(hit)) {
            if !others(r).iter().any(|l| window(*l) == window(r.1)) {
                rows.push((WINDOWS, r.0, None, Some(r.1)));
            }
        }
        for l in hits.iter().filter(|hit| is_left(hit)) {
            let (page, time, rights) = (l.0, Some(l.1), others(l));
            let mut add = |join: u8, found: Vec<i64>, outer: bool| {
                if found.is_empty() && outer {
                    rows.push((join, page, time, None));
                }
                rows.extend(found.into_iter().map(|r| (join, page, time, Some(r))));
            };
            let of = |is_met: &dyn Fn(i64) -> bool| -> Vec<i64> {
                rights.iter().copied().filter(|r| is_met(*r)).collect()
            };
            add(INTERVAL, of(&|r| (r - l.1).abs() <= NEAR), true);
            add(
                AS_OF,
                of(&|r| r <= l.1).into_iter().max().into_iter().collect(),
                true,
            );
            add(WINDOWS, of(&|r| window(r) == window(l.1)), true);
            add(ALL, rights.clone(), false);
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
