//! How late items may be, and what to do about partitions without items and about items from the future.

use chrono::TimeDelta;

use crate::windowing::clock::{idle_fault, wait_fault};
use crate::windowing::fault::Fault;
use crate::windowing::time::span;

/// So long a partition without items is waited for, unless something else is said.
const IDLE_AFTER: TimeDelta = TimeDelta::minutes(1);

/// So far in the future an item may be, unless something else is said.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// How late the items of a stream may be; and what to do about partitions without items, and about items
/// from the future.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::windowing::Lateness;
/// use chrono::TimeDelta;
///
/// // Items come up to ten minutes late; a partition that is silent for an hour is waited for.
/// let lateness = Lateness::bounded(TimeDelta::minutes(10)).idle_after(TimeDelta::hours(1));
/// # let _ = lateness;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Lateness {
    pub(super) wait: i64,
    pub(super) idle_after: Option<i64>,
    pub(super) ahead: Option<i64>,
}

impl Lateness {
    /// An item may be up to `wait` behind the newest of its partition. What is further behind is late.
    ///
    /// A long wait has fewer items be late, and results come later.
    pub const fn bounded(wait: TimeDelta) -> Self {
        Self {
            wait: span(wait),
            idle_after: Some(span(IDLE_AFTER)),
            ahead: Some(span(AHEAD)),
        }
    }

    /// How long a partition that has nothing to give is waited for, by the system's clock; a minute unless set.
    ///
    /// Then the watermark goes on without it, and that is told on standard error. What comes of it later may be too
    /// late for window steps: it is on their `late`. The partition counts again as soon as it gives items. A
    /// partition that is not asked, because steps behind it are slow or the machine is suspended, is waited for. If
    /// none is waited for, time stands still.
    pub const fn idle_after(mut self, time: TimeDelta) -> Self {
        self.idle_after = Some(span(time));
        self
    }

    /// Has partitions without items be waited for until their input ends.
    pub const fn never_idle(mut self) -> Self {
        self.idle_after = None;
        self
    }

    /// How far items may be ahead of the system's clock; a day unless set.
    ///
    /// What is further ahead is taken for wrong: it does not move the watermark, which would make all other items
    /// late, and goes to `future` and nowhere else.
    pub const fn future(mut self, ahead: TimeDelta) -> Self {
        self.ahead = Some(span(ahead));
        self
    }

    /// Has items be any time ahead of the system's clock.
    pub const fn any_future(mut self) -> Self {
        self.ahead = None;
        self
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let all = [
            wait_fault(self.wait),
            self.idle_after.and_then(idle_fault),
            self.ahead.and_then(future_fault),
        ];
        all.into_iter().flatten().collect()
    }
}

/// What is wrong with how far items may be ahead.
pub(in crate::windowing) const fn future_fault(ahead: i64) -> Option<Fault> {
    Fault::if_negative(
        ahead,
        "the time that items may be ahead of the clock",
        "let items be ahead by zero or more",
    )
}
