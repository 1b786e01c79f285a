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

/// How [`Stream::map_async`] makes its calls: how many at a time, how long each may take, and how
/// often it is tried.
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
    /// At most 100 items in flight on each worker, results in the order of their items, no limit of
    /// time, and one try.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many items are in flight on each worker, and at least one. While they are so many,
    /// the step takes no others; nor while those in flight take as much of the buffer memory as may be
    /// under way between two steps.
    pub fn in_flight(mut self, items: usize) -> Self {
        self.in_flight = items.max(1);
        self
    }

    /// Results go on as they come, not in the order of their items: one slow call holds nothing up.
    pub fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// A try that takes longer than this, by the worker's clock, is given up and counts as an error.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// After an error, an item is tried up to this many times more.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long to wait before an item is tried again, by the worker's clock: `first` before the second
    /// try, and twice as long each time after that, but no longer than `longest`. Unless set, 100 ms and
    /// 10 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_wait = first;
        self.longest_wait = longest;
        self
    }

    /// Adds to each wait as much again at most, by chance, so that many calls that failed together are not tried again
    /// together.
    pub fn jitter(mut self) -> Self {
        self.jitter = true;
        self
    }

    /// The wait after this many tries, with what chance adds to it.
    fn next_wait(&self, tries: u32) -> Duration {
        let wait = self.wait_after(tries);
        let chance = Retry::new().retries(1).backoff(wait, Duration::MAX);
        let with_chance = self.jitter.then(|| chance.waits().next()).flatten();
        with_chance.unwrap_or(wait)
    }

    /// The wait after this many tries.
    fn wait_after(&self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait)
    }
}

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item, or into an error, by a call that takes its time: to a
    /// database, or to a service. Many calls are under way at once, and no worker waits for them.
    ///
    /// `f` makes the future of one try from an item; it runs on the worker and should do no more than
    /// that. Futures run on one thread of this process, a runtime of `tokio` with those of its parts that
    /// your program has enabled. Work that blocks a thread belongs in `tokio::task::spawn_blocking`.
    ///
    /// [`AsyncConfig`] says how many items are in flight, how long a try may take, how often an item is
    /// tried and how long to wait in between. An item whose last try failed goes to `errs`, which must be
    /// used, as with [`try_map`](Stream::try_map).
    ///
    /// Items in flight belong to their epoch: it is over when all of them are done, and the next begins
    /// after that. So a run that is resumed after a crash makes the calls again that were not done, and
    /// also some that were; make calls that may be repeated.
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
    /// Work that blocks:
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
    /// None that is saved. In memory are the items in flight with their results, and one batch of items
    /// that wait, whatever the epoch interval.
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
    /// All workers of the process use one; it ends with the last of them.
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
