//! The times that the keys of one step on one worker wait for, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use chrono::{DateTime, Utc};

use crate::key::Key;
use crate::state::{Cell, KeyTable, State};

/// The state of a key, and the time it waits for.
pub(crate) struct Timed<S> {
    pub(crate) state: S,
    /// The time the key waits for.
    due: Option<DateTime<Utc>>,
    /// The time of its entry in the queue, never later than `due`.
    queued: Option<DateTime<Utc>>,
    /// Whether the time it waited for has come, and it was not told yet.
    owed: bool,
    /// Whether it is to be forgotten.
    pub(crate) gone: bool,
}

impl<S> Timed<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state,
            due: None,
            queued: None,
            owed: false,
            gone: false,
        }
    }
}

type TimedKeys<K, S> = KeyTable<K, Timed<S>>;

/// Due time, key, and hash of the key.
type Entry<K> = (DateTime<Utc>, K, u64);

/// An ordered queue with one entry for each key that waits.
///
/// A key whose time moves to later keeps its entry, which is put back when its old time comes; so a
/// deadline that each value moves on costs nothing a value. One whose time moves to earlier gets a
/// second entry, and the first is stale, as is that of a key that was forgotten or waits no longer.
/// Stale entries are dropped when they come up, or all at once when they are too many.
pub(crate) struct Schedule<K> {
    queue: BinaryHeap<Reverse<Entry<K>>>,
    /// Keys whose time has come, in order.
    owed: VecDeque<(u64, K)>,
}

/// Gives memory back when little of it is used.
fn give_back<T>(list: &mut VecDeque<T>) {
    let room = 2 * list.len() + SPARE;
    if list.capacity() > 4 * room {
        list.shrink_to(room);
    }
}

/// So many entries more than keys are never worth a clean-up.
const SPARE: usize = 64;

impl<K: Key> Schedule<K> {
    pub(crate) fn new() -> Self {
        Self {
            queue: BinaryHeap::new(),
            owed: VecDeque::new(),
        }
    }

    /// Has a key wait for `due` instead of what it waited for.
    #[inline]
    pub(crate) fn set<S: State>(
        &mut self,
        hash: u64,
        key: &K,
        timed: &mut Timed<S>,
        due: Option<DateTime<Utc>>,
    ) {
        if due == timed.due {
            return;
        }
        timed.due = due;
        if let Some(due) = due
            && timed.queued.is_none_or(|queued| due < queued)
        {
            timed.queued = Some(due);
            self.queue.push(Reverse((due, key.clone(), hash)));
        }
    }

    /// Notes which keys have waited long enough. They are owed a call from now on, whatever
    /// happens to their times; what is set later waits for the next time.
    pub(crate) fn collect_due<S: State>(
        &mut self,
        table: &mut TimedKeys<K, S>,
        now: DateTime<Utc>,
    ) {
        while let Some((hash, key)) = self.pop_due(table, now) {
            self.owed.push_back((hash, key));
        }
    }

    fn pop_due<S: State>(
        &mut self,
        table: &mut TimedKeys<K, S>,
        now: DateTime<Utc>,
    ) -> Option<(u64, K)> {
        if self.next(table)? > now {
            return None;
        }
        let Reverse((_, key, hash)) = self.queue.pop()?;
        let timed = table.get_mut(hash, &key)?;
        timed.queued = None;
        timed.owed = true;
        Some((hash, key))
    }

    /// The earliest time that a key waits for; stale entries before it are dropped.
    pub(crate) fn next<S: State>(&mut self, table: &mut TimedKeys<K, S>) -> Option<DateTime<Utc>> {
        loop {
            let Reverse((queued, key, hash)) = self.queue.peek()?;
            let queued = *queued;
            let waits = table.get_mut(*hash, key);
            let waits = waits.filter(|timed| timed.queued == Some(queued));
            let due = waits.and_then(|timed| {
                timed.queued = timed.due;
                timed.due
            });
            match due {
                Some(due) if due == queued => return Some(due),
                Some(due) => {
                    if let Some(mut first) = self.queue.peek_mut() {
                        first.0.0 = due;
                    }
                }
                None => drop(self.queue.pop()),
            }
        }
    }

    /// The next key that is owed a call; it is up to the caller to make it.
    pub(crate) fn pop_owed(&mut self) -> Option<(u64, K)> {
        self.owed.pop_front()
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Drops stale entries when they are more than half of all.
    pub(crate) fn clean<S: State>(&mut self, table: &mut TimedKeys<K, S>) {
        give_back(&mut self.owed);
        let room = 2 * self.queue.len() + SPARE;
        if self.queue.capacity() > 4 * room {
            self.queue.shrink_to(room);
        }
        if self.queue.len() <= 2 * table.len() + SPARE {
            return;
        }
        let mut entries = std::mem::take(&mut self.queue).into_vec();
        entries.sort_unstable();
        entries.dedup();
        entries.retain(|Reverse((queued, key, hash))| {
            let timed = table.get_mut(*hash, key);
            timed.is_some_and(|timed| timed.queued == Some(*queued))
        });
        self.queue = entries.into();
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.owed.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.owed.len()
    }
}

impl<S: State> Cell for Timed<S> {
    type Saved = S;
    const TIMED: bool = true;

    fn saved(&self) -> &S {
        &self.state
    }

    fn restored(saved: S) -> Self {
        Self::new(saved)
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

impl<S> Timed<S> {
    /// Whether the key is owed a call, which it is not any more.
    pub(crate) fn take_owed(&mut self) -> bool {
        if self.owed {
            // What it waits for from now on is set by the call.
            self.due = None;
        }
        std::mem::replace(&mut self.owed, false)
    }
}
