//! The messages of an operator to workers at the end of an epoch.

use serde::{Deserialize, Serialize};

use super::context::Cx;
use crate::ids::{StepIndex, WorkerIndex};
use crate::key::position_slot;

/// A message of an operator to one worker at the end of an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) target: u32,
    pub(crate) body: NoteBody,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum NoteBody {
    /// The position of a partition of a source or a sink.
    Position {
        step: u32,
        partition: String,
        bytes: Vec<u8>,
    },
    /// A source ends with this epoch. All workers are notified, so that all know the last epoch, though they
    /// see it end together with the input.
    Ends,
}

impl Cx {
    /// Saves the position of a partition with the present epoch.
    pub(crate) fn save_position(&mut self, step: StepIndex, partition: &str, bytes: Vec<u8>) {
        let slot = position_slot(self.step_id(step), partition);
        self.worker.meter.saved_bytes.add(bytes.len() as u64);
        let of_step = &self.worker.meter.step(step).saved_bytes;
        of_step.add(bytes.len() as u64);
        let target = self.worker.owners().owner_of(slot);
        let body = NoteBody::Position {
            step: step.0,
            partition: partition.to_owned(),
            bytes,
        };
        self.notify(WorkerIndex(target), body);
    }

    /// Notifies all workers that a source ends with the present epoch.
    pub(super) fn notify_end(&mut self) {
        for worker in 0..self.worker.count {
            self.notify(WorkerIndex(worker), NoteBody::Ends);
        }
    }

    fn notify(&mut self, target: WorkerIndex, body: NoteBody) {
        let target = target.0 as u32;
        self.link.note(Note { target, body });
    }
}
