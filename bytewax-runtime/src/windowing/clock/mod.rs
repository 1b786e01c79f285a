//! Clocks: the times of values, and watermarks.

mod custom;
mod event;
mod partition;
mod stream;
mod system;
#[cfg(test)]
mod tests;
mod watermark;

pub use custom::{CustomClock, KeyMarks, Pace, WithTime, WithValues};
pub use event::{EventClock, TimeOf, TimeOfSides};
pub(crate) use event::{Getter, event_time};
pub use partition::PartitionClock;
pub use stream::StreamClock;
pub use system::SystemClock;
pub(crate) use watermark::{EarlyAt, KeyMark, OfAllKeys, Standing, Watermark, bound};

use std::sync::Arc;

use super::fault::Fault;
use super::probe::WindowProbe;
use super::time::Time;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::{AnyPush, BuildCx, Exchange, SharedWatermark, StreamTime};

/// The default time that a key is kept after its last window, in microseconds.
const FORGET_AFTER: i64 = 3_600_000_000;

/// Checks the time that a key is kept.
pub(super) const fn forget_fault(forget_after: i64) -> Option<Fault> {
    Fault::if_negative(
        forget_after,
        "the time after which keys are forgotten",
        "forget keys after zero or more",
    )
}

/// Checks the time that a clock trails the newest value.
pub(super) const fn wait_fault(wait: i64) -> Option<Fault> {
    Fault::if_negative(
        wait,
        "the wait of the clock",
        "give the clock a wait of zero or more",
    )
}

/// Checks the time that a clock waits for a partition.
pub(super) const fn idle_fault(idle_after: i64) -> Option<Fault> {
    Fault::if_not_positive(
        idle_after,
        "each partition would be idle at once",
        "call partitions idle after a microsecond or more",
    )
}

/// Checks how far partitions may be ahead.
pub(super) const fn lead_fault(max_lead: i64) -> Option<Fault> {
    Fault::if_negative(
        max_lead,
        "the lead of partitions",
        "let partitions be ahead by zero or more",
    )
}

/// The clock of a window step: [`StreamClock`], [`PartitionClock`] or [`EventClock`] for values of the type
/// that its function takes, [`SystemClock`], or a [`CustomClock`] for watermarks that a program defines.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock for `{V}`",
    label = "not a clock for values of this type",
    note = "`StreamClock::new(|value: &{V}| ..)` makes one, and `SystemClock::new()` is one for all"
)]
#[expect(private_bounds, reason = "clocks are those of this crate")]
pub trait Clock<V>: Timing<V> {}

/// The clock of a windowed join: a [`StreamClock`] or an [`EventClock`] with a function per stream, or
/// [`SystemClock`].
///
/// A [`PartitionClock`] observes the partitions of one stream, but a join has several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock for a join",
    label = "not a clock for a join",
    note = "`StreamClock::of_sides((|left: &_| .., |right: &_| ..))` makes one, with a function for each stream",
    note = "a clock with one time for all partitions is for windows on one stream"
)]
pub trait JoinClock<V>: Clock<V> {}

/// The name of the fact about the clock of a step.
pub(crate) const CLOCK: &str = "clock";

/// The names of the clocks in a store and in the lock file.
pub(super) const OF_KEYS: &str = "event time by key";
pub(super) const OF_PARTITIONS: &str = "event time by partition";
pub(super) const OF_STREAM: &str = "event time of the stream";
pub(crate) const OF_SYSTEM: &str = "time of arrival";

/// The interface of a clock to a window step: the times of values, and the watermark.
pub(crate) trait Timing<V>: Send + Sync + Sized + 'static {
    /// The watermark data of each key.
    type Mark: KeyMark;

    /// The name of the clock in a store.
    const NAME: &'static str;

    /// The effect of a step with this clock on the event time of its streams.
    const STREAM_TIME: StreamTime = StreamTime::Ends;

    /// Whether a key without windows is kept, because its watermark would be lost with it.
    const REMEMBERS: bool;

    /// Checks the parameters.
    fn faults(&self) -> Vec<Fault>;

    /// Returns the time of a value, as far as it is known without its key. `now` is the time of the step.
    fn time(&self, value: &V, now: Time) -> Time;

    /// Observes a value of a key and its time. Returns its time and the watermark.
    fn observe(&self, mark: &mut Self::Mark, value: (Time, &V), now: Time) -> (Time, Time);

    /// Returns how long a key without windows is kept, in microseconds.
    fn forget_after(&self) -> i64;

    /// Whether what waits for the watermark at the end of input still waits in the next run.
    fn keeps_open(&self) -> bool {
        false
    }

    /// Returns the probe of the step.
    fn probe(&self) -> Option<&WindowProbe>;

    /// Returns the watermark of a step on one worker, if all keys share one.
    fn shared(&self, _: &BuildCx) -> Option<SharedWatermark> {
        None
    }

    /// Creates the stage before the exchange: that of `enter`, unless it must observe the watermark.
    fn sender<K: Key>(
        self: &Arc<Self>,
        _: StepIndex,
        out: KeyedOut<K, V>,
        enter: impl FnOnce(KeyedOut<K, V>) -> AnyPush,
    ) -> AnyPush
    where
        V: Exchange,
    {
        enter(out)
    }
}
