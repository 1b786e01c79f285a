//! Workers: how a described flow is built on timely dataflow and run.

mod assign;
mod build;
mod cluster;
mod completion;
mod gather;
mod net;
mod run;
mod start;
mod store;

pub(crate) use cluster::{ClusterPlace, network_error, run_cluster};
pub(crate) use net::{Child, Peers, SpawnOutcome, StopReason, child, spawn_processes};
pub(crate) use run::{Job, run_here, run_threads};
