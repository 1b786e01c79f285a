//! Checks that a source or a sink keeps what it promises: the tests that each connector needs.
//!
//! Whoever writes a connector calls these in its tests, as the built-in ones do. Each check runs the connector
//! many times: it is stopped behind every batch, as by a crash, and goes on from what was saved, alone and inside of
//! flows with several workers, of which there are others when it goes on. The first promise that is broken is
//! returned as an error that says what was done and what came of it.
//!
//! | connector | check | promise |
//! | --- | --- | --- |
//! | a [`FixedPartitionedSource`](crate::source::FixedPartitionedSource) whose input ends, that is [replayable](crate::delivery::Replayable) | [`check_source`] | each item once, in order, wherever it is stopped |
//! | one that cannot read its input | [`check_failing_source`] | the same error wherever it is stopped, the items before it first |
//! | a [`DynamicSource`](crate::source::DynamicSource) whose input ends, in flows (feature `recovery`) | [`check_dynamic_source`] | each item once in a run that nothing stops; of one that is killed, none twice. As nothing is saved, going on is not checked |
//! | a [`FixedPartitionedSink`](crate::sink::FixedPartitionedSink) that is [transactional](crate::delivery::Transactional) | [`check_sink`] | each value once, in order, wherever it is stopped |
//! | a [`SinglePartitionSink`](crate::sink::SinglePartitionSink) | [`check_single_sink`] | the same |
//! | any sink, in flows (feature `recovery`) | [`check_sink_in_flows`] | what it [declares](crate::delivery): each value once, or at least once |
//!
//! # Examples
//!
//! A source of your own: the lines of a text that is in memory. This is the whole of it, with its test.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytewax_runtime::StepError;
//! use bytewax_runtime::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
//! use bytewax_runtime::testing::connector::{BrokenPromise, check_source};
//!
//! struct Lines(Arc<str>);
//!
//! struct LinesPartition {
//!     text: Arc<str>,
//!     next: u64,
//! }
//!
//! impl FixedPartitionedSource for Lines {
//!     type Item = String;
//!     type Position = u64;
//!     type Partition = LinesPartition;
//!
//!     fn partitions(&self) -> Result<Vec<String>, StepError> {
//!         Ok(vec!["text".to_owned()])
//!     }
//!
//!     fn open(&self, _: &str, resume: Option<u64>) -> Result<LinesPartition, StepError> {
//!         Ok(LinesPartition { text: Arc::clone(&self.0), next: resume.unwrap_or(0) })
//!     }
//! }
//!
//! impl StatefulSourcePartition for LinesPartition {
//!     type Item = String;
//!     type Position = u64;
//!
//!     fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
//!         let line = self.text.lines().nth(usize::try_from(self.next)?);
//!         let Some(line) = line else { return Ok(Poll::end()) };
//!         self.next += 1;
//!         Ok(Poll::item(line.to_owned()))
//!     }
//!
//!     fn snapshot(&self) -> u64 {
//!         self.next // With `self.next - 1`, the check below says which line comes twice.
//!     }
//! }
//!
//! let items = check_source(|| Lines("one\ntwo\nthree".into()))?;
//! assert_eq!(items[0].1, ["one", "two", "three"]);
//! # Ok::<(), BrokenPromise>(())
//! ```

#[cfg(feature = "recovery")]
mod dynamic;
#[cfg(feature = "recovery")]
mod flows;
mod sink;
mod source;

use std::fmt::Debug;

#[cfg(feature = "recovery")]
use crate::delivery::Promise;
use crate::error::StepError;
use crate::state;

#[cfg(feature = "recovery")]
pub use dynamic::check_dynamic_source;
#[cfg(feature = "recovery")]
pub use flows::check_sink_in_flows;
pub use sink::{check_single_sink, check_sink};
pub use source::{check_failing_source, check_source};

/// Why a connector does not keep its promises; the text says what was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenPromise(String);

/// The names of partitions, each with its items in order.
pub type ByPartition<T> = Vec<(String, Vec<T>)>;

/// The names of partitions, each with its items before an error, and the text of that; empty without one.
pub type FailuresByPartition<T> = Vec<(String, Vec<T>, String)>;

impl BrokenPromise {
    /// The same, with what the sink has declared.
    #[cfg(feature = "recovery")]
    fn of_sink(self, declared: Promise) -> Self {
        Self(format!("{}; the sink is declared {declared}", self.0))
    }
}

fn broken<T>(text: impl Into<String>) -> Result<T, BrokenPromise> {
    Err(BrokenPromise(text.into()))
}

fn failed<'a>(what: impl Into<String> + 'a) -> impl FnOnce(StepError) -> BrokenPromise + 'a {
    move |error| BrokenPromise(format!("{}: {error}", what.into()))
}

fn same<T: Debug + PartialEq>(
    partition: &str,
    what: &str,
    expect: &[T],
    items: &[T],
) -> Result<(), BrokenPromise> {
    let differ = expect.iter().zip(items).position(|(a, b)| a != b);
    let at = differ.unwrap_or(expect.len().min(items.len()));
    if at == expect.len() && at == items.len() {
        return Ok(());
    }
    broken(format!(
        "partition `{partition}`, {what}: item {at} is {:?} and should be {:?}",
        items.get(at),
        expect.get(at),
    ))
}

fn save(partition: &str, position: &impl state::State) -> Result<Vec<u8>, BrokenPromise> {
    let mut bytes = Vec::new();
    let sealed = state::seal(position, &mut bytes);
    match sealed {
        Ok(()) => Ok(bytes),
        Err(error) => broken(format!(
            "a position of `{partition}` cannot be saved: {error}"
        )),
    }
}

fn load<P: state::State>(partition: &str, bytes: &[u8]) -> Result<P, BrokenPromise> {
    state::open(bytes).or_else(|error| {
        broken(format!(
            "a position of `{partition}` cannot be loaded: {error}"
        ))
    })
}

#[cfg(test)]
mod tests;
