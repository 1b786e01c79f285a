//! Where a run begins: rows 37, 52, 68, 70 and 80 to 83.

use std::sync::mpsc::channel;

use bytewax_runtime::WorkerIndex;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource};

use super::{LONG, Store, ZERO, runs};
use crate::shared::{Answer, EachWorker, flow_of, sorted};

use TestingItem::{Abort, Eof, Item};

fn items(mark: TestingItem<u32>) -> TestingSource<u32> {
    TestingSource::with_marks([Item(0), Item(1), Item(2), mark, Item(3), Item(4)])
}

fn copied(times: usize, source: TestingSource<u32>, epoch: std::time::Duration) -> Vec<Vec<u32>> {
    let store = Store::new(2);
    let out = TestingSink::new();
    let flow = flow_of(source, |s| s, out.clone());
    runs(&flow, &out, (0..times).map(|_| store.config(epoch)))
}

#[test]
fn r80_an_abort_in_the_first_epoch_loses_it() {
    assert_eq!(
        copied(2, items(Abort), LONG),
        [vec![0, 1, 2], vec![0, 1, 2, 3, 4]]
    );
}

#[test]
fn r70_r81_an_abort_between_epochs_loses_nothing() {
    assert_eq!(copied(2, items(Abort), ZERO), [vec![0, 1, 2], vec![3, 4]]);
}

#[test]
fn r68_r82_a_run_goes_on_behind_the_end_of_the_last() {
    for epoch in [LONG, ZERO] {
        assert_eq!(
            copied(4, items(Eof).batch_size(2), epoch),
            [vec![0, 1, 2], vec![3, 4], vec![], vec![]]
        );
    }
}

#[test]
fn r83_old_epochs_that_are_kept_do_not_come_again() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let elements = (0..5).flat_map(|n| [Item(n), Eof]);
    let flow = flow_of(TestingSource::with_marks(elements), |s| s, out.clone());
    let config = store
        .config(LONG)
        .recovery(bytewax_runtime::RecoveryConfig::new(store.path()).backup_interval(LONG));
    let got = runs(&flow, &out, (0..6).map(|_| config.clone()));
    assert_eq!(got, [vec![0], vec![1], vec![2], vec![3], vec![4], vec![]]);
}

#[test]
fn r37_epochs_are_counted_on() {
    let (sender, seen) = channel();
    let store = Store::new(2);
    let out = TestingSink::new();
    let source = TestingSource::with_marks([Item(7), Item(8), Item(9), Eof, Item(10)]);
    let shown = |s: Stream<u32>| {
        s.inspect_debug_with(move |at, item| sender.send((*item, at.epoch.0)).unwrap())
    };
    let flow = flow_of(source, shown, out.clone());
    runs(&flow, &out, [store.config(LONG), store.config(LONG)]);
    drop(flow);
    assert_eq!(
        seen.iter().collect::<Vec<_>>(),
        [(7, 1), (8, 1), (9, 1), (10, 2)]
    );
}

#[test]
fn r52_a_dynamic_source_begins_anew() {
    let store = Store::new(2);
    let out = TestingSink::new();
    let source = EachWorker(|_: WorkerIndex| {
        let mut left = vec![2, 1];
        Ok(move || -> Answer<u32> { Ok(left.pop().map_or(Poll::end(), Poll::item)) })
    });
    let flow = flow_of(source, |s| s, out.clone());
    let got = runs(&flow, &out, [store.config(ZERO), store.config(ZERO)]);
    assert_eq!(got, [[1, 2], [1, 2]]);
}

/// With an epoch for each poll, an epoch begins when the one before is saved on all workers.
#[test]
fn r81_an_abort_with_several_workers() {
    for workers in 1..=4 {
        let store = Store::new(3);
        let out = TestingSink::new();
        let numbers = (0..50).map(Item).chain([Abort]).chain((50..100).map(Item));
        let source = TestingSource::with_marks(numbers);
        let flow = flow_of(source, |s| s.redistribute(), out.clone());
        let config = store.config(ZERO).workers(workers);
        let got = runs(&flow, &out, [config.clone(), config]).remove(1);
        assert!((50..100).eq(sorted(got)));
    }
}
