//! Checks that a source or a sink keeps its promises: the tests that each connector needs.
//!
//! Call these in the tests of your connector, as the built-in ones do. Each check runs the connector many
//! times: it stops it after every batch, like a crash, and resumes from the saved position, alone and in
//! flows with several workers, with other numbers of workers after the resume. It returns the first broken
//! promise as an error with the actions and their result.
//!
//! | connector | check | promise |
//! | --- | --- | --- |
//! | a [`FixedPartitionedSource`](crate::source::FixedPartitionedSource) whose input ends, that is [replayable](crate::delivery::Replayable) | [`check_source`] | each item once, in order, wherever it is stopped |
//! | a source that cannot read its input | [`check_failing_source`] | the same error wherever it is stopped, after the items before it |
//! | a [`DynamicSource`](crate::source::DynamicSource) whose input ends, in flows (feature `recovery`) | [`check_dynamic_source`] | each item once in an uninterrupted run; in a killed run, none twice. It saves no position, so a resume is not checked |
//! | a [`FixedPartitionedSink`](crate::sink::FixedPartitionedSink) that is [transactional](crate::delivery::Transactional) | [`check_sink`] | each value once, in order, wherever it is stopped |
//! | a [`SinglePartitionSink`](crate::sink::SinglePartitionSink) | [`check_single_sink`] | the same |
//! | any sink, in flows (feature `recovery`) | [`check_sink_in_flows`] | its [declaration](crate::delivery): each value once, or at least once |
//!
//! # Examples
//!
//! A complete source with its test: the lines of a text in memory.
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

/// A broken promise of a connector; the text describes the actions and their result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenPromise(String);

/// The names of partitions, each with its items in order.
pub type ByPartition<T> = Vec<(String, Vec<T>)>;

/// The names of partitions, each with its items before an error, and the text of the error; empty without
/// one.
pub type FailuresByPartition<T> = Vec<(String, Vec<T>, String)>;

impl BrokenPromise {
    /// The same, with the declaration of the sink.
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
