//! What stands behind the exchange: it keeps the windows, and closes them when the watermark says so.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::agenda::Agenda;
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::ids::{StepIndex, WorkerIndex};
use crate::key::Key;
use crate::kit::keyed::Routed;
use crate::kit::logic::Emit;
use crate::kit::saving::KeyedLogic;
use crate::kit::{
    Assignment, BuildCx, Cx, EdgeId, EventMark, Flush, HeadLogic, Next, Sender, Watermark,
};
use crate::state::{self, Cell, FEW, Few, Field, Found, KeyTable, Schema, State};
use crate::windowing::clock::{Getter, PartitionClock};
use crate::windowing::engine::queue::Waiters;
use crate::windowing::engine::{Event, Options, WindowEngine};
use crate::windowing::probe::{Status, Tally};
use crate::windowing::time::{END, FIRST, Time};

/// What is kept of a key.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyWindows<T, Q> {
    kept: T,
    queue: Q,
    /// The watermark at which the key is forgotten, if it has no windows.
    forget_at: Time,
}

impl<T: State, Q: State> State for KeyWindows<T, Q> {
    const SCHEMA: Schema = Schema::of_library(
        "PartitionWindows",
        1,
        &[
            Field::of::<T>("kept"),
            Field::of::<Q>("queue"),
            Field::of::<i64>("forget_at"),
        ],
    );
}

/// The same, and when it is looked at next.
pub(crate) struct Listed<T, Q> {
    windows: KeyWindows<T, Q>,
    /// Its first time on the agenda.
    at: Time,
    /// What there is to do first, if the agenda says nothing earlier.
    next: Time,
}

impl<T: State, Q: State> Cell for Listed<T, Q> {
    type Saved = KeyWindows<T, Q>;

    const TIMED: bool = true;

    fn saved(&self) -> &Self::Saved {
        &self.windows
    }

    fn restored(windows: Self::Saved) -> Self {
        Self {
            windows,
            at: END,
            next: Time::MIN,
        }
    }

    /// When a run is resumed, no key may be left unread: its windows may be over by other keys' values.
    fn due(&self) -> Option<DateTime<Utc>> {
        Some(DateTime::UNIX_EPOCH)
    }
}

/// A window step whose keys have one watermark.
pub(crate) struct PartitionedHead<K, V, G, B: WindowEngine<V>, Q: Waiters<V>> {
    step: StepIndex,
    clock: Arc<PartitionClock<G>>,
    engine: B,
    options: Options,
    table: KeyTable<K, Listed<B::KeyState, Q>>,
    found: Found,
    agenda: Agenda<K>,
    /// What each worker has said of the values that it has still to send, if it has said anything.
    marks: Vec<Option<Time>>,
    mark: Time,
    /// The watermark that was saved last.
    saved: Time,
    known: Rc<Watermark>,
    /// The system's time at which windows emit before their ends.
    early_at: Option<Monotonic>,
    /// Whether windows have taken values that had waited, or are of an earlier run and may have changed since
    /// they emitted.
    has_taken: bool,
    out: Emit<Event<B::Out, V>>,
    next: Next<(K, Event<B::Out, V>)>,
    values: PhantomData<fn(V)>,
}

impl<K, V, G, B, Q> PartitionedHead<K, V, G, B, Q>
where
    K: Key,
    V: Clone + 'static,
    G: Getter<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    pub(crate) fn new(
        build: &BuildCx,
        clock: Arc<PartitionClock<G>>,
        (engine, options): (B, Options),
        next: Next<(K, Event<B::Out, V>)>,
    ) -> Self {
        // What each worker has saved; they may have been stopped at different places.
        let saved = build.worker.store.get().map(|store| {
            let names = store.positions_of(build.id()).into_iter();
            let marks = names.filter_map(|name| match build.position::<Time>(name) {
                Ok(mark) => mark,
                Err(error) => {
                    build.fail(error);
                    None
                }
            });
            marks.max().unwrap_or(FIRST)
        });
        let mark = saved.unwrap_or(FIRST);
        let known = build.worker.watermark(build.step);
        known.set(mark, &build.worker.timers);
        Self {
            step: build.step,
            clock,
            engine,
            options,
            table: KeyTable::new(),
            found: Found::default(),
            agenda: Agenda::new(),
            marks: senders(build),
            mark,
            saved: mark,
            known,
            early_at: None,
            has_taken: false,
            out: Emit::new(),
            next,
            values: PhantomData,
        }
    }

    /// Takes a value of the key that was found at this place.
    #[inline]
    fn take(
        &mut self,
        place: usize,
        (hash, key, value): Routed<K, V>,
        cx: &mut Cx,
    ) -> Result<(), RunError> {
        let time = self.clock.getter.time(&value);
        if time < self.mark.saturating_sub(self.options.lateness) {
            self.engine.late(time, value, &mut self.out);
            self.out.deliver(key, &mut self.next.buffer);
            self.next.send_if_full(cx)?;
            return Ok(());
        }
        if time < self.mark {
            // What is over by now is so without this value.
            self.catch_up(hash, key.clone(), false);
        }
        let listed = self
            .table
            .touch_found(&self.found, place, hash, &key, || Listed {
                windows: KeyWindows {
                    kept: B::KeyState::default(),
                    queue: Q::default(),
                    forget_at: END,
                },
                at: END,
                next: END,
            });
        listed.windows.forget_at = END;
        let queue = &mut listed.windows.queue;
        let waits =
            self.options.ordered && (time > self.mark || time == self.mark && !queue.is_empty());
        let next = if waits {
            queue.push(time, value);
            time
        } else {
            let kept = &mut listed.windows.kept;
            self.engine.add(kept, time, value, self.mark, &mut self.out)
        };
        if !waits {
            listed.next = listed.next.min(next);
        }
        if next < listed.at {
            listed.at = next;
            self.agenda.list(next, hash, key.clone());
        }
        if self.out.has_any() {
            self.out.deliver(key, &mut self.next.buffer);
            self.next.send_if_full(cx)?;
        }
        Ok(())
    }

    /// Does what is to be done for a key at the watermark, or at the end of input.
    fn catch_up(&mut self, hash: u64, key: K, is_end: bool) {
        let Some(listed) = self.table.touch_known(hash, &key) else {
            return;
        };
        listed.at = END;
        let windows = &mut listed.windows;
        let reached = if is_end { END } else { self.mark };
        while let Some((time, value)) = windows.queue.pop(reached) {
            let next = self
                .engine
                .add(&mut windows.kept, time, value, time, &mut self.out);
            listed.next = listed.next.min(next);
            self.has_taken = true;
        }
        if is_end {
            self.engine.end(&mut windows.kept, self.mark, &mut self.out);
            listed.next = self.engine.next(&windows.kept);
        } else if self.mark >= listed.next {
            self.engine
                .close(&mut windows.kept, self.mark, &mut self.out);
            listed.next = self.engine.next(&windows.kept);
        }
        let is_idle = windows.queue.is_empty() && self.engine.is_empty(&windows.kept);
        if !is_idle {
            windows.forget_at = END;
        } else if windows.forget_at == END {
            windows.forget_at = self.mark.saturating_add(self.clock.forget_after);
        }
        if is_idle && (B::FORGETS || self.mark >= windows.forget_at) {
            self.table.remove(hash, &key);
        } else {
            let at = listed.looked_at();
            if at < END {
                listed.at = at;
                self.agenda.list(at, hash, key.clone());
            }
        }
        self.out.deliver(key, &mut self.next.buffer);
    }

    /// Has windows emit before their ends in a while, if they do so and are not waited for already.
    fn wait_to_fire_early(&mut self, cx: &Cx) {
        if let Some(every) = self.options.early
            && self.early_at.is_none()
        {
            let now = cx.worker.clock.monotonic();
            self.early_at = Some(now.after(TimeDelta::microseconds(every)));
        }
    }

    /// Has all windows that have changed emit what they hold so far, in the order of keys.
    fn fire_early(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        for (key, listed) in self.table.touch_all_sorted() {
            self.engine
                .fire_early(&mut listed.windows.kept, self.mark, &mut self.out);
            self.out.deliver(key.clone(), &mut self.next.buffer);
            self.next.send_if_full(cx)?;
        }
        self.next.send(cx)
    }

    fn tell(&self, cx: &Cx) {
        let Some(probe) = &self.clock.probe else {
            return;
        };
        let keys = self.table.iter().map(|(key, listed)| {
            let (windows, oldest) = self.engine.open(&listed.windows.kept);
            let status = Status {
                windows,
                waiting: listed.windows.queue.len(),
                oldest,
                first_waiting: listed.windows.queue.first(),
            };
            (key, status, self.mark)
        });
        let marks = self
            .marks
            .iter()
            .enumerate()
            .filter(|(_, mark)| **mark < Some(END));
        let slowest = marks.min_by_key(|(_, mark)| **mark);
        let slowest = slowest.map(|(worker, _)| WorkerIndex(worker));
        probe.tell(
            cx.worker.index,
            &Tally::of(keys),
            Some((self.mark, slowest)),
        );
    }

    /// Whether all that is due at the watermark was done; it stops when there is no room for more.
    fn catch_up_all(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        loop {
            let due = self.agenda.due(self.mark);
            let few = &due[due.len().saturating_sub(FEW)..];
            if few.is_empty() {
                break;
            }
            let keys = few.iter().map(|(hash, key)| (*hash, key));
            let count = keys.len();
            self.table.prefetch(keys, |listed| {
                self.engine.prefetch(&listed.windows.kept) ^ listed.at ^ listed.windows.forget_at
            });
            for _ in 0..count {
                if let Some((hash, key)) = self.agenda.take() {
                    self.catch_up(hash, key, false);
                }
                if self.next.is_full(cx) {
                    self.next.send(cx)?;
                    if cx.worker.any_full(edges) {
                        return Ok(false);
                    }
                }
            }
        }
        self.next.send(cx)?;
        Ok(true)
    }
}

/// A worker that has no partition of the source is not waited for, so that what is late does not depend on
/// when it says so.
fn senders(build: &BuildCx) -> Vec<Option<Time>> {
    let assigned = build
        .root_of_input()
        .and_then(|root| build.worker.assignments.get()?.get(&root));
    let has_any = |worker| {
        let any = |assigned: &Assignment| {
            assigned
                .partitions
                .iter()
                .any(|(_, owner)| owner.0 == worker)
        };
        assigned.is_none_or(any)
    };
    (0..build.worker.count)
        .map(|worker| (!has_any(worker)).then_some(END))
        .collect()
}

impl<T, Q> Listed<T, Q> {
    /// When it is to be looked at.
    fn looked_at<V>(&self) -> Time
    where
        Q: Waiters<V>,
    {
        let next = self.next.min(self.windows.forget_at);
        self.windows
            .queue
            .first()
            .map_or(next, |first| first.min(next))
    }
}

impl<K, V, G, B, Q> HeadLogic<Routed<K, V>> for PartitionedHead<K, V, G, B, Q>
where
    K: Key,
    V: Clone + 'static,
    G: Getter<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        let mut items = Few::new(items);
        while let Some(few) = items.ahead() {
            let keys = few.iter().map(|(hash, key, _)| (*hash, key));
            self.table.find_few(keys, &mut self.found);
            for (index, item) in items.take().enumerate() {
                self.take(index, item, cx)?;
            }
        }
        self.wait_to_fire_early(cx);
        self.next.send(cx)
    }

    fn mark(&mut self, sender: Sender, mark: EventMark, cx: &mut Cx) -> Result<(), RunError> {
        self.marks[sender.worker.0] = Some(mark.0);
        let furthest_behind = self.marks.iter().copied().min().flatten();
        // Without any that is waited for, time stands still.
        let mark = furthest_behind.filter(|mark| *mark < END);
        if let Some(mark) = mark
            && mark > self.mark
        {
            self.mark = mark;
            self.known.set(mark, &cx.worker.timers);
        }
        Ok(())
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        let all = self.catch_up_all(edges, cx)?;
        if std::mem::take(&mut self.has_taken) {
            self.wait_to_fire_early(cx);
        }
        if let Some(at) = self.early_at {
            if cx.worker.clock.has_come(at.into()) {
                self.early_at = None;
                self.fire_early(cx)?;
            } else {
                cx.worker.timers.wake_by(cx.alarm, at);
            }
        }
        Ok(all)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.tell(cx);
        if cx.worker.store.get().is_some() && self.mark != self.saved {
            let mut bytes = Vec::new();
            state::seal(&self.mark, &mut bytes)
                .map_err(|error| RunError::step("the watermark cannot be saved", error.into()))?;
            let worker = cx.worker.index.0.to_string();
            cx.save_position(self.step, &worker, bytes);
            self.saved = self.mark;
        }
        Ok(())
    }

    /// All windows close; the watermark stays where the values have brought it.
    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.agenda.clear();
        let keys: Vec<_> = self
            .table
            .touch_all_sorted()
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.catch_up(key.stable_hash(), key, true);
            self.next.send_if_full(cx)?;
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<K, V, G, B, Q> KeyedLogic<K, V> for PartitionedHead<K, V, G, B, Q>
where
    K: Key,
    V: Clone + 'static,
    G: Getter<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    type Cell = Listed<B::KeyState, Q>;

    // A watermark may close the windows of any key.
    const LEAVES: bool = false;

    fn table(&mut self) -> &mut KeyTable<K, Self::Cell> {
        &mut self.table
    }

    fn restore(&mut self, hash: u64, key: K, saved: KeyWindows<B::KeyState, Q>) {
        let mut listed = Listed::restored(saved);
        self.engine.restored(&mut listed.windows.kept, self.mark);
        listed.next = self.engine.next(&listed.windows.kept);
        let at = listed.looked_at();
        if at < END {
            listed.at = at;
            self.agenda.list(at, hash, key.clone());
        }
        self.table.restore(hash, key, listed);
        self.has_taken = true;
    }
}
