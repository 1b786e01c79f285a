//! Workers: how a described flow is built on timely dataflow and run.

mod assign;
mod build;
mod cluster;
mod completion;
mod context;
mod edge;
mod epochs;
mod gather;
mod guard;
mod head;
mod net;
mod plan;
mod push;
mod run;
mod shared;
mod source_head;
mod spot;
mod start;
mod store;
mod timers;
mod watermark;

pub(crate) use assign::Assignment;
pub(crate) use cluster::{ClusterPlace, network_error, run_cluster};
pub(crate) use context::{Cx, WorkerCx};
pub use edge::Exchange;
pub(crate) use edge::{AnyInput, EdgeOut, Inlet, Mark, Outlet, Sender};
#[cfg(feature = "async")]
pub(crate) use guard::guard;
pub(crate) use head::{Head, HeadLogic, HeadPlan, Operator};
pub(crate) use net::{Child, Peers, SpawnOutcome, StopReason, child, spawn_processes};
pub(crate) use plan::{Outs, Plan, Site, StagePlan, TeePlan};
pub(crate) use push::{AnyPush, Flush, Next, Push, batch_items};
pub(crate) use run::{run_here, run_threads};
pub(crate) use shared::{EdgeId, Settings, Shared};
pub(crate) use source_head::{Polled, PolledPartition, SourceHead, SourcePlan};
pub(crate) use spot::with_key;
pub(crate) use store::StepStore;
pub(crate) use timers::Alarm;
#[cfg(feature = "async")]
pub(crate) use timers::Waker;
pub(crate) use watermark::Watermark;
