//! `dedupe`.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::{Field, Schema, State};

/// How long [`Stream::dedupe`] remembers a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    /// For this time after it was emitted, by the clock of the worker.
    Time(Duration),
    /// While it is among this number of last emitted values of its key.
    Last(usize),
}

impl<T: 'static> Stream<T> {
    /// Drops a value if a value with the same `id` and key was emitted recently.
    ///
    /// `within` defines recently. Repeats do not extend it: a value that keeps arriving is emitted again each
    /// time it expires. `within` may change from one run to the next; times that are already set stay.
    ///
    /// If the id can be the key, `key_on(id).dedupe(within, |_| ())` does the same, spread over all workers.
    ///
    /// # Examples
    ///
    /// Messages that a queue may deliver twice:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytewax_runtime::operators::Within;
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', (7, "x")), ('a', (8, "y")), ('b', (7, "z")), ('a', (7, "x"))], |messages| {
    ///     let messages = messages.map_value(|(id, text)| (id, text.to_owned()));
    ///     let within = Within::Time(Duration::from_secs(3600));
    ///     messages.dedupe(within, |message| message.0).named("once")
    /// });
    /// let ids: Vec<_> = out.iter().map(|(key, message)| (*key, message.0)).collect();
    /// assert_eq!(ids, [('a', 7), ('a', 8), ('b', 7)]);
    /// ```
    ///
    /// # State
    ///
    /// For each key, the remembered ids with their times. A key without ids is dropped; with [`Within::Last`]
    /// a key is never dropped.
    #[track_caller]
    #[must_use]
    pub fn dedupe<I, F>(self, within: Within, id: F) -> KeyedStream<KeyOf<Self>, ValueOf<Self>>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        I: State + Clone + Eq + Hash,
        F: Fn(&ValueOf<Self>) -> I + Send + Sync + 'static,
    {
        let id = Arc::new(id);
        self.pairs().item_step("dedupe", move || Dedupe {
            within,
            id: Arc::clone(&id),
            values: PhantomData,
        })
    }
}

struct Dedupe<V, F> {
    within: Within,
    id: Arc<F>,
    values: PhantomData<fn(V)>,
}

/// The emitted ids, oldest first, with their expiry times.
#[derive(Serialize, Deserialize)]
#[serde(bound = "I: State")]
struct Remembered<I> {
    order: VecDeque<(I, Option<DateTime<Utc>>)>,
    /// The same ids for look-ups; recreated when the key is restored.
    #[serde(skip, default = "HashSet::new")]
    known: HashSet<I>,
}

impl<I: State> State for Remembered<I> {
    const SCHEMA: Schema = Schema::of_library(
        "Remembered",
        1,
        &[Field::of::<VecDeque<(I, Option<DateTime<Utc>>)>>("order")],
    );
}

impl<I: Eq + Hash> Remembered<I> {
    fn forget_first(&mut self) {
        if let Some((id, _)) = self.order.pop_front() {
            self.known.remove(&id);
        }
    }

    /// Removes expired ids.
    fn forget_until(&mut self, now: DateTime<Utc>) {
        while self.due().is_some_and(|due| due <= now) {
            self.forget_first();
        }
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        self.order.front().and_then(|(_, due)| *due)
    }

    fn keep(&self) -> Keep {
        if self.order.is_empty() {
            Keep::No
        } else {
            Keep::Yes
        }
    }
}

impl<K, V, I, F> KeyLogic<K> for Dedupe<V, F>
where
    V: 'static,
    I: State + Clone + Eq + Hash,
    F: Fn(&V) -> I + 'static,
{
    type State = Remembered<I>;
    type Out = V;

    fn new_state(&self, _: &K) -> Remembered<I> {
        Remembered {
            order: VecDeque::new(),
            known: HashSet::new(),
        }
    }

    fn on_notify(&self, ids: &mut Remembered<I>, out: &mut Emit<V>) -> Keep {
        ids.forget_until(out.now());
        ids.keep()
    }

    fn restored(&self, ids: &mut Remembered<I>) {
        ids.known = ids.order.iter().map(|(id, _)| id.clone()).collect();
    }

    #[inline]
    fn notify_at(&self, ids: &Remembered<I>) -> Option<DateTime<Utc>> {
        ids.due()
    }
}

impl<K, V, I, F> ItemLogic<K, V> for Dedupe<V, F>
where
    V: 'static,
    I: State + Clone + Eq + Hash,
    F: Fn(&V) -> I + 'static,
{
    fn on_item(&self, ids: &mut Remembered<I>, value: V, out: &mut Emit<V>) -> Keep {
        ids.forget_until(out.now());
        let id = (self.id)(&value);
        if ids.known.insert(id.clone()) {
            let due = match self.within {
                Within::Last(_) => None,
                // An expiry beyond the last representable date never comes.
                Within::Time(time) => TimeDelta::from_std(time)
                    .ok()
                    .and_then(|time| out.now().checked_add_signed(time)),
            };
            ids.order.push_back((id, due));
            out.emit(value);
        }
        if let Within::Last(count) = self.within {
            while ids.order.len() > count {
                ids.forget_first();
            }
        }
        ids.forget_until(out.now());
        ids.keep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ids = Remembered<u32>;

    fn logic(within: Within) -> Dedupe<u32, fn(&u32) -> u32> {
        Dedupe {
            within,
            id: Arc::new(|value| *value),
            values: PhantomData,
        }
    }

    fn of(within: Within, ids: &mut Ids, now: i64, value: u32) -> bool {
        let mut out = Emit::new();
        out.set_now(DateTime::UNIX_EPOCH + TimeDelta::seconds(now));
        let keep = ItemLogic::<(), _>::on_item(&logic(within), ids, value, &mut out);
        assert_eq!(keep == Keep::No, ids.order.is_empty());
        assert_eq!(ids.order.len(), ids.known.len());
        out.has_any()
    }

    fn none(within: Within) -> Ids {
        KeyLogic::<()>::new_state(&logic(within), &())
    }

    #[test]
    fn a_time_begins_with_the_value_that_was_emitted() {
        let within = Within::Time(Duration::from_secs(10));
        let mut ids = none(within);
        let got = [(0, 1), (4, 1), (9, 2), (10, 1), (19, 2), (19, 1)];
        let got = got.map(|(now, value)| of(within, &mut ids, now, value));
        assert_eq!(got, [true, false, true, true, true, false]);
        assert_eq!(
            ids.due(),
            Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(20))
        );
    }

    #[test]
    fn the_last_are_remembered() {
        let within = Within::Last(2);
        let mut ids = none(within);
        let got = [1, 2, 1, 3, 2, 1].map(|value| of(within, &mut ids, 0, value));
        assert_eq!(got, [true, true, false, true, false, true]);
        assert!(of(Within::Last(0), &mut ids, 0, 9), "and none of none");
    }

    #[test]
    fn what_is_saved_has_each_id_once() {
        let within = Within::Last(9);
        let mut ids = none(within);
        for value in [1, 2, 1] {
            of(within, &mut ids, 0, value);
        }
        let mut bytes = Vec::new();
        crate::codec::encode_stored(&ids, &mut bytes).unwrap();
        let mut again: Ids = crate::codec::decode_stored(&bytes).unwrap();
        KeyLogic::<()>::restored(&logic(within), &mut again);
        assert!(!of(within, &mut again, 0, 2));
        assert!(of(within, &mut again, 0, 3));
    }
}
