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
    /// time it expires. `within` may change from one run to the next. Times that are already set stay. A value that was
    /// remembered by [`Within::Last`] is remembered for a new [`Within::Time`] from the resume on.
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
        self.pairs()
            .item_step("dedupe", move || Dedupe::new(within, Arc::clone(&id)))
    }
}

/// The logic of `dedupe`.
pub(crate) struct Dedupe<V, F> {
    within: Within,
    id: Arc<F>,
    values: PhantomData<fn(V)>,
}

impl<V, F> Dedupe<V, F> {
    pub(crate) fn new(within: Within, id: Arc<F>) -> Self {
        Self {
            within,
            id,
            values: PhantomData,
        }
    }

    /// When an id expires that is remembered from now on; `None` is never, or beyond the last date.
    fn expiry(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.within {
            Within::Last(_) => None,
            Within::Time(time) => now.checked_add_signed(TimeDelta::from_std(time).ok()?),
        }
    }

    /// Forgets what has expired, and returns the expiry of an id that comes now.
    fn begin<I: Eq + Hash + Clone>(
        &self,
        ids: &mut Remembered<I>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        // The ids for look-ups are not saved.
        if ids.known.len() != ids.order.len() {
            ids.known = ids.order.iter().map(|(id, _)| id.clone()).collect();
        }
        let expiry = self.expiry(now);
        if let Some(expiry) = expiry {
            ids.expire_all(expiry);
        }
        ids.forget_until(now);
        expiry
    }
}

/// The emitted ids with their expiry times, in the order in which they expire; those that do not expire are last, oldest
/// first.
#[derive(Serialize, Deserialize)]
#[serde(bound = "I: State")]
pub(crate) struct Remembered<I> {
    order: VecDeque<(I, Option<DateTime<Utc>>)>,
    /// The same ids for look-ups; recreated when a restored key has a value.
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

impl<I> Remembered<I> {
    /// The ids, in the order in which they would have expired.
    pub(crate) fn into_ids(self) -> impl Iterator<Item = I> {
        self.order.into_iter().map(|(id, _)| id)
    }
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

    /// Adds an id. Ids expire in the order of their emission, unless the time has become shorter.
    fn add(&mut self, id: I, due: Option<DateTime<Utc>>) {
        let is_later = |other: &Option<DateTime<Utc>>| {
            due.is_some_and(|due| other.is_none_or(|other| other > due))
        };
        let later = self.order.iter().rev();
        let later = later.take_while(|(_, other)| is_later(other)).count();
        self.order.insert(self.order.len() - later, (id, due));
    }

    /// Sets the expiry times of ids that have none.
    fn expire_all(&mut self, due: DateTime<Utc>) {
        let timeless = self.order.iter_mut().rev();
        for (_, time) in timeless.take_while(|(_, time)| time.is_none()) {
            *time = Some(due);
        }
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
        self.begin(ids, out.now());
        ids.keep()
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
        let expiry = self.begin(ids, out.now());
        let id = (self.id)(&value);
        if ids.known.insert(id.clone()) {
            ids.add(id, expiry);
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
    fn another_time_holds_for_new_ids_and_old_ones_keep_theirs() {
        let [hour, second] = [3600, 1].map(|time| Within::Time(Duration::from_secs(time)));
        let mut ids = none(hour);
        assert!(of(hour, &mut ids, 0, 1));
        let got = [(1, 2), (1, 2), (2, 2), (3, 1), (3600, 1)];
        let got = got.map(|(now, value)| of(second, &mut ids, now, value));
        assert_eq!(got, [true, false, true, false, true]);
        assert_eq!(ids.order.len(), 1);
    }

    #[test]
    fn the_last_ids_expire_once_there_is_a_time() {
        let (last, time) = (Within::Last(2), Within::Time(Duration::from_secs(10)));
        let mut ids = none(last);
        assert!(of(last, &mut ids, 0, 1) && of(last, &mut ids, 0, 2));
        assert_eq!(KeyLogic::<()>::notify_at(&logic(last), &ids), None);
        let got = [(100, 1), (109, 2), (109, 3), (110, 1), (120, 3)];
        let got = got.map(|(now, value)| of(time, &mut ids, now, value));
        assert_eq!(got, [false, false, true, true, true]);
        // Back to a number: those with a time still expire.
        assert_eq!(ids.order.len(), 1);
        assert!(of(last, &mut ids, 125, 4) && !of(last, &mut ids, 125, 3));
        assert!(of(last, &mut ids, 130, 3) && !of(last, &mut ids, 130, 4));
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
        assert!(!of(within, &mut again, 0, 2));
        assert!(of(within, &mut again, 0, 3));
    }
}
