//! Sources and sinks for tests, and functions to run a flow in a test.

mod at_poll;
pub mod connector;
mod example;
mod sink;
mod source;

pub use at_poll::{AtPoll, AtPollPartition, Came};
pub use example::{run_items, run_keyed};
pub use sink::TestingSink;
pub use source::{TestingItem, TestingSource, TestingSourcePartition};

pub use crate::execution::{RunConfig, cluster_main, run_main};

/// The former name of [`RunConfig`].
#[doc(hidden)]
pub type ClusterConfig = RunConfig;
