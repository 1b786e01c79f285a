//! Sources and sinks for tests, and ways to run a flow inside one.

pub mod connector;
mod example;
mod sink;
mod source;

pub use example::{run_items, run_keyed};
pub use sink::TestingSink;
pub use source::{TestingItem, TestingSource, TestingSourcePartition};

/// The same as [`RunConfig`](crate::RunConfig).
pub use crate::execution::RunConfig as ClusterConfig;
pub use crate::execution::{cluster_main, run_main};
