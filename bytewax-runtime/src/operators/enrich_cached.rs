//! `enrich_cached`.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::brief::brief;
use crate::clock::Monotonic;
use crate::error::{RunError, StepError};
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::ids::StepIndex;
use crate::kit::{Cx, Flush, Next, Plan, Push, StagePlan};

/// The limits of a [`Cache`]. By default it keeps all values until the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CacheConfig {
    ttl: Option<TimeDelta>,
    max_items: Option<usize>,
}

impl CacheConfig {
    /// Creates a configuration that keeps all values until the end of the run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum age of a value; an older value is fetched again.
    pub fn ttl(mut self, ttl: TimeDelta) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the maximum number of values, at least one. A new value evicts the value that was fetched first.
    pub fn max_items(mut self, max_items: usize) -> Self {
        self.max_items = Some(max_items.max(1));
        self
    }
}

type Getter<K, V> = dyn Fn(&K) -> Result<V, StepError> + Send + Sync;

/// The cache that [`Stream::enrich_cached`] passes to its function.
pub struct Cache<K, V> {
    config: CacheConfig,
    getter: Arc<Getter<K, V>>,
    now: Monotonic,
    held: HashMap<K, Held<V>>,
    /// The keys of values in the order of their fetches. An entry whose number differs from the value's is
    /// stale: the value was removed or fetched again.
    order: VecDeque<(u64, K)>,
    number: u64,
}

struct Held<V> {
    value: V,
    at: Monotonic,
    number: u64,
}

impl<K: Hash + Eq + Clone + fmt::Debug, V> Cache<K, V> {
    fn new(config: CacheConfig, getter: Arc<Getter<K, V>>, now: Monotonic) -> Self {
        Self {
            config,
            getter,
            now,
            held: HashMap::new(),
            order: VecDeque::new(),
            number: 0,
        }
    }

    /// Returns the value of a key. Fetches it if it is not cached or too old.
    ///
    /// # Errors
    ///
    /// The error of the getter, with the key. An error is not cached; the next call tries again.
    pub fn get(&mut self, key: &K) -> Result<&V, StepError> {
        let is_fresh = |held: &Held<V>| !is_older(self.config.ttl, held.at, self.now);
        if !self.held.get(key).is_some_and(is_fresh) {
            self.held.remove(key);
            let value = (self.getter)(key).map_err(|cause| LookupError {
                key: brief(key),
                cause,
            })?;
            self.make_room();
            self.number += 1;
            if self.config != CacheConfig::new() {
                self.order.push_back((self.number, key.clone()));
            }
            let held = Held {
                value,
                at: self.now,
                number: self.number,
            };
            self.held.insert(key.clone(), held);
        }
        Ok(&self.held[key].value)
    }

    /// Removes the value of a key from the cache and returns it.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.held.remove(key).map(|held| held.value)
    }

    /// Drops expired values, and the oldest ones while the cache is full.
    fn make_room(&mut self) {
        let most = self.config.max_items.unwrap_or(usize::MAX);
        while let Some((number, key)) = self.order.front() {
            if let Some(held) = self.held.get(key)
                && held.number == *number
            {
                if !is_older(self.config.ttl, held.at, self.now) && self.held.len() < most {
                    break;
                }
                self.held.remove(key);
            }
            self.order.pop_front();
        }
        // Only repeated fetches of values behind one that is never fetched again leave so many.
        if self.order.len() > 2 * self.held.len() + 64 {
            let held = &self.held;
            self.order
                .retain(|(number, key)| held.get(key).is_some_and(|held| held.number == *number));
        }
    }
}

fn is_older(ttl: Option<TimeDelta>, at: Monotonic, now: Monotonic) -> bool {
    ttl.is_some_and(|ttl| now.since(at) > ttl)
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.config)
            .field("items", &self.held.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct LookupError {
    key: String,
    cause: StepError,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no value could be got for the key `{}`: {}",
            self.key, self.cause
        )
    }
}

impl Error for LookupError {}

impl<T: 'static> Stream<T> {
    /// Turns each item into one other item, with cached values from a lookup.
    ///
    /// `getter` looks up the value of a key. [`Cache::get`] calls it only if no value is cached, or if the
    /// cached one is older than [`CacheConfig::ttl`] by the worker's clock, which is read once per batch. The
    /// call blocks the worker. Items keep their order.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::StepError;
    /// use bytewax_runtime::operators::CacheConfig;
    /// use bytewax_runtime::testing::run_items;
    /// use chrono::TimeDelta;
    ///
    /// fn country(city: &&str) -> Result<String, StepError> {
    ///     match *city {
    ///         "Wien" => Ok("Austria".to_owned()),
    ///         _ => Err(StepError::msg("it is on no map")),
    ///     }
    /// }
    ///
    /// let out = run_items(["Wien", "Atlantis"], |cities| {
    ///     let config = CacheConfig::new().ttl(TimeDelta::hours(1)).max_items(10_000);
    ///     cities.enrich_cached(config, country, |cache, city| {
    ///         // With `cache.get(&city)?` an error would fail the run.
    ///         Ok(match cache.get(&city) {
    ///             Ok(country) => format!("{city}, {country}"),
    ///             Err(_) => city.to_owned(),
    ///         })
    ///     })
    /// });
    /// assert_eq!(out, ["Wien, Austria", "Atlantis"]);
    /// ```
    ///
    /// # State
    ///
    /// A cache per worker, which is empty when a run starts and is never saved. Without a limit, it grows
    /// with the number of keys. A `ttl` drops expired values when other values are fetched;
    /// [`CacheConfig::max_items`] evicts the values that were fetched first, which would expire first.
    ///
    /// # Errors
    ///
    /// The first error that `f` returns on any worker fails the run.
    #[track_caller]
    #[must_use]
    pub fn enrich_cached<K, V, U, E, G, F>(self, config: CacheConfig, getter: G, f: F) -> Stream<U>
    where
        K: Hash + Eq + Clone + fmt::Debug + 'static,
        V: 'static,
        U: 'static,
        E: Into<StepError>,
        G: Fn(&K) -> Result<V, E> + Send + Sync + 'static,
        F: Fn(&mut Cache<K, V>, T) -> Result<U, StepError> + Send + Sync + 'static,
    {
        let getter: Arc<Getter<K, V>> = Arc::new(move |key| getter(key).map_err(Into::into));
        let f = Arc::new(f);
        let plan = StagePlan::new::<T, _>(move |build, outputs| {
            let now = build.worker.clock.monotonic();
            Ok(EnrichCached {
                step: build.step,
                cache: Cache::new(config, Arc::clone(&getter), now),
                f: Arc::clone(&f),
                next: outputs.next(0),
                items: PhantomData,
            })
        });
        let (flow, step) = self.then(
            "enrich_cached",
            StepKind::Stateless,
            vec![OutputSpec::DOWN],
            Plan::Stage(plan),
        );
        Stream::from_port(&flow, step, 0)
    }
}

struct EnrichCached<K, V, T, U, F> {
    step: StepIndex,
    cache: Cache<K, V>,
    f: Arc<F>,
    next: Next<U>,
    items: PhantomData<fn(T)>,
}

impl<K, V, T, U, F> Push<T> for EnrichCached<K, V, T, U, F>
where
    K: Hash + Eq + Clone + fmt::Debug + 'static,
    V: 'static,
    T: 'static,
    U: 'static,
    F: Fn(&mut Cache<K, V>, T) -> Result<U, StepError> + 'static,
{
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.cache.now = cx.worker.clock.monotonic();
        let numbers = cx.numbers(batch.len());
        for (index, item) in batch.drain(..).enumerate() {
            let enriched = numbers.at(index, || (self.f)(&mut self.cache, item));
            let failed = |error| RunError::step("an item could not be enriched", error);
            self.next.buffer.push(enriched.map_err(failed)?);
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}
