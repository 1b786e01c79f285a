//! Estimates the memory of the keys of tables, and limits it.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;

use super::mark::KeyMark;
use crate::weight::heap_weight;

/// The unit of weights, in bytes.
pub(super) const WEIGHT_UNIT: usize = 16;

/// The resolution of the estimated weight of a new key, in parts of a unit.
const PARTS: u32 = 16;

/// The memory of a table's keys outside the table.
#[derive(Debug, Default)]
pub(super) struct Heap {
    /// The weights of all keys.
    units: usize,
    /// The usual weight of a key, in parts of a unit; 0 until one is weighed.
    usual: u32,
}

impl Heap {
    pub(super) fn bytes(&self) -> usize {
        self.units * WEIGHT_UNIT
    }

    /// Adds a new key, with the usual weight; it is weighed later.
    #[inline]
    pub(super) fn add_new(&mut self) -> u32 {
        let weight = self.usual / PARTS;
        self.units += weight as usize;
        weight
    }

    #[inline]
    pub(super) fn remove(&mut self, mark: KeyMark) {
        self.units -= mark.weight() as usize;
    }

    /// Weighs a key again.
    pub(super) fn weigh(
        &mut self,
        mark: &mut KeyMark,
        key: &impl Serialize,
        state: &impl Serialize,
    ) {
        self.units -= mark.weight() as usize;
        mark.set_weight(heap_weight(key).saturating_add(heap_weight(state)));
        self.units += mark.weight() as usize;
        // A moving average of sixteen.
        let weight = mark.weight().min(u32::MAX / PARTS) * PARTS;
        self.usual = match self.usual {
            0 => weight,
            usual => usual - usual / 16 + weight / 16,
        };
    }
}

/// Beyond the limit, keys may take one byte per this many evicted bytes. Without this allowance, each item
/// would wait for the file if the limit is far too small for the most used keys.
const EVICTED_A_BYTE: usize = 12;

/// The maximum of this allowance per process.
const MOST_BESIDE: usize = 56 << 20;

/// The approximate memory of the states of all steps of one worker, and its limit.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    bytes: usize,
    most_beside: usize,
    used: Cell<usize>,
    /// The evicted bytes.
    evicted: Cell<usize>,
    /// The steps that share it.
    steps: Cell<usize>,
}

impl MemoryLimit {
    /// The share of one worker if all workers together may take this many bytes.
    pub(crate) fn new(bytes: usize, workers: usize) -> Self {
        Self {
            bytes: bytes / workers.max(1),
            most_beside: MOST_BESIDE / workers.max(1),
            used: Cell::new(0),
            evicted: Cell::new(0),
            steps: Cell::new(0),
        }
    }

    fn allowed(&self) -> usize {
        let beside = self.evicted.get() / EVICTED_A_BYTE;
        self.bytes.saturating_add(beside.min(self.most_beside))
    }
}

/// The share of one step.
#[derive(Debug)]
pub(super) struct Share {
    limit: Rc<MemoryLimit>,
    used: usize,
    evicted: usize,
}

impl Share {
    pub(super) fn new(limit: Rc<MemoryLimit>) -> Self {
        limit.steps.set(limit.steps.get() + 1);
        Self {
            limit,
            used: 0,
            evicted: 0,
        }
    }

    /// Records the bytes of the step in memory and evicted.
    pub(super) fn set(&mut self, used: usize, evicted: usize) {
        let limit = &self.limit;
        limit.used.set(limit.used.get() - self.used + used);
        let others = limit.evicted.get() - self.evicted;
        limit.evicted.set(others + evicted);
        (self.used, self.evicted) = (used, evicted);
    }

    /// The number of bytes that the step must release. A step within its equal share releases nothing,
    /// because another exceeds its own.
    pub(super) fn surplus(&self) -> usize {
        let limit = &self.limit;
        let allowed = limit.allowed();
        let part = allowed / limit.steps.get().max(1);
        let surplus = limit.used.get().saturating_sub(allowed);
        surplus.min(self.used.saturating_sub(part))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0, 0);
        self.limit.steps.set(self.limit.steps.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_than_an_equal_part_gives_back() {
        let limit = Rc::new(MemoryLimit::new(2000, 2));
        let (mut a, mut b) = (Share::new(Rc::clone(&limit)), Share::new(limit));
        a.set(1000, 0);
        assert_eq!((a.surplus(), b.surplus()), (0, 0));
        b.set(300, 0);
        assert_eq!((a.surplus(), b.surplus()), (300, 0));
        b.set(900, 0);
        assert_eq!((a.surplus(), b.surplus()), (500, 400));
        a.set(500, 0);
        assert_eq!((a.surplus(), b.surplus()), (0, 400));
        drop(a);
        assert_eq!(b.surplus(), 0);
        b.set(1001, 0);
        assert_eq!(b.surplus(), 1);
    }

    #[test]
    fn nothing_stays_without_memory() {
        let mut share = Share::new(Rc::new(MemoryLimit::new(0, 1)));
        assert_eq!(share.surplus(), 0);
        share.set(7, 0);
        assert_eq!(share.surplus(), 7);
    }

    #[test]
    fn beside_the_limit_there_is_a_little_for_what_is_evicted() {
        let limit = Rc::new(MemoryLimit::new(1000, 4));
        let (mut a, mut b) = (Share::new(Rc::clone(&limit)), Share::new(limit));
        a.set(400, 600);
        assert_eq!(a.surplus(), 100);
        b.set(0, 600);
        assert_eq!(a.surplus(), 50);
        a.set(usize::MAX / 4, usize::MAX / 4);
        assert_eq!(a.surplus(), usize::MAX / 4 - 250 - MOST_BESIDE / 4);
        drop(b);
        a.set(250, 0);
        assert_eq!(a.surplus(), 0);
        a.set(251, 0);
        assert_eq!(a.surplus(), 1);
    }

    #[test]
    fn a_new_key_weighs_what_others_do() {
        let mut heap = Heap::default();
        assert_eq!(heap.add_new(), 0);
        let mut mark = KeyMark::default();
        let text = "x".repeat(1000);
        heap.weigh(&mut mark, &1_u64, &text);
        let one = heap.bytes();
        assert!((1000..1100).contains(&one), "{one}");
        assert_eq!(heap.add_new(), mark.weight());
        assert_eq!(heap.bytes(), 2 * one);
        for _ in 0..100 {
            let mut mark = KeyMark::default();
            heap.weigh(&mut mark, &1_u64, &String::new());
            heap.remove(mark);
        }
        assert!(heap.add_new() < 10);
        heap.remove(mark);
        heap.weigh(&mut KeyMark::default(), &1_u64, &2_u64);
        assert!(heap.bytes() < 2 * one);
    }
}
