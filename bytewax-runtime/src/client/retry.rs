//! Retries of calls.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::error::StepError;

/// The number of retries of a failed call, and the waits before them.
///
/// The wait is `first` after the first attempt and doubles each time, up to `longest`. Unless it is
/// [exact](Self::exact), a random time of up to 100 % is added to each wait, so that many callers that failed
/// together do not retry together.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bytewax_runtime::client::Retry;
///
/// let retry = Retry::new()
///     .retries(4)
///     .backoff(Duration::from_millis(100), Duration::from_millis(500))
///     .exact();
/// let waits: Vec<u128> = retry.waits().map(|wait| wait.as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 500]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    retries: usize,
    first: Duration,
    longest: Duration,
    exact: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Retry {
    /// Creates a policy of five retries, after 100 ms and up to 10 s, with jitter.
    pub const fn new() -> Self {
        Self {
            retries: 5,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            exact: false,
        }
    }

    /// Sets the number of retries after an error.
    pub const fn retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the wait before a retry: `first` before the second attempt, doubled each time, up to `longest`.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest;
        self
    }

    /// Disables jitter.
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Returns the wait before each retry.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        self.build()
    }

    fn build(&self) -> ExponentialBackoff {
        let builder = ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.retries)
            .with_factor(2.0);
        match self.exact {
            true => builder.build(),
            false => builder.with_jitter().build(),
        }
    }

    /// Creates the attempts of a polled partition, which must not wait by itself.
    pub fn attempts(&self) -> Attempts {
        Attempts {
            retry: *self,
            waits: self.build(),
        }
    }

    /// Makes a call until it succeeds, fails with an error that is not `transient`, or has no retries left.
    /// Waits between attempts. Needs a `tokio` runtime with time enabled.
    ///
    /// # Errors
    ///
    /// The error of the last attempt.
    #[cfg(feature = "async")]
    pub async fn run<T, E, Fut>(
        &self,
        transient: impl Fn(&E) -> bool,
        mut call: impl FnMut() -> Fut,
    ) -> Result<T, E>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        let mut waits = self.waits();
        loop {
            match call().await {
                Err(error) if transient(&error) => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
                ended => return ended,
            }
        }
    }
}

/// The number of consecutive failures of a call; created by [`Retry::attempts`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bytewax_runtime::StepError;
/// use bytewax_runtime::client::Retry;
///
/// let second = Duration::from_secs(1);
/// let mut attempts = Retry::new().retries(2).backoff(second, 9 * second).exact().attempts();
/// let no_answer = || StepError::msg("no answer");
/// assert_eq!(attempts.failed(no_answer()).unwrap(), second);
/// assert_eq!(attempts.failed(no_answer()).unwrap(), 2 * second);
/// assert_eq!(attempts.failed(no_answer()).unwrap_err().to_string(), "no answer");
///
/// attempts.succeeded();
/// assert_eq!(attempts.failed(no_answer()).unwrap(), second);
/// ```
#[derive(Debug)]
pub struct Attempts {
    retry: Retry,
    waits: ExponentialBackoff,
}

impl Attempts {
    /// Records a success: the next error counts as the first.
    pub fn succeeded(&mut self) {
        self.waits = self.retry.build();
    }

    /// Records a failure and returns the wait before the next attempt.
    ///
    /// # Errors
    ///
    /// The error itself, if no retries are left.
    pub fn failed(&mut self, error: impl Into<StepError>) -> Result<Duration, StepError> {
        self.waits.next().ok_or_else(|| error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_adds_as_much_again_at_most() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(800));
        let retry = Retry::new().backoff(first, longest);
        for _ in 0..100 {
            for (wait, exact) in retry.waits().zip(retry.exact().waits()) {
                assert!(wait >= exact && wait <= 2 * exact, "{wait:?}, {exact:?}");
            }
        }
        let all: Vec<Duration> = (0..20).filter_map(|_| retry.waits().next()).collect();
        assert!(all.iter().any(|wait| *wait != all[0]), "{all:?}");
    }

    #[test]
    fn waits_without_end_or_length() {
        let never = Retry::new().retries(0);
        assert_eq!(never.waits().count(), 0);
        let at_once = Retry::new().backoff(Duration::ZERO, Duration::ZERO).exact();
        assert!(at_once.waits().eq([Duration::ZERO; 5]));
        let long = Retry::new()
            .retries(200)
            .backoff(Duration::MAX, Duration::MAX);
        assert!(long.exact().waits().all(|wait| wait == Duration::MAX));
    }

    #[cfg(feature = "async")]
    #[test]
    fn calls_are_tried_until_they_succeed_or_fail_for_good() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let try_it = |succeeds_at: u32, lasts: bool| {
            let mut tries = 0;
            let retry = Retry::new()
                .retries(3)
                .backoff(Duration::from_micros(1), Duration::from_micros(2));
            let call = || {
                tries += 1;
                let done = tries;
                async move {
                    match done >= succeeds_at {
                        true => Ok(done),
                        false => Err(format!("try {done}")),
                    }
                }
            };
            runtime.block_on(retry.run(|_| !lasts, call))
        };
        assert_eq!(try_it(1, false), Ok(1));
        assert_eq!(try_it(4, false), Ok(4));
        assert_eq!(try_it(5, false), Err("try 4".to_owned()));
        assert_eq!(try_it(2, true), Err("try 1".to_owned()));
    }
}
