//! The kit in which operators are written: batches and stages, heads behind edges, sources, state that is
//! saved, times and wake-ups; what an operator sees of its worker.

mod answers;
mod assignment;
mod batch;
#[cfg(test)]
pub(crate) mod bench;
mod budget;
mod context;
mod dates;
mod edge;
mod epochs;
mod head;
pub(crate) mod keyed;
mod link;
mod listeners;
pub(crate) mod logic;
mod marks;
pub(crate) mod meter;
mod notes;
mod numbers;
mod plan;
mod push;
mod rounds;
mod router;
pub(crate) mod saving;
mod shared;
mod source_head;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod timers;
mod watermark;

#[cfg(feature = "serve")]
pub(crate) use answers::PATIENCE;
pub(crate) use answers::{Answer, Question};
pub(crate) use assignment::Assignment;
pub(crate) use budget::Budget;
pub(crate) use context::{Cx, WorkerCx};
pub(crate) use dates::Dates;
pub use edge::Exchange;
pub(crate) use edge::{
    AnyInput, EdgeOut, Edges, EventMark, Inlet, Outlet, ProgressStream, frontier,
};
pub(crate) use epochs::{Frontier, Pace, Protocol, STOPPED};
pub(crate) use head::{Head, HeadLogic, HeadPlan, Operator, Progress};
pub(crate) use link::{Link, RemoteAlarm, Wake};
pub(crate) use listeners::Listener;
pub(crate) use marks::{Marks, is_waited_for};
pub(crate) use notes::{Note, NoteBody};
pub(crate) use plan::{BuildCx, Outputs, Plan, StagePlan, StreamTime, TeePlan};
pub(crate) use push::{AnyPush, Flush, Next, Push};
pub(crate) use router::{RoundRobin, Router};
pub(crate) use shared::{EdgeId, PeerLink, Settings, Shared, Stop};
pub(crate) use source_head::{Discovering, Polled, PolledPartition, SourceHead, SourcePlan};
pub(crate) use steps::{StepEntry, Steps};
pub(crate) use store::{Change, StepStore, Store};
pub use store::{ResumePolicy, SnapshotMode};
pub(crate) use timers::Alarm;
pub(crate) use watermark::{SharedWatermark, Watermark};

pub(crate) use crate::weight::Scales;
#[cfg(feature = "async")]
pub(crate) use crate::weight::Weigh;
