//! States that expire by the clock of the worker, and what was saved before states did.

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::operators::JoinInsert;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::TestingItem::{Eof, Item};
use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
use bytewax_runtime::windowing::{Inner, Kept, SystemClock};
use chrono::TimeDelta;

use crate::shared::by_hand::ByHand;
use crate::shared::sorted;

#[test]
fn a_state_expires_by_the_clock_of_the_worker() {
    for workers in 1..=3 {
        let run = ByHand::start(workers, |values: KeyedStream<char, i64>| {
            let values = values.expire_after(TimeDelta::seconds(60), SystemClock::new());
            let sums = values.scan(
                || 100,
                |sum, n| {
                    *sum += n;
                    *sum
                },
            );
            let sums = sums.named("sums");
            let expired = sums.expired.map_value(|sum| (true, sum));
            sums.down.map_value(|sum| (false, sum)).merge(expired)
        });
        run.give([('a', 1)]);
        assert_eq!(run.next(), ('a', (false, 101)));
        run.hand.advance(TimeDelta::seconds(59));
        run.give([('a', 2)]);
        assert_eq!(run.next(), ('a', (false, 103)));
        // Each value puts it off.
        run.hand.advance(TimeDelta::seconds(59));
        run.give([('b', 1), ('a', 3)]);
        assert_eq!(
            sorted([run.next(), run.next()]),
            [('a', (false, 106)), ('b', (false, 101))]
        );
        run.hand.advance(TimeDelta::seconds(60));
        assert_eq!(
            sorted([run.next(), run.next()]),
            [('a', (true, 106)), ('b', (true, 101))]
        );
        run.give([('a', 4)]);
        assert_eq!(run.next(), ('a', (false, 104)));
        assert_eq!(run.end(), [], "nothing expires at the end of input");
    }
}

#[test]
fn a_row_of_a_running_join_expires() {
    let run = ByHand::start(2, |numbers: KeyedStream<char, i64>| {
        let sides = numbers.branch(|(_, n)| *n < 10);
        let small = sides
            .trues
            .expire_after(TimeDelta::seconds(60), SystemClock::new());
        let rows = small
            .join_running(sides.falses, JoinInsert::Last)
            .named("rows");
        let expired = rows.expired.map_value(|row| (true, row));
        rows.down.map_value(|row| (false, row)).merge(expired)
    });
    run.give([('a', 1)]);
    assert_eq!(run.next(), ('a', (false, (Some(1), None))));
    run.give([('a', 30)]);
    assert_eq!(run.next(), ('a', (false, (Some(1), Some(30)))));
    run.hand.advance(TimeDelta::seconds(60));
    assert_eq!(run.next(), ('a', (true, (Some(1), Some(30)))));
    run.give([('a', 40)]);
    assert_eq!(run.next(), ('a', (false, (None, Some(40)))));
    assert_eq!(run.end(), []);
}

#[test]
fn rows_of_a_join_are_kept_for_a_time() {
    for workers in 1..=3 {
        let run = ByHand::start(workers, |numbers: KeyedStream<char, i64>| {
            let sides = numbers.branch(|(_, n)| *n < 10);
            let kept = Kept::For(TimeDelta::seconds(60));
            let rows = sides.trues.join_rows(sides.falses, Inner, kept);
            rows.named("rows")
        });
        run.give([('a', 1), ('a', 30)]);
        assert_eq!(run.next(), ('a', (1, 30)));
        run.hand.advance(TimeDelta::seconds(60));
        run.give([('a', 40)]);
        assert_eq!(run.next(), ('a', (1, 40)));
        // The first two are gone.
        run.hand.advance(TimeDelta::seconds(1));
        run.give([('a', 2)]);
        assert_eq!(run.next(), ('a', (2, 40)));
        run.give([('a', 50)]);
        assert_eq!(run.next(), ('a', (2, 50)));
        run.hand.advance(TimeDelta::seconds(61));
        run.give([('a', 3), ('a', 60)]);
        assert_eq!(run.next(), ('a', (3, 60)));
        assert_eq!(run.end(), []);
    }
}

/// Sums of two runs, whose states expire in the second or do not.
fn sums(expires: bool, dropped: bool, out: &TestingSink<(char, i64)>) -> Dataflow {
    Dataflow::build("f", |flow| {
        let elements = [Item(('a', 1_i64)), Eof, Item(('a', 2))];
        let values = flow.input(TestingSource::with_marks(elements)).named("in");
        let add = |sum: &mut i64, n| {
            *sum += n;
            *sum
        };
        let sums = if expires {
            let values = values.expire_after(TimeDelta::days(1), SystemClock::new());
            let name = if dropped { "sums_of_a_day" } else { "sums" };
            values.stateful_map(add).named(name).down
        } else {
            values.stateful_map(add).named("sums")
        };
        if dropped {
            flow.dropped("sums", "they expire from now on");
        }
        sums.output(out.clone()).named("out");
    })
}

/// What was saved without a time cannot begin to expire; and what expires cannot be kept forever.
#[test]
fn states_do_not_change_whether_they_expire() {
    for first in [false, true] {
        let (dir, out) = (tempfile::tempdir().unwrap(), TestingSink::new());
        let config = RunConfig::new().recovery(RecoveryConfig::new(dir.path()));
        cluster_main(sums(first, false, &out), config.clone()).unwrap();
        assert_eq!(out.take(), [('a', 1)]);
        let told = cluster_main(sums(!first, false, &out), config.clone());
        let told = told.unwrap_err().report();
        assert!(told.contains("`f.sums`"), "{told}");
        assert_eq!(out.take(), []);
        if !first {
            // As the documentation says: under another name, with the old state dropped.
            cluster_main(sums(true, true, &out), config).unwrap();
            assert_eq!(out.take(), [('a', 2)]);
        } else {
            cluster_main(sums(first, false, &out), config).unwrap();
            assert_eq!(
                out.take(),
                [('a', 3)],
                "the refused run has left it as it was"
            );
        }
    }
}
