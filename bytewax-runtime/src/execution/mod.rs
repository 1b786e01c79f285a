//! Ways to run a flow: from code, and by the command line of the user's program.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a run takes the flow itself: who runs it has no more use for it"
)]

mod args;
mod cluster;
mod command;
mod config;
mod lock;
mod plan;
mod recovery;
mod render;
mod signals;

pub use args::RunArgs;
pub use command::{run, run_from};
pub use config::{ClusterConfig, cluster_main, run_main};
pub use recovery::recovery_main;
pub use render::GraphFormat;
