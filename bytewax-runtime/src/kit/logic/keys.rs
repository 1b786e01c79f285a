//! The keys of one step on one worker: their states, their timers, and the calls of their logic.

use std::collections::VecDeque;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};

use super::schedule::{NEVER, Schedule};
use super::{Emit, ItemLogic, Keep, KeyLogic};
use crate::error::RunError;
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::Routed;
use crate::kit::saving::KeyedLogic;
use crate::kit::{BuildCx, Cx, EdgeId, Flush, HeadLogic, Next, Outputs};
use crate::state::{Cell, KeyTable, Restored, State};

/// The state and the timer of a key.
pub(crate) struct Timed<S> {
    pub(crate) state: S,
    /// The time of its timer.
    due: Option<DateTime<Utc>>,
    /// The time of its entry in the schedule, never later than `due`.
    entry: i64,
    /// Whether its timer has fired, and its logic was not notified yet.
    owed: bool,
    /// Whether to remove it.
    gone: bool,
}

impl<S> Timed<S> {
    fn new(state: S) -> Self {
        Self {
            state,
            due: None,
            entry: NEVER,
            owed: false,
            gone: false,
        }
    }

    /// Takes the pending call of the key, if any.
    fn take_owed(&mut self) -> bool {
        if self.owed {
            // The call sets the next timer.
            self.due = None;
        }
        std::mem::replace(&mut self.owed, false)
    }
}

impl<S: State> Cell for Timed<S> {
    type Saved = S;
    const TIMED: bool = true;

    fn saved(&self) -> &S {
        &self.state
    }

    fn can_be_evicted(&self) -> bool {
        !self.owed && !self.gone
    }

    fn restored(saved: S) -> Self {
        Self::new(saved)
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

/// Nanoseconds since 1970; times outside 1677 to 2262 are clamped to the first or the last of these.
#[inline]
fn nanos(time: DateTime<Utc>) -> i64 {
    let seconds = time.timestamp().saturating_mul(1_000_000_000);
    seconds.saturating_add(i64::from(time.timestamp_subsec_nanos()))
}

/// A tick is about a millisecond.
type Times<K> = Schedule<K, 20>;

/// More keys than this that are due at once are a peak, and its memory is released.
const MANY: usize = 1 << 14;

/// Calls a logic for each key, in *passes*: first for the new values, then for the timers that were due when
/// the pass began.
///
/// An activation of the operator has one pass for each epoch whose values it handles.
pub(crate) struct Keys<K, L: KeyLogic<K>> {
    step: StepIndex,
    logic: L,
    table: KeyTable<K, Timed<L::State>>,
    /// The timers, in nanoseconds.
    schedule: Times<K>,
    /// Due keys, in order. Each will be called, whatever happens to its timer.
    owed: VecDeque<(u64, K)>,
    /// The due keys with their times, for sorting.
    due: Vec<(DateTime<Utc>, K, u64)>,
    out: Emit<L::Out>,
    next: Next<(K, L::Out)>,
    /// The time of this activation, once it is read.
    now: Option<DateTime<Utc>>,
    in_pass: bool,
}

impl<K: Key, L: KeyLogic<K>> Keys<K, L> {
    pub(crate) fn new(build: &BuildCx, outputs: &mut Outputs, logic: L) -> Self {
        Self::with(build.step, outputs.next(0), logic)
    }

    pub(crate) fn with(step: StepIndex, next: Next<(K, L::Out)>, logic: L) -> Self {
        Self {
            step,
            logic,
            table: KeyTable::new(),
            schedule: Schedule::new(),
            owed: VecDeque::new(),
            due: Vec::new(),
            out: Emit::new(),
            next,
            now: None,
            in_pass: false,
        }
    }

    /// Begins a pass, unless one is in progress.
    pub(crate) fn begin(&mut self, cx: &Cx) {
        if !self.in_pass {
            let now = *self.now.get_or_insert_with(|| cx.worker.dates.now());
            self.begin_at(now);
        }
    }

    pub(crate) fn begin_at(&mut self, now: DateTime<Utc>) {
        self.in_pass = true;
        self.out.set_now(now);
        self.collect_due(now);
    }

    /// Collects the due keys. Timers that are set later wait for the next pass.
    fn collect_due(&mut self, now: DateTime<Utc>) {
        let until = nanos(now);
        while let Some((time, hash, key)) = self.schedule.pop(until) {
            let timed = self.table.get_mut(hash, &key);
            let Some(timed) = timed.filter(|timed| timed.entry == time) else {
                continue;
            };
            timed.entry = NEVER;
            match timed.due {
                Some(due) if nanos(due) > until => {
                    let time = nanos(due);
                    self.schedule.look_by(time, hash, &key, &mut timed.entry);
                }
                Some(due) => {
                    timed.owed = true;
                    self.due.push((due, key, hash));
                }
                None => {}
            }
        }
        // Entries come in the order of the original times.
        if !self.due.is_sorted() {
            self.due.sort_unstable();
        }
        let due = self.due.drain(..);
        self.owed.extend(due.map(|(_, key, hash)| (hash, key)));
    }

    /// Calls the logic of a key, and creates the logic if it is missing.
    #[inline]
    pub(crate) fn call(
        &mut self,
        hash: u64,
        key: K,
        call: impl FnOnce(&L, &mut L::State, &mut Emit<L::Out>) -> Keep,
    ) {
        with_key(&key, || {
            let make = || Timed::new(self.logic.new_state(&key));
            let timed = self.table.touch(hash, &key, make);
            match call(&self.logic, &mut timed.state, &mut self.out) {
                Keep::Yes => {
                    let due = self.logic.notify_at(&timed.state);
                    wait_for(due, &mut self.schedule, (hash, &key), timed);
                }
                Keep::No => self.table.remove(hash, &key),
            }
        });
        self.out.deliver(key, &mut self.next.buffer);
    }

    /// Notifies a key that its timer has fired, if that call is still pending.
    fn notify(&mut self, hash: u64, key: K) {
        with_key(&key, || {
            // The key may have been removed by now, and even created anew.
            let Some(timed) = self.table.touch_known(hash, &key) else {
                return;
            };
            if !timed.take_owed() {
                return;
            }
            match self.logic.on_notify(&mut timed.state, &mut self.out) {
                Keep::Yes => {
                    let due = self.logic.notify_at(&timed.state);
                    wait_for(due, &mut self.schedule, (hash, &key), timed);
                }
                Keep::No => self.table.remove(hash, &key),
            }
        });
        self.out.deliver(key, &mut self.next.buffer);
    }

    #[inline]
    pub(crate) fn send_if_full(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.next.send_if_full(cx)
    }

    pub(crate) fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.next.send(cx)
    }

    /// Ends a pass: notifies due keys, until the results fill a batch; all of them if the output has room.
    pub(crate) fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.begin(cx);
        while let Some((hash, key)) = self.owed.pop_front() {
            self.notify(hash, key);
            if self.next.is_full(cx) {
                self.next.send(cx)?;
                if cx.worker.any_full(edges) {
                    break;
                }
            }
        }
        self.next.send(cx)?;
        self.end_pass();
        self.sleep(cx);
        Ok(self.owed.is_empty())
    }

    fn end_pass(&mut self) {
        self.in_pass = false;
        self.schedule.clean(&self.table, |timed| timed.entry);
        give_back(&mut self.owed);
        if self.due.capacity() > MANY {
            self.due = Vec::new();
        }
    }

    /// Wakes the operator when the next key is due.
    fn sleep(&mut self, cx: &Cx) {
        if let Some(first) = self.schedule.first() {
            let first = DateTime::from_timestamp_nanos(first);
            cx.worker.timers.wake_by_date(cx.alarm, first);
        }
    }

    /// Notifies all keys that the input has ended, and cancels all timers that are not due.
    pub(crate) fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.schedule.clear();
        self.owed.clear();
        for (key, timed) in self.table.touch_all_sorted() {
            let keep = with_key(key, || self.logic.on_eof(&mut timed.state, &mut self.out));
            timed.gone = keep == Keep::No;
            self.out.deliver(key.clone(), &mut self.next.buffer);
            self.next.send_if_full(cx)?;
        }
        self.table.retain(|timed| !timed.gone);
        self.next.send(cx)
    }

    pub(crate) fn table(&mut self) -> &mut KeyTable<K, Timed<L::State>> {
        &mut self.table
    }

    /// Restores a saved key and its timer.
    pub(crate) fn restore(&mut self, restored: Restored<K, L::State>) {
        let Restored {
            hash,
            key,
            saved,
            mark,
        } = restored;
        let due = self.logic.notify_at(&saved);
        let mut timed = Timed::new(saved);
        if self.in_pass && due.is_some_and(|due| due <= self.out.now()) {
            // It was due when the pass began.
            timed.due = due;
            timed.owed = true;
            self.owed.push_back((hash, key.clone()));
        } else {
            wait_for(due, &mut self.schedule, (hash, &key), &mut timed);
        }
        self.table.restore(hash, key, timed, mark);
    }

    /// The time of the timer with this saved form.
    pub(crate) fn due(&self, saved: &L::State) -> Option<DateTime<Utc>> {
        self.logic.notify_at(saved)
    }

    pub(crate) fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if what == Flush::Activation {
            self.now = None;
        }
        self.next.flush(what, cx)
    }
}

/// Replaces the timer of a key with one for `due`.
#[inline]
fn wait_for<K: Key, S>(
    due: Option<DateTime<Utc>>,
    schedule: &mut Times<K>,
    (hash, key): (u64, &K),
    timed: &mut Timed<S>,
) {
    if due == timed.due {
        return;
    }
    timed.due = due;
    if let Some(due) = due {
        schedule.look_by(nanos(due), hash, key, &mut timed.entry);
    }
}

/// Releases memory when little of it is used.
fn give_back<T>(list: &mut VecDeque<T>) {
    const SPARE: usize = 64;
    let room = 2 * list.len() + SPARE;
    if list.capacity() > 4 * room {
        list.shrink_to(room);
    }
}

#[cfg(test)]
impl<K: Key, L: KeyLogic<K>> Keys<K, L> {
    /// Ends a pass as [`settle`](Self::settle) does, and returns the emitted results.
    pub(crate) fn end_pass_here(&mut self) -> Vec<(K, L::Out)> {
        while let Some((hash, key)) = self.owed.pop_front() {
            self.notify(hash, key);
        }
        self.end_pass();
        std::mem::take(&mut self.next.buffer)
    }

    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.schedule.first().map(DateTime::from_timestamp_nanos)
    }

    /// The number of keys and the number of timer entries.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.table.len(), self.schedule.len() + self.owed.len())
    }
}

/// A step that calls its logic for each value as it arrives.
pub(crate) struct ItemHead<K, V, L: KeyLogic<K>> {
    keys: Keys<K, L>,
    values: PhantomData<fn(V)>,
}

impl<K: Key, V, L: KeyLogic<K>> ItemHead<K, V, L> {
    pub(crate) fn new(build: &BuildCx, outputs: &mut Outputs, logic: L) -> Self {
        Self {
            keys: Keys::new(build, outputs, logic),
            values: PhantomData,
        }
    }
}

impl<K: Key, V: 'static, L: ItemLogic<K, V>> HeadLogic<Routed<K, V>> for ItemHead<K, V, L> {
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.begin(cx);
        let numbers = cx.numbers(items.len());
        for (index, (hash, key, value)) in items.drain(..).enumerate() {
            numbers.at(index, || {
                self.keys.call(hash, key, |logic, state, out| {
                    logic.on_item(state, value, out)
                });
            });
            self.keys.send_if_full(cx)?;
        }
        self.keys.send(cx)
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.keys.settle(edges, cx)
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.end_input(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.flush(what, cx)
    }
}

impl<K: Key, V: 'static, L: ItemLogic<K, V>> KeyedLogic<K, V> for ItemHead<K, V, L> {
    type Cell = Timed<L::State>;

    fn table(&mut self) -> &mut KeyTable<K, Timed<L::State>> {
        self.keys.table()
    }

    fn looks_at_end(&self) -> bool {
        true
    }

    fn restore(&mut self, restored: Restored<K, L::State>) {
        self.keys.restore(restored);
    }

    fn due(&self, saved: L::State) -> Option<DateTime<Utc>> {
        self.keys.due(&saved)
    }
}
