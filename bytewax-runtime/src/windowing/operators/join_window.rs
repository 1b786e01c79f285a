//! `join_window`, `join_window_complete`, `join_window_running`.

use crate::flow::{Flow, KeyOf, Keyed, KeyedStream, OutputSpec, Stream, ValueOf};
use crate::ids::StepIndex;
use crate::key::Key;
use crate::operators::join::{JoinSides, Sides};
use crate::operators::{JoinAll, JoinInsert, KeyedStreams};
use crate::state::State;
use crate::windowing::clock::JoinClock;
use crate::windowing::engine::{DOWN, Inputs, LateWay, META, Queue, WindowStep, output};
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::{Complete, Fold, Partial};
use crate::windowing::window::{WindowId, WindowMetadata};

/// The streams of a join in windows. Rows are labelled with the ids of their windows.
#[derive(Debug)]
#[must_use]
pub struct JoinWindowOut<K, U, L> {
    /// The rows.
    pub down: KeyedStream<K, (WindowId, U)>,
    /// The late values of each joined stream, in their order.
    pub late: L,
    /// The metadata of each window, when it closes.
    pub meta: KeyedStream<K, (WindowId, WindowMetadata)>,
}

impl<K: 'static, U: 'static, L> JoinWindowOut<K, U, L> {
    fn of<S: WindowedSides<Late = L>>((flow, step): (Flow, StepIndex)) -> Self {
        Self {
            down: output(&flow, step, DOWN),
            late: S::late(&flow, step),
            meta: output(&flow, step, META),
        }
    }

    /// Names the step; see [`Stream::named`].
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

/// The streams of a join in windows.
pub(crate) trait WindowedSides: JoinSides {
    /// Late values of each stream.
    type Late: 'static;
    /// The destination of late values.
    type LateWay: LateWay<Self::Key, <Self::Sides as Sides>::Item>;

    /// The streams of late values of a step, and their fields.
    fn late(flow: &Flow, step: StepIndex) -> Self::Late;

    fn late_outputs() -> Vec<OutputSpec>;
}

/// An item of one of the streams.
type Item<S> = <<S as JoinSides>::Sides as Sides>::Item;

/// Tuples of keyed streams that can be joined in windows.
pub trait WindowedStreams: KeyedStreams {
    /// A value of any of the streams, whose time the clock of the join reads.
    type Item;
    /// The streams of late values.
    type Late;

    #[doc(hidden)]
    fn complete_in<C: JoinClock<Self::Item>, W: Windowing>(
        self,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<Self::Key, Emitted<W, Self::Row>, Self::Late>;

    #[doc(hidden)]
    fn partial_in<C: JoinClock<Self::Item>, W: Windowing>(
        self,
        operator: &'static str,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<Self::Key, Emitted<W, Self::PartialRow>, Self::Late>;
}

const FINAL: &str = "join_window";
const RUNNING: &str = "join_window_running";

/// Methods to join up to eight keyed streams of a tuple in windows; see [`Stream::join_window`] for two.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::operators::JoinInsert;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::run_keyed;
/// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
/// use chrono::{DateTime, TimeDelta};
///
/// let ms = TimeDelta::milliseconds;
/// let out = run_keyed([('a', 3)], |times| {
///     let clock = EventClock::of_sides((|ms: &i64| Millis(*ms), |ms: &i64| Millis(*ms)), ms(0));
///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
///     let none = times.clone().filter(|_| false);
///     (times, none).join_window(clock, windower, JoinInsert::Last).named("rows").down
/// });
/// assert_eq!(out, [('a', (WindowId(0), (Some(3), None)))]);
/// ```
pub trait JoinAllWindows: Sized {
    /// Emits the rows of a window when it is over; see [`Stream::join_window`].
    #[track_caller]
    fn join_window<C, W>(
        self,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<Self::Key, Emitted<W, Self::PartialRow>, Self::Late>
    where
        Self: WindowedStreams,
        C: JoinClock<Self::Item>,
        W: Windowing,
    {
        self.partial_in(FINAL, clock, windower, insert)
    }

    /// Emits a row whenever each stream has a value in a window; see [`Stream::join_window_complete`].
    #[track_caller]
    fn join_window_complete<C, W>(
        self,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<Self::Key, Emitted<W, Self::Row>, Self::Late>
    where
        Self: WindowedStreams,
        C: JoinClock<Self::Item>,
        W: Windowing,
    {
        self.complete_in(clock, windower, insert)
    }

    /// Emits the rows of a window at each value; see [`Stream::join_window_running`].
    #[track_caller]
    fn join_window_running<C, W>(
        self,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<Self::Key, Emitted<W, Self::PartialRow>, Self::Late>
    where
        Self: WindowedStreams,
        C: JoinClock<Self::Item>,
        W: Windowing,
    {
        self.partial_in(RUNNING, clock, windower, insert)
    }
}

// Also for other types than streams: rustc then reports the faults of other tuples.
impl<S: JoinAll> JoinAllWindows for S {}

/// A value of one of two streams, and the streams of their late values.
type ItemOf2<K, A, B> = <(KeyedStream<K, A>, KeyedStream<K, B>) as WindowedStreams>::Item;
type LateOf2<K, A, B> = <(KeyedStream<K, A>, KeyedStream<K, B>) as WindowedStreams>::Late;

impl<T: 'static> Stream<T> {
    /// Emits pairs of values of two streams with the same key and window, when the window is over.
    ///
    /// `insert` selects the values of a stream that a window keeps. If a stream has none, its element is
    /// `None`; with [`JoinInsert::Product`], each value of this stream is paired with each of the other.
    /// First and last refer to the times of values, unless the windower is [`in_arrival_order`]; when
    /// sessions merge, the values of the earlier session come first.
    ///
    /// The clock must know the times of both: [`EventClock::of_sides`] takes a function for each.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::JoinInsert;
    /// use bytewax_runtime::testing::run_keyed;
    /// use bytewax_runtime::windowing::{EventClock, Millis, TumblingWindower, WindowId};
    /// use chrono::{DateTime, TimeDelta};
    ///
    /// let ms = TimeDelta::milliseconds;
    /// let out = run_keyed([('a', 1), ('a', 5), ('a', 12)], |times| {
    ///     let even = times.clone().filter_value(|ms| ms % 2 == 0);
    ///     let odd = times.filter_value(|ms| ms % 2 == 1);
    ///     let time = |ms: &i64| Millis(*ms);
    ///     let windower = TumblingWindower::new(ms(10), DateTime::UNIX_EPOCH);
    ///     let clock = EventClock::of_sides((time, time), ms(5));
    ///     odd.join_window(even, clock, windower, JoinInsert::Last).named("rows").down
    /// });
    /// let (w0, w1) = (WindowId(0), WindowId(1));
    /// assert_eq!(out, [('a', (w0, (Some(5), None))), ('a', (w1, (None, Some(12))))]);
    /// ```
    ///
    /// # State
    ///
    /// For each key: the kept values of each open window; the values that wait for the watermark; and the
    /// data of its [clock](crate::windowing#state).
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    ///
    /// [`EventClock::of_sides`]: crate::windowing::EventClock::of_sides
    /// [`in_arrival_order`]: crate::windowing::TumblingWindower::in_arrival_order
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_window<B, C, W>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<
        KeyOf<Self>,
        Emitted<W, (Option<ValueOf<Self>>, Option<B>)>,
        LateOf2<KeyOf<Self>, ValueOf<Self>, B>,
    >
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<ItemOf2<KeyOf<Self>, ValueOf<Self>, B>>,
        W: Windowing,
    {
        (self.pairs(), other).join_window(clock, windower, insert)
    }

    /// Emits pairs of values of two streams with the same key and window, as soon as both have one.
    ///
    /// The window then starts empty, so each row needs a new value from each stream; incomplete rows at its
    /// end are dropped. Otherwise like [`join_window`](Stream::join_window).
    ///
    /// # State
    ///
    /// Like [`join_window`](Stream::join_window).
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_window_complete<B, C, W>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<
        KeyOf<Self>,
        Emitted<W, (ValueOf<Self>, B)>,
        LateOf2<KeyOf<Self>, ValueOf<Self>, B>,
    >
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<ItemOf2<KeyOf<Self>, ValueOf<Self>, B>>,
        W: Windowing,
    {
        (self.pairs(), other).join_window_complete(clock, windower, insert)
    }

    /// Emits the known values of a window from two streams whenever either has a new value.
    ///
    /// The end of a window emits nothing. Otherwise like [`join_window`](Stream::join_window).
    ///
    /// # State
    ///
    /// Like [`join_window`](Stream::join_window).
    ///
    /// # Panics
    ///
    /// Panics if the other stream belongs to another flow.
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "it shows what a row is made of")]
    pub fn join_window_running<B, C, W>(
        self,
        other: KeyedStream<KeyOf<Self>, B>,
        clock: C,
        windower: W,
        insert: JoinInsert,
    ) -> JoinWindowOut<
        KeyOf<Self>,
        Emitted<W, (Option<ValueOf<Self>>, Option<B>)>,
        LateOf2<KeyOf<Self>, ValueOf<Self>, B>,
    >
    where
        Self: Keyed<Key: Key, Value: State + Clone>,
        B: State + Clone,
        C: JoinClock<ItemOf2<KeyOf<Self>, ValueOf<Self>, B>>,
        W: Windowing,
    {
        (self.pairs(), other).join_window_running(clock, windower, insert)
    }
}

/// A row of a join.
type Row<S> = <<S as JoinSides>::Sides as Sides>::Row;
type PartialRow<S> = <<S as JoinSides>::Sides as Sides>::PartialRow;

#[track_caller]
pub(crate) fn complete_in<S: WindowedSides, C: JoinClock<Item<S>>, W: Windowing>(
    sides: &S,
    clock: C,
    windower: W,
    insert: JoinInsert,
) -> JoinWindowOut<S::Key, Emitted<W, Row<S>>, S::Late> {
    join_step(sides, "join_window_complete", clock, windower, move || {
        Complete::<S::Sides>::new(insert)
    })
}

#[track_caller]
pub(crate) fn partial_in<S: WindowedSides, C: JoinClock<Item<S>>, W: Windowing>(
    sides: &S,
    operator: &'static str,
    clock: C,
    windower: W,
    insert: JoinInsert,
) -> JoinWindowOut<S::Key, Emitted<W, PartialRow<S>>, S::Late> {
    let running = operator == RUNNING;
    join_step(sides, operator, clock, windower, move || {
        Partial::<S::Sides>::new(insert, running)
    })
}

#[track_caller]
fn join_step<S, C, W, F>(
    sides: &S,
    operator: &'static str,
    clock: C,
    windower: W,
    fold: impl Fn() -> F + Send + Sync + 'static,
) -> JoinWindowOut<S::Key, Emitted<W, F::Out>, S::Late>
where
    S: WindowedSides,
    C: JoinClock<Item<S>>,
    W: Windowing,
    F: Fold<Item<S>>,
{
    let (flow, ports) = sides.inputs();
    let mut outputs: Vec<_> = ["down", "meta"].map(OutputSpec::field).into();
    outputs.extend(S::late_outputs());
    let inputs = Inputs {
        flow,
        ports,
        enter: S::enter,
        outputs,
    };
    let step = WindowStep::<C, W, Queue<Item<S>>, S::LateWay>::new(operator, clock, windower);
    JoinWindowOut::of::<S>(step.each(inputs, fold))
}
