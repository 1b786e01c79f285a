//! The saved states of one keyed step: what was, slot by slot, and what is written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::rc::Rc;
use std::sync::mpsc::TrySendError;

use chrono::{DateTime, Utc};

use super::memory::Memory;
use crate::error::RunError;
use crate::ids::{Epoch, StepId};
use crate::key::{SLOTS, Slot};
use crate::kit::Cx;
use crate::recovery::{Message, StepPlace, WriterStopped};
use crate::state::Changed;
use crate::state::run::Run;
use crate::worker::Store;

/// The states of one keyed step on one worker.
pub(crate) struct StepStore {
    store: Rc<Store>,
    id: StepId,
    place: StepPlace,
    /// The slots that may have states, and are not loaded.
    missing: Missing,
    /// For each of them with times that keys wait for, the first.
    waiting: BinaryHeap<Reverse<(DateTime<Utc>, Slot)>>,
    /// The time of the last wake-up that was asked for.
    alarm_set: Option<DateTime<Utc>>,
    memory: Option<Memory>,
    /// What the queue of the writer had no room for.
    unsent: VecDeque<Message>,
}

/// A set of slots.
struct Missing {
    slots: Box<[bool; SLOTS]>,
    /// Those that were in memory and have left it.
    left: Box<[bool; SLOTS]>,
    count: usize,
}

impl StepStore {
    pub(crate) fn new(store: Rc<Store>, id: StepId, place: StepPlace) -> Self {
        Self {
            id,
            place,
            missing: Missing {
                slots: Box::new([false; SLOTS]),
                left: Box::new([false; SLOTS]),
                count: 0,
            },
            waiting: BinaryHeap::new(),
            alarm_set: None,
            memory: store.memory.map(Memory::new),
            unsent: VecDeque::new(),
            store,
        }
    }

    /// Finds out which slots have states, and when the keys in them want to be woken.
    pub(crate) fn find_states(&mut self, timed: bool) -> Result<(), RunError> {
        let store = Rc::clone(&self.store);
        let mut first: BTreeMap<Slot, DateTime<Utc>> = BTreeMap::new();
        for reader in store.readers.values() {
            let slots = reader.slots(&self.id, store.resume);
            for slot in slots.map_err(RunError::recovery)? {
                self.missing.count += usize::from(!self.missing.slots[slot.index()]);
                self.missing.slots[slot.index()] = true;
            }
            if timed {
                let timers = reader.load_timers(&self.id, store.resume);
                for timer in timers.map_err(RunError::recovery)? {
                    let first = first.entry(Slot::of(timer.hash)).or_insert(timer.due);
                    *first = timer.due.min(*first);
                }
            }
        }
        self.waiting = first
            .into_iter()
            .map(|(slot, due)| Reverse((due, slot)))
            .collect();
        Ok(())
    }

    /// Whether all slots are loaded.
    #[inline]
    pub(crate) fn is_loaded(&self) -> bool {
        self.missing.count == 0
    }

    #[inline]
    pub(crate) fn is_missing(&self, slot: Slot) -> bool {
        self.missing.slots[slot.index()]
    }

    /// The first slot that is not loaded.
    pub(crate) fn next_missing(&self) -> Option<Slot> {
        Slot::all().find(|slot| self.is_missing(*slot))
    }

    /// The earliest time that a key in a slot that is not loaded waits for, and the slot.
    pub(crate) fn first_due(&mut self) -> Option<(DateTime<Utc>, Slot)> {
        while let Some(Reverse((due, slot))) = self.waiting.peek() {
            if self.missing.slots[slot.index()] {
                return Some((*due, *slot));
            }
            self.waiting.pop();
        }
        None
    }

    /// Has the operator woken when a key in a slot that is not loaded is due.
    pub(crate) fn sleep(&mut self, due: DateTime<Utc>, cx: &Cx) {
        if self.alarm_set != Some(due) {
            cx.worker.timers.wake_at(cx.alarm, due);
            self.alarm_set = Some(due);
        }
    }

    /// The states of a slot, which counts as loaded from now on.
    pub(crate) fn load(&mut self, slot: Slot) -> Result<Run, RunError> {
        if !std::mem::take(&mut self.missing.slots[slot.index()]) {
            return Ok(Run::default());
        }
        self.missing.count -= 1;
        let Some(reader) = self.store.reader(slot) else {
            return Ok(Run::default());
        };
        let run = if self.missing.left[slot.index()] {
            reader.load_again(&self.id, slot)
        } else {
            reader.load_slot(&self.id, slot, self.store.resume)
        };
        run.map_err(RunError::recovery)
    }

    /// Whether states may leave the memory.
    pub(crate) fn has_limit(&self) -> bool {
        self.memory.is_some()
    }

    /// The slots that are to leave the memory, if the step has so many keys of so many bytes.
    pub(crate) fn leaving(&mut self, keys: usize, slot_bytes: usize) -> Vec<Slot> {
        let Some(memory) = &mut self.memory else {
            return Vec::new();
        };
        let mut all = self.store.memory_used.get();
        memory.count(keys, slot_bytes, &mut all);
        self.store.memory_used.set(all);
        let missing = &self.missing;
        let present = Slot::all()
            .filter(|slot| !missing.slots[slot.index()] && self.store.reader(*slot).is_some());
        memory.leaving(all, self.store.durable(), present)
    }

    /// Notes that a slot has left the memory, and when the first of its keys wants to be woken.
    pub(crate) fn left(&mut self, slot: Slot, due: Option<DateTime<Utc>>) {
        self.missing.count += usize::from(!self.missing.slots[slot.index()]);
        self.missing.slots[slot.index()] = true;
        self.missing.left[slot.index()] = true;
        self.waiting.extend(due.map(|due| Reverse((due, slot))));
    }

    /// Takes what has changed in an epoch; [`send`](Self::send) passes it on.
    pub(crate) fn put(&mut self, epoch: Epoch, slot: Slot, changed: Changed) {
        let step = self.place;
        if let (Some(memory), Changed::States(run)) = (&mut self.memory, &changed) {
            memory.saved(slot, epoch, run);
        }
        self.unsent.push_back(match changed {
            Changed::States(run) => Message::Snaps {
                step,
                slot,
                epoch,
                run,
            },
            Changed::Timers(run) => Message::Timers {
                step,
                slot,
                epoch,
                run,
            },
        });
    }

    /// Passes on everything; waits while the writer's queue is full.
    pub(crate) fn send_all(&mut self) -> Result<(), RunError> {
        let mut unsent = self.unsent.drain(..);
        unsent.try_for_each(|message| self.store.send(message))
    }

    /// Passes on as much as the writer's queue has room for. Gives whether that was all.
    pub(crate) fn send(&mut self) -> Result<bool, RunError> {
        let Some(writer) = &self.store.writer else {
            self.unsent.clear();
            return Ok(true);
        };
        while let Some(message) = self.unsent.pop_front() {
            match writer.messages.try_send(message) {
                Ok(()) => {}
                Err(TrySendError::Full(message)) => {
                    self.unsent.push_front(message);
                    return Ok(false);
                }
                Err(TrySendError::Disconnected(_)) => {
                    return Err(RunError::recovery(WriterStopped));
                }
            }
        }
        Ok(true)
    }
}
