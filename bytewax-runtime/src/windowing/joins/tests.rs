//! Joins of rows against models of a few lines, whatever the watermark does between two rows.

use std::sync::Arc;

use proptest::prelude::*;

use super::as_of::AsOf;
use super::interval::{Interval, IntervalJoin};
use super::kind::{FullOuter, Inner, LeftOuter, RightOuter};
use super::rows::Both;
use super::table::{TableJoin, Versions};
use crate::kit::logic::Emit;
use crate::operators::Of2;
use crate::windowing::engine::{Event, WindowEngine};
use crate::windowing::time::Time;

/// A side, and a time.
type Row = (bool, Time);

/// Rows that are at most `wait` behind the newest before them: none is late.
fn rows(wait: Time) -> impl Strategy<Value = Vec<Row>> {
    let row = (any::<bool>(), 0..4_i64, 0..=wait);
    prop::collection::vec(row, 0..40).prop_map(|rows| {
        let mut newest = 0;
        let row = |(side, step, back): (bool, i64, i64)| {
            newest += step;
            (side, newest - back)
        };
        rows.into_iter().map(row).collect()
    })
}

const WAIT: Time = 5;

/// How far a row of the right is from one of the left, if it may meet it: how far, whether it is after it, and
/// whether of one time the first counts or, if less than zero, the last.
type Apart = fn(Time, Time) -> Option<(Time, bool, i64)>;

/// What an as-of join emits.
type Pair = (u8, Option<u8>);

/// Gives rows to a join of one key, numbered in their order; the watermark goes on behind those whose place is
/// in `looks`. Gives what is emitted, and at which row.
fn emitted<W>(engine: &W, rows: &[Row], looks: &[bool]) -> Vec<(usize, W::Out)>
where
    W: WindowEngine<
            Of2<(usize, Time), (usize, Time)>,
            KeyState = Both<(usize, Time), (usize, Time)>,
        >,
{
    let mut kept = Both::default();
    let mut out = Emit::new();
    let mut all = Vec::new();
    let (mut mark, mut newest, mut next) = (Time::MIN, Time::MIN, Time::MAX);
    let mut tell = |place: usize, out: &mut Emit<Event<W::Out, _>>| {
        for event in out.drain() {
            match event {
                Event::Down(_, row) => all.push((place, row)),
                Event::Late(..) | Event::Meta(..) => unreachable!("nothing is late"),
            }
        }
    };
    for (place, (is_left, time)) in rows.iter().copied().enumerate() {
        let value = if is_left {
            Of2::A((place, time))
        } else {
            Of2::B((place, time))
        };
        next = next.min(engine.add(&mut kept, time, value, mark, &mut out));
        newest = newest.max(time);
        if looks.get(place).copied().unwrap_or_default() {
            mark = newest - WAIT;
        }
        // The watermark alone wakes a key.
        if mark >= next {
            engine.close(&mut kept, mark, &mut out);
            next = engine.next(&kept);
            assert!(next > mark, "it was done with what was due");
        }
        tell(place, &mut out);
    }
    engine.end(&mut kept, mark, &mut out);
    tell(rows.len(), &mut out);
    all
}

fn sorted<T: Ord>(rows: Vec<(usize, T)>) -> Vec<T> {
    let mut rows: Vec<T> = rows.into_iter().map(|(_, row)| row).collect();
    rows.sort();
    rows
}

type Numbered = (usize, Time);

fn side(rows: &[Row], left: bool) -> Vec<Numbered> {
    let numbered = rows.iter().enumerate().filter(|(_, row)| row.0 == left);
    numbered.map(|(place, row)| (place, row.1)).collect()
}

proptest! {
    #[test]
    fn an_interval_join_is_a_loop_in_a_loop(
        rows in rows(WAIT),
        looks in prop::collection::vec(any::<bool>(), 40),
        (a, b) in (-8..8_i64, -8..8_i64),
    ) {
        let (least, most) = (a.min(b), a.max(b));
        let span = chrono::TimeDelta::microseconds;
        let interval = Interval::between(span(least), span(most));
        let (left, right) = (side(&rows, true), side(&rows, false));
        let near = |a: &Numbered, b: &Numbered| (least..=most).contains(&(b.1 - a.1));
        let mut pairs = Vec::new();
        for a in &left {
            pairs.extend(right.iter().filter(|b| near(a, b)).map(|b| (Some(*a), Some(*b))));
        }
        let alone_left: Vec<_> =
            left.iter().filter(|a| !right.iter().any(|b| near(a, b))).map(|a| (Some(*a), None)).collect();
        let alone_right: Vec<_> =
            right.iter().filter(|b| !left.iter().any(|a| near(a, b))).map(|b| (None, Some(*b))).collect();
        let model = |with_left: bool, with_right: bool| {
            let mut all = pairs.clone();
            all.extend(alone_left.iter().filter(|_| with_left));
            all.extend(alone_right.iter().filter(|_| with_right));
            all.sort();
            all
        };
        let full = sorted(emitted(&IntervalJoin::<FullOuter>::new(interval), &rows, &looks));
        prop_assert_eq!(full, model(true, true));
        let inner = sorted(emitted(&IntervalJoin::<Inner>::new(interval), &rows, &looks));
        let inner: Vec<_> = inner.into_iter().map(|(a, b)| (Some(a), Some(b))).collect();
        prop_assert_eq!(inner, model(false, false));
        let outer = sorted(emitted(&IntervalJoin::<LeftOuter>::new(interval), &rows, &looks));
        let outer: Vec<_> = outer.into_iter().map(|(a, b)| (Some(a), b)).collect();
        prop_assert_eq!(outer, model(true, false));
        let outer = sorted(emitted(&IntervalJoin::<RightOuter>::new(interval), &rows, &looks));
        let outer: Vec<_> = outer.into_iter().map(|(a, b)| (a, Some(b))).collect();
        prop_assert_eq!(outer, model(false, true));
    }

    #[test]
    fn pairs_do_not_wait(rows in rows(WAIT), looks in prop::collection::vec(any::<bool>(), 40)) {
        let engine = IntervalJoin::<Inner>::new(Interval::within(chrono::TimeDelta::microseconds(3)));
        for (place, (a, b)) in emitted(&engine, &rows, &looks) {
            prop_assert_eq!(place, a.0.max(b.0));
        }
    }

    #[test]
    fn a_join_as_of_looks_for_the_nearest(
        rows in rows(WAIT),
        looks in prop::collection::vec(any::<bool>(), 40),
        tolerance in prop::option::of(0..6_i64),
        at_once in any::<bool>(),
    ) {
        let with = |as_of: AsOf| {
            let as_of = if at_once { as_of.at_once() } else { as_of };
            let span = chrono::TimeDelta::microseconds;
            tolerance.map_or(as_of, |tolerance| as_of.tolerance(span(tolerance)))
        };
        let (left, right) = (side(&rows, true), side(&rows, false));
        let model = |apart: Apart| {
            let meets = |a: &Numbered| {
                let there = right.iter().filter(|b| !at_once || b.0 < a.0);
                let near = there.filter_map(|b| Some((apart(a.1, b.1)?, b)));
                let near = near.filter(|((far, ..), _)| tolerance.is_none_or(|most| *far <= most));
                // Of one time, the sign of the last says whether the first or the last of them counts.
                let nearest = near.min_by_key(|((far, after, sign), b)| (*far, *after, sign * b.0 as i64));
                (*a, nearest.map(|(_, b)| *b))
            };
            let mut all: Vec<_> = left.iter().map(meets).collect();
            all.sort();
            all
        };
        let backward = |a: Time, b: Time| (b <= a).then_some((a - b, false, -1));
        let forward = |a: Time, b: Time| (b >= a).then_some((b - a, true, 1));
        let nearest = |a: Time, b: Time| Some(if b <= a { (a - b, false, -1) } else { (b - a, true, 1) });
        let got = |as_of| sorted(emitted(&with(as_of), &rows, &looks));
        prop_assert_eq!(got(AsOf::backward()), model(backward));
        prop_assert_eq!(got(AsOf::forward()), model(forward));
        prop_assert_eq!(got(AsOf::nearest()), model(nearest));
    }
}

/// A row of the left, or a change with its number and whether it sets a row.
type Lookup = Of2<(usize, Time), (usize, bool)>;
type Looked = ((usize, Time), Option<usize>);

/// The rows that a join with a table keeps and emits, from all changes.
#[derive(Default)]
struct TableModel {
    /// Time, place, and whether it sets a row; in order.
    changes: Vec<(Time, usize, bool)>,
    waiting: Vec<(Time, usize)>,
}

impl TableModel {
    fn valid(&self, time: Time) -> Option<usize> {
        let last = self.changes.iter().rfind(|change| change.0 <= time)?;
        last.2.then_some(last.1)
    }

    fn take_settled(&mut self, mark: Time) -> Vec<Looked> {
        self.waiting.sort();
        let settled = self.waiting.iter().take_while(|row| row.0 < mark).count();
        let settled: Vec<_> = self.waiting.drain(..settled).collect();
        let looked = |(time, place)| ((place, time), self.valid(time));
        settled.into_iter().map(looked).collect()
    }

    /// The number of versions that a row of the left can need which comes at this time or later.
    fn needed(&self, from: Time) -> usize {
        let behind = self.changes.partition_point(|change| change.0 <= from);
        let valid = behind
            .checked_sub(1)
            .and_then(|last| self.changes.get(last));
        self.changes.len() - behind + usize::from(valid.is_some_and(|change| change.2))
    }
}

proptest! {
    #[test]
    fn a_join_with_a_table_looks_into_its_history(
        rows in rows(2 * WAIT),
        sets in prop::collection::vec(any::<bool>(), 40),
        looks in prop::collection::vec(any::<bool>(), 40),
        kept_for in 0..=WAIT,
        at_once in any::<bool>(),
    ) {
        let versions = Versions::kept_for(chrono::TimeDelta::microseconds(kept_for));
        let versions = if at_once { versions.at_once() } else { versions };
        let change = |(place, sets): (usize, bool)| sets.then_some(place);
        let table = TableJoin::<LeftOuter, _>::new(versions, Arc::new(change));
        let (mut kept, mut model) = (Both::default(), TableModel::default());
        let mut out: Emit<Event<Looked, Lookup>> = Emit::new();
        let (mut mark, mut newest) = (-1000, -1000);
        for (place, (is_left, time)) in rows.iter().copied().enumerate() {
            let mut expected = Vec::new();
            // Late rows do not come to it.
            if time >= mark - kept_for {
                if !is_left {
                    let change = (time, place, sets[place]);
                    let at = model.changes.partition_point(|other| other.0 <= time);
                    model.changes.insert(at, change);
                    table.add(&mut kept, time, Of2::B((place, sets[place])), mark, &mut out);
                } else {
                    if at_once || time < mark {
                        expected.push(((place, time), model.valid(time)));
                    } else {
                        model.waiting.push((time, place));
                    }
                    table.add(&mut kept, time, Of2::A((place, time)), mark, &mut out);
                }
            }
            newest = newest.max(time);
            if looks.get(place).copied().unwrap_or_default() {
                mark = newest - WAIT;
            }
            expected.extend(model.take_settled(mark));
            if mark >= WindowEngine::<Lookup>::next(&table, &kept) {
                table.close(&mut kept, mark, &mut out);
            }
            let emitted: Vec<_> = out.drain().filter_map(|event| match event {
                Event::Down(_, row) => Some(row),
                Event::Late(..) | Event::Meta(..) => None,
            }).collect();
            prop_assert_eq!(emitted, expected);
            let needed = model.needed(mark - kept_for);
            prop_assert_eq!(kept.right.len(), needed, "no version is kept that nothing needs");
            prop_assert_eq!(kept.left.len(), model.waiting.len());
        }
    }
}

#[test]
fn what_no_row_can_meet_any_more_is_dropped() {
    let (mut kept, mut out) = (Both::default(), Emit::new());
    let hour = chrono::TimeDelta::microseconds(10);
    let interval = IntervalJoin::<Inner>::new(Interval::after(hour));
    interval.add(&mut kept, 5, Of2::<u8, u8>::A(1), 0, &mut out);
    interval.add(&mut kept, 9, Of2::B(2), 0, &mut out);
    assert_eq!(kept.len(), 2);
    interval.close(&mut kept, 10, &mut out);
    assert_eq!(kept.len(), 1, "nothing of the left comes that is before 9");
    interval.close(&mut kept, 15, &mut out);
    assert_eq!(kept.len(), 1);
    interval.close(&mut kept, 16, &mut out);
    assert_eq!(kept.len(), 0);

    let as_of = AsOf::backward();
    let mut kept = Both::default();
    let mut out: Emit<Event<Pair, Of2<u8, u8>>> = Emit::new();
    for time in [1, 2, 3, 8] {
        as_of.add(&mut kept, time, Of2::B(time as u8), 0, &mut out);
    }
    as_of.close(&mut kept, 4, &mut out);
    assert_eq!(
        kept.len(),
        2,
        "the newest that is not after the watermark, and those after it"
    );
    let as_of = as_of.tolerance(chrono::TimeDelta::microseconds(2));
    as_of.close(&mut kept, 6, &mut out);
    assert_eq!(kept.len(), 1);
    as_of.close(&mut kept, 11, &mut out);
    assert!(as_of.is_empty(&kept), "the key is forgotten");
}
