//! Schedules the early results of keys.

use crate::key::Key;
use crate::kit::logic::Schedule;
use crate::state::KeyTable;

/// The keys with scheduled early results, and their monotonic times, in microseconds.
///
/// A key has a time from its first change until it has emitted. Steps that emit only at the ends of windows
/// have none, so this is separate from the windows.
pub(super) struct EarlyTimes<K> {
    times: KeyTable<K, i64>,
    schedule: Schedule<K, 10>,
}

impl<K: Key> EarlyTimes<K> {
    pub(super) fn new() -> Self {
        Self {
            times: KeyTable::new(),
            schedule: Schedule::new(),
        }
    }

    /// Schedules a key, unless it is scheduled already. Returns whether that is new.
    pub(super) fn wait(&mut self, time: i64, hash: u64, key: &K) -> bool {
        let mut is_new = false;
        let listed = self.times.touch(hash, key, || {
            is_new = true;
            i64::MAX
        });
        if is_new {
            self.schedule.look_by(time, hash, key, listed);
        }
        is_new
    }

    /// Removes a key.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, key: &K) {
        if self.times.len() > 0 {
            self.times.remove(hash, key);
        }
    }

    /// Removes and returns the first due key.
    pub(super) fn pop(&mut self, now: i64) -> Option<(u64, K)> {
        loop {
            let (time, hash, key) = self.schedule.pop(now)?;
            if self.times.get_mut(hash, &key).is_some_and(|at| *at == time) {
                self.times.remove(hash, &key);
                return Some((hash, key));
            }
        }
    }

    /// The first time, or an earlier one.
    pub(super) fn first(&self) -> Option<i64> {
        self.schedule.first()
    }

    /// Drops entries of removed keys when they are too many.
    pub(super) fn clean(&mut self) {
        self.schedule.clean(&self.times, |time| *time);
    }

    pub(super) fn clear(&mut self) {
        self.times = KeyTable::new();
        self.schedule.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.schedule.len()
    }
}
