//! Operators on the values of one stream, with states that expire.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

use super::write::{Items, Renewal};
use super::{Expiring, OfOne};
use crate::key::Key;
use crate::kit::Exchange;
use crate::operators::{Dedupe, Lag, LastN, Lead, Paired, Remembered, RunningTop, Sample, Within};
use crate::state::State;
use crate::windowing::clock::Clock;

impl<K, V, C, R> Expiring<K, V, C, R>
where
    K: Key,
    V: Exchange + Clone,
    C: Clock<V>,
    R: Renewal<V>,
{
    /// [`Stream::top_n`](crate::flow::Stream::top_n) with expiring lists: after expiry, a key starts with an empty list
    /// again. The greatest values of a key go to `expired` together.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::SystemClock;
    /// use chrono::TimeDelta;
    ///
    /// let out = run_keyed([('a', 3), ('a', 1), ('a', 2)], |scores| {
    ///     let scores = scores.expire_after(TimeDelta::days(30), SystemClock::new());
    ///     scores.top_n(2, |score: &i64| *score).named("best").down
    /// });
    /// assert_eq!(out, [('a', vec![3]), ('a', vec![3, 1]), ('a', vec![3, 2])]);
    /// ```
    ///
    /// # State
    ///
    /// At most `n` values for each key, until it expires.
    #[track_caller]
    pub fn top_n<B, F>(self, n: usize, by: F) -> OfOne<K, Vec<V>, Vec<V>, V>
    where
        V: State,
        B: PartialOrd + 'static,
        F: Fn(&V) -> B + Send + Sync + 'static,
    {
        let by = Arc::new(by);
        self.step("top_n", move || {
            Items::new(RunningTop::new(n, Arc::clone(&by)), |list| list)
        })
    }

    /// [`Stream::lag`](crate::flow::Stream::lag) with expiring values: after expiry, the next values of a key have no
    /// earlier ones. The last values of a key go to `expired` together, oldest first.
    ///
    /// # State
    ///
    /// The last `n` values of each key, until it expires.
    #[track_caller]
    pub fn lag(self, n: usize) -> OfOne<K, Paired<V>, VecDeque<V>, V>
    where
        V: State,
    {
        self.step("lag", move || Items::new(Lag::new(n), |last| last))
    }

    /// [`Stream::lead`](crate::flow::Stream::lead) with expiring values: those that wait for a later one when their key
    /// expires go to `expired` together, oldest first.
    ///
    /// # State
    ///
    /// The last `n` values of each key, until it expires or the input ends.
    #[track_caller]
    pub fn lead(self, n: usize) -> OfOne<K, Paired<V>, VecDeque<V>, V>
    where
        V: State,
    {
        self.step("lead", move || Items::new(Lead::new(n), |waiting| waiting))
    }

    /// [`Stream::last_n`](crate::flow::Stream::last_n) with expiring values: after expiry, a key starts without values
    /// again. The last values of a key go to `expired` together, oldest first.
    ///
    /// # State
    ///
    /// The last `n` values of each key, until it expires.
    #[track_caller]
    pub fn last_n<U, F>(self, n: usize, f: F) -> OfOne<K, U, VecDeque<V>, V>
    where
        V: State,
        U: 'static,
        F: Fn(&VecDeque<V>) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.step("last_n", move || {
            Items::new(LastN::new(n, Arc::clone(&f)), |last| last)
        })
    }

    /// [`Stream::sample`](crate::flow::Stream::sample) with expiring counts: after expiry, the next value of a key is
    /// emitted. The number of values since the last emitted one, which counts too, goes to `expired`.
    ///
    /// # State
    ///
    /// One `u64` for each key, until it expires, unless the number of its values is a multiple of `n`.
    #[track_caller]
    pub fn sample(self, n: u64) -> OfOne<K, V, u64, V> {
        self.step("sample", move || Items::new(Sample::new(n), |count| count))
    }

    /// [`Stream::dedupe`](crate::flow::Stream::dedupe) with expiring keys: after expiry, no id of a key is remembered.
    /// The remembered ids of a key go to `expired` together, oldest first.
    ///
    /// A time in [`Within::Time`] passes by the clock of `expire_after`. With event time, the result therefore depends on
    /// the times of the values only, and on their order.
    ///
    /// # Examples
    ///
    /// Messages that a queue may deliver twice, within an hour by their own times:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::operators::Within;
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Micros, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// let time = |message: &(u64, i64)| Micros(message.1 * 1_000_000);
    /// let messages = [('a', (7, 0)), ('a', (7, 3000)), ('a', (7, 4000)), ('a', (8, 4000))];
    /// let out = run_keyed(messages, |messages| {
    ///     let lateness = Lateness::bounded(TimeDelta::minutes(5));
    ///     let timed = messages.event_time(move |(_, message)| time(message), lateness).named("times");
    ///     let timed = timed.down.expire_after(TimeDelta::hours(1), StreamClock::new(time));
    ///     let within = Within::Time(Duration::from_secs(3600));
    ///     timed.dedupe(within, |message: &(u64, i64)| message.0).named("once").down
    /// });
    /// assert_eq!(out, [('a', (7, 0)), ('a', (7, 4000)), ('a', (8, 4000))]);
    /// ```
    ///
    /// # State
    ///
    /// The remembered ids of each key with their times, until the key expires.
    #[track_caller]
    pub fn dedupe<I, F>(self, within: Within, id: F) -> OfOne<K, V, Vec<I>, V>
    where
        I: State + Clone + Eq + Hash,
        F: Fn(&V) -> I + Send + Sync + 'static,
    {
        let id = Arc::new(id);
        self.step("dedupe", move || {
            let ids = |ids: Remembered<I>| ids.into_ids().collect();
            Items::new(Dedupe::new(within, Arc::clone(&id)), ids)
        })
    }
}
