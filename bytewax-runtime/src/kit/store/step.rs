//! The saved states of one keyed step: loads them slot by slot, and writes changes.

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

/// The approximate number of bytes per message to the writer.
const CHANGE_BYTES: usize = 64 << 10;
/// The most runs per message.
const CHANGE_RUNS: usize = 256;

/// The last messages are not full: one of states and one of timers, which alternate.
const FILLED_TOGETHER: usize = 2;

/// The states of one keyed step on one worker.
pub(crate) struct StepStore {
    store: Rc<dyn Store>,
    id: StepId,
    step: StepIndex,
    /// The slots that may have states and are not loaded.
    missing: Missing,
    /// The first timer of each such slot with timers.
    waiting: BinaryHeap<Reverse<(DateTime<Utc>, Slot)>>,
    /// The messages that did not fit the writer's queue, with the bytes of each.
    unsent: VecDeque<(Change, usize)>,
}

/// A set of slots.
struct Missing {
    slots: Box<[bool; SLOTS]>,
    count: usize,
}

impl StepStore {
    /// The saved types of a step; `None` if it saves nothing.
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

    /// Reads which slots have states, and their timers.
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

    /// The earliest timer in a slot that is not loaded, and the slot.
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

    /// The limit of the states in memory, if any, and a directory for evicted ones.
    pub(crate) fn memory_limit(&self) -> Option<(&Rc<MemoryLimit>, &Path)> {
        Some((self.store.memory_limit()?, self.store.dir()))
    }

    /// Receives the changes of an epoch; [`send`](Self::send) forwards them. Returns their size in bytes.
    pub(crate) fn put(&mut self, epoch: Epoch, slot: Slot, changed: Changed) -> u64 {
        let (table, run) = match changed {
            Changed::States(run) => (Table::Snaps, run),
            Changed::Timers(run) => (Table::Timers, run),
        };
        let bytes_of_run = run.len() as u64;
        for (change, bytes) in self.unsent.iter_mut().rev().take(FILLED_TOGETHER) {
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

    /// Forwards everything; blocks while the writer's queue is full.
    pub(crate) fn send_all(&mut self) -> Result<(), RunError> {
        let mut unsent = self.unsent.drain(..);
        unsent.try_for_each(|(change, _)| self.store.send(change))
    }

    /// Forwards as much as fits the writer's queue, except the messages that are not full if there is `more` to come.
    /// Returns whether that was all; if not, the operator is woken when the queue has room.
    pub(crate) fn send(&mut self, more: bool, cx: &Cx) -> Result<bool, RunError> {
        let mut waits = false;
        let unfilled = if more { FILLED_TOGETHER } else { 0 };
        while self.unsent.len() > unfilled
            && let Some((change, bytes)) = self.unsent.pop_front()
        {
            if let Some(change) = self.store.try_send(change)? {
                self.unsent.push_front((change, bytes));
                if waits {
                    return Ok(false);
                }
                // Try again afterwards: the queue may have had room since just before.
                self.store.wake_on_room(cx.worker.timers.remote(cx.alarm));
                waits = true;
            }
        }
        Ok(true)
    }
}
