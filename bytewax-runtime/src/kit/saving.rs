//! How a keyed step is saved and resumed: what stands between the items and its logic.

use std::marker::PhantomData;

use super::keyed::Routed;
use crate::brief::brief;
use crate::codec;
use crate::error::{RunError, RunErrorKind};
use crate::ids::{Epoch, StepIndex};
use crate::key::{Key, Slot};
use crate::kit::{
    BuildCx, Cx, EdgeId, EventMark, Flush, HeadLogic, Marks, SnapshotMode, StepStore,
};
use crate::state::{self, Cell, KeyTable, Unsaved};

/// About how many keys are encoded in one activation, so that items do not wait long.
const KEYS_AT_ONCE: usize = 1 << 13;

/// A logic that keeps all it has to remember in one table.
pub(crate) trait KeyedLogic<K: Key, V>: HeadLogic<Routed<K, V>> {
    type Cell: Cell;

    /// Whether states may leave the memory; not if any of them may be needed at any time.
    const LEAVES: bool = true;

    fn table(&mut self) -> &mut KeyTable<K, Self::Cell>;

    /// Takes in a key as it was saved, before anything else is done with it.
    fn restore(&mut self, hash: u64, key: K, saved: <Self::Cell as Cell>::Saved) {
        self.table().restore(hash, key, Cell::restored(saved));
    }
}

/// Loads the keys of a slot when the first of them is needed, and saves at the end of each epoch what
/// was touched.
pub(crate) struct Saving<K, V, L> {
    step: StepIndex,
    logic: L,
    store: Option<StepStore>,
    /// The epoch of the snapshot that is under way.
    epoch: Option<Epoch>,
    is_last: bool,
    /// Whether what was touched is saved while the epoch goes on.
    is_immediate: bool,
    items: PhantomData<fn(K, V)>,
}

impl From<Unsaved> for RunError {
    fn from(Unsaved { key, error }: Unsaved) -> Self {
        let failed = Self::new(RunErrorKind::Recovery, "the state cannot be saved");
        failed.at_key(key).caused_by(error)
    }
}

impl<K: Key, V, L: KeyedLogic<K, V>> Saving<K, V, L> {
    pub(crate) fn new(build: &BuildCx, mut logic: L) -> Result<Self, RunError> {
        let store = build.worker.store.get();
        let is_immediate =
            store.is_some_and(|store| store.snapshot_mode() == SnapshotMode::Immediate);
        let mut store = store.and_then(|store| StepStore::new(store, build.id(), build.step));
        if let Some(store) = &mut store {
            store.find_states(L::Cell::TIMED)?;
            logic.table().note_changes();
        }
        Ok(Self {
            step: build.step,
            logic,
            store,
            epoch: None,
            is_last: false,
            is_immediate,
            items: PhantomData,
        })
    }

    /// Loads the slots of these keys that are not loaded.
    fn load_for(&mut self, hashes: impl Iterator<Item = u64>) -> Result<(), RunError> {
        for hash in hashes {
            let slot = Slot::of(hash);
            if self
                .store
                .as_ref()
                .is_some_and(|store| store.is_missing(slot))
            {
                self.load(slot)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, slot: Slot) -> Result<(), RunError> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        for entry in store.load(slot)?.iter() {
            let key: K = codec::decode_stored(entry.key).map_err(|error| {
                let bytes: String = entry.key.iter().map(|byte| format!("{byte:02x}")).collect();
                let text = format!("the saved key {bytes} cannot be read");
                RunError::new(RunErrorKind::Recovery, text).caused_by(error)
            })?;
            let Some(saved) = entry.state else {
                continue;
            };
            let saved = state::open(saved).map_err(|error| {
                let failed =
                    RunError::new(RunErrorKind::Recovery, "the saved state cannot be read");
                failed.at_key(brief(&key)).caused_by(error)
            })?;
            self.logic.restore(entry.hash, key, saved);
        }
        Ok(())
    }

    fn load_all(&mut self) -> Result<(), RunError> {
        for slot in Slot::all() {
            let store = self.store.as_ref();
            if store.is_some_and(|store| store.is_missing(slot)) {
                self.load(slot)?;
            }
        }
        Ok(())
    }

    /// Loads the slots in which a key's time has come, and has the operator woken for the next.
    fn load_due(&mut self, cx: &Cx) -> Result<(), RunError> {
        while let Some((due, slot)) = self.store.as_mut().and_then(StepStore::first_due) {
            if due > cx.worker.clock.now() {
                self.store.iter().for_each(|store| store.sleep(due, cx));
                break;
            }
            self.load(slot)?;
        }
        Ok(())
    }

    /// Lets states leave the memory when they are too many.
    fn make_room(&mut self) {
        let has_limit = |store: &&mut StepStore| L::LEAVES && store.has_limit();
        let Some(store) = self.store.as_mut().filter(has_limit) else {
            return;
        };
        let table = self.logic.table();
        if table.is_snapshotting() || self.epoch.is_some() {
            return;
        }
        let leaving = store.leaving(table.len(), KeyTable::<K, L::Cell>::SLOT_BYTES);
        for (slot, due) in table.leave(&leaving) {
            store.left(slot, due);
        }
    }

    /// Goes on with the snapshot under way: a part of it, or all.
    fn save(&mut self, all: bool, cx: &mut Cx) -> Result<(), RunError> {
        let (Some(store), Some(epoch)) = (&mut self.store, self.epoch) else {
            return Ok(());
        };
        cx.enter(self.step);
        let table = self.logic.table();
        loop {
            if all {
                store.send_all()?;
            } else if !store.send(cx)? {
                // The items go on meanwhile, and the writer wakes the operator when it has room.
                return Ok(());
            }
            if !table.is_snapshotting() {
                self.epoch = None;
                cx.release();
                return Ok(());
            }
            table.snapshot_some(KEYS_AT_ONCE, |slot, changed| {
                store.put(epoch, slot, changed);
                Ok::<_, RunError>(())
            })?;
            if !all && table.is_snapshotting() {
                store.send(cx)?;
                cx.worker.timers.wake(cx.alarm);
                return Ok(());
            }
        }
    }
}

impl<K: Key, V: 'static, L: KeyedLogic<K, V>> HeadLogic<Routed<K, V>> for Saving<K, V, L> {
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        if self.store.as_ref().is_some_and(|store| !store.is_loaded()) {
            self.load_for(items.iter().map(|(hash, ..)| *hash))?;
        }
        self.logic.batch(items, cx)
    }

    fn mark(&mut self, marks: &Marks, cx: &mut Cx) -> Result<(), RunError> {
        self.logic.mark(marks, cx)
    }

    fn said(&self, least: EventMark) -> EventMark {
        self.logic.said(least)
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.load_due(cx)?;
        let settled = self.logic.settle(edges, cx)?;
        if self.is_immediate && self.store.is_some() && self.epoch.is_none() {
            cx.enter(self.step);
            self.logic.table().begin_snapshot()?;
            self.epoch = Some(cx.epoch);
        }
        self.save(false, cx)?;
        self.make_room();
        Ok(settled)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.logic.end_epoch(cx)?;
        if self.store.is_some() {
            // One snapshot follows the other.
            self.save(true, cx)?;
            cx.enter(self.step);
            self.logic.table().begin_snapshot()?;
            self.epoch = Some(cx.epoch);
            cx.hold();
            self.save(self.is_last, cx)?;
        }
        Ok(())
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.is_last = true;
        // The logic may look at all keys at once, and none of them is encoded on the way.
        self.save(true, cx)?;
        cx.enter(self.step);
        self.load_all()?;
        self.logic.end_input(cx)
    }

    fn stop(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.is_last = true;
        self.save(true, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.logic.flush(what, cx)
    }
}
