//! `rate_limit`.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::{Field, Schema, State};

impl<T: 'static> Stream<T> {
    /// Emits at most `n` values of each key within any time `per`, by the clock of the worker.
    ///
    /// Values above the limit wait and keep their order. At the end of input, all waiting values are emitted
    /// immediately. An `n` of 0 counts as 1. To limit all items together, use one key for all.
    ///
    /// The watermark of the stream does not wait for the values, so they may be late for a later step that reads
    /// event time.
    ///
    /// # Examples
    ///
    /// One alert a minute for each host. A test does not wait, because the input ends:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let alerts = [("db", "disk full"), ("web", "slow"), ("db", "down")];
    /// let alerts = alerts.map(|(host, text)| (host.to_owned(), text.to_owned()));
    /// let out = run_keyed(alerts, |alerts| {
    ///     alerts.rate_limit(1, Duration::from_secs(60)).named("limit")
    /// });
    /// assert_eq!(out.len(), 3);
    /// ```
    ///
    /// # State
    ///
    /// For each key, the times of the values emitted within `per`, at most `n`, and the waiting values. If
    /// values keep arriving faster than the limit, the number of waiting values grows without bound. A key is
    /// dropped when `per` has passed since its last emitted value.
    #[track_caller]
    #[must_use]
    pub fn rate_limit(self, n: usize, per: Duration) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange>,
    {
        let per = TimeDelta::from_std(per).unwrap_or(TimeDelta::MAX);
        self.pairs().item_step("rate_limit", move || RateLimit {
            n: n.max(1),
            per,
            values: PhantomData,
        })
    }
}

struct RateLimit<V> {
    n: usize,
    per: TimeDelta,
    values: PhantomData<fn(V)>,
}

#[derive(Serialize, Deserialize)]
struct Limited<V> {
    /// When values were emitted, oldest first.
    emitted: VecDeque<DateTime<Utc>>,
    waiting: VecDeque<V>,
}

impl<V: State> State for Limited<V> {
    const SCHEMA: Schema = Schema::of_library(
        "Limited",
        1,
        &[
            Field::of::<VecDeque<DateTime<Utc>>>("emitted"),
            Field::of::<VecDeque<V>>("waiting"),
        ],
    );
}

impl<V> RateLimit<V> {
    /// When a value that was emitted counts no longer; `None` is never.
    fn over(&self, emitted: DateTime<Utc>) -> Option<DateTime<Utc>> {
        emitted.checked_add_signed(self.per)
    }

    fn release(&self, limited: &mut Limited<V>, out: &mut Emit<V>) -> Keep {
        let now = out.now();
        let Limited { emitted, waiting } = limited;
        // The clock may have been set back since the last run: no value counts for longer than `per`.
        if emitted.back().is_some_and(|last| *last > now) {
            for time in emitted.iter_mut() {
                *time = (*time).min(now);
            }
        }
        while emitted
            .front()
            .and_then(|time| self.over(*time))
            .is_some_and(|over| over <= now)
        {
            emitted.pop_front();
        }
        let free = self.n.saturating_sub(emitted.len()).min(waiting.len());
        out.extend(waiting.drain(..free));
        emitted.extend(std::iter::repeat_n(now, free));
        if emitted.is_empty() {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}

impl<K, V: State> KeyLogic<K> for RateLimit<V> {
    type State = Limited<V>;
    type Out = V;

    fn new_state(&self, _: &K) -> Limited<V> {
        Limited {
            emitted: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    fn on_notify(&self, limited: &mut Limited<V>, out: &mut Emit<V>) -> Keep {
        self.release(limited, out)
    }

    fn on_eof(&self, limited: &mut Limited<V>, out: &mut Emit<V>) -> Keep {
        out.extend(limited.waiting.drain(..));
        Keep::Yes
    }

    /// When a value may go on, or the key be dropped.
    fn notify_at(&self, limited: &Limited<V>) -> Option<DateTime<Utc>> {
        let Limited { emitted, waiting } = limited;
        let counts = if waiting.is_empty() {
            emitted.back()
        } else {
            emitted.front()
        };
        counts.and_then(|time| self.over(*time))
    }
}

impl<K, V: State> ItemLogic<K, V> for RateLimit<V> {
    fn on_item(&self, limited: &mut Limited<V>, value: V, out: &mut Emit<V>) -> Keep {
        limited.waiting.push_back(value);
        self.release(limited, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    struct Case {
        logic: RateLimit<u32>,
        limited: Limited<u32>,
    }

    impl Case {
        fn new(n: usize, per: i64) -> Self {
            let per = TimeDelta::seconds(per);
            let logic = RateLimit {
                n,
                per,
                values: PhantomData,
            };
            let limited = KeyLogic::<()>::new_state(&logic, &());
            Self { logic, limited }
        }

        fn item(&mut self, now: i64, value: u32) -> Vec<u32> {
            let mut out = Emit::new();
            out.set_now(at(now));
            let keep = ItemLogic::<(), _>::on_item(&self.logic, &mut self.limited, value, &mut out);
            assert_eq!(keep, Keep::Yes);
            out.drain().collect()
        }

        fn notify(&mut self, now: i64) -> (Vec<u32>, Keep) {
            let mut out = Emit::new();
            out.set_now(at(now));
            let keep = KeyLogic::<()>::on_notify(&self.logic, &mut self.limited, &mut out);
            (out.drain().collect(), keep)
        }

        fn next(&self) -> Option<DateTime<Utc>> {
            KeyLogic::<()>::notify_at(&self.logic, &self.limited)
        }
    }

    #[test]
    fn no_span_of_time_has_more_than_the_limit() {
        let mut case = Case::new(2, 10);
        assert_eq!(case.item(0, 1), [1]);
        assert_eq!(case.item(4, 2), [2]);
        assert!(case.item(5, 3).is_empty());
        assert!(case.item(6, 4).is_empty());
        assert_eq!(case.next(), Some(at(10)));
        assert_eq!(case.notify(10), (vec![3], Keep::Yes));
        assert_eq!(case.next(), Some(at(14)));
        assert_eq!(case.notify(14), (vec![4], Keep::Yes));
        assert_eq!(case.next(), Some(at(24)), "then the key is dropped");
        assert_eq!(case.notify(24), (vec![], Keep::No));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_longer_than_the_span() {
        let mut case = Case::new(1, 10);
        assert_eq!(case.item(1000, 1), [1]);
        assert!(case.item(3, 2).is_empty());
        assert_eq!(case.next(), Some(at(13)));
        assert_eq!(case.notify(13), (vec![2], Keep::Yes));
    }
}
