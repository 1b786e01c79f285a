//! The agreement of the workers before the flow is built.

use std::collections::HashMap;
use std::rc::Rc;

use super::store::Store;
use crate::ids::{Epoch, StepIndex};
use crate::key::SlotOwners;
use crate::kit::{Assignment, Pace, Protocol, WorkerCx};

/// Applies the agreement of the workers.
pub(super) fn begin(
    cx: &WorkerCx,
    store: Option<&Rc<Store>>,
    owners: SlotOwners,
    assignments: HashMap<StepIndex, Assignment>,
) {
    let first = store.map_or(Epoch::FIRST, |store| store.resume());
    let pace = Pace::of(cx.shared.settings.epoch_interval);
    let now = cx.clock.monotonic();
    cx.epochs
        .start(Protocol::new(pace, store.is_some(), first, now));
    cx.shared.start_epoch(first);
    cx.meter.epochs.begins(first, now);
    let set = cx.assignments.set(assignments).is_ok()
        && cx.owners.set(Rc::new(owners)).is_ok()
        && store.is_none_or(|store| cx.store.set(Rc::<Store>::clone(store)).is_ok());
    assert!(set, "a worker builds its flow once");
    cx.shared.note_running();
}
