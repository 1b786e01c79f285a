//! By when the keys of one step on one worker are to be looked at.

use super::wheel::Wheel;
use crate::key::Key;
use crate::state::{Cell, KeyTable};

/// The time of a key that waits for none.
pub(crate) const NEVER: i64 = i64::MAX;

/// The time, the hash and the key of an entry.
pub(crate) type Entry<K> = (i64, (u64, K));

/// So many entries more than keys are never worth a clean-up.
const SPARE: usize = 64;

/// The keys of one step on one worker that wait for a time, in the order of their times.
///
/// The step keeps with each key the time of its *entry*. A key whose time moves to later keeps its entry, and is
/// listed anew when the old time comes; so a deadline that each value moves on costs nothing a value. One
/// whose time moves to earlier gets a second entry, and the first is stale, as is that of a key that was
/// forgotten. Stale entries are dropped when their times come, or all at once when they are too many.
///
/// What the times count is up to the step: they may be those of a clock, or a watermark. A tick is 2 to the
/// power of `TICK` of their units.
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

    /// Has a key looked at by `time`, unless it is looked at earlier. `entry` is the time of its entry.
    #[inline]
    pub(crate) fn look_by(&mut self, time: i64, hash: u64, key: &K, entry: &mut i64) {
        if time < *entry {
            *entry = time;
            self.entries.put(time, (hash, key.clone()));
        }
    }

    /// Takes the first entry whose time has come. It is stale unless its key has an entry at this time.
    #[inline]
    pub(crate) fn pop(&mut self, now: i64) -> Option<(i64, u64, K)> {
        let (time, (hash, key)) = self.entries.pop(now)?;
        Some((time, hash, key))
    }

    /// Takes all entries whose time has come, the first of them last. There must be nothing in `due`.
    pub(crate) fn take_due(&mut self, now: i64, due: &mut Vec<Entry<K>>) {
        self.entries.take_due(now, due);
    }

    /// The time of the first entry, stale or not.
    pub(crate) fn first(&self) -> Option<i64> {
        self.entries.first()
    }

    /// Drops stale entries when they are more than half of all. `entry` gives the time of a key's entry.
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
