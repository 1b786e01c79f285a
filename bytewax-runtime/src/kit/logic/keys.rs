//! The keys of one step on one worker: their states, their times, and the calls of their logic.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};

use super::schedule::{Schedule, Timed};
use super::{Emit, ItemLogic, Keep, KeyLogic};
use crate::error::RunError;
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::Routed;
use crate::kit::saving::KeyedLogic;
use crate::kit::{BuildCx, Cx, EdgeId, Flush, HeadLogic, Next, Outputs};
use crate::state::KeyTable;

/// Calls a logic for each key, in *passes*: first for the values that have arrived, then for the
/// times that had come when the pass began.
///
/// An activation of the operator has one pass for each epoch that it takes values of.
pub(crate) struct Keys<K, L: KeyLogic<K>> {
    step: StepIndex,
    logic: L,
    table: KeyTable<K, Timed<L::State>>,
    schedule: Schedule<K>,
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
            out: Emit::new(),
            next,
            now: None,
            in_pass: false,
        }
    }

    /// Begins a pass, if none is under way.
    pub(crate) fn begin(&mut self, cx: &Cx) {
        if !self.in_pass {
            let now = *self.now.get_or_insert_with(|| cx.worker.clock.now());
            self.begin_at(now);
        }
    }

    pub(crate) fn begin_at(&mut self, now: DateTime<Utc>) {
        self.in_pass = true;
        self.out.set_now(now);
        self.schedule.collect_due(&mut self.table, now);
    }

    /// Calls the logic of a key, which is made if there is none.
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
                    self.schedule.set(hash, &key, timed, due);
                }
                Keep::No => self.table.remove(hash, &key),
            }
        });
        self.out.deliver(key, &mut self.next.buffer);
    }

    /// Tells a key that its time has come, if it is still owed that.
    fn notify(&mut self, hash: u64, key: K) {
        with_key(&key, || {
            // It may be forgotten by now, and even be there anew.
            let Some(timed) = self.table.touch_known(hash, &key) else {
                return;
            };
            if !timed.take_owed() {
                return;
            }
            match self.logic.on_notify(&mut timed.state, &mut self.out) {
                Keep::Yes => {
                    let due = self.logic.notify_at(&timed.state);
                    self.schedule.set(hash, &key, timed, due);
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

    /// Ends a pass: tells keys that their times have come, a batch of results at least, and all
    /// if there is room for what comes of it.
    pub(crate) fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.begin(cx);
        while let Some((hash, key)) = self.schedule.pop_owed() {
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
        Ok(!self.schedule.owes())
    }

    fn end_pass(&mut self) {
        self.in_pass = false;
        self.schedule.clean(&self.table);
    }

    /// Has the operator woken when the next key is due.
    fn sleep(&mut self, cx: &Cx) {
        if let Some(due) = self.schedule.next() {
            cx.worker.timers.wake_by(cx.alarm, due);
        }
    }

    /// Tells all keys that the input has ended. Times that have not come are waited for no longer.
    pub(crate) fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.schedule.clear();
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

    /// Takes in a key as it was saved, and waits for what it waited for.
    pub(crate) fn restore(&mut self, hash: u64, key: K, saved: L::State) {
        let mut timed = Timed::new(saved);
        self.logic.restored(&mut timed.state);
        let due = self.logic.notify_at(&timed.state);
        self.schedule.set(hash, &key, &mut timed, due);
        self.table.restore(hash, key, timed);
    }

    pub(crate) fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if what == Flush::Activation {
            self.now = None;
        }
        self.next.flush(what, cx)
    }
}

#[cfg(test)]
impl<K: Key, L: KeyLogic<K>> Keys<K, L> {
    /// Ends a pass as [`settle`](Self::settle) does, and gives what was emitted in it.
    pub(crate) fn end_pass_here(&mut self) -> Vec<(K, L::Out)> {
        while let Some((hash, key)) = self.schedule.pop_owed() {
            self.notify(hash, key);
        }
        self.end_pass();
        std::mem::take(&mut self.next.buffer)
    }

    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.schedule.next()
    }

    /// How many keys there are, and how many entries of times.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.table.len(), self.schedule.len())
    }
}

/// A step that calls its logic for each value as it comes.
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

    /// A step whose results go a way that was made already.
    pub(crate) fn with(step: StepIndex, next: Next<(K, L::Out)>, logic: L) -> Self {
        Self {
            keys: Keys::with(step, next, logic),
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

    fn restore(&mut self, hash: u64, key: K, saved: L::State) {
        self.keys.restore(hash, key, saved);
    }
}
