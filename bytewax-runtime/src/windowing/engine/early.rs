//! When the keys of a window step emit before the ends of their windows.

use crate::key::Key;
use crate::kit::logic::Schedule;
use crate::state::KeyTable;

/// The keys that are to emit early, and the monotonic times at which they do, in microseconds.
///
/// A key has a time from its first change until it has emitted. Steps that emit only at the ends of windows have
/// none; so it is kept apart from the windows.
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

    /// Has a key emit at a time, unless it does so anyway. Returns whether that is news.
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

    /// Forgets a key.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, key: &K) {
        if self.times.len() > 0 {
            self.times.remove(hash, key);
        }
    }

    /// Takes the first key whose time has come.
    pub(super) fn pop(&mut self, now: i64) -> Option<(u64, K)> {
        loop {
            let (time, hash, key) = self.schedule.pop(now)?;
            if self.times.get_mut(hash, &key).is_some_and(|at| *at == time) {
                self.times.remove(hash, &key);
                return Some((hash, key));
            }
        }
    }

    /// The first time, or one before.
    pub(super) fn first(&self) -> Option<i64> {
        self.schedule.first()
    }

    /// Drops what is left of forgotten keys when it is too much.
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
