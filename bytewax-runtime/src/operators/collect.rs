//! `collect`.

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
    /// Collects the values of each key into lists of `size`, or into shorter lists if no value of the key
    /// arrives for `timeout`.
    ///
    /// Each value restarts the timeout: it limits the silence of a key, not the age of a list. At the end of
    /// input, incomplete lists are emitted, in order of keys. A `size` of 0 counts as 1. A timeout that ends
    /// after the last supported date, such as [`Duration::MAX`], never expires.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 2), ('b', 3), ('a', 4)], |numbers| {
    ///     numbers.collect(2, Duration::from_secs(10)).named("pairs")
    /// });
    /// assert_eq!(out, [('a', vec![1, 2]), ('a', vec![4]), ('b', vec![3])]);
    /// ```
    ///
    /// # State
    ///
    /// For each key with an incomplete list: its values and the time of its timeout. `size` and `timeout` may
    /// change from one run to the next; they apply from the next value on.
    #[track_caller]
    #[must_use]
    pub fn collect(
        self,
        size: usize,
        timeout: Duration,
    ) -> KeyedStream<KeyOf<Self>, Vec<ValueOf<Self>>>
    where
        Self: Keyed<Key: Key, Value: State + Exchange>,
    {
        // `None` is longer than any time.
        let timeout = TimeDelta::from_std(timeout).ok();
        self.pairs().item_step("collect", move || Collect {
            size,
            timeout,
            values: PhantomData,
        })
    }
}

struct Collect<V> {
    size: usize,
    /// `None` never ends.
    timeout: Option<TimeDelta>,
    values: PhantomData<fn(V)>,
}

/// A list that has begun.
#[derive(Serialize, Deserialize)]
struct List<V> {
    values: Vec<V>,
    ends: Option<DateTime<Utc>>,
}

impl<V: State> State for List<V> {
    const SCHEMA: Schema = Schema::of_library(
        "List",
        1,
        &[
            Field::of::<Vec<V>>("values"),
            Field::of::<Option<DateTime<Utc>>>("ends"),
        ],
    );
}

impl<V> List<V> {
    fn emit(&mut self, out: &mut Emit<Vec<V>>) -> Keep {
        out.emit(std::mem::take(&mut self.values));
        Keep::No
    }
}

impl<K, V: State> KeyLogic<K> for Collect<V> {
    type State = List<V>;
    type Out = Vec<V>;

    fn new_state(&self, _: &K) -> List<V> {
        List {
            values: Vec::new(),
            ends: None,
        }
    }

    fn on_notify(&self, list: &mut List<V>, out: &mut Emit<Vec<V>>) -> Keep {
        list.emit(out)
    }

    fn on_eof(&self, list: &mut List<V>, out: &mut Emit<Vec<V>>) -> Keep {
        list.emit(out)
    }

    #[inline]
    fn notify_at(&self, list: &List<V>) -> Option<DateTime<Utc>> {
        list.ends
    }
}

impl<K, V: State> ItemLogic<K, V> for Collect<V> {
    #[inline]
    fn on_item(&self, list: &mut List<V>, value: V, out: &mut Emit<Vec<V>>) -> Keep {
        list.values.push(value);
        if list.values.len() >= self.size {
            return list.emit(out);
        }
        list.ends = self
            .timeout
            .and_then(|timeout| out.now().checked_add_signed(timeout));
        Keep::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logic(size: usize) -> Collect<u32> {
        Collect {
            size,
            timeout: Some(TimeDelta::seconds(10)),
            values: PhantomData,
        }
    }

    fn append(size: usize, list: &mut List<u32>, value: u32, now: i64) -> Vec<((), Vec<u32>)> {
        let mut out = Emit::new();
        out.set_now(DateTime::UNIX_EPOCH + TimeDelta::seconds(now));
        let keep = ItemLogic::<(), u32>::on_item(&logic(size), list, value, &mut out);
        let mut items = Vec::new();
        out.deliver((), &mut items);
        assert_eq!(keep == Keep::No, !items.is_empty());
        items
    }

    #[test]
    fn d02_what_is_kept_is_the_values_and_the_end_of_the_timeout() {
        let mut list = KeyLogic::<()>::new_state(&logic(3), &());
        assert_eq!(append(3, &mut list, 1, 7), []);
        assert_eq!(list.values, [1]);
        let ends = DateTime::UNIX_EPOCH + TimeDelta::seconds(17);
        assert_eq!(KeyLogic::<()>::notify_at(&logic(3), &list), Some(ends));
    }

    #[test]
    fn d10_a_smaller_size_holds_from_the_next_value_on() {
        let mut list = KeyLogic::<()>::new_state(&logic(10), &());
        for value in 0..3 {
            assert_eq!(append(10, &mut list, value, 0), []);
        }
        assert_eq!(append(2, &mut list, 3, 0), [((), vec![0, 1, 2, 3])]);
    }
}
