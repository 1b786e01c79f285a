//! The interface of operators to the recovery store.

mod step;

use std::path::Path;
use std::rc::Rc;

use super::link::RemoteAlarm;
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::Slot;
use crate::state::MemoryLimit;
use crate::state::run::{Run, Table};
use crate::state::timer::Timer;

pub(crate) use step::StepStore;

/// The recovery store, as seen by one worker.
pub(crate) trait Store {
    /// Returns when changes must be sent.
    fn snapshot_mode(&self) -> SnapshotMode;

    /// Whether a step saves anything.
    fn saves(&self, step: StepIndex) -> bool;

    /// Returns the limit of the states in memory, if any.
    fn memory_limit(&self) -> Option<&Rc<MemoryLimit>>;

    /// Returns a directory for files of this process.
    fn dir(&self) -> &Path;

    /// Returns the slots of this worker with states of a step.
    fn slots(&self, step: &StepId) -> Result<Vec<Slot>, RunError>;

    /// Returns the keys of a step on this worker with timers.
    fn timers(&self, step: &StepId) -> Result<Vec<Timer>, RunError>;

    /// Returns the states of a slot at the start of this execution.
    fn load(&self, step: &StepId, slot: Slot) -> Result<Run, RunError>;

    /// Sends a change; waits while there is no room.
    fn send(&self, change: Change) -> Result<(), RunError>;

    /// Sends a change, or returns it if there is no room.
    fn try_send(&self, change: Change) -> Result<Option<Change>, RunError>;

    /// Wakes an operator when there is room for a change, even if there was room before.
    fn wake_on_room(&self, alarm: RemoteAlarm);

    /// Returns the maximum number of workers of any earlier execution, even one that saved nothing.
    fn most_workers(&self) -> usize;

    /// Returns the saved position of a partition of a source or a sink.
    fn position(&self, step: &StepId, partition: &str) -> Option<&[u8]>;

    /// Returns the partitions of a source or a sink with a saved position, by name.
    fn positions_of(&self, step: &StepId) -> Vec<&str>;
}

/// When changed states are written to the store. In either mode an epoch counts only once it is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// At the end of the epoch: each changed key once, while the items of the next epoch are processed.
    #[default]
    Batch,
    /// During the epoch: a key each time it changes, so that less is left to write at the end.
    Immediate,
}

/// Whether a run must, may or must not resume from saved state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumePolicy {
    /// The run fails unless it resumes from saved state.
    Require,
    /// The run resumes if there is saved state, and starts empty otherwise.
    #[default]
    Allow,
    /// The run fails if there is saved state.
    Never,
}

/// The changes in some slots of a step in an epoch.
pub(crate) struct Change {
    pub(crate) step: StepIndex,
    pub(crate) table: Table,
    pub(crate) epoch: Epoch,
    pub(crate) runs: Vec<(Slot, Run)>,
}
