//! What is left behind, and when keys are due: without a run.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{Emit, ItemLogic, Keep, KeyLogic, Keys};
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::Next;
use crate::state::MemoryLimit;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// What a value does to the time of its key.
#[derive(Clone, Copy, Debug)]
enum Do {
    WaitUntil(i64),
    Cancel,
    Leave,
    Forget,
}

/// Emits the time of each notification, and waits no longer.
struct Waits;

impl KeyLogic<u32> for Waits {
    type State = Option<i64>;
    type Out = i64;

    fn new_state(&self, _: &u32) -> Option<i64> {
        None
    }

    fn on_notify(&self, state: &mut Option<i64>, out: &mut Emit<i64>) -> Keep {
        let waited = state.take();
        out.extend(waited);
        Keep::Yes
    }

    fn on_eof(&self, _: &mut Option<i64>, _: &mut Emit<i64>) -> Keep {
        Keep::Yes
    }

    fn notify_at(&self, state: &Option<i64>) -> Option<DateTime<Utc>> {
        state.map(at)
    }
}

impl ItemLogic<u32, Do> for Waits {
    fn on_item(&self, state: &mut Option<i64>, value: Do, _: &mut Emit<i64>) -> Keep {
        match value {
            Do::WaitUntil(time) => *state = Some(time),
            Do::Cancel => *state = None,
            Do::Leave => {}
            Do::Forget => return Keep::No,
        }
        Keep::Yes
    }
}

fn keys() -> Keys<u32, Waits> {
    // Results are taken out of the buffer, and never sent.
    Keys::with(
        StepIndex(0),
        Next::new(StepIndex(0), None, &Default::default()),
        Waits,
    )
}

/// One pass: the time, then what comes for which key. Gives what is emitted.
fn pass(keys: &mut Keys<u32, Waits>, now: i64, items: &[(u32, Do)]) -> Vec<(u32, i64)> {
    keys.begin_at(at(now));
    for (key, value) in items {
        keys.call(key.stable_hash(), *key, |logic, state, out| {
            logic.on_item(state, *value, out)
        });
    }
    keys.end_pass_here()
}

#[test]
fn a_forgotten_key_leaves_nothing() {
    let mut keys = keys();
    for round in 0..1000 {
        let items: Vec<_> = (0..100)
            .flat_map(|key| {
                let key = round * 100 + key;
                [(key, Do::WaitUntil(1_000_000)), (key, Do::Forget)]
            })
            .collect();
        assert_eq!(pass(&mut keys, 0, &items), []);
        let (states, times) = keys.sizes();
        assert_eq!(states, 0);
        assert!(times <= 64, "{times}");
    }
    assert_eq!(pass(&mut keys, 2_000_000, &[]), []);
    assert_eq!(keys.next_due(), None);
    assert_eq!(keys.sizes(), (0, 0));
}

#[test]
fn a_deadline_moved_on_by_each_value_has_one_entry() {
    let mut keys = keys();
    for time in 0..1000 {
        assert_eq!(pass(&mut keys, time, &[(7, Do::WaitUntil(time + 10))]), []);
        assert_eq!(keys.sizes(), (1, 1));
        // The operator is woken for the entry, which is then put where the deadline is: nine seconds on,
        // as the value of that second comes later.
        let entry = if time < 10 {
            10
        } else {
            time + 9 - (time - 10) % 9
        };
        assert_eq!(keys.next_due(), Some(at(entry)));
    }
    assert_eq!(pass(&mut keys, 1008, &[]), []);
    assert_eq!(pass(&mut keys, 1009, &[]), [(7, 1009)]);
    assert_eq!(keys.sizes(), (1, 0));
}

#[test]
fn a_deadline_moved_to_and_fro_leaves_no_more_than_a_few_entries() {
    let mut keys = keys();
    for round in 0..10_000 {
        let items = [
            (7, Do::Cancel),
            (7, Do::WaitUntil(20_000 - round)),
            (8, Do::WaitUntil(30_000)),
            (8, Do::Forget),
        ];
        assert_eq!(pass(&mut keys, 0, &items), []);
        assert!(keys.sizes().1 <= 70, "{:?}", keys.sizes());
    }
    assert_eq!(keys.next_due(), Some(at(10_001)));
}

#[test]
fn a_key_forgotten_in_the_pass_of_its_time_is_not_told() {
    let mut keys = keys();
    assert_eq!(pass(&mut keys, 0, &[(1, Do::WaitUntil(5))]), []);
    let anew = [(1, Do::Forget), (1, Do::WaitUntil(6))];
    assert_eq!(pass(&mut keys, 10, &anew), []);
    // The new one is told in the next pass, though its time was past from the start.
    assert_eq!(pass(&mut keys, 10, &[]), [(1, 6)]);
}

#[test]
fn a_key_is_told_of_a_time_that_a_value_of_the_same_pass_moved() {
    let mut keys = keys();
    assert_eq!(pass(&mut keys, 0, &[(1, Do::WaitUntil(5))]), []);
    assert_eq!(pass(&mut keys, 5, &[(1, Do::WaitUntil(8))]), [(1, 8)]);
    assert_eq!(pass(&mut keys, 8, &[]), []);
    assert_eq!(keys.next_due(), None);
}

/// As a pass of a step whose memory is limited: keys are restored when they are needed, and evicted at the end.
fn limited_pass(
    keys: &mut Keys<u32, Waits>,
    now: i64,
    batches: &[Vec<(u32, Do)>],
) -> Vec<(u32, i64)> {
    let mut restored = Vec::new();
    let mut has_begun = false;
    for items in batches {
        let needed = items.iter().map(|(key, _)| (key.stable_hash(), key));
        let table = keys.table();
        table
            .take_evicted::<RunError>(needed, &mut restored)
            .unwrap();
        restored.drain(..).for_each(|key| keys.restore(key));
        if !std::mem::replace(&mut has_begun, true) {
            keys.begin_at(at(now));
        }
        for (key, value) in items {
            keys.call(key.stable_hash(), *key, |logic, state, out| {
                logic.on_item(state, *value, out)
            });
        }
    }
    let table = keys.table();
    table.take_due::<RunError>(at(now), &mut restored).unwrap();
    restored.drain(..).for_each(|key| keys.restore(key));
    if !has_begun {
        keys.begin_at(at(now));
    }
    let told = keys.end_pass_here();
    keys.table().evict::<RunError>(100).unwrap();
    told
}

fn actions() -> impl Strategy<Value = Do> {
    prop_oneof![
        3 => (0..60_i64).prop_map(Do::WaitUntil),
        1 => Just(Do::Cancel),
        1 => Just(Do::Leave),
        1 => Just(Do::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_told_as_by_a_scan_of_all_keys(
        passes in prop::collection::vec((0..4_i64, prop::collection::vec((0..6_u32, actions()), 0..8)), 0..40)
    ) {
        let mut keys = keys();
        // For each key, the time it waits for.
        let mut model: BTreeMap<u32, Option<i64>> = BTreeMap::new();
        // The times at which the operator is woken: of each key the first that it has waited for since it was
        // looked at last, and those for which a key waits no longer.
        let (mut entries, mut first) = (Vec::<(i64, u32)>::new(), BTreeMap::<u32, i64>::new());
        let mut now = 0;
        for (later, items) in passes {
            now += later;
            let is_due = |time: &Option<i64>| time.is_some_and(|time| time <= now);
            let mut due: Vec<_> = model.iter().filter(|(_, time)| is_due(time)).map(|(key, time)| (*time, *key)).collect();
            due.sort_unstable();
            let come: Vec<_> = entries.extract_if(.., |(time, _)| *time <= now).collect();
            for (time, key) in come {
                if first.get(&key) == Some(&time) {
                    first.remove(&key);
                    let later = model.get(&key).copied().flatten().filter(|due| *due > now);
                    entries.extend(later.map(|due| (due, key)));
                    first.extend(later.map(|due| (key, due)));
                }
            }
            for (key, action) in &items {
                let time = model.entry(*key).or_default();
                match action {
                    Do::WaitUntil(until) if *time == Some(*until) => {}
                    Do::WaitUntil(until) => {
                        *time = Some(*until);
                        if first.get(key).is_none_or(|first| until < first) {
                            first.insert(*key, *until);
                            entries.push((*until, *key));
                        }
                    }
                    Do::Cancel => *time = None,
                    Do::Leave => {}
                    Do::Forget => {
                        model.remove(key);
                        first.remove(key);
                        due.retain(|(_, due)| due != key);
                    }
                }
            }
            let told: Vec<_> = due.into_iter().filter_map(|(_, key)| {
                let time = model.get_mut(&key)?.take()?;
                Some((key, time))
            }).collect();
            prop_assert_eq!(pass(&mut keys, now, &items), told);
            let next = entries.iter().map(|(time, _)| *time).min();
            prop_assert_eq!(keys.next_due(), next.map(at));
            prop_assert_eq!(keys.sizes().0, model.len());
        }
    }

    #[test]
    fn evicted_keys_are_told_as_those_in_memory(
        passes in prop::collection::vec(
            (0..4_i64, prop::collection::vec(prop::collection::vec((0..6_u32, actions()), 0..4), 0..3)),
            0..40,
        ),
        limit in prop_oneof![Just(0), 0_usize..300],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut all, mut few) = (keys(), keys());
        few.table().note_changes();
        few.table().limit_memory(Rc::new(MemoryLimit::new(limit, 1)), dir.path());
        let mut now = 0;
        for (later, batches) in passes {
            now += later;
            let mut told = pass(&mut all, now, &batches.concat());
            let mut same = limited_pass(&mut few, now, &batches);
            told.sort_unstable();
            same.sort_unstable();
            prop_assert_eq!(told, same);
        }
    }
}
