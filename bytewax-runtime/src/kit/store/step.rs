//! The saved states of one keyed step: what was, slot by slot, and what is written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::Path;
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::{Change, Store};
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::{SLOTS, Slot};
use crate::kit::Cx;
use crate::state::run::{Run, Table};
use crate::state::{Changed, MemoryLimit};

/// About how many bytes go to the writer at once.
const CHANGE_BYTES: usize = 64 << 10;
/// And the most runs.
const CHANGE_RUNS: usize = 256;

/// The states of one keyed step on one worker.
pub(crate) struct StepStore {
    store: Rc<dyn Store>,
    id: StepId,
    step: StepIndex,
    /// The slots that may have states, and are not loaded.
    missing: Missing,
    /// For each of them with times that keys wait for, the first.
    waiting: BinaryHeap<Reverse<(DateTime<Utc>, Slot)>>,
    /// What the queue of the writer had no room for, with the bytes of each.
    unsent: VecDeque<(Change, usize)>,
}

/// A set of slots.
struct Missing {
    slots: Box<[bool; SLOTS]>,
    count: usize,
}

impl StepStore {
    /// What a step saves; `None` when it saves nothing.
    pub(crate) fn new(store: &Rc<dyn Store>, id: &StepId, step: StepIndex) -> Option<Self> {
        store.saves(step).then(|| Self {
            id: id.clone(),
            step,
            missing: Missing {
                slots: Box::new([false; SLOTS]),
                count: 0,
            },
            waiting: BinaryHeap::new(),
            unsent: VecDeque::new(),
            store: Rc::clone(store),
        })
    }

    /// Finds out which slots have states, and when the keys in them want to be woken.
    pub(crate) fn find_states(&mut self, timed: bool) -> Result<(), RunError> {
        for slot in self.store.slots(&self.id)? {
            self.missing.count += usize::from(!self.missing.slots[slot.index()]);
            self.missing.slots[slot.index()] = true;
        }
        let mut first: BTreeMap<Slot, DateTime<Utc>> = BTreeMap::new();
        if timed {
            for timer in self.store.timers(&self.id)? {
                let first = first.entry(Slot::of(timer.hash)).or_insert(timer.due);
                *first = timer.due.min(*first);
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

    /// The states of a slot, which counts as loaded from now on.
    pub(crate) fn load(&mut self, slot: Slot) -> Result<Run, RunError> {
        if !std::mem::take(&mut self.missing.slots[slot.index()]) {
            return Ok(Run::default());
        }
        self.missing.count -= 1;
        self.store.load(&self.id, slot)
    }

    /// What bounds the states in memory, if anything does, and a directory for those that are evicted.
    pub(crate) fn memory_limit(&self) -> Option<(&Rc<MemoryLimit>, &Path)> {
        Some((self.store.memory_limit()?, self.store.dir()))
    }

    /// Takes what has changed in an epoch; [`send`](Self::send) passes it on. Gives how many bytes it has.
    pub(crate) fn put(&mut self, epoch: Epoch, slot: Slot, changed: Changed) -> u64 {
        let (table, run) = match changed {
            Changed::States(run) => (Table::Snaps, run),
            Changed::Timers(run) => (Table::Timers, run),
        };
        let bytes_of_run = run.len() as u64;
        // States and timers come in turn.
        for (change, bytes) in self.unsent.iter_mut().rev().take(2) {
            if (change.table, change.epoch) == (table, epoch)
                && change.runs.len() < CHANGE_RUNS
                && *bytes < CHANGE_BYTES
            {
                *bytes += run.len();
                change.runs.push((slot, run));
                return bytes_of_run;
            }
        }
        let bytes = run.len();
        let change = Change {
            step: self.step,
            table,
            epoch,
            runs: vec![(slot, run)],
        };
        self.unsent.push_back((change, bytes));
        bytes_of_run
    }

    /// Passes on everything; waits while the writer's queue is full.
    pub(crate) fn send_all(&mut self) -> Result<(), RunError> {
        let mut unsent = self.unsent.drain(..);
        unsent.try_for_each(|(change, _)| self.store.send(change))
    }

    /// Passes on as much as the writer's queue has room for. Gives whether that was all; if not, the operator is
    /// woken when there is room for more.
    pub(crate) fn send(&mut self, cx: &Cx) -> Result<bool, RunError> {
        let mut waits = false;
        while let Some((change, bytes)) = self.unsent.pop_front() {
            if let Some(change) = self.store.try_send(change)? {
                self.unsent.push_front((change, bytes));
                if waits {
                    return Ok(false);
                }
                // Once more after that: there may be room since just before.
                self.store.wake_on_room(cx.worker.timers.remote(cx.alarm));
                waits = true;
            }
        }
        Ok(true)
    }
}
