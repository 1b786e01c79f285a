//! `lag`, `lead`.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::State;

/// A value of a key, and the value at the given distance, if it exists.
pub type Paired<V> = (V, Option<V>);

impl<T: 'static> Stream<T> {
    /// Emits each value with the value of its key `n` values earlier, like `lag` in SQL.
    ///
    /// The first `n` values of a key are emitted with `None`. With an `n` of 0, each value is paired with
    /// itself.
    ///
    /// # Examples
    ///
    /// The change since the last reading:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 20), ('a', 23), ('b', 7), ('a', 21)], |readings| {
    ///     let pairs = readings.lag(1).named("last");
    ///     pairs.filter_map_value(|(now, before)| Some(now - before?))
    /// });
    /// assert_eq!(out, [('a', 3), ('a', -2)]);
    /// ```
    ///
    /// # State
    ///
    /// The last `n` values of each key ever seen; they are never dropped. `n` may change from one run to the next.
    #[track_caller]
    #[must_use]
    pub fn lag(self, n: usize) -> KeyedStream<KeyOf<Self>, Paired<ValueOf<Self>>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
    {
        self.pairs().item_step("lag", move || Lag::new(n))
    }

    /// Emits each value with the value of its key `n` values later, like `lead` in SQL.
    ///
    /// A value waits until the later one arrives. At the end of input, waiting values are emitted with
    /// `None`. With an `n` of 0, each value is paired with itself.
    ///
    /// The watermark of the stream does not wait for the values. A later step that reads event time should use the time of
    /// the later value, because the value itself may be late there.
    ///
    /// # Examples
    ///
    /// How long each page was read:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let visits = [('a', ("/", 10)), ('a', ("/buy", 14)), ('a', ("/pay", 40))];
    /// let out = run_keyed(visits.map(|(user, (page, at))| (user, (page.to_owned(), at))), |visits| {
    ///     let pairs = visits.lead(1).named("next");
    ///     pairs.map_value(|((page, at), next)| (page, next.map(|(_, left)| left - at)))
    /// });
    /// assert_eq!(out[0], ('a', ("/".to_owned(), Some(4))));
    /// assert_eq!(out[2], ('a', ("/pay".to_owned(), None)));
    /// ```
    ///
    /// # State
    ///
    /// The last `n` values of each key, dropped at the end of input. `n` may change from one run to the next.
    #[track_caller]
    #[must_use]
    pub fn lead(self, n: usize) -> KeyedStream<KeyOf<Self>, Paired<ValueOf<Self>>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange + Clone>,
    {
        self.pairs().item_step("lead", move || Lead::new(n))
    }
}

/// The logic of `lag`.
pub(crate) struct Lag<V> {
    n: usize,
    values: PhantomData<fn(V)>,
}

impl<V> Lag<V> {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            values: PhantomData,
        }
    }
}

impl<K, V: State + Clone> KeyLogic<K> for Lag<V> {
    /// The last values, oldest first.
    type State = VecDeque<V>;
    type Out = (V, Option<V>);

    fn new_state(&self, _: &K) -> VecDeque<V> {
        VecDeque::new()
    }
}

impl<K, V: State + Clone> ItemLogic<K, V> for Lag<V> {
    fn on_item(&self, last: &mut VecDeque<V>, value: V, out: &mut Emit<Self::Out>) -> Keep {
        last.push_back(value.clone());
        // More than one too many if an earlier run had a greater `n`.
        let surplus = last.len().saturating_sub(self.n);
        let earlier = last.drain(..surplus).next_back();
        out.emit((value, earlier));
        Keep::Yes
    }
}

/// The logic of `lead`.
pub(crate) struct Lead<V> {
    n: usize,
    values: PhantomData<fn(V)>,
}

impl<V> Lead<V> {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            values: PhantomData,
        }
    }
}

impl<K, V: State + Clone> KeyLogic<K> for Lead<V> {
    /// The values that wait, oldest first.
    type State = VecDeque<V>;
    type Out = (V, Option<V>);

    fn new_state(&self, _: &K) -> VecDeque<V> {
        VecDeque::new()
    }

    fn on_eof(&self, waiting: &mut VecDeque<V>, out: &mut Emit<Self::Out>) -> Keep {
        out.extend(waiting.drain(..).map(|value| (value, None)));
        Keep::No
    }
}

impl<K, V: State + Clone> ItemLogic<K, V> for Lead<V> {
    fn on_item(&self, waiting: &mut VecDeque<V>, value: V, out: &mut Emit<Self::Out>) -> Keep {
        waiting.push_back(value);
        while let Some(later) = waiting.get(self.n).cloned() {
            let first = waiting.pop_front();
            out.extend(first.map(|first| (first, Some(later))));
        }
        Keep::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<L>(logic: &L, state: &mut VecDeque<i32>, value: i32) -> Vec<(i32, Option<i32>)>
    where
        L: ItemLogic<(), i32, State = VecDeque<i32>, Out = (i32, Option<i32>)>,
    {
        let mut out = Emit::new();
        assert_eq!(logic.on_item(state, value, &mut out), Keep::Yes);
        out.drain().collect()
    }

    #[test]
    fn lag_with_a_smaller_n_than_before() {
        let logic = Lag::new(1);
        let mut last = VecDeque::from([1, 2, 3]);
        assert_eq!(of(&logic, &mut last, 4), [(4, Some(3))]);
        assert_eq!(last, [4]);
    }

    #[test]
    fn lead_with_a_smaller_n_than_before() {
        let logic = Lead::new(1);
        let mut waiting = VecDeque::from([1, 2, 3]);
        let pairs = [(1, Some(2)), (2, Some(3)), (3, Some(4))];
        assert_eq!(of(&logic, &mut waiting, 4), pairs);
        assert_eq!(waiting, [4]);
    }

    #[test]
    fn none_away_is_the_value_itself() {
        let (lag, lead) = (Lag::new(0), Lead::new(0));
        let mut state = VecDeque::new();
        assert_eq!(of(&lag, &mut state, 4), [(4, Some(4))]);
        assert_eq!(of(&lead, &mut state, 5), [(5, Some(5))]);
        assert!(state.is_empty());
    }
}
