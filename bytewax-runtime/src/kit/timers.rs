//! Wake-ups of the operators of a worker.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::dates::Dates;
use super::link::{RemoteAlarm, Wake};
use super::meter::Timing;
use crate::clock::{Due, Monotonic, WorkerClock};

/// Wakes the operators of a worker: immediately, or at a time of the worker's clock.
#[derive(Default)]
pub(crate) struct Timers {
    operators: RefCell<Vec<(Wake, RemoteAlarm)>>,
    /// By the system clock, which may be set back.
    wall: RefCell<Queue<DateTime<Utc>>>,
    /// By the dates of the worker.
    dates: RefCell<Queue<DateTime<Utc>>>,
    monotonic: RefCell<Queue<Monotonic>>,
}

/// The handle to wake an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm(usize);

impl Timers {
    pub(crate) fn register(&self, here: Wake, elsewhere: RemoteAlarm) -> Alarm {
        let mut operators = self.operators.borrow_mut();
        operators.push((here, elsewhere));
        Alarm(operators.len() - 1)
    }

    /// Wakes the operator immediately.
    pub(crate) fn wake(&self, alarm: Alarm) {
        self.operators.borrow()[alarm.0].0.wake();
    }

    /// Wakes all operators immediately.
    pub(crate) fn wake_all(&self) {
        for (here, _) in &*self.operators.borrow() {
            here.wake();
        }
    }

    /// Returns a handle that wakes the operator from other threads.
    pub(crate) fn remote(&self, alarm: Alarm) -> RemoteAlarm {
        self.operators.borrow()[alarm.0].1.clone()
    }

    /// Wakes the operator by a time at the latest.
    ///
    /// The first of all its times counts; when it is reached, the others are forgotten. Each part of an
    /// operator that waits for a time therefore calls this whenever the operator runs.
    pub(crate) fn wake_by(&self, alarm: Alarm, due: impl Into<Due>) {
        match due.into() {
            Due::Wall(due) => self.wall.borrow_mut().wake_by(alarm, due),
            Due::Monotonic(due) => self.monotonic.borrow_mut().wake_by(alarm, due),
        }
    }

    /// Like [`wake_by`](Self::wake_by), by the dates that operators see.
    pub(crate) fn wake_by_date(&self, alarm: Alarm, due: DateTime<Utc>) {
        self.dates.borrow_mut().wake_by(alarm, due);
    }

    /// Wakes every operator whose time has come. Returns how long the worker may sleep: `None` means until it
    /// is woken.
    pub(crate) fn fire(
        &self,
        clock: &WorkerClock,
        date: &Dates,
        timing: &Timing,
    ) -> Option<Duration> {
        let mut wall = self.wall.borrow_mut();
        let mut dates = self.dates.borrow_mut();
        let mut monotonic = self.monotonic.borrow_mut();
        wall.fire(|| clock.now(), |alarm| self.wake(alarm));
        dates.fire(|| date.now(), |alarm| self.wake(alarm));
        let monotonic_now = || {
            let now = clock.monotonic();
            timing.note(now);
            now
        };
        monotonic.fire(monotonic_now, |alarm| self.wake(alarm));
        let next = [
            wall.next().map(Due::Wall),
            monotonic.next().map(Due::Monotonic),
        ];
        let sleeps = next.into_iter().flatten();
        let sleeps = sleeps.filter_map(|due| clock.sleep_until(due));
        let to_date = dates.next().and_then(|due| date.sleep_until(due));
        sleeps.chain(to_date).min()
    }
}

/// The first time of each operator that waits for one.
struct Queue<T> {
    order: BTreeSet<(T, Alarm)>,
    /// By operator.
    first: Vec<Option<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            first: Vec::new(),
        }
    }
}

impl<T: Copy + Ord> Queue<T> {
    fn wake_by(&mut self, alarm: Alarm, due: T) {
        if self.first.len() <= alarm.0 {
            self.first.resize(alarm.0 + 1, None);
        }
        let first = &mut self.first[alarm.0];
        if first.is_some_and(|first| first <= due) {
            return;
        }
        if let Some(later) = first.replace(due) {
            self.order.remove(&(later, alarm));
        }
        self.order.insert((due, alarm));
    }

    /// Removes those whose time has come; reads the time only if an operator waits for it.
    fn fire(&mut self, now: impl FnOnce() -> T, mut wake: impl FnMut(Alarm)) {
        if self.order.is_empty() {
            return;
        }
        let now = now();
        while let Some((due, alarm)) = self.order.first().copied()
            && due <= now
        {
            self.order.pop_first();
            self.first[alarm.0] = None;
            wake(alarm);
        }
    }

    fn next(&self) -> Option<T> {
        self.order.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(queue: &mut Queue<u32>, now: u32) -> Vec<usize> {
        let mut fired = Vec::new();
        queue.fire(|| now, |alarm| fired.push(alarm.0));
        fired
    }

    #[test]
    fn the_first_of_an_operators_times_counts_and_the_others_are_forgotten() {
        let mut queue = Queue::default();
        for (operator, due) in [(1, 50), (0, 30), (1, 20), (1, 40), (0, 30)] {
            queue.wake_by(Alarm(operator), due);
        }
        assert_eq!(queue.next(), Some(20));
        assert_eq!(fired(&mut queue, 19), [0; 0]);
        assert_eq!(fired(&mut queue, 20), [1]);
        assert_eq!(queue.next(), Some(30));
        // It sets its remaining times again.
        queue.wake_by(Alarm(1), 40);
        assert_eq!(fired(&mut queue, 100), [0, 1]);
        assert_eq!(queue.next(), None);
        assert_eq!(queue.order.len(), 0);
    }

    #[test]
    fn nobody_reads_the_time_for_nothing() {
        Queue::<u32>::default().fire(|| unreachable!("nobody waits"), |_| {});
    }
}
