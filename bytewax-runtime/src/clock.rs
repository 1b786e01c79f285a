//! The clock of a worker: every time that an operator sees comes from here.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Where workers read the time: the system's, or one that a test moves by hand.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::clock::Clock;
/// use chrono::{DateTime, TimeDelta};
///
/// let (clock, hand) = Clock::by_hand(DateTime::UNIX_EPOCH);
/// hand.advance(TimeDelta::seconds(90));
/// assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(90));
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

/// Moves a clock made by [`Clock::by_hand`]; workers that sleep until a time wake up when it comes.
#[derive(Clone)]
pub struct ClockHand(Arc<Manual>);

struct Manual {
    now: Mutex<DateTime<Utc>>,
    sleepers: Mutex<Vec<Thread>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until its hand is moved.
    #[must_use]
    pub fn by_hand(now: DateTime<Utc>) -> (Self, ClockHand) {
        let manual = Arc::new(Manual {
            now: Mutex::new(now),
            sleepers: Mutex::default(),
        });
        (Self(Some(Arc::clone(&manual))), ClockHand(manual))
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            None => Utc::now(),
            Some(manual) => *manual.now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// How long a thread may sleep until `due`; `None` is until it is woken.
    pub(crate) fn sleep_until(&self, due: DateTime<Utc>) -> Option<Duration> {
        match &self.0 {
            None => Some((due - Utc::now()).to_std().unwrap_or_default()),
            Some(_) if due <= self.now() => Some(Duration::ZERO),
            Some(_) => None,
        }
    }

    /// Has the calling thread woken whenever the clock is moved by hand.
    pub(crate) fn register_sleeper(&self) {
        if let Some(manual) = &self.0 {
            let mut sleepers = manual
                .sleepers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            sleepers.push(std::thread::current());
        }
    }
}

impl ClockHand {
    /// Moves the clock forward (a negative span moves it back).
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add_signed(by).unwrap_or(*now);
        drop(now);
        self.wake();
    }

    /// Sets the clock.
    pub fn set(&self, to: DateTime<Utc>) {
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner) = to;
        self.wake();
    }

    fn wake(&self) {
        let sleepers = self
            .0
            .sleepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in sleepers.iter() {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Clock::by_hand"
        } else {
            "Clock::system"
        })
    }
}

impl fmt::Debug for ClockHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockHand")
    }
}
