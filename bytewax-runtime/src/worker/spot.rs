//! Where user code panicked: the item's number in its batch, and the key.
//!
//! All of it is found out while a panic unwinds. Nothing is counted or noted before that.

use std::cell::RefCell;
use std::fmt::Debug;
use std::mem;
use std::rc::Rc;

use super::context::{Cx, WorkerCx};
use crate::error::RunError;
use crate::ids::StepIndex;

thread_local! {
    static SPOT: RefCell<Spot> = const { RefCell::new(Spot { item: None, key: None }) };
}

/// What is known of the place of a panic, beside its step.
#[derive(Default)]
pub(super) struct Spot {
    /// The number of the item, from 1, and of all in its batch.
    item: Option<(usize, usize)>,
    key: Option<String>,
}

impl Spot {
    /// Forgets what was noted of an earlier panic.
    pub(super) fn forget() {
        SPOT.set(Self::default());
    }

    /// What was noted of the panic that was just caught.
    pub(super) fn take() -> Self {
        SPOT.take()
    }

    pub(super) fn told_by(self, mut error: RunError) -> RunError {
        if let Some(key) = self.key {
            error = error.at_key(key);
        }
        if let Some((number, all)) = self.item {
            error = error.at_item(number, all);
        }
        error
    }
}

/// Numbers the items of a batch, so that the error of a panic tells at which it was.
pub(crate) struct Numbers {
    all: usize,
    worker: Rc<WorkerCx>,
    step: Option<StepIndex>,
}

impl Cx {
    /// For a batch of so many items, in the step that is running.
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
        // It may be another step that panicked: one that was handed what came of the items so far.
        if self.worker.running() == self.step {
            let item = Some((index + 1, self.all));
            SPOT.with_borrow_mut(|spot| spot.item = spot.item.or(item));
        }
    }
}

/// Calls the code of a user for a key. If it panics, the error names the key.
#[inline]
pub(crate) fn with_key<K: Debug, R>(key: &K, call: impl FnOnce() -> R) -> R {
    let named = OnPanic(|| note_key(key));
    let result = call();
    mem::forget(named);
    result
}

#[cold]
fn note_key(key: &impl Debug) {
    let text = format!("{key:?}");
    SPOT.with_borrow_mut(|spot| spot.key = spot.key.take().or(Some(text)));
}

/// Calls a function when it is dropped: it is forgotten unless a panic unwinds.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
