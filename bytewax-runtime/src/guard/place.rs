//! Where user code panicked: the item's number in its batch, the key, and the partition.
//!
//! All of it is found out while a panic unwinds. Nothing is counted or noted before that.

use std::cell::RefCell;
use std::fmt::Debug;
use std::mem;

use crate::brief::brief;
use crate::error::RunError;

thread_local! {
    static PLACE: RefCell<PanicPlace> = const { RefCell::new(PanicPlace { item: None, key: None, partition: None }) };
}

/// What is known of the place of a panic, beside its step.
#[derive(Default)]
pub(super) struct PanicPlace {
    /// The number of the item, from 1, and of all in its batch.
    item: Option<(usize, usize)>,
    key: Option<String>,
    partition: Option<String>,
}

impl PanicPlace {
    /// Forgets what was noted of an earlier panic.
    pub(super) fn forget() {
        PLACE.set(Self::default());
    }

    /// What was noted of the panic that was just caught.
    pub(super) fn take() -> Self {
        PLACE.take()
    }

    pub(super) fn added_to(self, mut error: RunError) -> RunError {
        if let Some(key) = self.key {
            error = error.at_key(key);
        }
        if let Some(partition) = self.partition {
            error = error.in_partition(&partition);
        }
        if let Some((number, all)) = self.item {
            error = error.at_item(number, all);
        }
        error
    }
}

/// Notes the number of the item, from 1, and of all in its batch, unless that is known.
#[cold]
pub(crate) fn note_item(number: usize, all: usize) {
    PLACE.with_borrow_mut(|place| place.item = place.item.or(Some((number, all))));
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
    let text = brief(key);
    PLACE.with_borrow_mut(|place| place.key = place.key.take().or(Some(text)));
}

/// Calls the code of a user for a partition of a source or a sink. If it panics, the error names the
/// partition.
#[inline]
pub(crate) fn with_partition<R>(name: &str, call: impl FnOnce() -> R) -> R {
    let named = OnPanic(|| note_partition(name));
    let result = call();
    mem::forget(named);
    result
}

#[cold]
fn note_partition(name: &str) {
    let name = name.to_owned();
    PLACE.with_borrow_mut(|place| place.partition = place.partition.take().or(Some(name)));
}

/// Calls a function when it is dropped: it is forgotten unless a panic unwinds.
pub(crate) struct OnPanic<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
