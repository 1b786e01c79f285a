//! The head of a window step: its keys, their schedule, and the destinations of their results.

mod census;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::early::EarlyTimes;
use super::key::{Keeper, KeyWindows, LiveKey};
use super::queue::Waiters;
use super::{Event, Options, WindowEngine};
use crate::clock::{Monotonic, WorkerClock};
use crate::error::RunError;
use crate::guard::with_key;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::Routed;
use crate::kit::logic::{Emit, Entry, Keep, NEVER, Schedule};
use crate::kit::saving::KeyedLogic;
use crate::kit::{
    BuildCx, Cx, Dates, EdgeId, EventMark, Flush, HeadLogic, Marks, Next, SharedWatermark,
};
use crate::state::{Cell, FEW, Few, Found, KeyTable, Restored};
use crate::windowing::clock::{KeyMark, Timing};
use crate::windowing::probe::Tally;
use crate::windowing::time::{FIRST, Time, date};
use census::Census;

/// A key with its own watermark is visited this long after a value, in microseconds: while values arrive,
/// they close its windows, and only after the last one a wake-up is scheduled for the end of the next window.
const QUIET: i64 = 50_000;

/// More keys than this that are due at once are a peak, and its memory is released.
const MANY: usize = 1 << 14;

/// The entry of a key that is removed at the end of input.
const GONE: Time = Time::MIN;

/// A tick is about a millisecond.
type Times<K> = Schedule<K, 10>;

/// A window step on one worker.
pub(crate) struct WindowHead<K, V, C: Timing<V>, B: WindowEngine<V>, Q: Waiters<V>> {
    step: StepIndex,
    keeper: Keeper<V, C, B, Q>,
    table: KeyTable<K, LiveKey<C::Mark, B::KeyState, Q>>,
    found: Found,
    /// The schedule of keys, by the time of the step.
    looks: Times<K>,
    /// Due entries, in reverse order.
    due: Vec<Entry<K>>,
    early: EarlyTimes<K>,
    /// The shared watermark, if all keys have one.
    shared: Option<SharedWatermark>,
    /// The shared watermark, if its senders were idle at the end of the last epoch.
    ///
    /// Later steps then need not wait for this one: what it holds is emitted only after an item, like the item itself.
    /// When a sender wakes up, the workers of the step learn it one after the other. Until the epoch ends, none of them
    /// says how far the watermark is, so that a later step receives all that was held before.
    rests_at: Option<Time>,
    clock: WorkerClock,
    dates: Dates,
    now: Now,
    out: Emit<Event<B::Out, V>>,
    next: Next<(K, Event<B::Out, V>)>,
    /// The count of open windows, if somebody may read the report.
    census: Option<Box<Census<K>>>,
}

/// The times at the start of the activation.
#[derive(Clone, Copy)]
struct Now {
    /// The time of the step.
    step: Time,
    /// Values before this time are late, whatever their keys.
    late_before: Time,
    /// The time of the system.
    date: Time,
    monotonic: i64,
    is_read: bool,
}

impl<K, V, C, B, Q> WindowHead<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: Timing<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    pub(crate) fn new(
        build: &BuildCx,
        clock: Arc<C>,
        (engine, options): (B, Options),
        next: Next<(K, Event<B::Out, V>)>,
    ) -> Self {
        let shared = clock.shared(build);
        let keeper = Keeper::new(clock, engine, options);
        let at = shared.as_ref().map_or(FIRST, SharedWatermark::at);
        let now = Now {
            step: at,
            late_before: keeper.late_for_all_before(at),
            date: FIRST,
            monotonic: 0,
            is_read: false,
        };
        Self {
            step: build.step,
            keeper,
            table: KeyTable::new(),
            found: Found::default(),
            looks: Schedule::new(),
            due: Vec::new(),
            early: EarlyTimes::new(),
            shared,
            rests_at: None,
            clock: build.worker.clock.clone(),
            dates: build.worker.dates.clone(),
            now,
            out: Emit::new(),
            next,
            census: (build.worker.shared.meter.counts_windows())
                .then(|| Box::new(Census::new(build.meter()))),
        }
    }

    /// Reads the time, unless this activation has done so.
    fn begin(&mut self) {
        if self.now.is_read {
            return;
        }
        self.now.is_read = true;
        let now = self.dates.now();
        self.out.set_now(now);
        self.keeper.engine.begin(now);
        self.now.date = now.timestamp_micros();
        if self.shared.is_none() {
            self.now.step = self.now.date;
        }
        if self.keeper.options.early.is_some() {
            self.now.monotonic = self.clock.monotonic().micros();
        }
    }

    /// Handles a value of the key at this place.
    #[inline]
    fn take(&mut self, place: usize, (hash, key, value): Routed<K, V>) {
        let (keeper, now) = (&self.keeper, &self.now);
        with_key(&key, || {
            let time = keeper.clock.time(&value, now.step);
            if time < now.late_before {
                return keeper.engine.late(time, value, &mut self.out);
            }
            let make = || keeper.new_key();
            let table = &mut self.table;
            let live = table.touch_found(&self.found, place, hash, &key, make);
            let looked = keeper.take(live, (time, value), now.step, &mut self.out);
            if looked.keep == Keep::No {
                self.early.remove(hash, &key);
                return table.remove(hash, &key);
            }
            if looked.may_be_due_sooner {
                let due = keeper.due(live);
                if due < live.entry {
                    let by = if C::Mark::OF_KEY {
                        due.min(now.step.saturating_add(QUIET))
                    } else {
                        due
                    };
                    self.looks.look_by(by, hash, &key, &mut live.entry);
                }
            }
            if looked.has_taken {
                wait_to_emit_early(keeper.options, &mut self.early, *now, (hash, &key), live);
            }
        });
        if self.out.has_any() {
            self.out.deliver(key, &mut self.next.buffer);
        }
    }

    /// Visits a due key, unless the entry is stale.
    fn look_at(&mut self, (time, (hash, key)): Entry<K>) {
        let (keeper, now) = (&self.keeper, self.now);
        with_key(&key, || {
            let table = &mut self.table;
            let Some(live) = table.touch_if(hash, &key, |live| live.entry == time) else {
                return;
            };
            live.entry = NEVER;
            let looked = keeper.look_at(live, now.step, &mut self.out);
            if looked.keep == Keep::No {
                self.early.remove(hash, &key);
                return table.remove(hash, &key);
            }
            let due = keeper.due(live);
            self.looks.look_by(due, hash, &key, &mut live.entry);
            if looked.has_taken {
                wait_to_emit_early(keeper.options, &mut self.early, now, (hash, &key), live);
            }
        });
        self.out.deliver(key, &mut self.next.buffer);
    }

    /// Visits all due keys. Returns whether there was room for the results.
    fn look_at_due(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        loop {
            if self.due.is_empty() {
                self.looks.take_due(self.now.step, &mut self.due);
            }
            if self.due.is_empty() {
                break;
            }
            let few = self.due.len().saturating_sub(FEW);
            let keys = self.due[few..].iter().map(|(_, (hash, key))| (*hash, key));
            let keeper = &self.keeper;
            self.table.prefetch(keys, |live| keeper.prefetch(live));
            while self.due.len() > few
                && let Some(entry) = self.due.pop()
            {
                self.look_at(entry);
                if !self.send_if_full(edges, cx)? {
                    return Ok(false);
                }
            }
        }
        if self.due.capacity() > MANY {
            self.due = Vec::new();
        }
        Ok(true)
    }

    /// Emits the early results of due keys. Returns whether there was room for them.
    fn emit_early(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        while let Some((hash, key)) = self.early.pop(self.now.monotonic) {
            with_key(&key, || {
                if let Some(live) = self.table.touch_known(hash, &key) {
                    let now = self.now.step;
                    self.keeper.emit_early(live, now, &mut self.out);
                }
            });
            self.out.deliver(key, &mut self.next.buffer);
            if !self.send_if_full(edges, cx)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends the results if they fill a batch. Returns whether there is room for more.
    #[inline]
    fn send_if_full(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        if !self.next.is_full(cx) {
            return Ok(true);
        }
        self.next.send(cx)?;
        Ok(!cx.worker.any_full(edges))
    }

    /// Wakes the operator when the next key is due.
    fn sleep(&self, cx: &Cx) {
        if let Some(look) = self.looks.first() {
            match &self.shared {
                None => cx.worker.timers.wake_by_date(cx.alarm, date(look)),
                Some(shared) => {
                    if let Some(at) = shared.reaches(look) {
                        cx.worker.timers.wake_by(cx.alarm, at);
                    }
                }
            }
        }
        if let Some(early) = self.early.first() {
            let early = Monotonic::of_micros(early);
            cx.worker.timers.wake_by(cx.alarm, early);
        }
    }

    fn report(&self, cx: &Cx) {
        let Some(probe) = self.keeper.clock.probe() else {
            return;
        };
        let keys = self.table.iter().map(|(key, live)| {
            let (status, mark) = self.keeper.status(live, self.now.step);
            (key, status, mark)
        });
        let shared = self.shared.as_ref();
        let shared = shared.map(|shared| (shared.at(), shared.slowest()));
        probe.report(cx.worker.index, &Tally::of(keys), shared);
    }
}

/// Schedules the early results of a key with changed windows, if windows emit early and it is not scheduled
/// yet.
#[inline]
fn wait_to_emit_early<K: Key, M: KeyMark, T, Q>(
    options: Options,
    early: &mut EarlyTimes<K>,
    now: Now,
    (hash, key): (u64, &K),
    live: &mut LiveKey<M, T, Q>,
) {
    if let Some(every) = options.early
        && early.wait(now.monotonic.saturating_add(every), hash, key)
    {
        live.note_early(now.date.saturating_add(every));
    }
}

impl<K, V, C, B, Q> HeadLogic<Routed<K, V>> for WindowHead<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: Timing<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, V>>, cx: &mut Cx) -> Result<(), RunError> {
        self.begin();
        let numbers = cx.numbers(items.len());
        let mut items = Few::new(items);
        let mut first = 0;
        while let Some(few) = items.ahead() {
            let keys = few.iter().map(|(hash, key, _)| (*hash, key));
            let keeper = &self.keeper;
            let look = |live: &_| keeper.prefetch(live);
            self.table.find_few(keys, &mut self.found, look);
            for (place, item) in items.take().enumerate() {
                numbers.at(first + place, || self.take(place, item));
            }
            self.next.send_if_full(cx)?;
            first += FEW;
        }
        self.next.send(cx)
    }

    fn mark(&mut self, marks: &Marks, cx: &mut Cx) -> Result<(), RunError> {
        if let Some(shared) = &mut self.shared {
            shared.update(marks, &cx.worker.timers);
            self.now.step = shared.at();
            self.now.late_before = self.keeper.late_for_all_before(self.now.step);
        }
        Ok(())
    }

    fn output_mark(&self, least: EventMark) -> EventMark {
        let Some(back) = self.keeper.options.held_back else {
            return least;
        };
        let Some(shared) = &self.shared else {
            return EventMark::NONE;
        };
        let at = match self.rests_at {
            Some(_) if least == EventMark::IDLE && self.early.first().is_none() => {
                return EventMark::IDLE;
            }
            Some(at) => at,
            None => shared.at(),
        };
        match at.saturating_sub(back) {
            ..=FIRST => EventMark::NONE,
            at => EventMark(at),
        }
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        self.begin();
        if let Some(shared) = &mut self.shared {
            shared.pass(|| self.clock.monotonic(), &cx.worker.timers);
            self.now.step = shared.at();
            self.now.late_before = self.keeper.late_for_all_before(self.now.step);
        }
        let has_room = self.look_at_due(edges, cx)? && self.emit_early(edges, cx)?;
        self.next.send(cx)?;
        if has_room {
            self.looks.clean(&self.table, |live| live.entry);
            self.early.clean();
        }
        self.sleep(cx);
        self.count_windows(cx);
        Ok(has_room)
    }

    fn end_epoch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.report(cx);
        match &mut self.shared {
            Some(shared) => {
                self.rests_at = shared.rests().then(|| shared.at());
                shared.save(cx)
            }
            None => Ok(()),
        }
    }

    /// All windows close; the watermark stays where it is, unless later values would be out of order.
    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.begin();
        self.looks.clear();
        self.early.clear();
        self.due.clear();
        let (keeper, now) = (&self.keeper, self.now.step);
        let mut mark = now;
        for (key, live) in self.table.touch_all_sorted() {
            let ended = with_key(key, || keeper.end(live, now, &mut self.out));
            mark = mark.max(ended.mark);
            live.entry = match ended.keep {
                Keep::Yes => keeper.due(live),
                Keep::No => GONE,
            };
            self.out.deliver(key.clone(), &mut self.next.buffer);
            self.next.send_if_full(cx)?;
        }
        self.table.retain(|live| live.entry != GONE);
        if let Some(shared) = &mut self.shared {
            shared.raise(mark, &cx.worker.timers);
        }
        self.count_all_windows();
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if what == Flush::Activation {
            self.now.is_read = false;
        }
        self.next.flush(what, cx)
    }
}

impl<K, V, C, B, Q> KeyedLogic<K, V> for WindowHead<K, V, C, B, Q>
where
    K: Key,
    V: Clone + 'static,
    C: Timing<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    type Cell = LiveKey<C::Mark, B::KeyState, Q>;

    fn table(&mut self) -> &mut KeyTable<K, Self::Cell> {
        &mut self.table
    }

    /// A key has a single timer: either for a watermark or for its early results.
    fn evicts(&self) -> bool {
        C::Mark::OF_KEY || self.keeper.options.early.is_none()
    }

    fn looks_at_end(&self) -> bool {
        true
    }

    fn due(&self, saved: KeyWindows<C::Mark, B::KeyState, Q>) -> Option<DateTime<Utc>> {
        let mut live = LiveKey::restored(saved);
        let date = || self.dates.now().timestamp_micros();
        self.keeper.restored(&mut live, self.now.step, date);
        live.entry = self.keeper.due(&live);
        live.due()
    }

    fn watermark(&self) -> Option<DateTime<Utc>> {
        (!C::Mark::OF_KEY).then(|| date(self.now.step))
    }

    fn restore(&mut self, restored: Restored<K, KeyWindows<C::Mark, B::KeyState, Q>>) {
        let Restored {
            hash,
            key,
            saved,
            mark,
        } = restored;
        let mut live = LiveKey::restored(saved);
        let date = || self.dates.now().timestamp_micros();
        let wait = self.keeper.restored(&mut live, self.now.step, date);
        let due = self.keeper.due(&live);
        self.looks.look_by(due, hash, &key, &mut live.entry);
        if let Some(wait) = wait {
            let time = self.clock.monotonic().micros().saturating_add(wait);
            self.early.wait(time, hash, &key);
        }
        self.table.restore(hash, key, live, mark);
    }
}

#[cfg(test)]
impl<K: Key, V, C: Timing<V>, B: WindowEngine<V>, Q: Waiters<V>> WindowHead<K, V, C, B, Q> {
    /// The number of timer entries.
    pub(crate) fn entries(&self) -> usize {
        self.looks.len() + self.early.len()
    }
}
