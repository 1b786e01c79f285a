//! What the exchange of a window step over all keys carries: values, or the states of values that a worker has combined.
//! Clock, state and outputs of the step see the values alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::out::{LateWay, Lost};
use super::{LateOut, Queue, Waiters};
use crate::error::RunError;
use crate::kit::{BuildCx, Cx, Flush, Outputs, SharedWatermark, StreamTime};
use crate::state::{Schema, State};
use crate::windowing::clock::{Clock, KeyMark, Timing};
use crate::windowing::fault::Fault;
use crate::windowing::logic::Fold;
use crate::windowing::probe::WindowProbe;
use crate::windowing::time::Time;
use crate::windowing::window::WindowId;

/// A value, or the state of values that have the same windows and are on time.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Part<V, S> {
    Value(V),
    /// The time is that of the last of the values.
    Combined(Time, S),
}

/// The clock of values, for parts.
pub(crate) struct OfParts<C>(pub(super) Arc<C>);

impl<V: 'static, S: 'static, C: Clock<V>> Clock<Part<V, S>> for OfParts<C> {}

impl<V: 'static, S: 'static, C: Clock<V>> Timing<Part<V, S>> for OfParts<C> {
    type Mark = C::Mark;

    const NAME: &'static str = C::NAME;
    const STREAM_TIME: StreamTime = C::STREAM_TIME;
    const REMEMBERS: bool = C::REMEMBERS;

    fn faults(&self) -> Vec<Fault> {
        self.0.faults()
    }

    #[inline]
    fn time(&self, part: &Part<V, S>, now: Time) -> Time {
        match part {
            Part::Value(value) => self.0.time(value, now),
            Part::Combined(time, _) => *time,
        }
    }

    #[inline]
    fn observe(
        &self,
        mark: &mut C::Mark,
        (time, part): (Time, &Part<V, S>),
        now: Time,
    ) -> (Time, Time) {
        match part {
            Part::Value(value) => self.0.observe(mark, (time, value), now),
            Part::Combined(..) => (time, mark.pass(now)),
        }
    }

    fn forget_after(&self) -> i64 {
        self.0.forget_after()
    }

    fn keeps_open(&self) -> bool {
        self.0.keeps_open()
    }

    fn probe(&self) -> Option<&WindowProbe> {
        self.0.probe()
    }

    fn shared(&self, build: &BuildCx) -> Option<SharedWatermark> {
        self.0.shared(build)
    }
}

/// A fold of values, for parts.
pub(crate) struct FoldParts<F>(pub(super) F);

impl<V, F: Fold<V>> Fold<Part<V, F::State>> for FoldParts<F> {
    type State = F::State;
    type Out = F::Out;

    const HAS_EMPTY: bool = F::HAS_EMPTY;

    fn begin(&self, now: chrono::DateTime<chrono::Utc>) {
        self.0.begin(now);
    }

    fn open(&self) -> F::State {
        self.0.open()
    }

    #[inline]
    fn add(&self, state: &mut F::State, part: Part<V, F::State>, emit: &mut impl FnMut(Self::Out)) {
        match part {
            Part::Value(value) => self.0.add(state, value, emit),
            Part::Combined(_, other) => self.0.merge(state, other, emit),
        }
    }

    fn merge(&self, state: &mut F::State, other: F::State, emit: &mut impl FnMut(Self::Out)) {
        self.0.merge(state, other, emit);
    }

    fn fire(&self, state: &mut F::State, emit: &mut impl FnMut(Self::Out)) {
        self.0.fire(state, emit);
    }

    fn close(&self, state: F::State, emit: &mut impl FnMut(Self::Out)) {
        self.0.close(state, emit);
    }
}

/// Where values wait that come before their time. What was combined does not wait: windows then process values in order of
/// arrival. It is saved like the queue of values.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
#[serde(bound(serialize = "V: Serialize", deserialize = "V: Deserialize<'de>"))]
pub(crate) struct PartQueue<V>(Queue<V>);

impl<V: State> State for PartQueue<V> {
    const SCHEMA: Schema = Queue::<V>::SCHEMA;
}

impl<V> Default for PartQueue<V> {
    fn default() -> Self {
        Self(Queue::default())
    }
}

impl<V: State, S> Waiters<Part<V, S>> for PartQueue<V> {
    const ORDERED: bool = true;

    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, time: Time, part: Part<V, S>) {
        match part {
            Part::Value(value) => self.0.push(time, value),
            Part::Combined(..) => unreachable!("values that wait are not combined"),
        }
    }

    #[inline]
    fn first(&self) -> Option<Time> {
        self.0.first()
    }

    #[inline]
    fn pop(&mut self, mark: Time) -> Option<(Time, Part<V, S>)> {
        let (time, value) = self.0.pop(mark)?;
        Some((time, Part::Value(value)))
    }
}

/// The output for late values.
pub(crate) struct LateParts<K, V>(LateOut<K, V>);

impl<K: 'static, V: 'static, S> LateWay<K, Part<V, S>> for LateParts<K, V> {
    fn new(outputs: &mut Outputs, lost: &Arc<Lost>) -> Self {
        Self(LateWay::new(outputs, lost))
    }

    fn put(&mut self, key: K, label: (WindowId, bool), part: Part<V, S>) {
        match part {
            Part::Value(value) => LateWay::put(&mut self.0, key, label, value),
            Part::Combined(..) => unreachable!("values that may be late are not combined"),
        }
    }

    fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.0.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.0.flush(what, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode_stored, encode_stored};
    use crate::state::StepSchema;

    /// A store of windows that combined nothing before the exchange is one of those that do.
    #[test]
    fn parts_that_wait_are_saved_like_values() {
        let (mut values, mut parts) = (Queue::<u32>::default(), PartQueue::<u32>::default());
        let (mut of_values, mut of_parts) = (Vec::new(), Vec::new());
        for (time, value) in [(7, 70), (3, 30), (7, 71)] {
            Waiters::push(&mut values, time, value);
            Waiters::<Part<u32, u64>>::push(&mut parts, time, Part::Value(value));
            of_values.clear();
            of_parts.clear();
            encode_stored(&values, &mut of_values).unwrap();
            encode_stored(&parts, &mut of_parts).unwrap();
            assert_eq!(of_values, of_parts);
        }
        let of_values = StepSchema::of::<Queue<u32>>();
        let of_part = StepSchema::of::<PartQueue<u32>>();
        assert_eq!(of_values.text(), of_part.text());
        assert_eq!(of_values.state.fingerprint, of_part.state.fingerprint);
        let mut read: PartQueue<u32> = decode_stored(&of_parts).unwrap();
        let mut popped = Vec::new();
        while let Some((time, Part::Value(value))) = Waiters::<Part<u32, u64>>::pop(&mut read, 7) {
            popped.push((time, value));
        }
        assert_eq!(popped, [(3, 30), (7, 70), (7, 71)]);
    }
}
