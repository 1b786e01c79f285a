//! The watermarks of the senders of an operator.

use super::assignment::Assignment;
use super::context::WorkerCx;
use super::edge::EventMark;
use super::plan::BuildCx;
use crate::ids::{StepIndex, WorkerIndex};

/// The last watermark of each sender of each input.
#[derive(Debug)]
pub(crate) struct Marks {
    /// By input, then by worker.
    marks: Vec<EventMark>,
    workers: usize,
    least: EventMark,
}

impl Marks {
    /// Creates the initial watermarks: a worker that sends nothing over an input is not waited for.
    /// `is_local` says, for each input, whether its items stay on the worker.
    pub(super) fn new(build: &BuildCx, is_local: impl IntoIterator<Item = bool>) -> Self {
        let worker = &build.worker;
        let mut marks = Vec::new();
        for (input, is_local) in is_local.into_iter().enumerate() {
            let root = build.root_of(input);
            marks.extend((0..worker.count).map(|sender| {
                let sends = match is_local {
                    true => sender == worker.index.0,
                    false => {
                        root.is_none_or(|root| is_waited_for(worker, root, WorkerIndex(sender)))
                    }
                };
                if sends {
                    EventMark::NONE
                } else {
                    EventMark::END
                }
            }));
        }
        let mut marks = Self {
            marks,
            workers: worker.count,
            least: EventMark::NONE,
        };
        marks.find_least();
        marks
    }

    fn find_least(&mut self) {
        self.least = self.marks.iter().copied().min().unwrap_or(EventMark::END);
    }

    /// Records the watermark of a sender of an input. Returns whether it changes the watermark of all inputs.
    pub(super) fn update(&mut self, input: usize, sender: WorkerIndex, mark: EventMark) -> bool {
        let before = self.least;
        self.marks[input * self.workers + sender.0] = mark;
        self.find_least();
        self.least != before
    }

    /// Returns the watermark of all inputs and senders.
    pub(crate) fn least(&self) -> EventMark {
        self.least
    }

    /// Returns the slowest worker of those that are waited for.
    pub(crate) fn slowest(&self) -> Option<WorkerIndex> {
        let marks = self.marks.iter().enumerate();
        let waited_for = marks.filter(|(_, mark)| **mark < EventMark::IDLE);
        let slowest = waited_for.min_by_key(|(_, mark)| **mark);
        slowest.map(|(place, _)| WorkerIndex(place % self.workers))
    }
}

/// Whether a worker is waited for at the start: it has a partition of the step at the root of an input, as far as that is
/// known.
pub(crate) fn is_waited_for(here: &WorkerCx, root: StepIndex, worker: WorkerIndex) -> bool {
    let assigned = here.assignments.get().and_then(|all| all.get(&root));
    assigned.is_none_or(|assigned: &Assignment| {
        let mut owners = assigned.partitions.iter().map(|(_, owner)| *owner);
        owners.any(|owner| owner == worker)
    })
}
