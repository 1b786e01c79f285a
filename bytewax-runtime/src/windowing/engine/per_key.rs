//! The form in which each key has a time of its own.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::queue::Waiters;
use super::{Event, Events, Options, WindowEngine};
use crate::kit::logic::{ItemLogic, Keep, KeyLogic};
use crate::state::{Field, Schema, State};
use crate::windowing::clock::{KeyClock, Watermark};
use crate::windowing::probe::Status;
use crate::windowing::time::{END, LAST, Time, date};

/// So long after a value, in microseconds, a key is looked at: while values come, its windows are closed
/// by them, and only behind the last one is a wake-up for the moment at which the next is over.
const QUIET: i64 = 50_000;

/// A window step whose keys have a watermark each.
pub(crate) struct PerKey<V, C, B, Q> {
    clock: Arc<C>,
    engine: B,
    options: Options,
    values: PhantomData<fn(V, Q)>,
}

/// What is kept of a key.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyWindows<T, Q> {
    watermark: Watermark,
    kept: T,
    queue: Q,
    /// The system's time at which windows emit before their ends.
    early_at: Time,
    /// The system's time at which the key is forgotten, if it has no windows.
    forget_at: Time,
    /// The next watermark at which there is something to do, or one before.
    #[serde(skip)]
    next: Time,
    /// When the key is to be looked at.
    #[serde(skip)]
    wake: Wake,
}

impl<T, Q> KeyWindows<T, Q> {
    /// Reads a little of it.
    #[inline]
    pub(super) fn prefetch<V, B: WindowEngine<V, KeyState = T>>(&self, engine: &B) -> i64 {
        engine.prefetch(&self.kept) ^ self.watermark.at() ^ self.wake.time ^ self.next
    }

    /// What is open, and the watermark.
    pub(super) fn status<V, B>(&self, engine: &B) -> (Status, Time)
    where
        B: WindowEngine<V, KeyState = T>,
        Q: Waiters<V>,
    {
        let (windows, oldest) = engine.open(&self.kept);
        let status = Status {
            windows,
            waiting: self.queue.len(),
            oldest,
            first_waiting: self.queue.first(),
        };
        (status, self.watermark.at())
    }
}

#[cfg(test)]
impl<S, Q> KeyWindows<super::slices::Sliced<S>, Q> {
    pub(super) fn close_all_before(&mut self, id: i64) {
        self.kept.close_all_before(id);
    }
}

/// A time of the system, also as a date, which is asked for at each value.
#[derive(Clone, Copy)]
struct Wake {
    time: Time,
    date: Option<DateTime<Utc>>,
}

impl Wake {
    fn at(time: Time) -> Self {
        Self {
            time,
            date: (time <= LAST).then(|| date(time)),
        }
    }
}

impl Default for Wake {
    fn default() -> Self {
        Self::at(END)
    }
}

impl<T: State, Q: State> State for KeyWindows<T, Q> {
    const SCHEMA: Schema = Schema::of_library(
        "KeyWindows",
        1,
        &[
            Field::of::<Watermark>("watermark"),
            Field::of::<T>("kept"),
            Field::of::<Q>("queue"),
            Field::of::<i64>("early_at"),
            Field::of::<i64>("forget_at"),
        ],
    );
}

impl<V, C, B, Q> PerKey<V, C, B, Q>
where
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    pub(crate) fn new(clock: Arc<C>, engine: B, options: Options) -> Self {
        Self {
            clock,
            engine,
            options,
            values: PhantomData,
        }
    }

    /// Takes in the values that the watermark has reached. Gives whether there were any.
    #[inline]
    fn take_waiting(
        &self,
        key: &mut KeyWindows<B::KeyState, Q>,
        mark: Time,
        out: &mut Events<B, V>,
    ) -> bool {
        let mut any = false;
        while let Some((time, value)) = key.queue.pop(mark) {
            // It is taken in as if the watermark were at its time: it was on time.
            let next = self.engine.add(&mut key.kept, time, value, time, out);
            key.next = key.next.min(next);
            any = true;
        }
        any
    }

    /// Does what is due at a watermark. Gives whether windows took values that had waited.
    #[inline]
    fn catch_up(
        &self,
        key: &mut KeyWindows<B::KeyState, Q>,
        mark: Time,
        out: &mut Events<B, V>,
    ) -> bool {
        let taken = self.take_waiting(key, mark, out);
        if mark >= key.next {
            self.engine.close(&mut key.kept, mark, out);
            key.next = self.engine.next(&key.kept);
        }
        taken
    }

    /// Has windows that have taken a value emit before their ends in a while, if they do so.
    #[inline]
    fn wait_to_fire_early(&self, key: &mut KeyWindows<B::KeyState, Q>, now: Time) {
        if let Some(every) = self.options.early
            && key.early_at == END
        {
            key.early_at = now.saturating_add(every);
        }
    }

    fn is_idle(&self, key: &KeyWindows<B::KeyState, Q>) -> bool {
        key.queue.is_empty() && self.engine.is_empty(&key.kept)
    }

    /// Notes when a key that has no windows is forgotten. Gives whether that is now.
    fn forget(&self, key: &mut KeyWindows<B::KeyState, Q>, now: Time) -> Keep {
        if !self.is_idle(key) {
            key.forget_at = END;
            return Keep::Yes;
        }
        if B::FORGETS && self.clock.needs_no_memory() {
            return Keep::No;
        }
        if key.forget_at == END {
            key.forget_at = now.saturating_add(self.clock.forget_after());
        }
        if now >= key.forget_at {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    /// The system's time at which something is due, if no value comes.
    fn due(&self, key: &KeyWindows<B::KeyState, Q>) -> Time {
        let next = key
            .queue
            .first()
            .map_or(key.next, |first| first.min(key.next));
        let reached = if next == END {
            END
        } else {
            key.watermark.reaches(next)
        };
        reached.min(key.early_at).min(key.forget_at)
    }
}

fn micros(now: DateTime<Utc>) -> Time {
    now.timestamp_micros()
}

impl<K, V, C, B, Q> KeyLogic<K> for PerKey<V, C, B, Q>
where
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    type State = KeyWindows<B::KeyState, Q>;
    type Out = Event<B::Out, V>;

    /// The time is that of the first value, which is not known here.
    fn new_state(&self, _: &K) -> Self::State {
        KeyWindows {
            watermark: Watermark::UNSET,
            kept: B::KeyState::default(),
            queue: Q::default(),
            early_at: END,
            forget_at: END,
            next: END,
            wake: Wake::at(END),
        }
    }

    fn on_notify(&self, key: &mut Self::State, out: &mut Events<B, V>) -> Keep {
        let now = micros(out.now());
        let mark = key.watermark.pass(now);
        let taken = self.catch_up(key, mark, out);
        if now >= key.early_at {
            self.engine.fire_early(&mut key.kept, mark, out);
            key.early_at = END;
        } else if taken {
            self.wait_to_fire_early(key, now);
        }
        let keep = self.forget(key, now);
        key.wake = Wake::at(self.due(key));
        keep
    }

    fn on_eof(&self, key: &mut Self::State, out: &mut Events<B, V>) -> Keep {
        let now = micros(out.now());
        let mark = key.watermark.pass(now);
        self.take_waiting(key, END, out);
        self.engine.end(&mut key.kept, mark, out);
        key.next = self.engine.next(&key.kept);
        key.early_at = END;
        let keep = self.forget(key, now);
        key.wake = Wake::at(self.due(key));
        keep
    }

    fn restored(&self, key: &mut Self::State) {
        self.engine.restored(&mut key.kept, key.watermark.at());
        key.next = self.engine.next(&key.kept);
        key.wake = Wake::at(self.due(key));
    }

    #[inline]
    fn notify_at(&self, key: &Self::State) -> Option<DateTime<Utc>> {
        key.wake.date
    }
}

impl<K, V, C, B, Q> ItemLogic<K, V> for PerKey<V, C, B, Q>
where
    V: Clone + 'static,
    C: KeyClock<V>,
    B: WindowEngine<V>,
    Q: Waiters<V>,
{
    #[inline]
    fn on_item(&self, key: &mut Self::State, value: V, out: &mut Events<B, V>) -> Keep {
        let now = micros(out.now());
        if key.watermark.is_unset() {
            key.watermark = self.clock.start(now);
        }
        key.watermark.pass(now);
        let (time, mark) = self.clock.observe(&mut key.watermark, &value);
        if time < mark.saturating_sub(self.options.lateness) {
            self.engine.late(time, value, out);
        } else if self.options.ordered && (time > mark || time == mark && !key.queue.is_empty()) {
            key.queue.push(time, value);
        } else {
            if time < mark {
                // What is over by now is so without this value.
                self.catch_up(key, mark, out);
            }
            let next = self.engine.add(&mut key.kept, time, value, mark, out);
            key.next = key.next.min(next);
        }
        self.catch_up(key, mark, out);
        self.wait_to_fire_early(key, now);
        if self.forget(key, now) == Keep::No {
            return Keep::No;
        }
        let due = self.due(key);
        if due < key.wake.time && due <= LAST {
            key.wake = Wake::at(due.min(now.saturating_add(QUIET)));
        }
        Keep::Yes
    }
}
