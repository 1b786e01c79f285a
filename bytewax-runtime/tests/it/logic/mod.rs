//! Logics per key: `stateful`, `stateful_batch`, `collect` and their kin, by values, by times and at the end.

mod checkout;
mod collecting;
mod models;
mod notifying;
mod sequences;
mod values;

use std::time::Duration;

use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{RunConfig, TestingItem, TestingSink, TestingSource, cluster_main};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use self::Act::{Cancel, For, Forget, Leave, Panic, Until};
use crate::shared::by_hand::{ByHand, at};
use crate::shared::{flow_of, workers_of};

const ZERO: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(10);

/// What a test logic does with values: what comes first decides for the whole life of its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Act {
    /// Waits for a time, in seconds from the beginning of all times.
    Until(i64),
    /// Waits for so many milliseconds from now.
    For(i64),
    /// Waits no longer.
    Cancel,
    /// Nothing.
    Leave,
    /// Has the key forgotten.
    Forget,
    /// Panics.
    Panic,
}

/// Emits what it is called for: `I` and the count of items, `N`, and `E`.
#[stateful(crate = "bytewax_runtime")]
#[derive(Default)]
struct Told {
    items: u32,
    until: Option<DateTime<Utc>>,
    /// How many notifications in the past to ask for after the first.
    again: u32,
    forget_when_notified: bool,
    forget_at_end: bool,
    panic_at_end: bool,
}

impl StatefulLogic for Told {
    type In = Act;
    type Out = String;

    fn on_item(&mut self, act: Act, out: &mut Emit<String>) -> Keep {
        self.items += 1;
        out.emit(format!("I{}", self.items));
        match act {
            Until(time) => self.until = Some(at(time)),
            For(milliseconds) => {
                self.until = Some(out.now() + TimeDelta::milliseconds(milliseconds));
            }
            Cancel => self.until = None,
            Leave => {}
            Forget => return Keep::No,
            Panic => panic!("no"),
        }
        Keep::Yes
    }

    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        out.emit("N".to_owned());
        match self.again.checked_sub(1) {
            Some(left) => self.again = left,
            None => self.until = None,
        }
        if self.forget_when_notified {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn on_eof(&mut self, out: &mut Emit<String>) -> Keep {
        assert!(!self.panic_at_end, "no");
        out.emit("E".to_owned());
        if self.forget_at_end {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.until
    }
}

fn told(seen: impl IntoIterator<Item = &'static str>) -> Vec<(char, String)> {
    seen.into_iter()
        .map(|told| ('k', told.to_owned()))
        .collect()
}

fn acts(acts: impl IntoIterator<Item = Act>) -> Vec<(char, Act)> {
    acts.into_iter().map(|act| ('k', act)).collect()
}

fn per_epoch(interval: Duration) -> RunConfig {
    RunConfig::new().epoch_interval(interval)
}

/// Runs over marks, with pauses between, by the system's clock.
fn with_pauses<U: Send + 'static, T: Clone + Send + Sync + 'static>(
    workers: usize,
    interval: Duration,
    items: impl IntoIterator<Item = TestingItem<T>>,
    body: impl FnOnce(Stream<T>) -> Stream<U>,
) -> Vec<U> {
    let out = TestingSink::new();
    let flow = flow_of(TestingSource::with_marks(items), body, out.clone());
    cluster_main(flow, workers_of(workers).epoch_interval(interval)).unwrap();
    out.take()
}

fn told_by_hand(workers: usize) -> ByHand<(char, Act), (char, String)> {
    ByHand::start(workers, |s| s.stateful::<Told>().named("told"))
}

fn pair(key: char, told: &str) -> (char, String) {
    (key, told.to_owned())
}
