//! The times that the keys of one step on one worker wait for, in order.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::wheel::Wheel;
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

/// The times that keys wait for, with one entry for each key that waits.
///
/// A key whose time moves to later keeps its entry, which is put back when its old time comes; so a
/// deadline that each value moves on costs nothing a value. One whose time moves to earlier gets a
/// second entry, and the first is stale, as is that of a key that was forgotten or waits no longer.
/// Stale entries are dropped when their times come, or all at once when they are too many.
pub(crate) struct Schedule<K> {
    /// The hash and the key at the nanosecond of its entry; a tick is about a millisecond.
    entries: Wheel<(u64, K), 20>,
    /// Keys whose time has come, in order.
    owed: VecDeque<(u64, K)>,
    /// The same with their times, while they are put in order.
    due: Vec<(DateTime<Utc>, K, u64)>,
}

/// Gives memory back when little of it is used.
fn give_back<T>(list: &mut VecDeque<T>) {
    let room = 2 * list.len() + SPARE;
    if list.capacity() > 4 * room {
        list.shrink_to(room);
    }
}

/// So many keys that are due at once are a peak, for which no memory is kept.
const MANY: usize = 1 << 14;

/// So many entries more than keys are never worth a clean-up.
const SPARE: usize = 64;

/// Nanoseconds since 1970; times out of 1677 to 2262 are the first and the last of these.
#[inline]
fn nanos(time: DateTime<Utc>) -> i64 {
    let seconds = time.timestamp().saturating_mul(1_000_000_000);
    seconds.saturating_add(i64::from(time.timestamp_subsec_nanos()))
}

impl<K: Key> Schedule<K> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Wheel::new(),
            owed: VecDeque::new(),
            due: Vec::new(),
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
            self.entries.put(nanos(due), (hash, key.clone()));
        }
    }

    /// Notes which keys have waited long enough. They are owed a call from now on, whatever
    /// happens to their times; what is set later waits for the next time.
    pub(crate) fn collect_due<S: State>(
        &mut self,
        table: &mut TimedKeys<K, S>,
        now: DateTime<Utc>,
    ) {
        let until = nanos(now);
        while let Some((at, (hash, key))) = self.entries.pop(until) {
            let Some(timed) = table.get_mut(hash, &key) else {
                continue;
            };
            if timed.queued.map(nanos) != Some(at) {
                continue;
            }
            timed.queued = timed.due;
            let Some(due) = timed.due else { continue };
            if nanos(due) > until {
                self.entries.put(nanos(due), (hash, key));
                continue;
            }
            timed.queued = None;
            timed.owed = true;
            self.due.push((due, key, hash));
        }
        // Entries come in the order of the times that keys waited for first.
        if !self.due.is_sorted() {
            self.due.sort_unstable();
        }
        let due = self.due.drain(..);
        self.owed.extend(due.map(|(_, key, hash)| (hash, key)));
    }

    /// The earliest time that a key waits for, or an earlier one for which a key has waited.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        self.entries.first().map(DateTime::from_timestamp_nanos)
    }

    /// The next key that is owed a call; it is up to the caller to make it.
    pub(crate) fn pop_owed(&mut self) -> Option<(u64, K)> {
        self.owed.pop_front()
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Drops stale entries when they are more than half of all.
    pub(crate) fn clean<S: State>(&mut self, table: &TimedKeys<K, S>) {
        give_back(&mut self.owed);
        if self.due.capacity() > MANY {
            self.due = Vec::new();
        }
        if self.entries.len() <= 2 * table.len() + SPARE {
            return;
        }
        self.entries.clear();
        for (key, timed) in table.iter() {
            if let Some(queued) = timed.queued {
                let entry = (key.stable_hash(), key.clone());
                self.entries.put(nanos(queued), entry);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.owed.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.owed.len()
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
