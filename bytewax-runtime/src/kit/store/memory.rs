//! Which states leave the memory when there is not enough of it.

use std::cell::Cell;

use crate::ids::Epoch;
use crate::key::{SLOTS, Slot};
use crate::state::run::Run;

/// How much of the limit is left when states have left.
const LEFT: (usize, usize) = (3, 4);

/// How much memory the states of all steps of one worker may take, and take, about.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    bytes: usize,
    used: Cell<usize>,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            used: Cell::new(0),
        }
    }
}

/// The memory of the states of one step on one worker, about.
pub(crate) struct Memory {
    /// The last epoch in which each slot was saved, and so was touched.
    saved: Box<[Epoch; SLOTS]>,
    /// What was encoded of states: keys and bytes. A state takes about as much beside its table.
    encoded: (usize, usize),
    /// The bytes counted for this step.
    counted: usize,
    /// The last epoch that was durable when states were to leave.
    tried: Epoch,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            saved: Box::new([Epoch(0); SLOTS]),
            encoded: (0, 0),
            counted: 0,
            tried: Epoch(0),
        }
    }

    /// Notes what is saved of a slot.
    pub(super) fn saved(&mut self, slot: Slot, epoch: Epoch, run: &Run) {
        self.note(slot, epoch, run.kept() as usize, run.len());
    }

    fn note(&mut self, slot: Slot, epoch: Epoch, keys: usize, bytes: usize) {
        self.saved[slot.index()] = epoch;
        self.encoded.0 += keys;
        self.encoded.1 += bytes;
    }

    /// Counts the keys of the step anew, each with so many bytes in its table.
    pub(super) fn count(&mut self, keys: usize, slot_bytes: usize, limit: &MemoryLimit) {
        let beside = self.encoded.1.checked_div(self.encoded.0).unwrap_or(0);
        let now = keys * (slot_bytes + beside);
        limit.used.set(limit.used.get() - self.counted + now);
        self.counted = now;
    }

    /// The slots that are to leave: those that were not touched for longest, of those that are durable.
    /// `present` are the slots in memory.
    pub(super) fn leaving(
        &mut self,
        limit: &MemoryLimit,
        durable: Epoch,
        present: impl Iterator<Item = Slot>,
    ) -> Vec<Slot> {
        let all = limit.used.get();
        if all <= limit.bytes || self.tried == durable {
            return Vec::new();
        }
        self.tried = durable;
        let mut present: Vec<Slot> = present.collect();
        let each = self.counted / present.len().max(1);
        let surplus = all - limit.bytes / LEFT.1 * LEFT.0;
        present.retain(|slot| self.saved[slot.index()] <= durable);
        present.sort_unstable_by_key(|slot| (self.saved[slot.index()], *slot));
        present.truncate(surplus.div_ceil(each.max(1)));
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_untouched_leave_and_only_what_is_durable() {
        let limit = MemoryLimit::new(4000);
        let mut memory = Memory::new();
        for (slot, epoch) in [(0, 5), (1, 2), (2, 3), (3, 9), (4, 1)] {
            memory.note(Slot::of(slot), Epoch(epoch), 1, 60);
        }
        memory.count(100, 40, &limit);
        assert_eq!(limit.used.get(), 10_000);
        let slots = || (0..5).map(Slot::of);
        // Five slots of 2000 bytes: four of them must go to get below 3000, but one is not durable.
        let expected = [4, 1, 2, 0].map(Slot::of);
        assert_eq!(memory.leaving(&limit, Epoch(8), slots()), expected);
        assert_eq!(memory.leaving(&limit, Epoch(8), slots()), []);
        memory.count(20, 40, &limit);
        assert_eq!(limit.used.get(), 2000);
        assert_eq!(memory.leaving(&limit, Epoch(9), slots()), []);
    }
}
