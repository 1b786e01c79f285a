//! Workers: building a described flow on timely dataflow, and running it.

mod agreed;
mod assign;
mod build;
mod cluster;
mod completion;
mod gather;
mod net;
mod questions;
mod reading;
mod run;
#[cfg(all(feature = "serve", feature = "recovery"))]
mod savepoints;
mod stalls;
#[cfg(feature = "recovery")]
mod start;
#[cfg(not(feature = "recovery"))]
#[path = "start_without_store.rs"]
mod start;
#[cfg(feature = "recovery")]
mod store;
#[cfg(not(feature = "recovery"))]
#[path = "no_store.rs"]
mod store;
#[cfg(feature = "serve")]
mod whole;

pub(crate) use cluster::{ClusterPlace, network_error, run_cluster};
#[cfg(feature = "recovery")]
pub(crate) use net::fuzz;
pub(crate) use net::{Child, ClusterKey, Peers, SpawnOutcome, StopReason, child, spawn_processes};
#[cfg(feature = "serve")]
pub(crate) use reading::Detail;
pub use reading::Monitor;
pub(crate) use reading::Reading;
pub(crate) use run::{Job, run_here, run_threads};
pub(crate) use stalls::StallWatch;
pub(crate) use store::RecoveryConfig;
#[cfg(feature = "recovery")]
pub(crate) use store::check_locked;
