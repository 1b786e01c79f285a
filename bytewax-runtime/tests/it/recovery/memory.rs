//! States that are evicted and restored give the same results as those that stay.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytewax_runtime::RecoveryConfig;
use bytewax_runtime::prelude::*;
use bytewax_runtime::state::{Field, Saved, Schema, State, StateError};
use bytewax_runtime::testing::RunConfig;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Store, ZERO};
use crate::by_hand::ByHand;
use crate::support::{run_in, sorted, workers_of};

/// How often a sum was decoded.
static READ: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sum(u64);

impl State for Sum {
    const SCHEMA: Schema = Schema::new("Sum", 1, &[Field::of::<u64>("0")]);

    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        READ.fetch_add(1, Ordering::Relaxed);
        saved.decode()
    }
}

/// The sums of each key, in the order of the values.
fn sums(items: &[(u8, u64)], workers: usize, memory: Option<u64>) -> Vec<(u8, u64)> {
    let store = Store::new(2);
    let mut recovery = RecoveryConfig::new(store.path());
    if let Some(bytes) = memory {
        recovery = recovery.state_memory(bytes);
    }
    let config = workers_of(workers).epoch_interval(ZERO).recovery(recovery);
    let mut out = run_in(&config, 3, items.iter().copied(), |items| {
        let sums = items.stateful_map(|sum: &mut Sum, n| {
            sum.0 += n;
            sum.0
        });
        sums.named("sums")
    });
    // The order within a key is the order of its sums.
    out.sort();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn sums_do_not_depend_on_the_memory(
        items in prop::collection::vec((0_u8..12, 1_u64..9), 20..60),
        workers in 1_usize..4,
    ) {
        prop_assert_eq!(sums(&items, workers, Some(0)), sums(&items, workers, None));
    }
}

#[test]
fn states_are_really_evicted() {
    let before = READ.load(Ordering::Relaxed);
    let items: Vec<(u8, u64)> = (0..40).map(|n| (n % 8, 1)).collect();
    let expected: Vec<(u8, u64)> = (0..8)
        .flat_map(|key| (1..=5).map(move |sum| (key, sum)))
        .collect();
    assert_eq!(sums(&items, 1, Some(0)), expected);
    assert!(READ.load(Ordering::Relaxed) > before + 8);
}

/// Reports values two seconds after the last has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Late {
    values: Vec<u64>,
    due: Option<DateTime<Utc>>,
}

impl State for Late {
    const SCHEMA: Schema = Schema::new(
        "Late",
        1,
        &[
            Field::of::<Vec<u64>>("values"),
            Field::of::<Option<DateTime<Utc>>>("due"),
        ],
    );
}

impl StatefulLogic for Late {
    type In = u64;
    type Out = u64;

    fn on_item(&mut self, value: u64, out: &mut Emit<u64>) -> Keep {
        self.values.push(value);
        self.due = out.now().checked_add_signed(TimeDelta::seconds(2));
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }

    fn on_notify(&mut self, out: &mut Emit<u64>) -> Keep {
        out.extend(self.values.drain(..));
        Keep::No
    }
}

#[test]
fn times_of_evicted_states_come() {
    let store = Store::new(2);
    let recovery = RecoveryConfig::new(store.path()).state_memory(0);
    let config = RunConfig::new()
        .epoch_interval(Duration::from_secs(1))
        .recovery(recovery);
    let run = ByHand::start_in(config, |items: Stream<(u64, u64)>| {
        items.stateful::<Late>().named("late")
    });
    run.give((0..6).map(|key| (key, 10 * key)));
    // Epochs come and go before the first time does.
    let tenth = TimeDelta::milliseconds(100);
    let seen: Vec<_> = (0..6).map(|_| run.next_after(tenth)).collect();
    assert_eq!(
        sorted(seen),
        (0..6).map(|key| (key, 10 * key)).collect::<Vec<_>>()
    );
    assert_eq!(run.end(), []);
}
