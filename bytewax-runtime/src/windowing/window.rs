//! The id of a window, its times, and the reason of an emission.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::key::Key;
use crate::state::{Field, Schema, State};

/// The id of a window among the windows of its key.
///
/// For tumbling and sliding windows, it is the number of the window, counted from the window that starts at
/// `align_to`. Sessions and count windows are counted from 0. A late value without such a window is labelled
/// with [`WindowId::NONE`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WindowId(pub i64);

impl WindowId {
    /// No window: the label of late values that would have started one.
    pub const NONE: WindowId = WindowId(-1);
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hashes like its number.
impl Key for WindowId {
    #[inline]
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

impl State for WindowId {
    const SCHEMA: Schema = Schema::of_library("WindowId", 1, &[Field::of::<i64>("0")]);
}

/// The metadata of a closed window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WindowMetadata {
    /// The start; for a session, the time of its first value.
    pub open_time: DateTime<Utc>,
    /// The end, exclusive; for a session or a count window, the time of its last value, inclusive.
    pub close_time: DateTime<Utc>,
    /// The sessions that were merged into it, in ascending order.
    pub merged_ids: Vec<WindowId>,
}

/// The reason why a window emitted a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Firing {
    /// The current value, before its end.
    Early,
    /// The final value, when the watermark reached its end.
    OnTime,
    /// A corrected value, after a late value.
    Correction,
}

/// A value of a window, and the reason of its emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fired<V> {
    /// The reason of the emission.
    pub firing: Firing,
    /// The value.
    pub value: V,
}

/// A value of a window, with the times of the window; see
/// [`with_times`](crate::windowing::TumblingWindower::with_times).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Windowed<V> {
    /// The start of the window; for a session or a count window, the time of its first value.
    pub begin: DateTime<Utc>,
    /// The end of the window, exclusive; for a session, the end of the gap after its last value; for a count
    /// window, a microsecond after its last value.
    pub end: DateTime<Utc>,
    /// The value.
    pub value: V,
}

impl<V> Windowed<V> {
    /// Returns the time of the value: the last microsecond of its window. A windower of the same length
    /// assigns it to the same window.
    #[must_use]
    pub fn time(&self) -> DateTime<Utc> {
        self.end - TimeDelta::microseconds(1)
    }
}

impl<V: State> State for Windowed<V> {
    const SCHEMA: Schema = Schema::of_library(
        "Windowed",
        1,
        &[
            Field::of::<DateTime<Utc>>("begin"),
            Field::of::<DateTime<Utc>>("end"),
            Field::of::<V>("value"),
        ],
    );
}

/// The window that emits a value, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) id: WindowId,
    pub(crate) firing: Firing,
    /// The start and the exclusive end of the window.
    pub(crate) span: (Time, Time),
}

impl Label {
    /// The label without a window.
    pub(crate) const NONE: Self = Self {
        id: WindowId::NONE,
        firing: Firing::OnTime,
        span: (0, 0),
    };
}
