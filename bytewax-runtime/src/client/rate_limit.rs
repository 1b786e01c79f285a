//! Limits to how often something is done.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets through so many calls in each span of time: all of them at once, if none was made for that long, and later ones
/// at an even pace.
///
/// Clones share the limit, so that all workers of a process stay within it together.
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
/// A source that is polled answers with [`Poll::idle`](crate::source::Poll::idle) for the time that it has to wait.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// How long one call takes of the time.
    each: Duration,
    /// How much of it may be taken at once.
    burst: Duration,
    /// Up to when the time is taken.
    taken: Arc<Mutex<Option<Instant>>>,
}

impl RateLimit {
    /// Lets through `count` calls, and at least one, in each span of this length.
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

    /// Makes `count` calls now, if that is within the limit. More than are let through at once are within it when none
    /// was made for long enough, and the next ones wait for longer.
    ///
    /// # Errors
    ///
    /// How long to wait before it is tried again.
    pub fn take(&self, count: u32) -> Result<(), Duration> {
        self.take_at(Instant::now(), count)
    }

    /// The same, at a time that the caller says.
    ///
    /// # Errors
    ///
    /// How long to wait before it is tried again.
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

    /// Waits until `count` calls are within the limit, and makes them, on a runtime of `tokio` with time enabled.
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
