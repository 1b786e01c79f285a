//! Clocks: when a value happened, and how far time has got.

mod event;
mod partition;
mod system;
#[cfg(test)]
mod tests;
mod watermark;

pub use event::{EventClock, TimeOf, TimeOfSides};
pub(crate) use event::{Getter, event_time};
pub use partition::PartitionClock;
pub use system::SystemClock;
pub(crate) use watermark::{Watermark, bound};

use super::engine::{Book, LateWay, Options, Waiters};
use super::fault::Fault;
use super::firing::Emission;
use super::probe::WindowProbe;
use super::time::Time;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::{AnyPush, Exchange, Plan};

/// How long a key is remembered after its last window, in microseconds.
const FORGET_AFTER: i64 = 3_600_000_000;

/// What is wrong with how long a key is remembered.
fn forget_fault(forget_after: i64) -> Option<Fault> {
    Fault::if_negative(
        forget_after,
        "the time after which keys are forgotten",
        "forget keys after zero or more",
    )
}

/// What is wrong with how far a clock is behind the newest value.
fn wait_fault(wait: i64) -> Option<Fault> {
    Fault::if_negative(
        wait,
        "the wait of the clock",
        "give the clock a wait of zero or more",
    )
}

/// What a window step goes by: [`SystemClock`], or [`EventClock`] for values of the type that its
/// function takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell the time of `{V}`",
    label = "not a clock for values of this type",
    note = "`EventClock::new(|value: &{V}| .., wait)` makes one, and `SystemClock::new()` is one for all"
)]
#[expect(private_bounds, reason = "clocks are those of this crate")]
pub trait Clock<V>: Timing<V> {}

/// The form that a window step has with a clock.
pub(crate) trait Timing<V>: Send + Sync + Sized + 'static {
    /// What is wrong with the parameters.
    fn faults(&self) -> Vec<Fault>;

    /// The plan of a step. `enter` makes what stands before the exchange of an input, and `book` is told
    /// whether anybody reads the metadata.
    fn plan<K, B, Q, L, M>(
        self,
        enter: impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
        book: impl Fn(bool) -> B + Send + Sync + 'static,
        options: Options,
    ) -> Plan
    where
        K: Key,
        V: Exchange + Clone,
        B: Book<V>,
        Q: Waiters<V>,
        L: LateWay<K, V>,
        M: Emission;
}

/// A clock with a time for each key: all that is kept of a key is its watermark.
pub(crate) trait KeyClock<V>: Send + Sync + 'static {
    /// The watermark of a new key.
    fn start(&self, now: Time) -> Watermark;

    /// The time of a value, and the watermark with it taken into account. The passing of time is taken
    /// into account already.
    fn observe(&self, watermark: &mut Watermark, value: &V) -> (Time, Time);

    /// For how many microseconds a key without windows is remembered.
    fn forget_after(&self) -> i64;

    /// What may look at the step.
    fn probe(&self) -> Option<&WindowProbe>;

    /// Whether the watermark of a key is known without any value of it.
    fn needs_no_memory(&self) -> bool;
}
