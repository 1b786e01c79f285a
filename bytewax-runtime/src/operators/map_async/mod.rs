//! `map_async`.

mod calls;
mod mailbox;

use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use self::calls::Calls;
use super::try_map::{ERRS_HELP, Errored, TryOut, errs};
use crate::client::Retry;
use crate::error::RunError;
use crate::executor::Executor;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::keyed::local_edge;
use crate::kit::{
    AnyInput, AnyPush, BuildCx, Head, HeadPlan, Inlet, Operator, Outlet, Outputs, Plan,
};

/// The configuration of [`Stream::map_async`]: the number of concurrent calls, their time-out and retries.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::operators::AsyncConfig;
/// use std::time::Duration;
///
/// let config = AsyncConfig::new()
///     .in_flight(500)
///     .timeout(Duration::from_secs(2))
///     .retries(5)
///     .backoff(Duration::from_millis(50), Duration::from_secs(5));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct AsyncConfig {
    in_flight: usize,
    ordered: bool,
    timeout: Option<Duration>,
    retries: u32,
    first_wait: Duration,
    longest_wait: Duration,
    jitter: bool,
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            in_flight: 100,
            ordered: true,
            timeout: None,
            retries: 0,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
            jitter: false,
        }
    }
}

impl AsyncConfig {
    /// Creates a configuration with at most 100 items in flight on each worker, results in the order of their
    /// items, no time-out, and one attempt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of items in flight on each worker, at least one. At this number, the step
    /// accepts no more items; nor while the items in flight use as much of the buffer memory as may be in
    /// flight between two steps.
    pub fn in_flight(mut self, items: usize) -> Self {
        self.in_flight = items.max(1);
        self
    }

    /// Emits results as they arrive, not in the order of their items, so one slow call delays no other.
    pub fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// Sets the time-out of an attempt, by the worker's clock. A timed-out attempt counts as an error.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the number of retries of an item after an error.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the wait before a retry, by the worker's clock: `first` before the second attempt, doubled each
    /// time, up to `longest`. The defaults are 100 ms and 10 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_wait = first;
        self.longest_wait = longest;
        self
    }

    /// Adds a random time of up to 100 % to each wait, so that many calls that failed together do not retry
    /// together.
    pub fn jitter(mut self) -> Self {
        self.jitter = true;
        self
    }

    /// The wait after this many attempts, with jitter.
    fn next_wait(&self, tries: u32) -> Duration {
        let wait = self.wait_after(tries);
        let chance = Retry::new().retries(1).backoff(wait, Duration::MAX);
        let with_chance = self.jitter.then(|| chance.waits().next()).flatten();
        with_chance.unwrap_or(wait)
    }

    /// The wait after this many attempts.
    fn wait_after(&self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait)
    }
}

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item, or into an error, by an asynchronous call, such as a request to a
    /// database or a service. Many calls run concurrently, and none blocks a worker.
    ///
    /// `f` creates the future of one attempt from an item; it runs on the worker and should do nothing else.
    /// Futures run on one thread of this process, in a `tokio` runtime with the features that your program
    /// enables. Blocking work belongs in `tokio::task::spawn_blocking`.
    ///
    /// [`AsyncConfig`] sets the number of items in flight, the time-out of an attempt, and the number and
    /// timing of retries. An item whose last attempt failed goes to `errs`, which must be used, as with
    /// [`try_map`](Stream::try_map).
    ///
    /// Items in flight belong to their epoch. The epoch ends when all of them are done; then the next one
    /// begins. After a crash, a resumed run repeats the calls that were not done, and some that were. Calls
    /// must therefore be safe to repeat.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::AsyncConfig;
    /// use bytewax_runtime::testing::run_items;
    ///
    /// async fn look_up(city: &'static str) -> Result<u64, String> {
    ///     // A real one would ask a service, and await its answer.
    ///     match city {
    ///         "Wien" => Ok(2_028_289),
    ///         _ => Err(format!("no population of {city} is known")),
    ///     }
    /// }
    ///
    /// let mut out = run_items(["Atlantis", "Wien"], |cities| {
    ///     let found = cities.map_async(AsyncConfig::new(), |city| look_up(*city));
    ///     found.oks.map(|n| n.to_string()).merge(found.errs.map(|bad| bad.error))
    /// });
    /// out.sort();
    /// assert_eq!(out, ["2028289", "no population of Atlantis is known"]);
    /// ```
    ///
    /// Blocking work:
    ///
    /// ```
    /// use bytewax_runtime::operators::AsyncConfig;
    /// use bytewax_runtime::testing::run_items;
    /// use tokio::task::spawn_blocking;
    ///
    /// let out = run_items([18, 19], |numbers| {
    ///     let sums = numbers.map_async(AsyncConfig::new().in_flight(2), |n: &u64| {
    ///         let n = *n;
    ///         spawn_blocking(move || (1..=n).product::<u64>())
    ///     });
    ///     sums.errs.fail().named("fail");
    ///     sums.oks
    /// });
    /// assert_eq!(out, [6_402_373_705_728_000, 121_645_100_408_832_000]);
    /// ```
    ///
    /// # State
    ///
    /// No saved state. The step keeps the items in flight with their results, and one batch of waiting items,
    /// in memory, regardless of the epoch interval.
    ///
    /// # Panics
    ///
    /// A panic of `f` or of a future fails the run.
    #[track_caller]
    pub fn map_async<U, E, Fut, F>(self, config: AsyncConfig, f: F) -> TryOut<U, Errored<T>>
    where
        U: Send + 'static,
        E: Display,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        F: Fn(&T) -> Fut + Send + Sync + 'static,
    {
        let plan = MapAsyncPlan {
            config,
            f: Arc::new(f),
            executor: Mutex::default(),
            items: PhantomData::<fn(T)>,
        };
        let outputs = vec![OutputSpec::field("oks"), errs(ERRS_HELP)];
        let plan = Plan::Head(Arc::new(plan));
        let (flow, step) = self.then("map_async", StepKind::Stateless, outputs, plan);
        TryOut {
            oks: Stream::from_port(&flow, step, 0),
            errs: Stream::from_port(&flow, step, 1),
        }
    }
}

struct MapAsyncPlan<T, F> {
    config: AsyncConfig,
    f: Arc<F>,
    /// Shared by all workers of the process; it ends with the last of them.
    executor: Mutex<Weak<Executor>>,
    items: PhantomData<fn(T)>,
}

impl<T, F> MapAsyncPlan<T, F> {
    fn executor(&self, build: &BuildCx) -> Result<Arc<Executor>, RunError> {
        let mut shared = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Executor::start(build.id().as_str())
            .map_err(|error| RunError::step("its calls cannot be run", error.into()))?;
        let started = Arc::new(started);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }
}

impl<T, U, E, Fut, F> HeadPlan for MapAsyncPlan<T, F>
where
    T: 'static,
    U: Send + 'static,
    E: Display,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
    F: Fn(&T) -> Fut + Send + Sync + 'static,
{
    fn connect<'s>(
        &self,
        step: StepIndex,
        _: usize,
        outlet: &mut Outlet<'_, 's>,
    ) -> (AnyPush, Inlet<'s>) {
        local_edge::<T>(step, outlet)
    }

    fn operator(
        &self,
        build: &BuildCx,
        inputs: Vec<AnyInput>,
        outputs: &mut Outputs,
    ) -> Result<Box<dyn Operator>, RunError> {
        let f = Arc::clone(&self.f);
        let executor = self.executor(build)?;
        let f = move |item: &T| f(item);
        let calls = Calls::new(build, self.config, executor, f, outputs);
        Ok(Box::new(Head::new(build, inputs, calls)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let config = AsyncConfig::new().backoff(Duration::from_secs(3), Duration::from_secs(20));
        let waits = [1, 2, 3, 4, 33, u32::MAX].map(|tries| config.wait_after(tries).as_secs());
        assert_eq!(waits, [3, 6, 12, 20, 20, 20]);
    }

    #[test]
    fn chance_adds_to_waits() {
        let config = AsyncConfig::new().backoff(Duration::from_secs(3), Duration::from_secs(20));
        assert_eq!(config.next_wait(2), Duration::from_secs(6));
        let waits: Vec<Duration> = (0..20).map(|_| config.jitter().next_wait(2)).collect();
        assert!(
            waits
                .iter()
                .all(|wait| (6.0..=12.0).contains(&wait.as_secs_f64()))
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }
}
