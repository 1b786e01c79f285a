//! The schedule of the keys of one step on one worker.

use super::wheel::Wheel;
use crate::key::Key;
use crate::state::{Cell, KeyTable};

/// The time of a key without a timer.
pub(crate) const NEVER: i64 = i64::MAX;

/// The time, the hash and the key of an entry.
pub(crate) type Entry<K> = (i64, (u64, K));

/// The number of entries beyond keys that never trigger a clean-up.
const SPARE: usize = 64;

/// The keys of one step on one worker with timers, in the order of their times.
///
/// The step stores with each key the time of its *entry*. If the time of a key moves later, it keeps its
/// entry, and is scheduled again when the old time is reached; a deadline that each value postpones thus
/// costs nothing per value. If it moves earlier, the key gets a second entry, and the first is stale, like
/// that of a dropped key. Stale entries are dropped when their times are reached, or all at once if there are
/// too many.
///
/// The step defines the unit of times: they may be those of a clock, or a watermark. A tick is 2 to the power
/// of `TICK` of these units.
pub(crate) struct Schedule<K, const TICK: u32> {
    /// The hash and the key at the time of its entry.
    entries: Wheel<(u64, K), TICK>,
}

impl<K: Key, const TICK: u32> Schedule<K, TICK> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Wheel::new(),
        }
    }

    /// Schedules a visit of a key by `time`, unless an earlier one is scheduled. `entry` is the time of its
    /// entry.
    #[inline]
    pub(crate) fn look_by(&mut self, time: i64, hash: u64, key: &K, entry: &mut i64) {
        if time < *entry {
            *entry = time;
            self.entries.put(time, (hash, key.clone()));
        }
    }

    /// Takes the first due entry. It is stale unless its key has an entry at this time.
    #[inline]
    pub(crate) fn pop(&mut self, now: i64) -> Option<(i64, u64, K)> {
        let (time, (hash, key)) = self.entries.pop(now)?;
        Some((time, hash, key))
    }

    /// Takes all due entries, the first of them last. `due` must be empty.
    pub(crate) fn take_due(&mut self, now: i64, due: &mut Vec<Entry<K>>) {
        self.entries.take_due(now, due);
    }

    /// Returns the time of the first entry, stale or not.
    pub(crate) fn first(&self) -> Option<i64> {
        self.entries.first()
    }

    /// Drops stale entries when they are more than half of all. `entry` returns the time of a key's entry.
    pub(crate) fn clean<C: Cell>(&mut self, table: &KeyTable<K, C>, entry: impl Fn(&C) -> i64) {
        if self.entries.len() <= 2 * table.len() + SPARE {
            return;
        }
        self.entries.clear();
        for (key, cell) in table.iter() {
            let time = entry(cell);
            if time < NEVER {
                self.entries.put(time, (key.stable_hash(), key.clone()));
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
