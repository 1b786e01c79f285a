//! What comes of values and of the end: rows of the tables.

use std::time::Duration;

use TestingItem::{Item, Pause};
use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Act::{For, Forget, Leave, Panic, Until};
use super::{Act, LONG, Told, ZERO, acts, per_epoch, told, with_pauses};
use crate::rows::rows;
use crate::shared::{failure, flow_of, run_in};

/// Counts the items of each batch, and notes the batches.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Batches(u32);

impl StatefulBatchLogic for Batches {
    type In = char;
    type Out = (char, u32);

    fn on_batch(&mut self, items: Vec<char>, out: &mut Emit<(char, u32)>) -> Keep {
        self.0 += 1;
        out.emit(('b', self.0));
        assert!(!items.contains(&'p'), "no");
        if items.contains(&'d') {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn on_eof(&mut self, out: &mut Emit<(char, u32)>) -> Keep {
        out.emit(('e', self.0));
        Keep::Yes
    }
}

fn stateful(interval: Duration, batch: usize, acts: Vec<(char, Act)>) -> Vec<(char, String)> {
    run_in(&per_epoch(interval), batch, acts, |s| {
        s.stateful::<Told>().named("told")
    })
}

/// Each poll of the source is an epoch, so that no two of them are taken together.
fn batches(batch: usize, items: &[(char, char)]) -> Vec<(char, (char, u32))> {
    run_in(&per_epoch(ZERO), batch, items.to_vec(), |s| {
        s.stateful_batch::<Batches>().named("batches")
    })
}

/// The states of the rows that name what happened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Last {
    New,
    ByItem,
    ByNotify,
    ByEof,
}
use Last::{ByEof, ByItem, ByNotify, New};

#[stateful(crate = "bytewax_runtime")]
struct Steps {
    last: Last,
    due: Option<DateTime<Utc>>,
    /// Which of item, notification and end discards.
    discards: Option<Last>,
    notified: bool,
}

impl Steps {
    fn step(&mut self, next: Last, out: &mut Emit<(Last, Last)>) -> Keep {
        out.emit((self.last, next));
        self.last = next;
        if self.discards == Some(next) {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}

impl StatefulLogic for Steps {
    type In = u32;
    type Out = (Last, Last);

    fn on_item(&mut self, _: u32, out: &mut Emit<(Last, Last)>) -> Keep {
        self.due = self.notified.then(|| out.now());
        self.step(ByItem, out)
    }

    fn on_notify(&mut self, out: &mut Emit<(Last, Last)>) -> Keep {
        self.due = None;
        self.step(ByNotify, out)
    }

    fn on_eof(&mut self, out: &mut Emit<(Last, Last)>) -> Keep {
        if self.notified {
            return Keep::Yes;
        }
        self.step(ByEof, out)
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

/// Two items of a key with an epoch each, then a moment of rest.
fn steps(discards: Option<Last>, notified: bool) -> Vec<(Last, Last)> {
    let rest = Pause(Duration::from_millis(20));
    with_pauses(1, ZERO, [Item(('k', 1)), Item(('k', 2)), rest], |s| {
        let make = move |_: &char| Steps {
            last: New,
            due: None,
            discards,
            notified,
        };
        s.stateful_with(make).named("steps").key_rm()
    })
}

rows! {
    c01_discarded_after_an_item: steps(Some(ByItem), false) => [(New, ByItem), (New, ByItem)];
    c02_retained_after_an_item: steps(None, false) => [(New, ByItem), (ByItem, ByItem), (ByItem, ByEof)];
    c03_discarded_when_notified: steps(Some(ByNotify), true) => [(New, ByItem), (ByItem, ByNotify), (New, ByItem), (ByItem, ByNotify)];
    c04_retained_when_notified: steps(None, true) => [(New, ByItem), (ByItem, ByNotify), (ByNotify, ByItem), (ByItem, ByNotify)];
    c05_discarded_at_the_end: steps(Some(ByEof), false) => [(New, ByItem), (ByItem, ByItem), (ByItem, ByEof)];
    c10_batches_of_one: batches(1, &[('a', '1'), ('b', '2'), ('a', '3')])
        => [('a', ('b', 1)), ('b', ('b', 1)), ('a', ('b', 2)), ('a', ('e', 2)), ('b', ('e', 1))];
    c11_one_call_a_key_and_batch: batches(10, &[('b', '1'), ('a', '2'), ('b', '3'), ('b', '4')])
        => [('b', ('b', 1)), ('a', ('b', 1)), ('a', ('e', 1)), ('b', ('e', 1))];
    c12_a_discarded_key_begins_anew: batches(1, &[('a', '1'), ('a', 'd'), ('a', '3')])
        => [('a', ('b', 1)), ('a', ('b', 2)), ('a', ('b', 1)), ('a', ('e', 1))];
    c13_a_discard_does_not_split_a_batch: batches(10, &[('a', '1'), ('a', 'd'), ('a', '3')]) => [('a', ('b', 1))];
    c14_the_rest_of_a_batch_goes_to_a_fresh_logic: stateful(LONG, 10, acts([Leave, Forget, Leave]))
        => told(["I1", "I2", "I1", "E"]);
    c14_a_forgotten_key_is_not_told_of_its_time: stateful(LONG, 10, acts([Until(5), Forget])) => told(["I1", "I2"]);
    c17_the_end_does_not_wait_for_times: stateful(LONG, 1, acts([For(5000)])) => told(["I1", "E"]);
    c21_a_time_that_is_now_comes_before_the_next_epoch: with_pauses(
        1, ZERO, [Item(('k', For(0))), Item(('k', For(0))), Pause(Duration::from_millis(20))],
        |s| s.stateful::<Told>().named("told"),
    ) => told(["I1", "N", "I2", "N", "E"]);
}

#[test]
fn c26_a_panic_of_a_logic_names_step_and_key() {
    let flow = |act, make: fn(&char) -> Told| {
        flow_of(
            TestingSource::new(acts([act])),
            |s| s.stateful_with(make).named("told"),
            TestingSink::new(),
        )
    };
    let at_end = |_: &char| Told {
        panic_at_end: true,
        ..Told::default()
    };
    for flow in [
        flow(Panic, |_| Told::default()),
        flow(Leave, at_end),
        flow(Leave, |_| panic!("no")),
    ] {
        let report = failure(flow, 1);
        assert!(
            report.starts_with("step `f.told`, key `'k'`, worker 0"),
            "{report}"
        );
    }
    let flow = flow_of(
        TestingSource::new([('k', 'p')]),
        |s| s.stateful_batch::<Batches>().named("batches"),
        TestingSink::new(),
    );
    let report = failure(flow, 2);
    assert!(
        report.starts_with("step `f.batches`, key `'k'`, worker "),
        "{report}"
    );
}
