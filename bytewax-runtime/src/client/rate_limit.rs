//! Limits of rates.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limits the number of calls in each span of time. After an idle span, all of them are allowed at once;
/// later ones at an even rate.
///
/// Clones share the limit, so all workers of a process stay within it together.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use bytewax_runtime::client::RateLimit;
///
/// let limit = RateLimit::new(2, Duration::from_secs(1));
/// let now = Instant::now();
/// assert_eq!(limit.take_at(now, 1), Ok(()));
/// assert_eq!(limit.take_at(now, 1), Ok(()));
/// assert_eq!(limit.take_at(now, 1), Err(Duration::from_millis(500)));
/// assert_eq!(limit.take_at(now + Duration::from_millis(500), 1), Ok(()));
/// ```
///
/// A polled source returns [`Poll::idle`](crate::source::Poll::idle) with the time to wait.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// The share of the time of one call.
    each: Duration,
    /// The maximum time that may be taken at once.
    burst: Duration,
    /// The end of the time that is taken.
    taken: Arc<Mutex<Option<Instant>>>,
}

impl RateLimit {
    /// Creates a limit of `count` calls, at least one, in each span of this length.
    #[must_use]
    pub fn new(count: u32, time: Duration) -> Self {
        let count = count.max(1);
        let each = time / count;
        Self {
            each,
            burst: each * count,
            taken: Arc::default(),
        }
    }

    /// Takes `count` calls now, if they are within the limit. More calls than the limit are allowed after a
    /// long enough pause; the next ones then wait longer.
    ///
    /// # Errors
    ///
    /// The time to wait before the next attempt.
    pub fn take(&self, count: u32) -> Result<(), Duration> {
        self.take_at(Instant::now(), count)
    }

    /// The same, at a time from the caller.
    ///
    /// # Errors
    ///
    /// The time to wait before the next attempt.
    pub fn take_at(&self, now: Instant, count: u32) -> Result<(), Duration> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = taken.map_or(Duration::ZERO, |taken| taken.saturating_duration_since(now));
        let wanted = self.each.saturating_mul(count);
        let over = (ahead + wanted.min(self.burst)).saturating_sub(self.burst);
        if !over.is_zero() {
            return Err(over);
        }
        *taken = now.checked_add(ahead.saturating_add(wanted));
        Ok(())
    }

    /// Waits until `count` calls are within the limit, and takes them. Needs a `tokio` runtime with time
    /// enabled.
    #[cfg(feature = "async")]
    pub async fn wait(&self, count: u32) {
        while let Err(time) = self.take(count) {
            tokio::time::sleep(time).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of single calls, each made as soon as it may be, there are in this time.
    fn within(limit: &RateLimit, time: Duration) -> usize {
        let start = Instant::now();
        let mut now = start;
        let mut count = 0;
        loop {
            match limit.take_at(now, 1) {
                Ok(()) => count += 1,
                Err(wait) => now += wait,
            }
            if now > start + time {
                return count;
            }
        }
    }

    #[test]
    fn a_burst_and_then_an_even_pace() {
        let second = Duration::from_secs(1);
        let limit = RateLimit::new(10, second);
        // Ten at once, then ten a second.
        assert_eq!(within(&limit, 5 * second), 10 + 50);
        let start = Instant::now() + 60 * second;
        assert!((0..10).all(|_| limit.take_at(start, 1).is_ok()));
        assert_eq!(limit.take_at(start, 1), Err(second / 10));
    }

    #[test]
    fn more_than_are_let_through_at_once() {
        let second = Duration::from_secs(1);
        let limit = RateLimit::new(2, second);
        let start = Instant::now();
        assert_eq!(limit.take_at(start, 6), Ok(()));
        assert_eq!(limit.take_at(start, 1), Err(5 * second / 2));
        assert_eq!(limit.take_at(start + 3 * second, 6), Ok(()));
    }

    #[test]
    fn clones_share_the_limit_and_zero_is_one() {
        let limit = RateLimit::new(0, Duration::from_secs(1));
        let now = Instant::now();
        assert_eq!(limit.clone().take_at(now, 1), Ok(()));
        assert!(limit.take_at(now, 1).is_err());
        let none = RateLimit::new(5, Duration::ZERO);
        assert!((0..100).all(|_| none.take_at(now, 1).is_ok()));
    }
}
