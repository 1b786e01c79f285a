//! When the operators of a worker are woken.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Utc};
use timely::scheduling::{Activator, SyncActivator};

use crate::clock::Clock;

/// A time, and the number of the operator to wake then.
type Due = (DateTime<Utc>, usize);

/// When to wake which operator, by the worker's clock.
#[derive(Default)]
pub(crate) struct Timers {
    due: RefCell<BinaryHeap<Reverse<Due>>>,
    operators: RefCell<Vec<(Activator, SyncActivator)>>,
    /// The latest time up to which operators were woken.
    fired: Cell<Option<DateTime<Utc>>>,
    /// The operators that wait for what is not told when it comes.
    retries: RefCell<Vec<Alarm>>,
}

/// Wakes an operator from any thread.
#[cfg(feature = "async")]
#[derive(Clone)]
pub(crate) struct Waker(SyncActivator);

#[cfg(feature = "async")]
impl Waker {
    pub(crate) fn wake(&self) {
        // It fails only when the worker is gone, and then it needs nothing.
        let _ = self.0.activate();
    }
}

/// An operator's right to be woken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alarm(usize);

impl Timers {
    pub(crate) fn register(&self, here: Activator, elsewhere: SyncActivator) -> Alarm {
        let mut operators = self.operators.borrow_mut();
        operators.push((here, elsewhere));
        Alarm(operators.len() - 1)
    }

    /// Wakes the operator at once.
    pub(crate) fn wake(&self, alarm: Alarm) {
        self.operators.borrow()[alarm.0].0.activate();
    }

    /// What wakes the operator from other threads.
    #[cfg(feature = "async")]
    pub(crate) fn waker(&self, alarm: Alarm) -> Waker {
        Waker(self.operators.borrow()[alarm.0].1.clone())
    }

    /// Wakes the operator at `due`.
    pub(crate) fn wake_at(&self, alarm: Alarm, due: DateTime<Utc>) {
        self.due.borrow_mut().push(Reverse((due, alarm.0)));
    }

    /// Wakes the operator at `due`, unless it is being woken no later. `set` is the last time for which
    /// it was woken by this.
    #[cfg(feature = "async")]
    pub(crate) fn wake_by(
        &self,
        alarm: Alarm,
        due: DateTime<Utc>,
        set: &mut Option<DateTime<Utc>>,
    ) {
        if set.is_none_or(|set| due < set || self.has_fired(set)) {
            self.wake_at(alarm, due);
            *set = Some(due);
        }
    }

    /// Wakes the operator after a moment, whatever the worker's clock shows: for what other threads do
    /// and do not tell.
    pub(crate) fn retry(&self, alarm: Alarm) {
        self.retries.borrow_mut().push(alarm);
    }

    /// Whether an operator is to be woken after a moment.
    pub(crate) fn has_retries(&self) -> bool {
        !self.retries.borrow().is_empty()
    }

    /// Wakes the operators that were to be woken after a moment.
    pub(crate) fn wake_retries(&self) {
        for alarm in self.retries.borrow_mut().drain(..) {
            self.wake(alarm);
        }
    }

    /// Whether a wake-up at `due` is over; until then, it is under way.
    pub(crate) fn has_fired(&self, due: DateTime<Utc>) -> bool {
        self.fired.get().is_some_and(|fired| due <= fired)
    }

    /// Wakes every operator that is due, and gives the time of the next.
    pub(crate) fn fire(&self, clock: &Clock) -> Option<DateTime<Utc>> {
        let mut due = self.due.borrow_mut();
        let Reverse((first, _)) = due.peek()?;
        let mut next = *first;
        let now = clock.now();
        self.fired.set(self.fired.get().max(Some(now)));
        while next <= now {
            if let Some(Reverse((_, operator))) = due.pop() {
                self.operators.borrow()[operator].0.activate();
            }
            next = due.peek()?.0.0;
        }
        Some(next)
    }
}
