//! Saves and resumes a keyed step: the layer between the items and its logic.

use std::marker::PhantomData;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::Span;

use super::keyed::Routed;
use super::meter::StepMeter;
use crate::clock::Monotonic;
use crate::error::{RunError, RunErrorKind};
use crate::ids::{Epoch, StepIndex};
use crate::key::{Key, Slot};
use crate::kit::{
    BuildCx, Cx, EdgeId, EventMark, Flush, HeadLogic, Marks, SnapshotMode, StepStore,
};
use crate::state::{Cell, ColdError, KeyTable, RestoreError, Restored, Unsaved};

/// The number of keys that an activation encodes for each item since the last ones, and its limits. Few keys at a time
/// delay items little. An epoch rarely touches more keys than it has items, so its snapshot ends before half of the next
/// epoch has passed.
const KEYS_AN_ITEM: usize = 2;
const LEAST_KEYS: usize = 1 << 8;
const MOST_KEYS: usize = 1 << 13;

/// If memory is limited, a key is weighed once per this number of items.
const ITEMS_A_LOOK: usize = 4;

/// The minimum time until a few keys are weighed again, as a multiple of the time that it took.
const WEIGHING: i32 = 500;
const WEIGH_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// A logic that keeps all its state in one table.
pub(crate) trait KeyedLogic<K: Key, V>: HeadLogic<Routed<K, V>> {
    type Cell: Cell;

    fn table(&mut self) -> &mut KeyTable<K, Self::Cell>;

    /// Whether keys may be evicted from memory; false if any of them can be needed at any time.
    fn evicts(&self) -> bool {
        true
    }

    /// Whether [`end_input`](HeadLogic::end_input) visits the keys. If keys are evicted, it is called for
    /// some of them at a time, in ascending order.
    fn looks_at_end(&self) -> bool {
        false
    }

    /// Restores a saved key, before anything else happens to it.
    fn restore(&mut self, restored: Restored<K, <Self::Cell as Cell>::Saved>) {
        let Restored {
            hash,
            key,
            saved,
            mark,
        } = restored;
        self.table().restore(hash, key, Cell::restored(saved), mark);
    }

    /// Returns the time of the timer of a saved key.
    fn due(&self, _saved: <Self::Cell as Cell>::Saved) -> Option<DateTime<Utc>> {
        None
    }

    /// Returns the watermark, if keys wait for it and not for the system time.
    fn watermark(&self) -> Option<DateTime<Utc>> {
        None
    }
}

type SavedOf<L, K, V> = <<L as KeyedLogic<K, V>>::Cell as Cell>::Saved;

/// Restores keys when they are needed: keys of a slot of the store together, evicted keys one by one. Saves
/// the touched keys at the end of each epoch.
pub(crate) struct Saving<K, V, L: KeyedLogic<K, V>>
where
    K: Key,
{
    step: StepIndex,
    logic: L,
    store: Option<StepStore>,
    /// The epoch of the snapshot in progress, and its span for the log if the epoch is over.
    epoch: Option<Epoch>,
    span: Span,
    is_last: bool,
    /// Whether touched keys are saved during the epoch.
    is_immediate: bool,
    /// The number of items since the last eviction.
    taken: usize,
    /// The number of items since keys were last encoded.
    items_since: usize,
    /// A buffer for keys that are being restored.
    restored: Vec<Restored<K, SavedOf<L, K, V>>>,
    meter: Arc<StepMeter>,
    /// The time when a few keys are weighed next, and the last weight of a key.
    weigh_at: Monotonic,
    key_bytes: usize,
    items: PhantomData<fn(V)>,
}

impl From<Unsaved> for RunError {
    fn from(Unsaved { key, error }: Unsaved) -> Self {
        let failed = Self::new(RunErrorKind::Recovery, "the state cannot be saved");
        failed.at_key(key).caused_by(error)
    }
}

impl From<RestoreError> for RunError {
    fn from(error: RestoreError) -> Self {
        let failed = Self::new(RunErrorKind::Recovery, error.to_string());
        match error {
            RestoreError::Key { cause, .. } => failed.caused_by(cause),
            RestoreError::State { key, cause } => failed.at_key(key).caused_by(cause),
        }
    }
}

impl From<ColdError> for RunError {
    fn from(error: ColdError) -> Self {
        let text = "states cannot be evicted from memory";
        Self::new(RunErrorKind::Recovery, text).caused_by(error)
    }
}

impl<K: Key, V: 'static, L: KeyedLogic<K, V>> Saving<K, V, L> {
    pub(crate) fn new(build: &BuildCx, mut logic: L) -> Result<Self, RunError> {
        let store = build.worker.store.get();
        let is_immediate =
            store.is_some_and(|store| store.snapshot_mode() == SnapshotMode::Immediate);
        let mut store = store.and_then(|store| StepStore::new(store, build.id(), build.step));
        if let Some(store) = &mut store {
            store.find_states(L::Cell::TIMED)?;
            logic.table().note_changes();
            if let Some((limit, dir)) = store.memory_limit().filter(|_| logic.evicts()) {
                logic.table().limit_memory(Rc::clone(limit), dir);
            }
        }
        Ok(Self {
            step: build.step,
            logic,
            store,
            epoch: None,
            span: Span::none(),
            is_last: false,
            is_immediate,
            taken: 0,
            items_since: 0,
            restored: Vec::new(),
            meter: Arc::clone(build.meter()),
            weigh_at: Monotonic::default(),
            key_bytes: 0,
            items: PhantomData,
        })
    }

    /// Returns the logic, for changes other than those of keys.
    pub(crate) fn logic(&mut self) -> &mut L {
        &mut self.logic
    }

    /// Restores the keys of a batch that are not in memory.
    fn restore_for(&mut self, items: &[Routed<K, V>]) -> Result<(), RunError> {
        if self.store.as_ref().is_some_and(|store| !store.is_loaded()) {
            for (hash, ..) in items {
                self.load(Slot::of(*hash))?;
            }
        }
        let table = self.logic.table();
        if table.has_evicted() {
            let keys = items.iter().map(|(hash, key, _)| (*hash, key));
            table.take_evicted::<RunError>(keys, &mut self.restored)?;
            self.restore();
        }
        Ok(())
    }

    /// Passes the restored keys to the logic.
    fn restore(&mut self) {
        for restored in self.restored.drain(..) {
            self.logic.restore(restored);
        }
    }

    /// Loads a slot, unless it is loaded. If memory is limited, its keys count as evicted.
    fn load(&mut self, slot: Slot) -> Result<(), RunError> {
        let Some(store) = self.store.as_mut().filter(|store| store.is_missing(slot)) else {
            return Ok(());
        };
        let is_limited = self.logic.table().is_limited();
        for entry in store.load(slot)?.iter() {
            let Some(restored) = Restored::decode(&entry)? else {
                continue;
            };
            if is_limited {
                let due = self.logic.due(restored.saved);
                self.logic
                    .table()
                    .restore_evicted::<RunError>(&entry, due)?;
            } else {
                self.logic.restore(restored);
            }
        }
        Ok(())
    }

    fn load_all(&mut self) -> Result<(), RunError> {
        for slot in Slot::all() {
            self.load(slot)?;
        }
        Ok(())
    }

    /// Restores keys whose timers are due, and wakes the operator for the next. Returns whether these were
    /// all.
    fn restore_due(&mut self, cx: &Cx) -> Result<bool, RunError> {
        if !L::Cell::TIMED || self.store.is_none() {
            return Ok(true);
        }
        let now = cx.worker.dates.now();
        let mut next = None;
        while let Some((due, slot)) = self.store.as_mut().and_then(StepStore::first_due) {
            if due > now {
                next = Some(due);
                break;
            }
            self.load(slot)?;
        }
        let watermark = self.logic.watermark();
        let reached = watermark.unwrap_or(now);
        let evicted = self
            .logic
            .table()
            .take_due::<RunError>(reached, &mut self.restored)?;
        self.restore();
        let all = evicted.is_none_or(|next| next > reached);
        // A watermark needs no wake-up: it arrives with a batch.
        let evicted = match watermark {
            Some(_) => (!all).then_some(now),
            None => evicted,
        };
        if let Some(next) = next.into_iter().chain(evicted).min() {
            cx.worker.timers.wake_by_date(cx.alarm, next);
        }
        Ok(all)
    }

    /// Evicts keys when they take too much memory.
    fn evict(&mut self, cx: &Cx) -> Result<(), RunError> {
        let table = self.logic.table();
        if table.is_limited() {
            let looks = mem::take(&mut self.taken) / ITEMS_A_LOOK + 1;
            if table.evict::<RunError>(looks)? {
                cx.worker.timers.wake(cx.alarm);
            }
        }
        Ok(())
    }

    /// Records the number of keys, and from time to time their approximate bytes.
    fn count_keys(&mut self, cx: &Cx) {
        let (table, timing) = (self.logic.table(), &cx.worker.timing);
        let keys = table.len();
        if keys > 0 && timing.recent() >= self.weigh_at {
            let began = timing.read();
            self.key_bytes = table.about_bytes() / keys;
            // Large states take long to weigh.
            let took = timing.read().since(began);
            let pause = took.checked_mul(WEIGHING).unwrap_or(TimeDelta::MAX);
            self.weigh_at = began.after(pause.max(WEIGH_AGAIN));
        }
        self.meter.keys.set(keys as i64);
        let bytes = keys.saturating_mul(self.key_bytes);
        self.meter.state_bytes.set(bytes as i64);
    }

    /// Ends the input for some keys at a time.
    fn end_input_in_turn(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        let mut sorted = self.logic.table().sort_evicted::<RunError>()?;
        loop {
            let table = self.logic.table();
            if !table.take_sorted::<RunError>(&mut sorted, &mut self.restored)? {
                return Ok(());
            }
            self.restore();
            self.logic.end_input(cx)?;
            self.logic.table().evict_all::<RunError>()?;
        }
    }

    /// Continues the snapshot in progress: a part of it, or all.
    fn save(&mut self, all: bool, cx: &mut Cx) -> Result<(), RunError> {
        let (Some(store), Some(epoch)) = (&mut self.store, self.epoch) else {
            return Ok(());
        };
        cx.enter(self.step);
        let table = self.logic.table();
        loop {
            if all {
                store.send_all()?;
            } else if !store.send(table.is_snapshotting(), cx)? {
                // Items continue in the meantime, and the writer wakes the operator when it has room.
                return Ok(());
            }
            if !table.is_snapshotting() {
                self.epoch = None;
                let span = mem::replace(&mut self.span, Span::none());
                if !span.is_disabled() {
                    span.in_scope(|| tracing::debug!("all of the snapshot is with the writer"));
                }
                cx.release();
                return Ok(());
            }
            let (timing, meter) = (&cx.worker.timing, &self.meter);
            let before = meter.saved_bytes.get();
            let keys = mem::take(&mut self.items_since).saturating_mul(KEYS_AN_ITEM);
            let keys = if all {
                usize::MAX
            } else {
                keys.clamp(LEAST_KEYS, MOST_KEYS)
            };
            timing.measured(&meter.snapshot, 1, || {
                table.snapshot_some(keys, |slot, changed| {
                    meter.saved_bytes.add(store.put(epoch, slot, changed));
                    Ok::<_, RunError>(())
                })
            })?;
            let saved = meter.saved_bytes.get() - before;
            cx.worker.meter.saved_bytes.add(saved);
            if !all && table.is_snapshotting() {
                cx.worker.timers.wake(cx.alarm);
                return Ok(());
            }
        }
    }
}

impl<K: Key, V: 'static, L: KeyedLogic<K, V>> HeadLogic<Routed<K, V>> for Saving<K, V, L> {
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        self.taken += items.len();
        self.items_since += items.len();
        if self.meter.hot.is_on() {
            self.meter
                .hot
                .note(items.iter().map(|(hash, key, _)| (*hash, key)));
        }
        self.restore_for(items)?;
        self.logic.batch(items, cx)
    }

    fn mark(&mut self, marks: &Marks, cx: &mut Cx) -> Result<(), RunError> {
        self.logic.mark(marks, cx)
    }

    fn output_mark(&self, least: EventMark) -> EventMark {
        self.logic.output_mark(least)
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        let all_due = self.restore_due(cx)?;
        let settled = self.logic.settle(edges, cx)?;
        if self.is_immediate && self.store.is_some() && self.epoch.is_none() {
            cx.enter(self.step);
            self.logic.table().begin_snapshot()?;
            self.epoch = Some(cx.epoch);
        }
        self.save(false, cx)?;
        // Between items and this point, the logic may rely on keys in memory.
        self.evict(cx)?;
        self.count_keys(cx);
        Ok(settled && all_due)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.logic.end_epoch(cx)?;
        if self.store.is_some() {
            // One snapshot follows the other.
            self.save(true, cx)?;
            cx.enter(self.step);
            self.logic.table().begin_snapshot()?;
            self.items_since = 0;
            self.epoch = Some(cx.epoch);
            let step = cx.step_id(self.step);
            self.span = tracing::debug_span!("snapshot", %step, epoch = cx.epoch.0);
            cx.hold();
            self.save(self.is_last, cx)?;
        }
        Ok(())
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.is_last = true;
        // The logic may visit all keys at once, and none of them is encoded in between.
        self.save(true, cx)?;
        cx.enter(self.step);
        // This checks that all stored data is readable, whether or not it is needed.
        self.load_all()?;
        if self.logic.looks_at_end() && self.logic.table().has_evicted() {
            return self.end_input_in_turn(cx);
        }
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
