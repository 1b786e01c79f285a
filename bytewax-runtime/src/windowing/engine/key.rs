//! The state of a key in a window step, and its reactions to values, to time, and to the end.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::queue::Waiters;
use super::{Events, Options, WindowEngine};
use crate::kit::logic::{Keep, NEVER};
use crate::state::{Cell, Field, Schema, State};
use crate::windowing::clock::{EarlyAt, KeyMark, Timing, Watermark};
use crate::windowing::probe::Status;
use crate::windowing::time::{END, LAST, Time, date};

/// The saved data of a key.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "T: Serialize, Q: Serialize",
    deserialize = "T: Deserialize<'de>, Q: Deserialize<'de>"
))]
pub(crate) struct KeyWindows<M: KeyMark, T, Q> {
    watermark: M,
    pub(super) kept: T,
    queue: Q,
    /// The system's time at which windows emit early.
    early_at: M::Early,
    /// The time of the step at which the key is dropped, if it has no windows.
    forget_at: Time,
}

impl<M: KeyMark, T: State, Q: State> KeyWindows<M, T, Q> {
    /// With its own watermark.
    const OF_KEY: Schema = Schema::of_library(
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

    /// With the shared watermark of all keys.
    const OF_ALL: Schema = Schema::of_library(
        "PartitionWindows",
        1,
        &[
            Field::of::<T>("kept"),
            Field::of::<Q>("queue"),
            Field::of::<i64>("forget_at"),
        ],
    );
}

impl<M: KeyMark, T: State, Q: State> State for KeyWindows<M, T, Q> {
    const SCHEMA: Schema = if M::OF_KEY {
        Self::OF_KEY
    } else {
        Self::OF_ALL
    };
}

/// A key of a step, with its unsaved data.
pub(crate) struct LiveKey<M: KeyMark, T, Q> {
    pub(super) windows: KeyWindows<M, T, Q>,
    /// The next watermark at which a window closes, or an earlier one.
    next: Time,
    /// The time of the step by which the key is visited.
    pub(super) entry: Time,
}

impl<M: KeyMark, T, Q> LiveKey<M, T, Q> {
    /// Sets the system's time at which windows emit early.
    #[inline]
    pub(super) fn note_early(&mut self, at: Time) {
        self.windows.early_at.note(at);
    }
}

impl<M: KeyMark, T: State, Q: State> Cell for LiveKey<M, T, Q> {
    type Saved = KeyWindows<M, T, Q>;

    const TIMED: bool = true;

    fn saved(&self) -> &Self::Saved {
        &self.windows
    }

    fn restored(windows: Self::Saved) -> Self {
        Self {
            windows,
            next: Time::MIN,
            entry: NEVER,
        }
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        let early = self.windows.early_at.noted().unwrap_or(END);
        let due = self.entry.min(early);
        (due <= LAST).then(|| date(due))
    }

    /// A resume must load every key with the shared watermark: values of other keys may have ended its
    /// windows.
    fn due_in_store(due: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        if M::OF_KEY {
            due
        } else {
            Some(DateTime::UNIX_EPOCH)
        }
    }
}

/// The result of a visit to a key.
pub(super) struct Looked {
    pub(super) keep: Keep,
    /// Whether windows have received values.
    pub(super) has_taken: bool,
    /// Whether something may be due sooner than before.
    pub(super) may_be_due_sooner: bool,
}

/// A key at the end of input.
pub(super) struct Ended {
    pub(super) keep: Keep,
    /// Later values before this time are late.
    pub(super) mark: Time,
}

/// The common data of all keys of a step.
///
/// The *time of the step* is the system's if each key has its own watermark; it is the watermark if all keys
/// share one.
pub(crate) struct Keeper<V, C, B, Q> {
    pub(super) clock: Arc<C>,
    pub(super) engine: B,
    pub(super) options: Options,
    values: PhantomData<fn(V, Q)>,
}

type Live<V, C, B, Q> = LiveKey<<C as Timing<V>>::Mark, <B as WindowEngine<V>>::KeyState, Q>;

impl<V, C, B, Q> Keeper<V, C, B, Q>
where
    V: Clone + 'static,
    C: Timing<V>,
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

    /// A new key.
    #[inline]
    pub(super) fn new_key(&self) -> Live<V, C, B, Q> {
        let windows = KeyWindows {
            watermark: C::Mark::new(),
            kept: B::KeyState::default(),
            queue: Q::default(),
            early_at: <C::Mark as KeyMark>::Early::never(),
            forget_at: END,
        };
        LiveKey {
            windows,
            next: END,
            entry: NEVER,
        }
    }

    /// Values before this time are too late for all windows when the watermark is `mark`.
    #[inline]
    fn late_before(&self, mark: Time) -> Time {
        mark.saturating_sub(self.options.lateness)
    }

    /// The same, as far as it is known without the key of a value: when all keys share one watermark.
    #[inline]
    pub(super) fn late_for_all_before(&self, now: Time) -> Time {
        if C::Mark::OF_KEY {
            Time::MIN
        } else {
            self.late_before(now)
        }
    }

    /// Handles a value of a key.
    #[inline]
    pub(super) fn take(
        &self,
        key: &mut Live<V, C, B, Q>,
        (time, value): (Time, V),
        now: Time,
        out: &mut Events<B, V>,
    ) -> Looked {
        let (time, mark) = self
            .clock
            .observe(&mut key.windows.watermark, (time, &value), now);
        let windows = &mut key.windows;
        let mut has_taken = false;
        if C::Mark::OF_KEY && time < self.late_before(mark) {
            self.engine.late(time, value, out);
        } else if Q::ORDERED
            && self.options.ordered
            && (time > mark || time == mark && !windows.queue.is_empty())
        {
            windows.queue.push(time, value);
        } else {
            if time < mark {
                // Windows that are over by now do not depend on this value.
                self.catch_up(key, mark, out);
            }
            let windows = &mut key.windows;
            let next = self.engine.add(&mut windows.kept, time, value, mark, out);
            let is_first = next < key.next;
            key.next = key.next.min(next);
            if mark < key.next && key.next < END && windows.queue.is_empty() {
                // A window is open, and nothing is due: the case of most values.
                windows.forget_at = END;
                return Looked {
                    keep: Keep::Yes,
                    has_taken: true,
                    // A value may have moved the watermark of the key.
                    may_be_due_sooner: is_first || C::Mark::OF_KEY,
                };
            }
            has_taken = true;
        }
        has_taken |= self.catch_up(key, mark, out);
        Looked {
            keep: self.forget(key, now),
            has_taken,
            may_be_due_sooner: true,
        }
    }

    /// Handles everything due for a key.
    pub(super) fn look_at(
        &self,
        key: &mut Live<V, C, B, Q>,
        now: Time,
        out: &mut Events<B, V>,
    ) -> Looked {
        let mark = key.windows.watermark.pass(now);
        let has_taken = self.catch_up(key, mark, out);
        Looked {
            keep: self.forget(key, now),
            has_taken,
            may_be_due_sooner: true,
        }
    }

    /// Emits the early results of a key's windows.
    pub(super) fn emit_early(&self, key: &mut Live<V, C, B, Q>, now: Time, out: &mut Events<B, V>) {
        key.windows.early_at.note(END);
        let mark = key.windows.watermark.pass(now);
        self.engine.fire_early(&mut key.windows.kept, mark, out);
    }

    /// Closes all windows of a key at the end of input, unless they stay open. The watermark stays where it is,
    /// unless later values would be out of order.
    pub(super) fn end(
        &self,
        key: &mut Live<V, C, B, Q>,
        now: Time,
        out: &mut Events<B, V>,
    ) -> Ended {
        let mut mark = key.windows.watermark.pass(now);
        if !self.options.keep_open {
            let newest = self.take_waiting(key, END, out);
            if B::IN_ORDER
                && let Some(newest) = newest
            {
                key.windows.watermark.raise(newest);
                mark = mark.max(newest);
            }
            self.engine.end(&mut key.windows.kept, mark, out);
            key.next = self.engine.next(&key.windows.kept);
            key.windows.early_at.note(END);
        }
        Ended {
            keep: self.forget(key, now),
            mark,
        }
    }

    /// Restores the unsaved data of a key. Returns how long its windows wait until they emit early, if they
    /// do, at this date.
    pub(super) fn restored(
        &self,
        key: &mut Live<V, C, B, Q>,
        now: Time,
        date: impl FnOnce() -> Time,
    ) -> Option<i64> {
        let windows = &mut key.windows;
        let mark = windows.watermark.at(now);
        self.engine.restored(&mut windows.kept, mark);
        key.next = self.engine.next(&windows.kept);
        let Some(every) = self.options.early else {
            windows.early_at.note(END);
            return None;
        };
        match windows.early_at.noted() {
            Some(END) => None,
            Some(at) => Some(at.saturating_sub(date()).clamp(0, every)),
            // Unsaved data counts from the resume.
            None => (!self.is_idle(key)).then_some(every),
        }
    }

    /// Handles the values that the watermark has reached. Returns the time of the last.
    #[inline]
    fn take_waiting(
        &self,
        key: &mut Live<V, C, B, Q>,
        mark: Time,
        out: &mut Events<B, V>,
    ) -> Option<Time> {
        let mut last = None;
        while let Some((time, value)) = key.windows.queue.pop(mark) {
            // It is handled as if the watermark were at its time, because it was on time.
            let next = self
                .engine
                .add(&mut key.windows.kept, time, value, time, out);
            key.next = key.next.min(next);
            last = Some(time);
        }
        last
    }

    /// Handles everything due at a watermark. Returns whether windows received waiting values.
    #[inline]
    fn catch_up(&self, key: &mut Live<V, C, B, Q>, mark: Time, out: &mut Events<B, V>) -> bool {
        let taken = self.take_waiting(key, mark, out).is_some();
        if mark >= key.next {
            key.next = self.engine.close(&mut key.windows.kept, mark, out);
        }
        taken
    }

    #[inline]
    fn is_idle(&self, key: &Live<V, C, B, Q>) -> bool {
        key.windows.queue.is_empty() && self.engine.is_empty(&key.windows.kept)
    }

    /// Schedules the removal of a key without windows. Returns whether it is due now.
    #[inline]
    fn forget(&self, key: &mut Live<V, C, B, Q>, now: Time) -> Keep {
        if !self.is_idle(key) {
            key.windows.forget_at = END;
            return Keep::Yes;
        }
        if B::FORGETS && !C::REMEMBERS {
            return Keep::No;
        }
        if key.windows.forget_at == END {
            key.windows.forget_at = now.saturating_add(self.clock.forget_after());
        }
        if now >= key.windows.forget_at {
            Keep::No
        } else {
            Keep::Yes
        }
    }

    /// The time of the step at which something is due without new values; [`NEVER`] if nothing is.
    #[inline]
    pub(super) fn due(&self, key: &Live<V, C, B, Q>) -> Time {
        let windows = &key.windows;
        let first = windows.queue.first().unwrap_or(END);
        let next = key.next.min(first);
        let reached = if next == END {
            END
        } else {
            windows.watermark.reaches(next)
        };
        let due = reached.min(windows.forget_at);
        if due > LAST { NEVER } else { due }
    }

    /// The open windows of a key, and its watermark.
    pub(super) fn status(&self, key: &Live<V, C, B, Q>, now: Time) -> (Status, Time) {
        let windows = &key.windows;
        let (open, oldest) = self.engine.open(&windows.kept);
        let status = Status {
            windows: open,
            waiting: windows.queue.len(),
            oldest,
            first_waiting: windows.queue.first(),
            closes_at: (open > 0).then(|| self.engine.next(&windows.kept)),
        };
        (status, windows.watermark.at(now))
    }

    /// Prefetches the data that a value will need.
    #[inline]
    pub(super) fn prefetch(&self, key: &Live<V, C, B, Q>) -> i64 {
        self.engine.prefetch(&key.windows.kept) ^ key.windows.forget_at ^ key.next ^ key.entry
    }
}
