//! What operators see of the place where states are kept.

mod memory;
mod step;

use super::link::RemoteAlarm;
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::Slot;
use crate::state::run::{Run, Table};
use crate::state::timer::Timer;

pub(crate) use memory::MemoryLimit;
pub(crate) use step::StepStore;

/// The place where states are kept, as one worker sees it.
pub(crate) trait Store {
    /// When changes are to be handed over.
    fn snapshot_mode(&self) -> SnapshotMode;

    /// Whether a step saves anything.
    fn saves(&self, step: StepIndex) -> bool;

    /// What bounds the states in memory, if anything does.
    fn memory_limit(&self) -> Option<&MemoryLimit>;

    /// The slots of this worker that have states of a step.
    fn slots(&self, step: &StepId) -> Result<Vec<Slot>, RunError>;

    /// The keys of a step on this worker that wait for a time.
    fn timers(&self, step: &StepId) -> Result<Vec<Timer>, RunError>;

    /// The states of a slot as they were last saved.
    fn load(&self, step: &StepId, slot: Slot) -> Result<Run, RunError>;

    /// Whether states of a slot are kept here.
    fn has(&self, slot: Slot) -> bool;

    /// The last epoch of which all changes of this worker are durable.
    fn durable(&self) -> Epoch;

    /// Hands over a change; waits while there is no room.
    fn send(&self, change: Change) -> Result<(), RunError>;

    /// Hands over a change, or gives it back when there is no room.
    fn try_send(&self, change: Change) -> Result<Option<Change>, RunError>;

    /// Wakes an operator when there is room for a change, which may have been so before.
    fn wake_on_room(&self, alarm: RemoteAlarm);

    /// The saved position of a partition of a source or a sink.
    fn position(&self, step: &StepId, partition: &str) -> Option<&[u8]>;

    /// The partitions of a source or a sink that have a saved position, by name.
    fn positions_of(&self, step: &StepId) -> Vec<&str>;
}

/// When changed states are handed to the store. An epoch counts when it is complete, whatever the mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// When the epoch ends: each key once, while the items of the next epoch flow.
    #[default]
    Batch,
    /// While the epoch goes on: a key each time it was touched, so that less is left for the end.
    Immediate,
}

/// Whether a run may go on from what an earlier one has saved, and whether it must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResumePolicy {
    /// Only a run that goes on from an earlier one may start.
    Require,
    /// Go on if there is anything to go on from, and begin anew if there is not.
    #[default]
    Allow,
    /// Only a run that begins anew may start.
    Never,
}

/// What has changed in some slots of a step in an epoch.
pub(crate) struct Change {
    pub(crate) step: StepIndex,
    pub(crate) table: Table,
    pub(crate) epoch: Epoch,
    pub(crate) runs: Vec<(Slot, Run)>,
}
