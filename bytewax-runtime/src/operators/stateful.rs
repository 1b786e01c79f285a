//! `stateful` and `stateful_with`.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::flow::{KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::key::Key;
use crate::kit::Exchange;
use crate::kit::logic::{Emit, ItemLogic, Keep, KeyLogic};
use crate::state::State;

/// The state of a key and its reactions to values, timers and the end of input. See [`Stream::stateful`].
///
/// The logic *is* the state of its key: it is saved whole.
///
/// # Order of calls
///
/// A worker takes the values that have arrived and calls, in this order:
///
/// 1. [`on_item`](Self::on_item) for each value, in order of arrival;
/// 2. [`on_notify`](Self::on_notify) for each key whose time had passed before these values, in order of
///    times, then of keys. It is called even if one of the values moved the time, but not if one returned
///    [`Keep::No`];
/// 3. [`on_eof`](Self::on_eof) for each key, in order of keys, after all values. Later times are not awaited.
///
/// [`notify_at`](Self::notify_at) is called after each of the first two. Its result replaces the previous
/// one, and `None` cancels it. With a time that is not in the future, `on_notify` is called when the worker
/// next runs this step. It is never called before the time, and once for each time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a logic for `stateful`",
    label = "this type does not implement `StatefulLogic`",
    note = "put `#[stateful]` on its definition and on an `impl` block with `fn on_item`"
)]
pub trait StatefulLogic: State {
    /// The input values.
    type In: 'static;
    /// The output values.
    type Out: 'static;

    /// Called for each value of the key.
    fn on_item(&mut self, item: Self::In, out: &mut Emit<Self::Out>) -> Keep;

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
    /// Keeps a logic for each key, which turns values into any number of others, and can also emit on timers
    /// and at the end of input.
    ///
    /// The logic of a new key is `L::default()`; [`stateful_with`](Stream::stateful_with) creates it from the
    /// key. [`StatefulLogic`] describes the order of calls.
    ///
    /// # Examples
    ///
    /// Sums each cart until checkout, and reports carts that are idle for an hour:
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// enum Event {
    ///     Item(u64),
    ///     Checkout,
    /// }
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// #[derive(Default)]
    /// struct Cart {
    ///     cents: u64,
    ///     abandoned_at: Option<DateTime<Utc>>,
    /// }
    ///
    /// impl StatefulLogic for Cart {
    ///     type In = Event;
    ///     type Out = String;
    ///
    ///     fn on_item(&mut self, event: Event, out: &mut Emit<String>) -> Keep {
    ///         match event {
    ///             Event::Item(cents) => {
    ///                 self.cents += cents;
    ///                 self.abandoned_at = Some(out.now() + TimeDelta::hours(1));
    ///                 Keep::Yes
    ///             }
    ///             Event::Checkout => {
    ///                 out.emit(format!("checked out {} cents", self.cents));
    ///                 Keep::No
    ///             }
    ///         }
    ///     }
    ///
    ///     fn notify_at(&self) -> Option<DateTime<Utc>> {
    ///         self.abandoned_at
    ///     }
    ///
    ///     fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
    ///         out.emit(format!("abandoned {} cents", self.cents));
    ///         Keep::No
    ///     }
    /// }
    ///
    /// let events = [(1, Event::Item(150)), (2, Event::Item(900)), (1, Event::Checkout)];
    /// let out = run_keyed(events, |events| events.stateful::<Cart>().named("carts"));
    /// assert_eq!(out, [(1, "checked out 150 cents".to_owned())]);
    /// ```
    ///
    /// # State
    ///
    /// One `L` for each key, and the time of its timer, until a call returns [`Keep::No`]. A logic that never
    /// does so stays forever: drop idle keys with a timer.
    #[track_caller]
    #[must_use]
    pub fn stateful<L>(self) -> KeyedStream<KeyOf<Self>, L::Out>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        L: StatefulLogic<In = ValueOf<Self>> + Default,
    {
        stateful_step(self.pairs(), "stateful", |_| L::default())
    }

    /// Keeps a logic for each key, created from the key. Otherwise like [`stateful`](Stream::stateful).
    ///
    /// A resumed run restores the logic of a saved key, and does not call `make` for it.
    ///
    /// # Examples
    ///
    /// A limit for each key:
    ///
    /// ```
    /// use bytewax_macros::stateful;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::run_keyed;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[stateful(crate = "bytewax_runtime")]
    /// struct Left(u32);
    ///
    /// impl StatefulLogic for Left {
    ///     type In = u32;
    ///     type Out = u32;
    ///
    ///     fn on_item(&mut self, n: u32, out: &mut Emit<u32>) -> Keep {
    ///         if let Some(left) = self.0.checked_sub(n) {
    ///             self.0 = left;
    ///             out.emit(n);
    ///         }
    ///         Keep::Yes
    ///     }
    /// }
    ///
    /// let orders = [("free", 3), ("paid", 50), ("free", 8), ("free", 7)];
    /// let out = run_keyed(orders.map(|(plan, n)| (plan.to_owned(), n)), |orders| {
    ///     let limit = |plan: &String| Left(if plan == "free" { 10 } else { 1000 });
    ///     orders.stateful_with(limit).named("limit")
    /// });
    /// let values: Vec<u32> = out.into_iter().map(|(_, n)| n).collect();
    /// assert_eq!(values, [3, 50, 7]);
    /// ```
    ///
    /// # State
    ///
    /// Like [`stateful`](Stream::stateful).
    #[track_caller]
    #[must_use]
    pub fn stateful_with<L, F>(self, make: F) -> KeyedStream<KeyOf<Self>, L::Out>
    where
        Self: Keyed<Key: Key, Value: Exchange>,
        L: StatefulLogic<In = ValueOf<Self>>,
        F: Fn(&KeyOf<Self>) -> L + Send + Sync + 'static,
    {
        stateful_step(self.pairs(), "stateful_with", make)
    }
}

#[track_caller]
fn stateful_step<K: Key, L: StatefulLogic<In: Exchange>>(
    stream: KeyedStream<K, L::In>,
    operator: &'static str,
    make: impl Fn(&K) -> L + Send + Sync + 'static,
) -> KeyedStream<K, L::Out> {
    let make = Arc::new(make);
    stream.item_step(operator, move || Own {
        make: Arc::clone(&make),
        logic: PhantomData,
    })
}

/// A logic of the user, which is the state of its key.
struct Own<L, F> {
    make: Arc<F>,
    logic: PhantomData<fn() -> L>,
}

impl<K, L, F> KeyLogic<K> for Own<L, F>
where
    L: StatefulLogic,
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

    #[inline]
    fn notify_at(&self, state: &L) -> Option<DateTime<Utc>> {
        state.notify_at()
    }
}

impl<K, L, F> ItemLogic<K, L::In> for Own<L, F>
where
    L: StatefulLogic,
    F: Fn(&K) -> L + 'static,
{
    #[inline]
    fn on_item(&self, state: &mut L, value: L::In, out: &mut Emit<L::Out>) -> Keep {
        state.on_item(value, out)
    }
}
