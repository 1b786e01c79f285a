//! Runs of several processes.

use std::sync::Arc;

use super::plan::ClusterPlan;
use crate::error::{RunError, RunErrorKind};
use crate::flow::Dataflow;
use crate::worker::Shared;

/// Does the part of this process in a run of several processes, until the run ends.
///
/// The flow has been checked. `shared` has the settings of the run and the range of this process's
/// workers, and fails by itself when a signal comes: a process that waits for others, and has no
/// workers, calls [`Shared::register_thread`] to be unparked then.
pub(crate) fn run_cluster(
    _flow: &Dataflow,
    _plan: &ClusterPlan,
    _shared: &Arc<Shared>,
) -> Result<(), RunError> {
    Err(RunError::new(
        RunErrorKind::Config,
        "several processes are not wired yet",
    ))
}
