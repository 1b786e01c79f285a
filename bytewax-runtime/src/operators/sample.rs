//! `sample`, `sample_keys`.

use std::marker::PhantomData;

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};

impl<T: 'static> Stream<T> {
    /// Emits the first of every `n` values of each key, and drops the others.
    ///
    /// The choice does not depend on the number of workers or on stops. An `n` of 0 counts as 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed((0..7).map(|n| ('a', n)), |numbers| numbers.sample(3).named("third"));
    /// assert_eq!(out, [('a', 0), ('a', 3), ('a', 6)]);
    /// ```
    ///
    /// # State
    ///
    /// One `u64` for each key, unless the number of its values is a multiple of `n`. `n` may change from one
    /// run to the next.
    #[track_caller]
    #[must_use]
    pub fn sample(self, n: u64) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
    {
        self.pairs().item_step("sample", move || Sample::new(n))
    }

    /// Keeps all values of about one in `n` keys, and drops the values of the other keys.
    ///
    /// The hash of a key decides, so the result is the same on every worker and in every run. Two steps with
    /// the same `n` keep the same keys, and the keys kept for a greater `n` are a subset of those kept for a
    /// smaller one. An `n` of 0 counts as 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed((0..1000_u32).map(|user| (user, "click")), |clicks| clicks.sample_keys(10));
    /// assert!((50..200).contains(&out.len()), "{}", out.len());
    /// ```
    #[track_caller]
    #[must_use]
    pub fn sample_keys(self, n: u64) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key>,
    {
        let greatest = u64::MAX / n.max(1);
        self.pairs().stage("sample_keys", move |batch, next, cx| {
            // By the upper bits: the lower ones choose the slot of a key, and with it the worker.
            let kept = batch
                .drain(..)
                .filter(|(key, _)| key.stable_hash() <= greatest);
            next.buffer.extend(kept);
            next.send(cx)
        })
    }
}

/// The logic of `sample`.
pub(crate) struct Sample<V> {
    n: u64,
    values: PhantomData<fn(V)>,
}

impl<V> Sample<V> {
    pub(crate) fn new(n: u64) -> Self {
        Self {
            n: n.max(1),
            values: PhantomData,
        }
    }
}

impl<K, V: 'static> KeyLogic<K> for Sample<V> {
    /// How many values have come since one was emitted, with that one.
    type State = u64;
    type Out = V;

    fn new_state(&self, _: &K) -> u64 {
        0
    }
}

impl<K, V: 'static> ItemLogic<K, V> for Sample<V> {
    fn on_item(&self, count: &mut u64, value: V, out: &mut Emit<V>) -> Keep {
        if *count == 0 {
            out.emit(value);
        }
        *count += 1;
        if *count >= self.n {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}
