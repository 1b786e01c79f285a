//! `join_rows`, `join_interval`, `join_as_of`.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;

use super::as_of::AsOf;
use super::interval::{Interval, IntervalJoin};
use super::kind::JoinKind;
use crate::error::RunError;
use crate::flow::{KeyOf, Keyed, KeyedStream, OutputSpec, Stream, ValueOf};
use crate::key::Key;
use crate::kit::{Cx, Flush, Next, Outputs, Push};
use crate::operators::Of2;
use crate::operators::join::JoinSides;
use crate::state::State;
use crate::windowing::clock::{JoinClock, SystemClock};
use crate::windowing::engine::{Aside, Event, Inputs, Lost, Options, Step, WindowEngine, output};
use crate::windowing::fault::Fault;

/// The streams of a join of rows.
#[derive(Debug)]
#[must_use]
pub struct RowsOut<K, U, A, B> {
    /// The rows.
    pub down: KeyedStream<K, U>,
    /// The late values of each stream.
    pub late: (KeyedStream<K, A>, KeyedStream<K, B>),
}

impl<K: 'static, U: 'static, A, B> RowsOut<K, U, A, B> {
    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

/// The time that [`join_rows`](Stream::join_rows) keeps rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Forever: the state grows with each row.
    Unbounded,
    /// For this time after their arrival, by the system clock.
    For(TimeDelta),
}

const DOWN: usize = 0;
const LEFT: usize = 1;
const RIGHT: usize = 2;

/// Sends rows and late values to the streams of a join.
struct Split<K, U, A, B> {
    down: Next<(K, U)>,
    left: Aside<(K, A)>,
    right: Aside<(K, B)>,
}

impl<K: 'static, U: 'static, A: 'static, B: 'static> Split<K, U, A, B> {
    fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self {
        Self {
            down: outputs.next(DOWN),
            left: Aside::new(outputs, LEFT, lost),
            right: Aside::new(outputs, RIGHT, lost),
        }
    }
}

impl<K, U, A, B> Push<(K, Event<U, Of2<A, B>>)> for Split<K, U, A, B>
where
    K: 'static,
    U: 'static,
    A: 'static,
    B: 'static,
{
    fn push(
        &mut self,
        batch: &mut Vec<(K, Event<U, Of2<A, B>>)>,
        cx: &mut Cx,
    ) -> Result<(), RunError> {
        for (key, event) in batch.drain(..) {
            match event {
                Event::Down(_, row) => self.down.buffer.push((key, row)),
                Event::Late(_, _, Of2::A(left)) => self.left.put((key, left)),
                Event::Late(_, _, Of2::B(right)) => self.right.put((key, right)),
                Event::Meta(..) => {}
            }
        }
        self.down.send(cx)?;
        self.left.send(cx)?;
        self.right.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.down.flush(what, cx)?;
        self.left.flush(what, cx)?;
        self.right.flush(what, cx)
    }
}

/// A join under description.
pub(super) struct Join<C, E> {
    pub(super) operator: &'static str,
    pub(super) clock: C,
    /// How far behind the watermark rows are not late.
    pub(super) lateness: i64,
    /// How far behind the watermark emitted rows can be; `None` if they do not depend on it.
    pub(super) held_back: Option<i64>,
    pub(super) fault: Option<Fault>,
    pub(super) make: E,
}

impl<C, E> Join<C, E> {
    #[track_caller]
    pub(super) fn add<K, A, B, W>(
        self,
        left: KeyedStream<K, A>,
        right: KeyedStream<K, B>,
    ) -> RowsOut<K, W::Out, A, B>
    where
        K: Key,
        A: State + Clone,
        B: State + Clone,
        C: JoinClock<Of2<A, B>>,
        W: WindowEngine<Of2<A, B>>,
        E: Fn() -> W + Send + Sync + 'static,
    {
        let sides = (left, right);
        let (flow, ports) = sides.inputs();
        let inputs = Inputs {
            flow,
            ports,
            enter: <(KeyedStream<K, A>, KeyedStream<K, B>) as JoinSides>::enter,
            outputs: ["down", "late.0", "late.1"].map(OutputSpec::field).into(),
        };
        let step = Step {
            operator: self.operator,
            clock: Arc::new(self.clock),
            facts: Vec::new(),
            faults: self.fault.into_iter().collect(),
            options: Options {
                lateness: self.lateness,
                held_back: self.held_back,
                early: None,
                ordered: false,
                keep_open: false,
            },
        };
        let make = self.make;
        let made = move |outputs: &mut Outputs, lost: &Arc<Lost>| {
            (make(), Split::<K, W::Out, A, B>::new(outputs, lost))
        };
        let (flow, step) = step.add::<K, Of2<A, B>, W, (), _, _>(inputs, made);
        RowsOut {
            down: output(&flow, step, DOWN),
            late: (output(&flow, step, LEFT), output(&flow, step, RIGHT)),
        }
    }
}

impl<T: 'static> Stream<T> {
    /// Emits each pair of values of two streams with the same key as soon as both exist.
    ///
    /// Both sides are kept, so a value matches all values of the other stream, in any order of arrival: this
    /// is the join of two tables, row by row. `kind` determines what happens to unmatched values: with
    /// [`LeftOuter`](crate::windowing::LeftOuter), those of this stream are also emitted, when they expire or
    /// at the end of input. `kept` limits how long values are kept. To join values that are close in event
    /// time, use [`join_interval`](Stream::join_interval).
    ///
    /// The end of input drops nothing: with a recovery store, values of the next run match those of this one. A
    /// value that was emitted without a match at the end of input is still kept, and a match that arrives in a later
    /// run is emitted too.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Inner, Kept};
    ///
    /// let mut out = run_keyed([('a', 1), ('a', 2), ('b', 3), ('a', 4)], |numbers| {
    ///     let even = numbers.clone().filter_value(|n| n % 2 == 0);
    ///     let odd = numbers.filter_value(|n| n % 2 == 1);
    ///     odd.join_rows(even, Inner, Kept::Unbounded).named("rows")
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, [('a', (1, 2)), ('a', (1, 4))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: all its values of both streams, as long as `kept` allows, also across ends of input.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[must_use]
    pub fn join_rows<B, J>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        kind: J,
        kept: Kept,
    ) -> KeyedStream<KeyOf<Self>, J::Row>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        J: JoinKind<ValueOf<Self>, B>,
    {
        let interval = match kept {
            Kept::Unbounded => Interval::ENDLESS,
            Kept::For(time) => Interval::within(time),
        };
        let fault = match kept {
            Kept::For(time) if time < TimeDelta::zero() => Some(Fault::new(
                "the time for which rows are kept is negative",
                "keep rows for zero or more",
            )),
            _ => None,
        };
        let join = Join {
            operator: "join_rows",
            clock: SystemClock::new(),
            lateness: 0,
            held_back: None,
            fault,
            make: making(kind, interval, true),
        };
        join.add(self.pairs(), other).down
    }

    /// Emits each pair of values of two streams with the same key that are close in time.
    ///
    /// `interval` limits their distance. A pair is emitted as soon as both values exist. `kind` determines
    /// what happens to unmatched values: with [`LeftOuter`](crate::windowing::LeftOuter), those of this
    /// stream are also emitted, when the watermark excludes a match or at the end of input.
    ///
    /// The clock must know the times of both: [`StreamClock::of_sides`] takes a function for each. Values
    /// before the watermark are late. The output watermark follows the emitted rows, so later window steps
    /// can use the time of either side.
    ///
    /// At the end of input, no match can arrive any more. If the next run continues the input, let the clock
    /// [`keep_open`](crate::windowing::StreamClock::keep_open) what waits.
    ///
    /// # Examples
    ///
    /// Each order with its payment, if that follows within an hour:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{Interval, Lateness, LeftOuter, Millis, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// let minute = |at: &i64| Millis(at * 60_000);
    /// // Negative times are those of payments.
    /// let times = [('a', 1), ('b', 2), ('a', -40), ('b', -70)];
    /// let mut out = run_keyed(times, |times| {
    ///     let lateness = Lateness::bounded(TimeDelta::minutes(5));
    ///     let times = times.event_time(move |(_, at): &(char, i64)| minute(&at.abs()), lateness).named("times").down;
    ///     let orders = times.clone().filter_value(|at| *at > 0);
    ///     let payments = times.filter_value(|at| *at < 0).map_value(|at| -at);
    ///     let clock = StreamClock::of_sides((minute, minute));
    ///     let hour = Interval::after(TimeDelta::hours(1));
    ///     orders.join_interval(payments, clock, hour, LeftOuter).named("paid").down
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, [('a', (1, Some(40))), ('b', (2, None))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: its values of both streams, until the watermark excludes a match.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    ///
    /// [`StreamClock::of_sides`]: crate::windowing::StreamClock::of_sides
    #[track_caller]
    pub fn join_interval<B, C, J>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        interval: Interval,
        kind: J,
    ) -> RowsOut<KeyOf<Self>, J::Row, ValueOf<Self>, B>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<Of2<ValueOf<Self>, B>>,
        J: JoinKind<ValueOf<Self>, B>,
    {
        let join = Join {
            operator: "join_interval",
            clock,
            lateness: 0,
            held_back: Some(interval.held_back()),
            fault: interval.fault(),
            make: making(kind, interval, false),
        };
        join.add(self.pairs(), other)
    }

    /// Emits each value of this stream with the closest value in time of the other, as defined by `as_of`:
    /// the newest that is not after it, the oldest that is not before it, or the closer of both.
    ///
    /// A value waits until the watermark excludes a closer one, unless `as_of` is
    /// [`at_once`](crate::windowing::AsOf::at_once). Values are emitted in the order of their times. An
    /// unmatched value is emitted with `None`. Values of the other stream can match any number of times. To join
    /// with a table whose rows are changed and deleted, use [`join_table`](Stream::join_table).
    ///
    /// The clock must know the times of both: [`StreamClock::of_sides`] takes a function for each. Values
    /// before the watermark are late. A later window step uses the time of this stream; behind
    /// [`forward`](crate::windowing::AsOf::forward) and [`nearest`](crate::windowing::AsOf::nearest), only with a
    /// [tolerance](crate::windowing::AsOf::tolerance). At the end of input, waiting values are emitted, unless the
    /// clock [keeps them open](crate::windowing::StreamClock::keep_open).
    ///
    /// # Examples
    ///
    /// Amounts by the newest rate of their currency:
    ///
    /// ```
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{AsOf, Lateness, Millis, StreamClock};
    /// use chrono::TimeDelta;
    ///
    /// // A time, and an amount or, if that is negative, a rate.
    /// let rows = [('$', (10, -9)), ('$', (15, 100)), ('$', (20, -8)), ('$', (19, 200)), ('$', (20, 300))];
    /// let at = |row: &(i64, i64)| Millis(row.0);
    /// let out = run_keyed(rows, |rows| {
    ///     let lateness = Lateness::bounded(TimeDelta::milliseconds(5));
    ///     let rows = rows.event_time(move |(_, row)| at(row), lateness).named("times").down;
    ///     let rates = rows.clone().filter_value(|row| row.1 < 0);
    ///     let amounts = rows.filter_value(|row| row.1 > 0);
    ///     let clock = StreamClock::of_sides((at, at));
    ///     let out = amounts.join_as_of(rates, clock, AsOf::backward()).named("rated").down;
    ///     out.map_value(|((_, amount), rate)| (amount, rate.map(|(_, rate)| -rate)))
    /// });
    /// assert_eq!(out, [('$', (100, Some(9))), ('$', (200, Some(9))), ('$', (300, Some(8)))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the waiting values of this stream; and of the other stream, the newest value that is not
    /// after them and the watermark, and all later ones. With a
    /// [tolerance](crate::windowing::AsOf::tolerance), a value of the other stream is dropped when the
    /// watermark is further ahead of it than that, so keys are dropped; without it, a key keeps one value
    /// forever.
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    ///
    /// [`StreamClock::of_sides`]: crate::windowing::StreamClock::of_sides
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_as_of<B, C>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        as_of: AsOf,
    ) -> RowsOut<KeyOf<Self>, (ValueOf<Self>, Option<B>), ValueOf<Self>, B>
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<Of2<ValueOf<Self>, B>>,
    {
        let join = Join {
            operator: "join_as_of",
            clock,
            lateness: 0,
            held_back: Some(as_of.held_back()),
            fault: as_of.fault(),
            make: move || as_of,
        };
        join.add(self.pairs(), other)
    }
}

/// Creates the state and engine of a join.
fn making<J: Send + 'static>(
    _: J,
    interval: Interval,
    keeps: bool,
) -> impl Fn() -> IntervalJoin<J> + Send + Sync + 'static {
    let kind = PhantomData::<fn(J)>;
    move || {
        let _ = kind;
        IntervalJoin::new(interval).keeping(keeps)
    }
}
