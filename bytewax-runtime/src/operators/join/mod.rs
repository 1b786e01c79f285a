//! `join`, `join_with`, `join_final`, `join_running`.
//!
//! The time at which rows are emitted is part of the method, because it determines the type of the rows; the
//! values of the rows are an argument.

mod sides;
mod waiting;

use std::hint::black_box;

pub(crate) use self::sides::Sides;
pub use self::sides::{Of1, Of2, Of3, Of4, Of5, Of6, Of7, Of8};
pub(crate) use self::waiting::Waiting;
use crate::error::RunError;
use crate::flow::{Flow, KeyOf, Keyed, KeyedStream, Stream, ValueOf};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Routed};
use crate::kit::saving::KeyedLogic;
use crate::kit::{AnyPush, Cx, Flush, HeadLogic, Next};
use crate::operators::keyed::keyed_step_of;
use crate::state::{KeyTable, State};

/// The values of a side that a join keeps for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinInsert {
    /// Keeps the first and drops later ones.
    First,
    /// Keeps the last; it replaces the one before.
    #[default]
    Last,
    /// Keeps all and emits a row for each combination.
    Product,
}

/// Methods to join up to eight keyed streams in a tuple.
///
/// The keys of the streams have one type. Each row is a tuple with one element per stream, in their order,
/// without nesting. For two streams, the methods of [`Stream`] do the same.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::operators::JoinInsert;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::run_keyed;
///
/// let out = run_keyed([('a', 36)], |ages| {
///     let names = ages.clone().map(|(user, _)| (user, "ada".to_owned()));
///     let cities = ages.clone().filter(|_| false);
///     let rows = (ages, names, cities).join_final(JoinInsert::Last);
///     rows.named("rows")
/// });
/// assert_eq!(out, [('a', (Some(36), Some("ada".to_owned()), None))]);
/// ```
pub trait JoinAll: Sized {
    /// Emits a row as soon as each stream has a value for a key; see [`Stream::join`].
    #[track_caller]
    #[must_use]
    fn join(self) -> KeyedStream<Self::Key, Self::Row>
    where
        Self: KeyedStreams,
    {
        self.complete("join", JoinInsert::Last)
    }

    /// Emits rows as soon as each stream has a value for a key; see [`Stream::join_with`].
    #[track_caller]
    #[must_use]
    fn join_with(self, insert: JoinInsert) -> KeyedStream<Self::Key, Self::Row>
    where
        Self: KeyedStreams,
    {
        self.complete("join_with", insert)
    }

    /// Emits the rows of each key at the end of input; see [`Stream::join_final`].
    #[track_caller]
    #[must_use]
    fn join_final(self, insert: JoinInsert) -> KeyedStream<Self::Key, Self::PartialRow>
    where
        Self: KeyedStreams,
    {
        self.partial("join_final", insert, false)
    }

    /// Emits the rows of a key at each value; see [`Stream::join_running`].
    #[track_caller]
    #[must_use]
    fn join_running(self, insert: JoinInsert) -> KeyedStream<Self::Key, Self::PartialRow>
    where
        Self: KeyedStreams,
    {
        self.partial("join_running", insert, true)
    }
}

/// Tuples of up to eight keyed streams that [`JoinAll`] can join: their keys have one type, and their values
/// can be saved.
#[diagnostic::on_unimplemented(
    message = "these streams cannot be joined",
    label = "not keyed streams with one type of key",
    note = "a join takes streams of pairs; `.key_on(|item| ..)` makes one",
    note = "the keys of all of them have the same type",
    note = "the values of each of them implement `State` and `Clone`"
)]
pub trait KeyedStreams: Sized {
    /// The type of the keys.
    type Key;
    /// A value of each stream.
    type Row;
    /// A value of each stream, or `None` if it has none for the key.
    type PartialRow;

    #[doc(hidden)]
    fn complete(
        self,
        operator: &'static str,
        insert: JoinInsert,
    ) -> KeyedStream<Self::Key, Self::Row>;

    #[doc(hidden)]
    fn partial(
        self,
        operator: &'static str,
        insert: JoinInsert,
        running: bool,
    ) -> KeyedStream<Self::Key, Self::PartialRow>;
}

impl<T: 'static> Stream<T> {
    /// Emits a pair of values of two streams as soon as both have one for a key.
    ///
    /// The last value of each stream waits for a value of the other. The row contains both; then the step
    /// drops the key. Each row therefore needs a new value from each stream. A key that is missing in one
    /// stream emits nothing.
    ///
    /// Values of a key from one worker are processed in order; the order between the streams is undefined. To
    /// join more than two streams, use [`JoinAll`]; to keep other values, use
    /// [`join_with`](Stream::join_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([(1, "ada"), (2, "bob")], |names| {
    ///     let ages = names.clone().filter(|(user, _)| *user == 1).map_value(|_| 36);
    ///     let names = names.map_value(str::to_owned);
    ///     names.join(ages).named("named")
    /// });
    /// assert_eq!(out, [(1, ("ada".to_owned(), 36))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key with an incomplete row, at most one value of each stream. It is dropped with the row, and
    /// kept at the end of input; keys that stay incomplete are kept forever.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn join<B>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
    ) -> KeyedStream<KeyOf<Self>, (ValueOf<Self>, B)>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
    {
        (self.pairs(), other).join()
    }

    /// Emits pairs of values of two streams as soon as both have one for a key.
    ///
    /// Like [`join`](Stream::join), with a choice of the values that wait: the first, the last, or all of
    /// each stream. When the first value of the other stream arrives, the step emits a row for each
    /// combination of the waiting values (those of this stream vary slower), and drops the key.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::JoinInsert;
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 2), ('a', 30)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     sides.trues.join_with(sides.falses, JoinInsert::Product).named("rows")
    /// });
    /// assert_eq!(out, [('a', (1, 30)), ('a', (2, 30))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key with an incomplete row, one value of each stream, or all of them with
    /// [`JoinInsert::Product`]. They are dropped with the row, and kept at the end of input; keys that stay
    /// incomplete are kept forever.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn join_with<B>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        insert: JoinInsert,
    ) -> KeyedStream<KeyOf<Self>, (ValueOf<Self>, B)>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
    {
        (self.pairs(), other).join_with(insert)
    }

    /// Emits the values of two streams at the end of input, for each key of either.
    ///
    /// If a stream has no value for a key, its element is `None`. On each worker, keys are emitted in
    /// ascending order; with [`JoinInsert::Product`], the values of this stream vary slower.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::JoinInsert;
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('b', 1), ('a', 2), ('b', 30)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     sides.trues.join_final(sides.falses, JoinInsert::Last).named("rows")
    /// });
    /// assert_eq!(out, [('a', (Some(2), None)), ('b', (Some(1), Some(30)))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key seen since the beginning, one value of each stream, or all of them with
    /// [`JoinInsert::Product`]; dropped at the end of input.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_final<B>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        insert: JoinInsert,
    ) -> KeyedStream<KeyOf<Self>, (Option<ValueOf<Self>>, Option<B>)>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
    {
        (self.pairs(), other).join_final(insert)
    }

    /// Emits the known values of a key from two streams whenever either has a new value.
    ///
    /// If a stream has no value for the key yet, its element is `None`. Each value emits a row, even if
    /// [`JoinInsert::First`] drops it; with [`JoinInsert::Product`], each value emits all rows of its key
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::JoinInsert;
    /// use bytewax_runtime::testing::run_keyed;
    ///
    /// let out = run_keyed([('a', 1), ('a', 2), ('a', 30)], |numbers| {
    ///     let sides = numbers.branch(|(_, n)| *n < 10);
    ///     sides.trues.join_running(sides.falses, JoinInsert::Last).named("rows")
    /// });
    /// assert_eq!(
    ///     out,
    ///     [('a', (Some(1), None)), ('a', (Some(2), None)), ('a', (Some(2), Some(30)))],
    /// );
    /// ```
    ///
    /// # State
    ///
    /// For each key ever seen, one value of each stream, or all of them with [`JoinInsert::Product`]. It is
    /// never dropped.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_running<B>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        insert: JoinInsert,
    ) -> KeyedStream<KeyOf<Self>, (Option<ValueOf<Self>>, Option<B>)>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
    {
        (self.pairs(), other).join_running(insert)
    }
}

/// The streams of a join.
pub(crate) trait JoinSides: 'static {
    type Key: Key;
    type Sides: Sides;
    /// The saved values until each side has one.
    type Waiting: Waiting<Sides = Self::Sides>;
    fn inputs(&self) -> (Flow, Vec<Port>);

    /// The stage before the exchange of one stream.
    fn enter(
        step: StepIndex,
        input: usize,
        out: KeyedOut<Self::Key, <Self::Sides as Sides>::Item>,
    ) -> AnyPush;
}

#[track_caller]
fn complete<S: JoinSides>(
    sides: &S,
    operator: &'static str,
    insert: JoinInsert,
) -> KeyedStream<S::Key, <S::Sides as Sides>::Row> {
    let (flow, inputs) = sides.inputs();
    keyed_step_of(&flow, operator, inputs, S::enter, move |_, outputs| {
        Complete::<S::Key, S::Waiting> {
            insert,
            table: KeyTable::new(),
            known: Vec::new(),
            next: outputs.next(0),
        }
    })
}

#[track_caller]
fn partial<S: JoinSides>(
    sides: &S,
    operator: &'static str,
    insert: JoinInsert,
    running: bool,
) -> KeyedStream<S::Key, <S::Sides as Sides>::PartialRow> {
    let (flow, inputs) = sides.inputs();
    keyed_step_of(&flow, operator, inputs, S::enter, move |build, outputs| {
        Partial::<S::Key, S::Sides> {
            step: build.step,
            insert,
            running,
            table: KeyTable::new(),
            next: outputs.next(0),
        }
    })
}

/// Emits the rows of a key when each side has a value, and drops the key.
struct Complete<K, W: Waiting> {
    insert: JoinInsert,
    table: KeyTable<K, W>,
    /// The items of a batch whose keys are waiting.
    known: Vec<Routed<K, Item<W>>>,
    next: Next<(K, <W::Sides as Sides>::Row)>,
}

type Item<W> = <<W as Waiting>::Sides as Sides>::Item;

impl<K: Key, W: Waiting> Complete<K, W> {
    /// Emits the rows of a key.
    #[inline]
    fn emit_row(&mut self, key: K, sides: W::Sides, cx: &mut Cx) -> Result<(), RunError> {
        match sides.into_row() {
            Ok(row) => self.next.buffer.push((key, row)),
            Err(several) => several.rows(|row| {
                self.next.buffer.push((key.clone(), row));
                self.next.send_if_full(cx)
            })?,
        }
        Ok(())
    }
}

impl<K: Key, W: Waiting> HeadLogic<Routed<K, Item<W>>> for Complete<K, W> {
    fn batch(&mut self, items: &mut Vec<Routed<K, Item<W>>>, cx: &mut Cx) -> Result<(), RunError> {
        if W::Sides::COUNT == 1 {
            for (_, key, item) in items.drain(..) {
                let mut sides = W::Sides::default();
                sides.insert(item, self.insert);
                self.emit_row(key, sides, cx)?;
            }
            return self.next.send(cx);
        }
        // Two short loops are faster than one: in the first, cache misses overlap, and in the second there
        // are none. A key that is known in the first stays known to its end, so all its items keep their
        // order.
        for (hash, key, item) in items.drain(..) {
            let look = |waiting: &W| {
                black_box(waiting.prefetch());
            };
            if let Err((key, item)) = self.table.add(hash, key, item, W::first, look) {
                self.known.push((hash, key, item));
            }
        }
        let mut known = std::mem::take(&mut self.known);
        for (hash, key, item) in known.drain(..) {
            let take_in = |waiting: &mut W, item| waiting.take_in(item, self.insert);
            let completed = self.table.take_when(hash, key, item, W::first, take_in);
            if let Some((key, sides)) = completed {
                self.emit_row(key, sides, cx)?;
            }
        }
        self.known = known;
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

/// Emits the rows of a key, complete or not, at each value or at the end of input.
struct Partial<K, S: Sides> {
    step: StepIndex,
    insert: JoinInsert,
    running: bool,
    table: KeyTable<K, S>,
    next: Next<(K, S::PartialRow)>,
}

impl<K: Key, S: Sides> HeadLogic<Routed<K, S::Item>> for Partial<K, S> {
    fn batch(&mut self, items: &mut Vec<Routed<K, S::Item>>, cx: &mut Cx) -> Result<(), RunError> {
        for (hash, key, item) in items.drain(..) {
            let sides = self.table.touch(hash, &key, S::default);
            sides.insert(item, self.insert);
            if self.running {
                sides.partial_rows(|row| {
                    self.next.buffer.push((key.clone(), row));
                    self.next.send_if_full(cx)
                })?;
            }
        }
        self.next.send(cx)
    }

    fn end_input(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.running {
            return Ok(());
        }
        cx.enter(self.step);
        for (key, sides) in self.table.drain_sorted() {
            sides.partial_rows(|row| {
                self.next.buffer.push((key.clone(), row));
                self.next.send_if_full(cx)
            })?;
        }
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.next.flush(what, cx)
    }
}

impl<K: Key, W: Waiting> KeyedLogic<K, Item<W>> for Complete<K, W> {
    type Cell = W;

    fn table(&mut self) -> &mut KeyTable<K, W> {
        &mut self.table
    }
}

impl<K: Key, S: Sides> KeyedLogic<K, S::Item> for Partial<K, S> {
    type Cell = S;

    fn table(&mut self) -> &mut KeyTable<K, S> {
        &mut self.table
    }

    fn looks_at_end(&self) -> bool {
        !self.running
    }
}
