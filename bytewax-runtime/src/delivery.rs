//! What sources and sinks promise, and how often an item of a source takes effect in a sink.
//!
//! A source declares whether it can be *replayed*: a run that resumes reads again what the last complete epoch did not
//! have. A sink declares what becomes of items that are written again. Both are the last parameter of the connector's
//! trait, and have a default that is safe for a connector that declares nothing:
//!
//! | trait | default | others |
//! | --- | --- | --- |
//! | [`FixedPartitionedSource`](crate::source::FixedPartitionedSource) | [`Replayable`] | [`NotReplayable`] |
//! | [`DynamicSource`](crate::source::DynamicSource) | [`NotReplayable`] | none: nothing is saved of it |
//! | [`DynamicSink`](crate::sink::DynamicSink), [`RejectingSink`](crate::sink::RejectingSink) | [`Append`] | [`Idempotent`], [`Transactional`] |
//! | [`FixedPartitionedSink`](crate::sink::FixedPartitionedSink), [`SinglePartitionSink`](crate::sink::SinglePartitionSink) | [`Append`] | [`Idempotent`], [`Transactional`] |
//! | [`TransactionalSink`](crate::sink::TransactionalSink) | [`Transactional`] | none |
//!
//! A source whose position has no bytes, such as `()`, is not replayable, whatever it declares. The checks of
//! [`testing::connector`](crate::testing::connector) run what is declared against the connector.
//!
//! # What a path promises
//!
//! | | transactional or idempotent sink | append |
//! | --- | --- | --- |
//! | **replayable source** | exactly once | at least once |
//! | **not replayable** | at most once | best effort |
//!
//! The promise is about each item that a source emits, and holds for runs that share a recovery store, whatever is killed and
//! however many workers there are. Without a store nothing is replayed: a run that is started again begins anew. So a
//! flow that [declares](crate::flow::Flow::delivery) what it delivers is refused without one.
//!
//! The steps between do not weaken it: their state is of the same epoch as the position of the source. What a step drops on
//! purpose, such as `filter`, `skip_counted` or late values that nobody reads, it drops once. But a step may see an item several
//! times, of which only the last counts: what a closure does outside of the flow, in `inspect`, `map` or `map_async`, is
//! done again. If a step does not emit the same the second time, because it calls a clock, a random number or another
//! system, or goes by the order in which items of several workers arrive, a transactional sink has what the last time emitted. An
//! idempotent sink has that too for each key that was written again; a key that only the first time had stays. So write to
//! an idempotent sink under keys that follow from the items.

use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// What a source declares: [`Replayable`] or [`NotReplayable`].
pub trait SourcePromise: sealed::Sealed + 'static {
    #[doc(hidden)]
    const PROMISE: Promise;
}

/// What a sink declares: [`Transactional`], [`Idempotent`] or [`Append`].
pub trait SinkPromise: sealed::Sealed + 'static {
    #[doc(hidden)]
    const PROMISE: Promise;
}

/// Declares a source that goes on at a saved position, and emits what is behind it again.
#[derive(Debug)]
pub enum Replayable {}

/// Declares a source that cannot emit an item again: one that a run had not finished is lost when the run is killed.
#[derive(Debug)]
pub enum NotReplayable {}

/// Declares a sink of which all of an epoch is there, once, or nothing: it has transactions, or goes back to a saved
/// position when a run resumes.
///
/// In a sink that goes back, such as a file, what an epoch has written can be seen before the epoch is complete.
#[derive(Debug)]
pub enum Transactional {}

/// Declares a sink in which writing an item twice is the same as once, as by a key.
#[derive(Debug)]
pub enum Idempotent {}

/// Declares a sink that may have items of the last epochs twice after a crash.
#[derive(Debug)]
pub enum Append {}

macro_rules! promises {
    ($($marker:ident: $which:ident,)*) => {
        $(
            impl sealed::Sealed for $marker {}
            impl $which for $marker {
                const PROMISE: Promise = Promise::$marker;
            }
        )*
    };
}

promises! {
    Replayable: SourcePromise,
    NotReplayable: SourcePromise,
    Transactional: SinkPromise,
    Idempotent: SinkPromise,
    Append: SinkPromise,
}

/// What a source or a sink of a flow has declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// A source that goes on where it was.
    Replayable,
    /// A source that begins anew.
    NotReplayable,
    /// A sink of which all of an epoch is there once, or nothing.
    Transactional,
    /// A sink in which twice is the same as once.
    Idempotent,
    /// A sink that may have items twice.
    Append,
}

impl Promise {
    /// The promise in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replayable => "replayable",
            Self::NotReplayable => "not replayable",
            Self::Transactional => "transactional",
            Self::Idempotent => "idempotent",
            Self::Append => "append",
        }
    }

    /// Whether it is of a sink.
    pub(crate) fn is_of_sink(self) -> bool {
        matches!(self, Self::Transactional | Self::Idempotent | Self::Append)
    }

    /// Whether nothing that a path promises is lost by it.
    pub(crate) fn is_strong(self) -> bool {
        !matches!(self, Self::NotReplayable | Self::Append)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often an item of a source takes effect in a sink, of all runs that share a recovery store together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Each item once.
    ExactlyOnce,
    /// Each item; those of the last epochs several times after a crash.
    AtLeastOnce,
    /// No item several times; those of the last epochs not at all after a crash.
    AtMostOnce,
    /// After a crash, items of the last epochs not at all or several times.
    BestEffort,
}

impl Delivery {
    /// What the path from a source to a sink promises.
    pub(crate) fn of(source: Promise, sink: Promise) -> Self {
        match (source.is_strong(), sink.is_strong()) {
            (true, true) => Self::ExactlyOnce,
            (true, false) => Self::AtLeastOnce,
            (false, true) => Self::AtMostOnce,
            (false, false) => Self::BestEffort,
        }
    }

    /// Whether what promises this also promises the other.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self == other || self == Self::ExactlyOnce || other == Self::BestEffort
    }

    /// The promise in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly once",
            Self::AtLeastOnce => "at least once",
            Self::AtMostOnce => "at most once",
            Self::BestEffort => "best effort",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Delivery::{AtLeastOnce, AtMostOnce, BestEffort, ExactlyOnce};

    #[test]
    fn a_path_is_as_strong_as_its_ends() {
        for (source, sink, delivery) in [
            (Promise::Replayable, Promise::Transactional, ExactlyOnce),
            (Promise::Replayable, Promise::Idempotent, ExactlyOnce),
            (Promise::Replayable, Promise::Append, AtLeastOnce),
            (Promise::NotReplayable, Promise::Transactional, AtMostOnce),
            (Promise::NotReplayable, Promise::Idempotent, AtMostOnce),
            (Promise::NotReplayable, Promise::Append, BestEffort),
        ] {
            assert_eq!(Delivery::of(source, sink), delivery);
        }
    }

    #[test]
    fn a_stronger_promise_implies_a_weaker_one() {
        let all = [ExactlyOnce, AtLeastOnce, AtMostOnce, BestEffort];
        let implied = all.map(|one| all.map(|other| one.implies(other)));
        assert_eq!(
            implied,
            [
                [true, true, true, true],
                [false, true, false, true],
                [false, false, true, true],
                [false, false, false, true],
            ]
        );
    }
}
