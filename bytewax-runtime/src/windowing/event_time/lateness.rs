//! The allowed lateness of items, idle partitions, and items from the future.

use chrono::TimeDelta;

use crate::windowing::clock::{idle_fault, lead_fault, wait_fault};
use crate::windowing::fault::Fault;
use crate::windowing::time::span;

/// The default of [`Lateness::idle_after`].
const IDLE_AFTER: TimeDelta = TimeDelta::minutes(1);

/// The default of [`Lateness::future`].
const AHEAD: TimeDelta = TimeDelta::days(1);

/// The limits of event time: how late items may be, how long to wait for idle partitions, and how far in the
/// future items may be.
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
    pub(super) max_lead: Option<i64>,
}

impl Lateness {
    /// Allows items to be up to `wait` behind the newest item of their partition. Older items are late.
    ///
    /// A longer wait makes fewer items late and delays results.
    pub const fn bounded(wait: TimeDelta) -> Self {
        Self {
            wait: span(wait),
            idle_after: Some(span(IDLE_AFTER)),
            ahead: Some(span(AHEAD)),
            max_lead: None,
        }
    }

    /// Sets how long the watermark waits for a partition without items, by the system clock. The default is
    /// one minute.
    ///
    /// The watermark then continues without the partition, and a warning in the log reports it. Later
    /// items of the partition may be too late for window steps, which emit them as `late`. The partition
    /// counts again as soon as it emits items. The watermark always waits for a partition that is not polled
    /// because of backpressure or because the machine is suspended. If all partitions are idle, the watermark
    /// stands still, unless a step lets it
    /// [advance with the clock](crate::windowing::StreamClock::advance_when_idle). A later step does not wait for a
    /// stream whose partitions are all idle if it also reads another stream, even if a window step between them
    /// has open windows. Their results follow when the stream wakes up, like its items, and may be too late.
    pub const fn idle_after(mut self, time: TimeDelta) -> Self {
        self.idle_after = Some(span(time));
        self
    }

    /// Makes the watermark wait for partitions without items until their input ends.
    pub const fn never_idle(mut self) -> Self {
        self.idle_after = None;
        self
    }

    /// Sets how far items may be ahead of the system clock. The default is one day.
    ///
    /// An item that is further ahead does not advance the watermark, because that would make all other items
    /// late. It is only emitted as `future`.
    pub const fn future(mut self, ahead: TimeDelta) -> Self {
        self.ahead = Some(span(ahead));
        self
    }

    /// Allows items to be any time ahead of the system clock.
    pub const fn any_future(mut self) -> Self {
        self.ahead = None;
        self
    }

    /// Sets how far a partition may be ahead of the watermark, beyond the wait, before it is not read until the others
    /// catch up. By default there is no bound.
    ///
    /// It bounds what later steps store for partitions that are ahead: open windows, and values that wait. The
    /// watermark is that of the first step behind that follows the time of the stream, such as a window step with a
    /// [`StreamClock`](crate::windowing::StreamClock), so partitions of several sources that meet there are aligned
    /// with each other. Without such a step, nothing is bounded. A partition that has no items, and is not idle yet,
    /// pauses the others too.
    pub const fn max_lead(mut self, time: TimeDelta) -> Self {
        self.max_lead = Some(span(time));
        self
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let all = [
            wait_fault(self.wait),
            self.idle_after.and_then(idle_fault),
            self.ahead.and_then(future_fault),
            self.max_lead.and_then(lead_fault),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Checks how far items may be ahead.
pub(in crate::windowing) const fn future_fault(ahead: i64) -> Option<Fault> {
    Fault::if_negative(
        ahead,
        "the time that items may be ahead of the clock",
        "let items be ahead by zero or more",
    )
}
