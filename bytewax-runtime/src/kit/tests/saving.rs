//! What a keyed step hands to the store, when its epoch is held for that, and what it reads again.

use std::collections::BTreeSet;
use std::rc::Rc;

use chrono::TimeDelta;

use crate::error::RunError;
use crate::key::{Key, Slot};
use crate::kit::bench::{Bench, Downstream, Shelf, Upstream, run};
use crate::kit::keyed::Routed;
use crate::kit::saving::{KeyedLogic, Saving};
use crate::kit::{Cx, Flush, Head, HeadLogic, Next};
use crate::state::run::Table;
use crate::state::{KeyTable, MemoryLimit};

/// Adds up the values of each key.
struct Sums {
    table: KeyTable<u32, u64>,
    next: Next<(u32, u64)>,
}

impl HeadLogic<Routed<u32, u64>> for Sums {
    fn batch(&mut self, items: &mut Vec<Routed<u32, u64>>, cx: &mut Cx) -> Result<(), RunError> {
        for (hash, key, value) in items.drain(..) {
            let sum = self.table.touch(hash, &key, || 0);
            *sum += value;
            let sum = *sum;
            self.next.buffer.push((key, sum));
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl KeyedLogic<u32, u64> for Sums {
    type Cell = u64;

    fn table(&mut self) -> &mut KeyTable<u32, u64> {
        &mut self.table
    }
}

fn saving(shelf: Shelf) -> (Bench, Rc<Shelf>) {
    Bench::saving(TimeDelta::seconds(10), 100, shelf)
}

type Step = Head<Routed<u32, u64>, Saving<u32, u64, Sums>>;

fn step(
    bench: &Bench,
    upstream: &Upstream<Routed<u32, u64>>,
    out: &Downstream<(u32, u64)>,
) -> Step {
    let logic = Sums {
        table: KeyTable::new(),
        next: out.outputs().next(0),
    };
    let saving = Saving::new(&bench.build_cx(), logic).unwrap();
    Head::new(&bench.build_cx(), vec![upstream.input()], saving)
}

fn items(pairs: &[(u32, u64)]) -> Vec<Routed<u32, u64>> {
    let routed = pairs
        .iter()
        .map(|(key, value)| (key.stable_hash(), *key, *value));
    routed.collect()
}

fn slot(key: u32) -> Slot {
    Slot::of(key.stable_hash())
}

/// The number of slots that have these keys.
fn slot_count(pairs: &[(u32, u64)]) -> usize {
    let slots: BTreeSet<Slot> = pairs.iter().map(|(key, _)| slot(*key)).collect();
    slots.len()
}

/// The epochs and the slots of the states that were handed over.
fn saved(shelf: &Shelf) -> Vec<(u64, Slot)> {
    let changes = shelf.changes.borrow();
    let states = changes.iter().filter(|change| change.table == Table::Snaps);
    let slots =
        states.flat_map(|change| change.runs.iter().map(|(slot, _)| (change.epoch.0, *slot)));
    let mut saved: Vec<_> = slots.collect();
    saved.sort_unstable();
    saved
}

#[test]
fn what_was_touched_in_an_epoch_is_saved_with_it() {
    let (bench, shelf) = saving(Shelf::new(usize::MAX));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = step(&bench, &upstream, &out);
    let (mut cx, link, _) = bench.cx();
    upstream.send(1, 0, items(&[(1, 5), (2, 7)]));
    upstream.send(2, 0, items(&[(2, 1)]));
    run(&mut step, Some(1), &mut cx);
    assert_eq!(saved(&shelf), []);
    run(&mut step, Some(2), &mut cx);
    let mut first = vec![(1, slot(1)), (1, slot(2))];
    first.sort_unstable();
    assert_eq!(saved(&shelf), first);
    assert_eq!(link.frontier(), (2, 2));
    run(&mut step, None, &mut cx);
    assert_eq!(saved(&shelf)[2..], [(2, slot(2))]);
    assert_eq!(out.items(), [(1, vec![(1, 5), (2, 7)]), (2, vec![(2, 8)])]);
}

#[test]
fn an_epoch_is_held_until_all_of_it_is_handed_over_while_items_go_on() {
    let (bench, shelf) = saving(Shelf::new(0));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = step(&bench, &upstream, &out);
    let (mut cx, link, _) = bench.cx();
    upstream.send(1, 0, items(&[(1, 5)]));
    run(&mut step, Some(1), &mut cx);
    run(&mut step, Some(2), &mut cx);
    assert_eq!((saved(&shelf), link.frontier()), (Vec::new(), (2, 1)));
    upstream.send(2, 0, items(&[(1, 1)]));
    run(&mut step, Some(2), &mut cx);
    assert_eq!(out.items(), [(1, vec![(1, 5)]), (2, vec![(1, 6)])]);
    assert_eq!(link.frontier(), (2, 1));
    shelf.room.set(usize::MAX);
    run(&mut step, Some(2), &mut cx);
    assert_eq!(
        (saved(&shelf), link.frontier()),
        (vec![(1, slot(1))], (2, 2))
    );

    // The key is as it was at the end of the epoch, and not as it is now.
    let (bench, _) = saving(shelf.next());
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = self::step(&bench, &upstream, &out);
    let (mut cx, ..) = bench.cx();
    upstream.send(1, 0, items(&[(1, 10)]));
    run(&mut step, None, &mut cx);
    assert_eq!(out.items(), [(1, vec![(1, 15)])]);
}

#[test]
fn a_snapshot_goes_on_with_the_items_of_the_next_epoch() {
    let (bench, shelf) = saving(Shelf::new(usize::MAX));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = step(&bench, &upstream, &out);
    let (mut cx, link, alarm) = bench.cx();
    let all: Vec<(u32, u64)> = (0..1000).map(|key| (key, 1)).collect();
    let slots = |shelf: &Shelf| saved(shelf).len();
    upstream.send(1, 0, items(&all));
    run(&mut step, Some(1), &mut cx);
    run(&mut step, Some(2), &mut cx);
    // Without items, it goes on at once and a little at a time.
    let begun = slots(&shelf);
    assert!(begun < slot_count(&all), "{begun}");
    assert_eq!((alarm.take(), link.frontier()), (true, (2, 1)));
    run(&mut step, Some(2), &mut cx);
    assert!(alarm.take() && link.frontier() == (2, 1));
    // Items go on, and the more they are, the more keys are saved with them.
    upstream.send(2, 0, items(&all));
    run(&mut step, Some(2), &mut cx);
    assert_eq!(out.items().len(), 2);
    assert_eq!((slots(&shelf), link.frontier()), (slot_count(&all), (2, 2)));
}

#[test]
fn a_slot_is_read_once_and_not_before_a_key_of_it_comes() {
    let (bench, shelf) = saving(Shelf::new(usize::MAX));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = step(&bench, &upstream, &out);
    let (mut cx, ..) = bench.cx();
    upstream.send(1, 0, items(&[(1, 1), (2, 2), (3, 3)]));
    run(&mut step, None, &mut cx);

    let (bench, shelf) = saving(shelf.next());
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = self::step(&bench, &upstream, &out);
    let (mut cx, ..) = bench.cx();
    run(&mut step, Some(1), &mut cx);
    assert_eq!(*shelf.loaded.borrow(), []);
    upstream.send(1, 0, items(&[(2, 10), (2, 1), (9, 9)]));
    run(&mut step, Some(1), &mut cx);
    assert_eq!(*shelf.loaded.borrow(), [slot(2)]);
    assert_eq!(out.items(), [(1, vec![(2, 12), (2, 13), (9, 9)])]);
}

#[test]
fn evicted_keys_are_restored_without_their_slots() {
    let few = |shelf: Shelf| Shelf {
        limit: Some(Rc::new(MemoryLimit::new(0, 1))),
        ..shelf
    };
    let (bench, shelf) = saving(few(Shelf::new(usize::MAX)));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = step(&bench, &upstream, &out);
    let (mut cx, ..) = bench.cx();
    // Some keys have a slot in common.
    let all: Vec<(u32, u64)> = (0..6000).map(|key| (key, 1)).collect();
    upstream.send(1, 0, items(&all));
    run(&mut step, Some(1), &mut cx);
    upstream.send(1, 0, items(&[(1, 5), (2, 7), (1, 1)]));
    run(&mut step, None, &mut cx);
    let (_, outputs) = out.items().pop().unwrap();
    assert_eq!(outputs, [(1, 6), (2, 8), (1, 7)]);
    assert_eq!(*shelf.loaded.borrow(), []);

    let (bench, shelf) = saving(few(shelf.next()));
    let (upstream, out) = (Upstream::new(&bench), Downstream::new());
    let mut step = self::step(&bench, &upstream, &out);
    let (mut cx, ..) = bench.cx();
    for _ in 0..3 {
        upstream.send(1, 0, items(&[(1, 1), (5000, 2)]));
        run(&mut step, Some(1), &mut cx);
    }
    assert_eq!(*shelf.loaded.borrow(), [slot(1), slot(5000)]);
    let outputs: Vec<_> = out
        .items()
        .into_iter()
        .flat_map(|(_, items)| items)
        .collect();
    let expected = [(1, 8), (5000, 3), (1, 9), (5000, 5), (1, 10), (5000, 7)];
    assert_eq!(outputs, expected);
}
