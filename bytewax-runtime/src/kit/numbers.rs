//! Tracks which item of a batch user code was handling when it panicked.

use std::mem;
use std::rc::Rc;

use super::context::{Cx, WorkerCx};
use crate::guard::{OnPanic, note_item};
use crate::ids::StepIndex;

/// Numbers the items of a batch, so that the error of a panic names the item.
pub(crate) struct Numbers {
    all: usize,
    worker: Rc<WorkerCx>,
    step: Option<StepIndex>,
}

impl Cx {
    /// For a batch of so many items, in the running step.
    #[inline]
    pub(crate) fn numbers(&self, all: usize) -> Numbers {
        Numbers {
            all,
            worker: Rc::clone(&self.worker),
            step: self.worker.running(),
        }
    }
}

impl Numbers {
    /// Calls code for the item at `index`.
    #[inline]
    pub(crate) fn at<R>(&self, index: usize, call: impl FnOnce() -> R) -> R {
        let numbered = OnPanic(move || self.note(index));
        let result = call();
        mem::forget(numbered);
        result
    }

    #[cold]
    fn note(&self, index: usize) {
        // Another step may have panicked: one that received the results of the items so far.
        if self.worker.running() == self.step {
            note_item(index + 1, self.all);
        }
    }
}
