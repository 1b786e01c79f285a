//! What operators see of the place where states are kept.

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

/// The place where states are kept, as one worker sees it.
pub(crate) trait Store {
    /// When changes are to be handed over.
    fn snapshot_mode(&self) -> SnapshotMode;

    /// Whether a step saves anything.
    fn saves(&self, step: StepIndex) -> bool;

    /// What bounds the states in memory, if anything does.
    fn memory_limit(&self) -> Option<&Rc<MemoryLimit>>;

    /// A directory for files of this process.
    fn dir(&self) -> &Path;

    /// The slots of this worker that have states of a step.
    fn slots(&self, step: &StepId) -> Result<Vec<Slot>, RunError>;

    /// The keys of a step on this worker that wait for a time.
    fn timers(&self, step: &StepId) -> Result<Vec<Timer>, RunError>;

    /// The states of a slot as they were when this execution began.
    fn load(&self, step: &StepId, slot: Slot) -> Result<Run, RunError>;

    /// Hands over a change; waits while there is no room.
    fn send(&self, change: Change) -> Result<(), RunError>;

    /// Hands over a change, or gives it back when there is no room.
    fn try_send(&self, change: Change) -> Result<Option<Change>, RunError>;

    /// Wakes an operator when there is room for a change, which may have been so before.
    fn wake_on_room(&self, alarm: RemoteAlarm);

    /// The most workers that an earlier execution had, also one that has saved nothing.
    fn most_workers(&self) -> usize;

    /// The saved position of a partition of a source or a sink.
    fn position(&self, step: &StepId, partition: &str) -> Option<&[u8]>;

    /// The partitions of a source or a sink that have a saved position, by name.
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

/// What has changed in some slots of a step in an epoch.
pub(crate) struct Change {
    pub(crate) step: StepIndex,
    pub(crate) table: Table,
    pub(crate) epoch: Epoch,
    pub(crate) runs: Vec<(Slot, Run)>,
}
