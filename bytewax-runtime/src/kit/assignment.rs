//! Which worker reads or writes which partition of a step.

use crate::ids::WorkerIndex;

/// The partitions of one step, in the order in which they were listed, and their workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) partitions: Vec<(String, WorkerIndex)>,
}

impl Assignment {
    /// The partitions of one worker, by name.
    pub(crate) fn of(&self, worker: WorkerIndex) -> Vec<String> {
        let mine = self.partitions.iter().filter(|(_, owner)| *owner == worker);
        let mut names: Vec<_> = mine.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}
