//! The promises of sources and sinks, and how often an item of a source takes effect in a sink.
//!
//! A source declares whether it can be *replayed*, that is, whether a resumed run reads again everything
//! after the last complete epoch. A sink declares the effect of writing items again. Both are the last
//! parameter of the connector's trait, with a safe default for a connector that declares nothing:
//!
//! | trait | default | others |
//! | --- | --- | --- |
//! | [`FixedPartitionedSource`](crate::source::FixedPartitionedSource) | [`Replayable`] | [`NotReplayable`] |
//! | [`DynamicSource`](crate::source::DynamicSource) | [`NotReplayable`] | none: it saves no position |
//! | [`DynamicSink`](crate::sink::DynamicSink), [`RejectingSink`](crate::sink::RejectingSink) | [`Append`] | [`Idempotent`], [`Transactional`] |
//! | [`FixedPartitionedSink`](crate::sink::FixedPartitionedSink), [`SinglePartitionSink`](crate::sink::SinglePartitionSink) | [`Append`] | [`Idempotent`], [`Transactional`] |
//! | [`TransactionalSink`](crate::sink::TransactionalSink) | [`Transactional`] | none |
//!
//! A source whose position has no bytes, such as `()`, is not replayable, whatever it declares. The functions
//! in [`testing::connector`](crate::testing::connector) test the declaration of a connector.
//!
//! # The promise of a path
//!
//! | | transactional or idempotent sink | append |
//! | --- | --- | --- |
//! | **replayable source** | exactly once | at least once |
//! | **not replayable** | at most once | best effort |
//!
//! The promise covers each item that a source emits. It holds for runs that share a recovery store, whatever
//! is killed and with any number of workers. Without a store nothing is replayed: a restarted run starts from
//! the beginning. A flow that [declares](crate::flow::Flow::delivery) its delivery is therefore refused
//! without a store.
//!
//! The steps in between do not weaken the promise, because a snapshot contains their state together with the
//! position of the source. A step drops items on purpose only once, such as in `filter`, `skip_counted` or as
//! unread late values. After a crash, a step may process an item again, and only the last time counts: side
//! effects of a closure in `inspect`, `map` or `map_async` are repeated. A step may emit another result the
//! second time, because it reads a clock, a random number or another system, or depends on the order of items
//! from several workers. A transactional sink then contains the last result. An idempotent sink contains it
//! for each key that was written again, and earlier results for other keys. Derive the keys of an idempotent
//! sink from the items.

use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// The promise of a source: [`Replayable`] or [`NotReplayable`].
pub trait SourcePromise: sealed::Sealed + 'static {
    #[doc(hidden)]
    const PROMISE: Promise;
}

/// The promise of a sink: [`Transactional`], [`Idempotent`] or [`Append`].
pub trait SinkPromise: sealed::Sealed + 'static {
    #[doc(hidden)]
    const PROMISE: Promise;
}

/// Declares a source that continues at a saved position and emits later items again.
#[derive(Debug)]
pub enum Replayable {}

/// Declares a source that cannot emit an item again: a kill loses the unfinished items of the run.
#[derive(Debug)]
pub enum NotReplayable {}

/// Declares a sink that writes the output of an epoch exactly once or not at all: it uses transactions, or
/// truncates its output to a saved position when a run resumes.
///
/// In a sink that truncates, such as a file, the output of an epoch is visible before the epoch is complete.
#[derive(Debug)]
pub enum Transactional {}

/// Declares a sink in which writing an item twice has the same effect as writing it once, such as an upsert
/// by key.
#[derive(Debug)]
pub enum Idempotent {}

/// Declares a sink that may contain items of the last epochs twice after a crash.
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

/// The declared promise of a source or a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// A source that continues at its saved position.
    Replayable,
    /// A source that starts again.
    NotReplayable,
    /// A sink that writes an epoch exactly once or not at all.
    Transactional,
    /// A sink in which a repeated write has no further effect.
    Idempotent,
    /// A sink that may contain items twice.
    Append,
}

impl Promise {
    /// Returns the promise in words.
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

    /// Whether this is the promise of a sink.
    pub(crate) fn is_of_sink(self) -> bool {
        matches!(self, Self::Transactional | Self::Idempotent | Self::Append)
    }

    /// Whether it does not weaken the promise of a path.
    pub(crate) fn is_strong(self) -> bool {
        !matches!(self, Self::NotReplayable | Self::Append)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often an item of a source takes effect in a sink, over all runs that share a recovery store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Each item once.
    ExactlyOnce,
    /// Each item at least once; after a crash, items of the last epochs several times.
    AtLeastOnce,
    /// Each item at most once; after a crash, items of the last epochs not at all.
    AtMostOnce,
    /// After a crash, items of the last epochs not at all or several times.
    BestEffort,
}

impl Delivery {
    /// Returns the promise of the path from a source to a sink.
    pub(crate) fn of(source: Promise, sink: Promise) -> Self {
        match (source.is_strong(), sink.is_strong()) {
            (true, true) => Self::ExactlyOnce,
            (true, false) => Self::AtLeastOnce,
            (false, true) => Self::AtMostOnce,
            (false, false) => Self::BestEffort,
        }
    }

    /// Whether this promise includes the other.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self == other || self == Self::ExactlyOnce || other == Self::BestEffort
    }

    /// Returns the promise in words.
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
