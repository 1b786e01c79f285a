//! `expire_after`.

mod joins;
mod values;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;

use super::out::{DOWN, LATE, SECOND, TimedStep, inputs};
use crate::flow::{Flow, KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::Exchange;
use crate::state::State;
use crate::windowing::clock::Clock;
use crate::windowing::engine::{Aside, output};
use crate::windowing::fault::Fault;
use crate::windowing::time::span;

pub use joins::{ExpiringAll, ExpiringStreams, JoinAllExpiring};
pub use write::{EachValue, Renewal, SomeValues};
use write::{FlatMap, Map, Write, Written};

impl<T: 'static> Stream<T> {
    /// Makes the next step drop the state of a key when no value of the key arrives for `time`.
    ///
    /// The result is not a stream. It has the operators whose states are otherwise kept forever:
    /// [`stateful_map`](Expiring::stateful_map), [`scan`](Expiring::scan),
    /// [`stateful_flat_map`](Expiring::stateful_flat_map), [`top_n`](Expiring::top_n), [`lag`](Expiring::lag),
    /// [`lead`](Expiring::lead), [`last_n`](Expiring::last_n), [`sample`](Expiring::sample),
    /// [`dedupe`](Expiring::dedupe), [`join`](Expiring::join), [`join_with`](Expiring::join_with),
    /// [`join_running`](Expiring::join_running) and [`zip_latest`](Expiring::zip_latest). For joins of more streams, see
    /// [`JoinAllExpiring`](crate::windowing::JoinAllExpiring).
    ///
    /// Each value of a key is an access, and renews its time. With [`renewed_by`](Expiring::renewed_by), only the values
    /// that you select do, for example those that write. A dropped state goes to the stream `expired`, which you need
    /// not read.
    ///
    /// `clock` selects the time. [`SystemClock`](crate::windowing::SystemClock) is the time of the worker. It
    /// advances while the program is stopped: a resume drops the states that expired in the meantime.
    /// [`StreamClock`](crate::windowing::StreamClock) is event time. A state is then dropped when a value of
    /// its key is `time` or more after the newest value before it, or when the watermark reaches that time.
    /// The result therefore depends on the values alone. A value before the watermark goes to `late` only.
    /// The end of input drops nothing.
    ///
    /// Other operators drop keys themselves: [`stateful`](Stream::stateful) and [`stateful_batch`](Stream::stateful_batch)
    /// when their logic says so, which may set a timer for it;
    /// [`stateful_with_broadcast`](Stream::stateful_with_broadcast) when its state becomes `None`;
    /// [`delay`](Stream::delay), [`rate_limit`](Stream::rate_limit),
    /// [`collect`](Stream::collect) and windows after their time; [`join_rows`](Stream::join_rows) as its
    /// [`Kept`](crate::windowing::Kept) says; operators that end in `_final` at the end of input.
    ///
    /// # Examples
    ///
    /// Counts the pages of a visit. A visit ends after half an hour without a page:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Lateness, Micros, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// let minute = |minute: &i64| Micros(minute * 60_000_000);
    /// let out = run_keyed([('a', 0), ('a', 20), ('b', 25), ('a', 55)], |minutes| {
    ///     let lateness = Lateness::bounded(TimeDelta::minutes(5));
    ///     let minutes = minutes.event_time(move |(_, at)| minute(at), lateness).named("times").down;
    ///     let visits = minutes.expire_after(TimeDelta::minutes(30), StreamClock::new(minute));
    ///     let pages = visits.stateful_map(|pages: &mut u64, _| {
    ///         *pages += 1;
    ///         *pages
    ///     });
    ///     let pages = pages.named("pages");
    ///     // How many pages a visit had that is over, as a negative number.
    ///     pages.down.map_value(|n| n as i64).merge(pages.expired.map_value(|n| -(n as i64)))
    /// });
    /// let mut out = out;
    /// out.sort_unstable();
    /// assert_eq!(out, [('a', -2), ('a', 1), ('a', 1), ('a', 2), ('b', 1)]);
    /// ```
    ///
    /// # State
    ///
    /// The state of the operator and the time of the newest value that renewed it, for each key, until it expires. `time`
    /// may change between runs; the new time applies to all states. States that were saved without `expire_after` have no such
    /// time, so a resume with it is refused, and so is one without it. Give the step another name, and drop the old
    /// states with [`flow.dropped`](crate::flow::Flow::dropped).
    pub fn expire_after<C>(
        self,
        time: TimeDelta,
        clock: C,
    ) -> Expiring<KeyOf<Self>, ValueOf<Self>, C>
    where
        Self: Keyed,
    {
        Expiring {
            stream: self.pairs(),
            after: span(time),
            clock,
            renewal: EachValue,
        }
    }
}

/// A stream whose next step drops states after a time without values; see [`Stream::expire_after`].
#[must_use]
pub struct Expiring<K, V, C, R = EachValue> {
    stream: KeyedStream<K, V>,
    after: i64,
    clock: C,
    renewal: R,
}

impl<K, V, C, R> fmt::Debug for Expiring<K, V, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiring")
            .field("stream", &self.stream)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// The streams of a step whose states expire: see [`Stream::expire_after`].
#[derive(Debug)]
#[must_use]
pub struct ExpiringOut<K, U, X, L> {
    /// The output of the step.
    pub down: KeyedStream<K, U>,
    /// The expired states.
    pub expired: KeyedStream<K, X>,
    /// The late values; for a join, those of each stream.
    pub late: L,
}

impl<K: 'static, U: 'static, X, L> ExpiringOut<K, U, X, L> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

/// The streams of a step on one stream.
type OfOne<K, U, X, V> = ExpiringOut<K, U, X, KeyedStream<K, V>>;

impl<K, V, C, R> Expiring<K, V, C, R> {
    /// Connects the type of its keys with the compiler's information about it.
    #[doc(hidden)]
    pub fn with_keys(self, _: PhantomData<K>) -> Self {
        self
    }
}

impl<K, V, C> Expiring<K, V, C> {
    /// Only the values for which `f` is true renew the time of their key. The first value of a key always begins it.
    ///
    /// # Examples
    ///
    /// A balance that was not changed for a day expires, however often it is asked for:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::SystemClock;
    /// use chrono::TimeDelta;
    ///
    /// let changes = [('a', Some(5)), ('a', None), ('a', Some(2))];
    /// let out = run_keyed(changes, |changes| {
    ///     let changes = changes.expire_after(TimeDelta::days(1), SystemClock::new());
    ///     let changes = changes.renewed_by(|change: &Option<i64>| change.is_some());
    ///     let balances = changes.stateful_map(|balance: &mut i64, change| {
    ///         *balance += change.unwrap_or_default();
    ///         *balance
    ///     });
    ///     balances.named("balances").down
    /// });
    /// assert_eq!(out, [('a', 5), ('a', 5), ('a', 7)]);
    /// ```
    pub fn renewed_by<F>(self, f: F) -> Expiring<K, V, C, SomeValues<F>>
    where
        F: Fn(&V) -> bool + Send + Sync + 'static,
    {
        Expiring {
            stream: self.stream,
            after: self.after,
            clock: self.clock,
            renewal: SomeValues(Arc::new(f)),
        }
    }
}

impl<K: Key, V: 'static, C, R: Renewal<V>> Expiring<K, V, C, R> {
    /// [`Stream::stateful_map`] with expiring states: after expiry, a key starts with `S::default()` again.
    ///
    /// # State
    ///
    /// One `S` for each key, until it expires.
    #[track_caller]
    pub fn stateful_map<S, U, F>(self, f: F) -> ExpiringOut<K, U, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State + Default,
        U: 'static,
        F: Fn(&mut S, V) -> U + Send + Sync + 'static,
    {
        self.map_with("stateful_map", S::default, f)
    }

    /// [`Stream::scan`] with expiring states: after expiry, a key starts with `init()` again.
    ///
    /// # State
    ///
    /// One `S` for each key, until it expires.
    #[track_caller]
    pub fn scan<S, U, I, F>(self, init: I, f: F) -> ExpiringOut<K, U, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        U: 'static,
        I: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, V) -> U + Send + Sync + 'static,
    {
        self.map_with("scan", init, f)
    }

    /// [`Stream::stateful_flat_map`] with expiring states: after expiry, a key starts with `None` again.
    /// Setting a state to `None` drops it without expiry.
    ///
    /// # State
    ///
    /// One `S` for each key whose state is not `None`, until it expires.
    #[track_caller]
    pub fn stateful_flat_map<S, I, F>(self, f: F) -> ExpiringOut<K, I::Item, S, KeyedStream<K, V>>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        I: IntoIterator<Item: 'static> + 'static,
        F: Fn(&mut Option<S>, V) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.step("stateful_flat_map", move || FlatMap {
            f: Arc::clone(&f),
            types: PhantomData::<fn(S) -> I>,
        })
    }

    #[track_caller]
    fn map_with<S, U>(
        self,
        operator: &'static str,
        init: impl Fn() -> S + Send + Sync + 'static,
        f: impl Fn(&mut S, V) -> U + Send + Sync + 'static,
    ) -> OfOne<K, U, S, V>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        S: State,
        U: 'static,
    {
        let (init, f) = (Arc::new(init), Arc::new(f));
        self.step(operator, move || Map {
            init: Arc::clone(&init),
            f: Arc::clone(&f),
        })
    }

    #[track_caller]
    fn step<W>(
        self,
        operator: &'static str,
        write: impl Fn() -> W + Send + Sync + 'static,
    ) -> OfOne<K, W::Out, W::Expired, V>
    where
        V: Exchange + Clone,
        C: Clock<V>,
        W: Write<V>,
    {
        let after = self.after;
        let inputs = inputs(&self.stream, &["down", "expired", "late"]);
        let renewal = self.renewal;
        let make = move || Written {
            after,
            write: write(),
            renewal: renewal.clone(),
        };
        let step = step_of(operator, self.clock, after);
        let (flow, step) =
            step.split::<K, V, _, W::Out, W::Expired, Aside<(K, V)>, ()>(inputs, make);
        let late = output(&flow, step, LATE);
        out_of((flow, step), late)
    }
}

fn step_of<C>(operator: &'static str, clock: C, after: i64) -> TimedStep<C> {
    let fault = Fault::if_not_positive(
        after,
        "states would expire at once",
        "have them expire after a microsecond or more",
    );
    TimedStep {
        operator,
        clock,
        held_back: 0,
        facts: Vec::new(),
        faults: fault.into_iter().collect(),
    }
}

fn out_of<K: 'static, U: 'static, X: 'static, L>(
    (flow, step): (Flow, StepIndex),
    late: L,
) -> ExpiringOut<K, U, X, L> {
    ExpiringOut {
        down: output(&flow, step, DOWN),
        expired: output(&flow, step, SECOND),
        late,
    }
}
