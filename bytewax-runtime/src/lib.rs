//! The runtime of the crate `bytewax`: it describes, builds and runs flows.
//!
//! Programs use the crate `bytewax`, which re-exports this crate and adds the macros. Published connectors
//! depend on this crate alone, without its default features: on [`source`], [`sink`] and [`StepError`].
//!
//! # Features
//!
//! `recovery` (default) adds recovery stores, and SQLite; `cli` (default) adds the command line; `async` adds
//! `map_async` and `AsyncBatches`; `object-store` adds backups in object stores; `metrics` serves the metrics
//! of a run to Prometheus.
// What there is to say is an event, an error or a result.
#![cfg_attr(not(test), warn(clippy::print_stderr))]
#![cfg_attr(
    not(all(feature = "cli", feature = "recovery")),
    allow(
        dead_code,
        unused_imports,
        reason = "some of it serves the command line or the store alone"
    )
)]

mod brief;
pub mod client;
pub mod clock;
mod codec;
pub mod delivery;
mod error;
mod execution;
#[cfg(feature = "async")]
mod executor;
pub mod flow;
#[cfg(feature = "recovery")]
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod ids;
pub mod key;
mod kit;
mod logged;
pub mod operators;
pub mod prelude;
#[cfg(feature = "recovery")]
mod recovery;
pub mod report;
mod secret;
pub mod sink;
pub mod source;
pub mod state;
pub mod testing;
mod weight;
pub mod windowing;
mod worker;

#[cfg(feature = "recovery")]
pub mod backup {
    //! Backups of recovery state.

    #[cfg(feature = "object-store")]
    pub use crate::recovery::ObjectStoreBackup;
    pub use crate::recovery::{Backup, FileSystemBackup};
}

pub use error::{RunError, RunErrorKind, StepError};
pub use execution::{GraphFormat, Run, RunConfig};
#[cfg(feature = "cli")]
pub use execution::{RunArgs, run, run_from};
pub use ids::{Epoch, StepId, WorkerIndex};
pub use kit::{Exchange, ResumePolicy, SnapshotMode};
#[cfg(feature = "recovery")]
pub use recovery::RecoveryConfig;
pub use secret::Secret;
pub use worker::Monitor;

#[doc(hidden)]
pub mod __private {
    //! Items for generated code and the program `bytewax` beyond the public API.

    #[cfg(all(feature = "cli", feature = "recovery"))]
    pub use crate::execution::{Template, Templates, bytewax_main};
    pub use crate::flow::{Origin, Scope};
    pub use crate::key::{FieldsHash, KeyShape, keys_are};
    pub use crate::sink::sink_fn;
    pub use crate::source::{
        ByDisplay, ByPath, NotShown, Shown, partition_of, settings_of, source_fn,
    };
    pub use crate::state::{ByName, OfState, Older};
    pub use {chrono, serde};
}
