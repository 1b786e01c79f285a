//! Ways to run a flow.

mod config;

pub use config::{ClusterConfig, cluster_main, run_main};
