//! The clock of a worker: every time that an operator sees comes from here.
//!
//! There are two times. *Wall time* is what users mean by a date and an hour; the system may set it, forward or
//! back. *Monotonic time* only goes on, and all spans are measured by it: how long an epoch lasts, a source waits, a call may
//! take.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A point of monotonic time: how long it is after some start, which all points of a clock have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Monotonic(TimeDelta);

impl Monotonic {
    /// The point that lies a span after this one; when there is none so late, the last there is.
    pub(crate) fn after(self, span: TimeDelta) -> Self {
        Self(self.0.checked_add(&span).unwrap_or(TimeDelta::MAX))
    }

    /// The point that lies so many microseconds after the start.
    pub(crate) fn of_micros(micros: i64) -> Self {
        Self(TimeDelta::microseconds(micros))
    }

    /// How many microseconds it lies after the start.
    pub(crate) fn micros(self) -> i64 {
        self.0.num_microseconds().unwrap_or(i64::MAX)
    }

    /// As [`after`](Self::after).
    pub(crate) fn after_std(self, span: Duration) -> Self {
        self.after(TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX))
    }

    /// How many nanoseconds it lies after another; none if it lies before that.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        let span = self.since(earlier);
        let nanos = span.num_nanoseconds().unwrap_or(i64::MAX);
        u64::try_from(nanos).unwrap_or(0)
    }

    /// How long this point lies after another.
    pub(crate) fn since(self, earlier: Self) -> TimeDelta {
        self.0.checked_sub(&earlier.0).unwrap_or(TimeDelta::MAX)
    }
}

/// A point of wall time or of monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Wall(DateTime<Utc>),
    Monotonic(Monotonic),
}

impl From<DateTime<Utc>> for Due {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Wall(time)
    }
}

impl From<Monotonic> for Due {
    fn from(time: Monotonic) -> Self {
        Self::Monotonic(time)
    }
}

/// How long a thread that waits for a wall time sleeps at the most, since nobody tells it when the
/// system's clock is set.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Where workers read the time: the system's, or one that a test moves by hand.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::clock::WorkerClock;
/// use chrono::{DateTime, TimeDelta};
///
/// let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
/// hand.advance(TimeDelta::seconds(90));
/// assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(90));
/// ```
#[derive(Clone, Default)]
pub struct WorkerClock(Option<Arc<Manual>>);

/// Moves a clock made by [`WorkerClock::by_hand`]; workers that sleep until a time wake up when it comes.
///
/// Time that passes ([`advance`](Self::advance), [`set`](Self::set) to a later time) passes for all: for dates, and for
/// spans such as that of an epoch. [`adjust`](Self::adjust) changes the date alone, as a correction of the system's
/// clock does.
#[derive(Clone)]
pub struct ClockHand(Arc<Manual>);

struct Manual {
    time: Mutex<Time>,
    sleepers: Mutex<Vec<Thread>>,
}

#[derive(Clone, Copy)]
struct Time {
    wall: DateTime<Utc>,
    monotonic: Monotonic,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the monotonic time of this process begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl WorkerClock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until its hand is moved.
    #[must_use]
    pub fn by_hand(now: DateTime<Utc>) -> (Self, ClockHand) {
        let manual = Arc::new(Manual {
            time: Mutex::new(Time {
                wall: now,
                monotonic: Monotonic::default(),
            }),
            sleepers: Mutex::default(),
        });
        (Self(Some(Arc::clone(&manual))), ClockHand(manual))
    }

    /// The present wall time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            None => Utc::now(),
            Some(manual) => lock(&manual.time).wall,
        }
    }

    /// The present monotonic time.
    pub(crate) fn monotonic(&self) -> Monotonic {
        match &self.0 {
            None => Monotonic::default().after_std(START.elapsed()),
            Some(manual) => lock(&manual.time).monotonic,
        }
    }

    /// Whether it stands still until it is moved.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a time has come.
    pub(crate) fn has_come(&self, due: Due) -> bool {
        match due {
            Due::Wall(due) => due <= self.now(),
            Due::Monotonic(due) => due <= self.monotonic(),
        }
    }

    /// How long a thread may sleep until `due`; `None` is until it is woken.
    pub(crate) fn sleep_until(&self, due: Due) -> Option<Duration> {
        if self.0.is_some() {
            return self.has_come(due).then_some(Duration::ZERO);
        }
        let left = match due {
            Due::Wall(due) => {
                (due - Utc::now()).min(TimeDelta::from_std(LOOK_AGAIN).unwrap_or(TimeDelta::MAX))
            }
            Due::Monotonic(due) => due.since(self.monotonic()),
        };
        Some(left.to_std().unwrap_or_default())
    }

    /// Has the calling thread woken whenever the clock is moved by hand.
    pub(crate) fn register_sleeper(&self) {
        if let Some(manual) = &self.0 {
            lock(&manual.sleepers).push(std::thread::current());
        }
    }
}

impl ClockHand {
    /// Lets time pass. A negative span is an [adjustment](Self::adjust).
    pub fn advance(&self, by: TimeDelta) {
        let mut time = lock(&self.0.time);
        time.pass(by);
        drop(time);
        self.wake();
    }

    /// Lets time pass until this time; an earlier one is an [adjustment](Self::adjust).
    pub fn set(&self, to: DateTime<Utc>) {
        let mut time = lock(&self.0.time);
        let by = to - time.wall;
        time.pass(by);
        drop(time);
        self.wake();
    }

    /// Sets the date by so much, forward or back, as a correction of the system's clock does: no time passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::clock::WorkerClock;
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
    /// hand.advance(TimeDelta::hours(2));
    /// hand.adjust(TimeDelta::hours(-1));
    /// assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::hours(1));
    /// ```
    pub fn adjust(&self, by: TimeDelta) {
        lock(&self.0.time).adjust(by);
        self.wake();
    }

    fn wake(&self) {
        for thread in lock(&self.0.sleepers).iter() {
            thread.unpark();
        }
    }
}

impl Time {
    fn pass(&mut self, by: TimeDelta) {
        self.adjust(by);
        self.monotonic = self.monotonic.after(by.max(TimeDelta::zero()));
    }

    fn adjust(&mut self, by: TimeDelta) {
        self.wall = self.wall.checked_add_signed(by).unwrap_or(self.wall);
    }
}

impl fmt::Debug for WorkerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "WorkerClock::by_hand"
        } else {
            "WorkerClock::system"
        })
    }
}

impl fmt::Debug for ClockHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockHand")
    }
}
