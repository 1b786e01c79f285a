//! The division of the memory for items in flight.
//!
//! The buffer memory of a process is divided evenly among the edges of the flow and the workers of the
//! cluster, because all of them may send to one process at the same time. Of the share of an edge and a
//! worker, half is for items that were sent and not received; the rest is for batches that are being filled,
//! and for the results of a step before it checks again.

/// Effectively no bound, with sums that cannot overflow.
const MAX_UNDER_WAY: u64 = 1 << 40;

/// The maximum weight of a batch of several items.
const MAX_BATCH: u64 = 256 << 10;

/// The maximum weight of results before a step checks for room again.
const MAX_GOAL: u64 = 1 << 20;

/// The limits of one worker on one edge, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// At this weight in flight, the worker waits.
    pub(crate) under_way: u64,
    /// At this weight, a batch for one worker is complete.
    pub(crate) batch: u64,
    /// The approximate weight of results that a step should produce from the items that it processes
    /// together.
    pub(crate) goal: u64,
}

impl Budget {
    /// Divides the buffer memory of a process. With any memory, one item at a time can pass.
    pub(crate) fn new(memory: u64, edges: usize, workers: usize) -> Self {
        let workers = workers.max(1) as u64;
        let share = memory / (edges.max(1) as u64).saturating_mul(workers);
        Self {
            under_way: (share / 2).clamp(1, MAX_UNDER_WAY),
            batch: (share / 4 / workers).clamp(1, MAX_BATCH),
            goal: (share / 8).clamp(1, MAX_GOAL),
        }
    }
}

/// The number of items to process together, so that their results stay near a goal.
#[derive(Default)]
pub(crate) struct Portion {
    /// Zero before the first items.
    items: usize,
}

impl Portion {
    /// Returns the number of items to process together; `first` at the start.
    #[inline]
    pub(super) fn items(&self, first: usize) -> usize {
        if self.items == 0 { first } else { self.items }
    }

    /// Records the weight of the results of some items. After too much, only as many items are processed as
    /// fit; after little, twice as many.
    #[inline]
    pub(super) fn note(&mut self, items: usize, made: u64, goal: u64, first: usize) {
        let most = self.items(first);
        if made > goal {
            let fits = u128::from(goal) * items as u128 / u128::from(made);
            self.items = usize::try_from(fits).unwrap_or(usize::MAX).max(1);
        } else if items >= most && made <= goal / 2 {
            self.items = most.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_fit_into_the_memory(memory: u64, edges in 0..100_usize, workers in 1..500_usize) {
            let budget = Budget::new(memory, edges, workers);
            prop_assert!(budget.under_way >= 1 && budget.batch >= 1 && budget.goal >= 1);
            let senders = edges.max(1) as u128 * workers as u128;
            let each = u128::from(budget.under_way)
                + u128::from(budget.batch) * workers as u128
                + u128::from(budget.goal);
            // Each of the three is at least a byte.
            let least = senders * (workers as u128 + 2);
            prop_assert!(senders * each <= u128::from(memory) + least);
        }
    }

    #[test]
    fn the_portion_doubles_while_little_is_made() {
        let mut portion = Portion::default();
        for expect in [1, 2, 4, 8] {
            let items = portion.items(1);
            assert_eq!(items, expect);
            portion.note(items, 10 * items as u64, 1000, 1);
        }
        // What ends a batch says nothing of longer ones.
        portion.note(3, 0, 1000, 1);
        assert_eq!(portion.items(1), 16);
        assert_eq!(Portion::default().items(usize::MAX), usize::MAX);
    }

    #[test]
    fn the_portion_falls_at_once_to_what_fits() {
        let mut portion = Portion::default();
        portion.note(600, 600 << 20, 8 << 20, usize::MAX);
        assert_eq!(portion.items(usize::MAX), 8);
        portion.note(8, 8 << 20, 8 << 20, usize::MAX);
        assert_eq!(portion.items(usize::MAX), 8);
        portion.note(8, u64::MAX, 1, usize::MAX);
        assert_eq!(portion.items(usize::MAX), 1);
        portion.note(1, u64::MAX, 1, usize::MAX);
        assert_eq!(portion.items(usize::MAX), 1);
    }
}
