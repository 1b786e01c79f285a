//! What `dataflow!` has the compiler ask of clocks and windowers whose parameters it can read: whether they
//! are those of the lock file, and whether they can be at all.

use chrono::{DateTime, TimeDelta, Utc};

use super::clock::{
    OF_KEYS, OF_PARTITIONS, OF_STREAM, OF_SYSTEM, forget_fault, idle_fault, lead_fault, wait_fault,
};
use super::fault::Fault;
use super::firing::{early_fault, late_fault};
use super::time::span;
pub use crate::state::facts::Text;

/// A time to which windows are aligned.
pub const EPOCH: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// A span of so many microseconds.
#[must_use]
pub const fn micros(micros: i64) -> TimeDelta {
    TimeDelta::microseconds(micros)
}

/// Whether the lock file has an `EventClock`.
#[must_use]
pub const fn event_clock_is(locked: &str) -> bool {
    Text::new(OF_KEYS).is(locked)
}

/// Whether the lock file has a `PartitionClock`.
#[must_use]
pub const fn partition_clock_is(locked: &str) -> bool {
    Text::new(OF_PARTITIONS).is(locked)
}

/// Whether the lock file has a `StreamClock`.
#[must_use]
pub const fn stream_clock_is(locked: &str) -> bool {
    Text::new(OF_STREAM).is(locked)
}

/// Whether the lock file has a `SystemClock`.
#[must_use]
pub const fn system_clock_is(locked: &str) -> bool {
    Text::new(OF_SYSTEM).is(locked)
}

/// Checks of spans, each by the name of the method that takes it.
macro_rules! checks {
    ($($name:ident: $fault:expr),+ $(,)?) => { $(
        /// What is wrong with a span.
        #[must_use]
        pub const fn $name(time: TimeDelta) -> Option<Text> {
            Fault::text($fault(span(time)))
        }
    )+ };
}

checks! {
    allow_late: late_fault,
    fire_early: early_fault,
    forget_after: forget_fault,
    idle_after: idle_fault,
    max_lead: lead_fault,
    wait: wait_fault,
}
