//! Runs a flow from code, or from the command line of a program.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a run takes the flow itself: who runs it has no more use for it"
)]

#[cfg(feature = "cli")]
mod args;
mod background;
#[cfg(feature = "cli")]
mod cluster;
#[cfg(feature = "cli")]
mod command;
mod config;
#[cfg(feature = "cli")]
mod lock;
#[cfg(feature = "cli")]
mod log;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "cli")]
mod plan;
#[cfg(all(feature = "cli", feature = "recovery"))]
mod program;
#[cfg(feature = "cli")]
mod progress;
#[cfg(all(feature = "cli", feature = "recovery"))]
mod recovery;
mod render;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "cli")]
mod signals;
mod stopping;
#[cfg(any(feature = "cli", feature = "serve"))]
mod token;
#[cfg(feature = "top")]
mod top;

#[cfg(feature = "cli")]
pub use args::RunArgs;
pub use background::Run;
#[cfg(feature = "cli")]
pub use command::{run, run_from};
pub use config::{RunConfig, cluster_main, run_main};
#[cfg(all(feature = "cli", feature = "recovery"))]
pub use program::{Template, Templates, bytewax_main};
pub use render::GraphFormat;
#[cfg(all(feature = "serve", feature = "recovery"))]
pub(crate) use serve::fuzz;
