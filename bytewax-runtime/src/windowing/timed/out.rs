//! The streams of a step that follows a clock, and the addition of such a step.

use std::sync::Arc;

use super::{ByTime, TimedLogic};
use crate::error::RunError;
use crate::flow::{Flow, KeyedStream, OutputSpec};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Route};
use crate::kit::{AnyPush, Cx, Exchange, Flush, Next, Outputs, Push, StreamTime};
use crate::state::{Fact, State};
use crate::windowing::clock::{Clock, OF_SYSTEM};
use crate::windowing::engine::{Aside, Event, Inputs, Lost, Options, Queue, Step, Waiters, output};
use crate::windowing::fault::Fault;

/// The streams of a step that processes values in the order of event time.
#[derive(Debug)]
#[must_use]
pub struct TimedOut<K, U, V> {
    /// The output of the step.
    pub down: KeyedStream<K, U>,
    /// The late values.
    pub late: KeyedStream<K, V>,
}

impl<K: 'static, U: 'static, V> TimedOut<K, U, V> {
    /// Names the step; see [`Stream::named`](crate::flow::Stream::named).
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}

/// An item of a step's first or second stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Either<U, X> {
    Down(U),
    Second(X),
}

/// The destinations of late values.
pub(super) trait LateWays<K, V>: 'static {
    /// Adds its outputs from `first` on.
    fn new(outputs: &mut Outputs, first: usize, lost: &Arc<Lost>) -> Self;

    fn put(&mut self, key: K, value: V);

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError>;

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

impl<K: 'static, V: 'static> LateWays<K, V> for Aside<(K, V)> {
    fn new(outputs: &mut Outputs, first: usize, lost: &Arc<Lost>) -> Self {
        Self::new(outputs, first, lost)
    }

    fn put(&mut self, key: K, value: V) {
        Self::put(self, (key, value));
    }

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        Self::send(self, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        Self::flush(self, what, cx)
    }
}

pub(super) const DOWN: usize = 0;
pub(super) const SECOND: usize = 1;
/// The first of the streams of late values, in a step with a second stream.
pub(super) const LATE: usize = 2;

/// Sends the output of a step to its streams.
struct Split<K, U, X, L> {
    down: Next<(K, U)>,
    second: Next<(K, X)>,
    late: L,
}

impl<K, U, X, V, L> Push<(K, Event<Either<U, X>, V>)> for Split<K, U, X, L>
where
    K: 'static,
    U: 'static,
    X: 'static,
    V: 'static,
    L: LateWays<K, V>,
{
    fn push(
        &mut self,
        batch: &mut Vec<(K, Event<Either<U, X>, V>)>,
        cx: &mut Cx,
    ) -> Result<(), RunError> {
        for (key, event) in batch.drain(..) {
            match event {
                Event::Down(_, Either::Down(value)) => self.down.buffer.push((key, value)),
                Event::Down(_, Either::Second(value)) => self.second.buffer.push((key, value)),
                Event::Late(_, _, value) => self.late.put(key, value),
                Event::Meta(..) => {}
            }
        }
        self.down.send(cx)?;
        self.second.send(cx)?;
        self.late.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.down.flush(what, cx)?;
        self.second.flush(what, cx)?;
        self.late.flush(what, cx)
    }
}

/// Sends the output of a step with one stream.
struct Plain<K, U, V> {
    down: Next<(K, U)>,
    late: Aside<(K, V)>,
}

impl<K: 'static, U: 'static, V: 'static> Push<(K, Event<U, V>)> for Plain<K, U, V> {
    fn push(&mut self, batch: &mut Vec<(K, Event<U, V>)>, cx: &mut Cx) -> Result<(), RunError> {
        for (key, event) in batch.drain(..) {
            match event {
                Event::Down(_, value) => self.down.buffer.push((key, value)),
                Event::Late(_, _, value) => self.late.put((key, value)),
                Event::Meta(..) => {}
            }
        }
        self.down.send(cx)?;
        self.late.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.down.flush(what, cx)?;
        self.late.flush(what, cx)
    }
}

/// A step under description.
pub(super) struct TimedStep<C> {
    pub(super) operator: &'static str,
    pub(super) clock: C,
    /// How far behind the watermark the times of emitted values can be.
    pub(super) held_back: i64,
    pub(super) facts: Vec<Fact>,
    pub(super) faults: Vec<Fault>,
}

impl<C> TimedStep<C> {
    fn step<V>(self, ordered: bool) -> Step<C>
    where
        C: Clock<V>,
    {
        // Values are held back until the watermark of a clock reaches them, except by the system's time and without an
        // order. The event time of the stream then passes.
        let holds_back = ordered && C::NAME != OF_SYSTEM;
        let passes = C::STREAM_TIME == StreamTime::Ends && !holds_back;
        Step {
            operator: self.operator,
            clock: Arc::new(self.clock),
            facts: self.facts,
            faults: self.faults,
            options: Options {
                lateness: 0,
                held_back: (!passes).then_some(self.held_back),
                early: None,
                ordered,
                keep_open: false,
            },
        }
    }

    /// Adds a step that processes the values of one stream in the order of their times.
    #[track_caller]
    pub(super) fn ordered<K, V, L>(
        self,
        stream: &KeyedStream<K, V>,
        make: impl Fn() -> L + Send + Sync + 'static,
    ) -> TimedOut<K, L::Out, V>
    where
        K: Key,
        V: State + Exchange + Clone,
        C: Clock<V>,
        L: TimedLogic<V>,
    {
        let inputs = inputs(stream, &["down", "late"]);
        let made = move |outputs: &mut Outputs, lost: &Arc<Lost>| {
            let plain = Plain::<K, L::Out, V> {
                down: outputs.next(DOWN),
                late: Aside::new(outputs, 1, lost),
            };
            (ByTime(make()), plain)
        };
        let (flow, step) = self
            .step::<V>(true)
            .add::<K, V, ByTime<L>, Queue<V>, _, _>(inputs, made);
        TimedOut {
            down: output(&flow, step, DOWN),
            late: output(&flow, step, 1),
        }
    }

    /// Adds a step with a second stream, which processes values in order of arrival or, with a queue, in the
    /// order of their times.
    #[track_caller]
    pub(super) fn split<K, V, L, U, X, W, Q>(
        self,
        inputs: Inputs<
            impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static,
        >,
        make: impl Fn() -> L + Send + Sync + 'static,
    ) -> (Flow, StepIndex)
    where
        K: Key,
        V: Exchange + Clone,
        C: Clock<V>,
        L: TimedLogic<V, Out = Either<U, X>>,
        U: 'static,
        X: 'static,
        W: LateWays<K, V>,
        Q: Waiters<V>,
    {
        let made = move |outputs: &mut Outputs, lost: &Arc<Lost>| {
            let split = Split::<K, U, X, W> {
                down: outputs.next(DOWN),
                second: outputs.next(SECOND),
                late: W::new(outputs, LATE, lost),
            };
            (ByTime(make()), split)
        };
        self.step::<V>(Q::ORDERED)
            .add::<K, V, ByTime<L>, Q, _, _>(inputs, made)
    }
}

/// A step reads one stream, and has these outputs.
pub(super) fn inputs<K: Key, V: Exchange>(
    stream: &KeyedStream<K, V>,
    outputs: &[&'static str],
) -> Inputs<impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static + use<K, V>>
{
    inputs_of(
        (stream.flow(), vec![stream.port()]),
        |step, _, out| AnyPush::before(step, Route::new(step, out)),
        outputs,
    )
}

/// A step reads these streams, and has these outputs.
pub(super) fn inputs_of<E>(
    (flow, ports): (Flow, Vec<Port>),
    enter: E,
    outputs: &[&'static str],
) -> Inputs<E> {
    let outputs = outputs.iter().copied().map(OutputSpec::field);
    Inputs {
        flow,
        ports,
        enter,
        outputs: outputs.collect(),
    }
}
