//! What is told of a window: its id, its times, and why a value was emitted.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::key::Key;
use crate::state::{Field, Schema, State};

/// The id of a window among the windows of its key.
///
/// Of windows that follow the calendar it is the number of the window, counted from the one that begins
/// at the time they are aligned to. Sessions and windows of a number of values are counted from 0. A late
/// value that has no such window is labelled with [`WindowId::NONE`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WindowId(pub i64);

impl WindowId {
    /// No window: the label of late values that would have begun one.
    pub const NONE: WindowId = WindowId(-1);
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The same key as its number.
impl Key for WindowId {
    #[inline]
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

impl State for WindowId {
    const SCHEMA: Schema = Schema::of_library("WindowId", 1, &[Field::of::<i64>("0")]);
}

/// What is known of a window when it is closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WindowMetadata {
    /// When it begins: of a session, the time of its first value.
    pub open_time: DateTime<Utc>,
    /// When it ends, which does not belong to it; of a session and of a window of a number of values,
    /// the time of its last value, which does.
    pub close_time: DateTime<Utc>,
    /// The sessions that have become a part of it, in ascending order.
    pub merged_ids: Vec<WindowId>,
}

/// Why a window emitted a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Firing {
    /// Before its end: what it holds so far.
    Early,
    /// The watermark has reached its end.
    OnTime,
    /// A late value has changed what it had emitted.
    Correction,
}

/// A value of a window, and why it was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fired<V> {
    /// Why it was emitted.
    pub firing: Firing,
    /// The value.
    pub value: V,
}

/// A value of a window, with the times of the window; see
/// [`with_times`](crate::windowing::TumblingWindower::with_times).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Windowed<V> {
    /// When the window begins: of a session and of a window of a number of values, the time of its first value.
    pub begin: DateTime<Utc>,
    /// When it ends, which does not belong to it: of a session, the end of the silence behind its last value; of a
    /// window of a number of values, a microsecond behind the last of them.
    pub end: DateTime<Utc>,
    /// The value.
    pub value: V,
}

impl<V> Windowed<V> {
    /// The time that the value is stamped with: the last microsecond of its window. A windower of the same
    /// length puts it into the same window.
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

/// Which window emits a value, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) id: WindowId,
    pub(crate) firing: Firing,
    /// When the window begins, and when it ends, which does not belong to it.
    pub(crate) span: (Time, Time),
}

impl Label {
    /// Of what belongs to no window.
    pub(crate) const NONE: Self = Self {
        id: WindowId::NONE,
        firing: Firing::OnTime,
        span: (0, 0),
    };
}
