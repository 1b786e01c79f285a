//! The clock of a worker: every time that an operator sees comes from here.
//!
//! There are two times. *Wall time* is a date and an hour; the system may set it, forward or back. *Monotonic
//! time* only increases, and measures all durations: the length of an epoch, the wait of a source, the
//! time-out of a call.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A point of monotonic time, as the time since the common start of a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Monotonic(TimeDelta);

impl Monotonic {
    /// Returns the point that lies a span after this one, saturating at the last one.
    pub(crate) fn after(self, span: TimeDelta) -> Self {
        Self(self.0.checked_add(&span).unwrap_or(TimeDelta::MAX))
    }

    /// Creates a point from its microseconds after the start.
    pub(crate) fn of_micros(micros: i64) -> Self {
        Self(TimeDelta::microseconds(micros))
    }

    /// Returns its microseconds after the start.
    pub(crate) fn micros(self) -> i64 {
        self.0.num_microseconds().unwrap_or(i64::MAX)
    }

    /// Like [`after`](Self::after).
    pub(crate) fn after_std(self, span: Duration) -> Self {
        self.after(TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX))
    }

    /// Returns its nanoseconds after another point; 0 if it lies before that.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        let span = self.since(earlier);
        let nanos = span.num_nanoseconds().unwrap_or(i64::MAX);
        u64::try_from(nanos).unwrap_or(0)
    }

    /// Returns its time after another point.
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

/// The longest sleep of a thread that waits for a wall time, because nothing notifies it when the system
/// clock is set.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The clock that workers read: the system clock, or one that a test advances by hand.
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

/// Moves a clock created by [`WorkerClock::by_hand`]. Workers that sleep until a time wake up when it is
/// reached.
///
/// [`advance`](Self::advance), and [`set`](Self::set) to a later time, advance both dates and durations, such
/// as that of an epoch. [`adjust`](Self::adjust) changes the date alone, like a correction of the system
/// clock.
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

/// The start of the monotonic time of this process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl WorkerClock {
    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// Creates a clock that stands still until its hand moves it.
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

    /// Returns the current wall time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            None => Utc::now(),
            Some(manual) => lock(&manual.time).wall,
        }
    }

    /// Returns the current monotonic time.
    pub(crate) fn monotonic(&self) -> Monotonic {
        match &self.0 {
            None => Monotonic::default().after_std(START.elapsed()),
            Some(manual) => lock(&manual.time).monotonic,
        }
    }

    /// Returns the current wall time, and the monotonic time just after it.
    pub(crate) fn both(&self) -> (DateTime<Utc>, Monotonic) {
        match &self.0 {
            None => {
                let wall = Utc::now();
                (wall, self.monotonic())
            }
            Some(manual) => {
                let time = lock(&manual.time);
                (time.wall, time.monotonic)
            }
        }
    }

    /// Whether the clock is moved by hand.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a time has been reached.
    pub(crate) fn has_come(&self, due: Due) -> bool {
        match due {
            Due::Wall(due) => due <= self.now(),
            Due::Monotonic(due) => due <= self.monotonic(),
        }
    }

    /// Returns how long a thread may sleep until `due`; `None` means until it is woken.
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

    /// Wakes the calling thread whenever the clock is moved by hand.
    pub(crate) fn register_sleeper(&self) {
        if let Some(manual) = &self.0 {
            lock(&manual.sleepers).push(std::thread::current());
        }
    }
}

impl ClockHand {
    /// Advances the time. A negative span is an [adjustment](Self::adjust).
    pub fn advance(&self, by: TimeDelta) {
        let mut time = lock(&self.0.time);
        time.pass(by);
        drop(time);
        self.wake();
    }

    /// Advances the time to this time; an earlier one is an [adjustment](Self::adjust).
    pub fn set(&self, to: DateTime<Utc>) {
        let mut time = lock(&self.0.time);
        let by = to - time.wall;
        time.pass(by);
        drop(time);
        self.wake();
    }

    /// Moves the date forward or back without advancing monotonic time, like a correction of the system
    /// clock.
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
