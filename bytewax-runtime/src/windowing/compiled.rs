//! Compile-time checks of clocks and windowers whose parameters `dataflow!` can read: whether they match the
//! lock file, and whether they are valid.

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

/// A span of microseconds.
#[must_use]
pub const fn micros(micros: i64) -> TimeDelta {
    TimeDelta::microseconds(micros)
}

/// Whether the lock file contains an `EventClock`.
#[must_use]
pub const fn event_clock_is(locked: &str) -> bool {
    Text::new(OF_KEYS).is(locked)
}

/// Whether the lock file contains a `PartitionClock`.
#[must_use]
pub const fn partition_clock_is(locked: &str) -> bool {
    Text::new(OF_PARTITIONS).is(locked)
}

/// Whether the lock file contains a `StreamClock`.
#[must_use]
pub const fn stream_clock_is(locked: &str) -> bool {
    Text::new(OF_STREAM).is(locked)
}

/// Whether the lock file contains a `SystemClock`.
#[must_use]
pub const fn system_clock_is(locked: &str) -> bool {
    Text::new(OF_SYSTEM).is(locked)
}

/// Windows of days, weeks or months in a time zone.
#[derive(Clone, Copy, Debug)]
pub struct Calendar(Text);

impl Calendar {
    /// Creates windows of a unit: `days`, `weeks` or `months`.
    #[must_use]
    pub const fn new(units: &str, zone: &str) -> Self {
        Self(calendar_text(units, zone))
    }

    /// Whether the lock file contains these windows.
    #[must_use]
    pub const fn windower_is(&self, locked: &str) -> bool {
        self.0.is(locked)
    }
}

/// The text of these windows in the lock file.
pub(super) const fn calendar_text(units: &str, zone: &str) -> Text {
    Text::new(units).text(" in ").text(zone)
}

/// Checks of spans, each by the name of the method that takes it.
macro_rules! checks {
    ($($name:ident: $fault:expr),+ $(,)?) => { $(
        /// Checks a span.
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
