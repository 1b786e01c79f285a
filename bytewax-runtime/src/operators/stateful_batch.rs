//! `stateful_batch` and `stateful_batch_with`.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::{Key, table_hash};
use crate::kit::keyed::{Route, Routed};
use crate::kit::logic::{Emit, Keep, KeyLogic, Keys, Timed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, Cx, EdgeId, Exchange, Flush, HeadLogic};
use crate::state::{KeyTable, Restored, State};

/// A [`StatefulLogic`](super::StatefulLogic) that takes all values of its key that have arrived at once. See
/// [`Stream::stateful_batch`].
///
/// The number of values per call depends on the source, on other workers and on the load of this one. Use it
/// if one call for many values is cheaper than many calls; the output should not depend on the grouping.
///
/// The other methods are those of [`StatefulLogic`](super::StatefulLogic), and the order of calls is the
/// same: values first, one call per key, in the order in which their first values arrived. A key that returns
/// [`Keep::No`] has processed the whole batch.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a logic for `stateful_batch`",
    label = "this type does not implement `StatefulBatchLogic`",
    note = "put `#[stateful]` on its definition and on an `impl` block with `fn on_batch`"
)]
pub trait StatefulBatchLogic: State {
    /// The input values.
    type In: 'static;
    /// The output values.
    type Out: 'static;

    /// Called with the values of the key that have arrived: at least one, in order of arrival, all of one
    /// epoch.
    fn on_batch(&mut self, items: Vec<Self::In>, out: &mut Emit<Self::Out>) -> Keep;

    /// Called at the time of [`notify_at`](Self::notify_at).
    fn on_notify(&mut self, out: &mut Emit<Self::Out>) -> Keep {
        let _ = out;
        Keep::Yes
    }

    /// Called at the end of input, when no key gets more values in this run. A resumed run restores the kept
    /// state.
    fn on_eof(&mut self, out: &mut Emit<Self::Out>) -> Keep {
        let _ = out;
        Keep::Yes
    }

    /// Returns the time of the next [`on_notify`](Self::on_notify), unless a value changes it.
    fn notify_at(&self) -> Option<DateTime<Utc>> {
        None
    }
}

impl<T: 'static> Stream<T> {
    /// Keeps a logic for each key, which takes all arrived values of its key at once.
    ///
    /// The logic of a new key is `L::default()`; [`stateful_batch_with`](Stream::stateful_batch_with) creates
    /// it from the key. [`stateful`](Stream::stateful) takes values one by one.
    ///
    /// # Examples
    ///
    /// Emits the greatest value so far, once per batch:
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// #[derive(Default)]
    /// struct Record(u32);
    ///
    /// impl StatefulBatchLogic for Record {
    ///     type In = u32;
    ///     type Out = u32;
    ///
    ///     fn on_batch(&mut self, items: Vec<u32>, _: &mut Emit<u32>) -> Keep {
    ///         self.0 = items.into_iter().fold(self.0, u32::max);
    ///         Keep::Yes
    ///     }
    ///
    ///     fn on_eof(&mut self, out: &mut Emit<u32>) -> Keep {
    ///         out.emit(self.0);
    ///         Keep::No
    ///     }
    /// }
    ///
    /// let out = run_keyed([('a', 2), ('b', 5), ('a', 7), ('a', 3)], |scores| {
    ///     scores.stateful_batch::<Record>().named("record")
    /// });
    /// assert_eq!(out, [('a', 7), ('b', 5)]);
    /// ```
    ///
    /// # State
    ///
    /// One `L` for each key, and the time of its timer, until a call returns [`Keep::No`]. While a batch is
    /// processed, its values too.
    #[track_caller]
    #[must_use]
    pub fn stateful_batch<L>(self) -> KeyedStream<KeyOf<Self>, L::Out>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        L: StatefulBatchLogic<In = ValueOf<Self>> + Default,
    {
        stateful_batch_step(self.pairs(), "stateful_batch", |_| L::default())
    }

    /// Keeps a logic for each key, created from the key. Otherwise like
    /// [`stateful_batch`](Stream::stateful_batch).
    ///
    /// # Examples
    ///
    /// The logic is created for the first value of a key, as in [`stateful_with`](Stream::stateful_with):
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// struct Multiples(u32);
    ///
    /// impl StatefulBatchLogic for Multiples {
    ///     type In = u32;
    ///     type Out = u32;
    ///
    ///     fn on_batch(&mut self, items: Vec<u32>, out: &mut Emit<u32>) -> Keep {
    ///         out.extend(items.into_iter().filter(|n| n % self.0 == 0));
    ///         Keep::Yes
    ///     }
    /// }
    ///
    /// let out = run_keyed([(2, 4), (3, 4), (3, 9), (2, 9)], |numbers| {
    ///     numbers.stateful_batch_with(|n| Multiples(*n)).named("multiples")
    /// });
    /// assert_eq!(out, [(2, 4), (3, 9)]);
    /// ```
    ///
    /// # State
    ///
    /// Like [`stateful_batch`](Stream::stateful_batch).
    #[track_caller]
    #[must_use]
    pub fn stateful_batch_with<L, F>(self, make: F) -> KeyedStream<KeyOf<Self>, L::Out>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        L: StatefulBatchLogic<In = ValueOf<Self>>,
        F: Fn(&KeyOf<Self>) -> L + Send + Sync + 'static,
    {
        stateful_batch_step(self.pairs(), "stateful_batch_with", make)
    }
}

#[track_caller]
fn stateful_batch_step<K: Key, L: StatefulBatchLogic<In: Exchange>>(
    stream: KeyedStream<K, L::In>,
    operator: &'static str,
    make: impl Fn(&K) -> L + Send + Sync + 'static,
) -> KeyedStream<K, L::Out> {
    let make = Arc::new(make);
    stream.keyed_step(
        operator,
        |step, out| AnyPush::before(step, Route::new(step, out)),
        move |build, outputs| {
            let make = Arc::clone(&make);
            let logic = Own {
                make,
                logic: PhantomData,
            };
            BatchHead {
                keys: Keys::new(build, outputs, logic),
                groups: Groups::new(),
            }
        },
    )
}

/// A logic of the user, which is the state of its key.
struct Own<L, F> {
    make: Arc<F>,
    logic: PhantomData<fn() -> L>,
}

impl<K, L, F> KeyLogic<K> for Own<L, F>
where
    L: StatefulBatchLogic,
    F: Fn(&K) -> L + 'static,
{
    type State = L;
    type Out = L::Out;

    fn new_state(&self, key: &K) -> L {
        (self.make)(key)
    }

    fn on_notify(&self, state: &mut L, out: &mut Emit<L::Out>) -> Keep {
        state.on_notify(out)
    }

    fn on_eof(&self, state: &mut L, out: &mut Emit<L::Out>) -> Keep {
        state.on_eof(out)
    }

    fn notify_at(&self, state: &L) -> Option<DateTime<Utc>> {
        state.notify_at()
    }
}

/// The values of an epoch that have arrived and are not processed yet, by key.
struct Groups<K, V> {
    /// Where the group of a key is.
    places: HashTable<usize>,
    groups: Vec<(u64, K, Vec<V>)>,
}

impl<K: Key, V> Groups<K, V> {
    fn new() -> Self {
        Self {
            places: HashTable::new(),
            groups: Vec::new(),
        }
    }

    fn add(&mut self, hash: u64, key: K, value: V) {
        let groups = &mut self.groups;
        let entry = self.places.entry(
            table_hash(hash),
            |place| groups[*place].0 == hash && groups[*place].1 == key,
            |place| table_hash(groups[*place].0),
        );
        match entry {
            Entry::Occupied(entry) => groups[*entry.get()].2.push(value),
            Entry::Vacant(entry) => {
                entry.insert(groups.len());
                groups.push((hash, key, vec![value]));
            }
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = (u64, K, Vec<V>)> + '_ {
        self.places.clear();
        self.groups.drain(..)
    }
}

struct BatchHead<K, L: StatefulBatchLogic, F: Fn(&K) -> L + 'static> {
    keys: Keys<K, Own<L, F>>,
    groups: Groups<K, L::In>,
}

impl<K, L, F> HeadLogic<Routed<K, L::In>> for BatchHead<K, L, F>
where
    K: Key,
    L: StatefulBatchLogic,
    F: Fn(&K) -> L + 'static,
{
    fn batch(&mut self, items: &mut Vec<Routed<K, L::In>>, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.begin(cx);
        for (hash, key, value) in items.drain(..) {
            self.groups.add(hash, key, value);
        }
        Ok(())
    }

    fn settle(&mut self, edges: &[EdgeId], cx: &mut Cx) -> Result<bool, RunError> {
        for (hash, key, values) in self.groups.drain() {
            self.keys
                .call(hash, key, |_, logic, out| logic.on_batch(values, out));
            self.keys.send_if_full(cx)?;
        }
        self.keys.settle(edges, cx)
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.end_input(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.keys.flush(what, cx)
    }
}

impl<K, L, F> KeyedLogic<K, L::In> for BatchHead<K, L, F>
where
    K: Key,
    L: StatefulBatchLogic,
    F: Fn(&K) -> L + 'static,
{
    type Cell = Timed<L>;

    fn table(&mut self) -> &mut KeyTable<K, Timed<L>> {
        self.keys.table()
    }

    fn looks_at_end(&self) -> bool {
        true
    }

    fn restore(&mut self, restored: Restored<K, L>) {
        self.keys.restore(restored);
    }

    fn due(&self, saved: L) -> Option<DateTime<Utc>> {
        self.keys.due(&saved)
    }
}
