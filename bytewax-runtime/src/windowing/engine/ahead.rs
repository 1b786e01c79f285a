//! Combines values of the only key before the exchange.
//!
//! All values of the key `()` go to one worker. Of values that have the same windows and are on time wherever they
//! arrive, only the state that they combine to is sent: once per activation, so nothing is held when the watermark or the epoch
//! advances.

use std::rc::Rc;
use std::sync::Arc;

use super::Part;
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::{AnyPush, Cx, EventMark, Exchange, Flush, Push, Watermark, is_waited_for};
use crate::windowing::clock::Timing;
use crate::windowing::logic::Fold;
use crate::windowing::time::Time;
use crate::windowing::windower::Windower;

/// With more cells than this, the combined values are sent.
const MOST_CELLS: usize = 16;

/// How a window step combines values before the exchange.
pub(crate) struct Ahead<C, W, M> {
    pub(super) clock: Arc<C>,
    pub(super) windower: W,
    /// Creates the fold.
    pub(super) fold: Arc<M>,
    /// Whether it combines them at all.
    pub(super) combines: bool,
}

impl<C, W, M> Ahead<C, W, M> {
    /// Creates the stage before the exchange.
    pub(crate) fn stage<K, V, F>(
        &self,
        step: StepIndex,
        out: KeyedOut<K, Part<V, F::State>>,
    ) -> AnyPush
    where
        K: Key,
        V: Exchange,
        C: Timing<V>,
        W: Windower,
        F: Fold<V>,
        M: Fn() -> F,
    {
        let worker = out.worker();
        let root = worker.steps.get(step).roots.first();
        let is_waited_for = root.is_none_or(|root| is_waited_for(worker, *root, worker.index));
        let combining = Combining {
            step,
            clock: Arc::clone(&self.clock),
            windower: self.windower.clone(),
            fold: (self.fold)(),
            cells: Vec::new(),
            known: worker.watermark(step),
            on_time_from: None,
            combines: self.combines && is_waited_for,
            out,
        };
        AnyPush::before::<(K, V)>(step, combining)
    }
}

/// The state of the values with the same windows.
struct Cell<K, S> {
    /// All times from the first up to the second, exclusive, have these windows.
    times: (Time, Time),
    key: K,
    /// The time of the last value.
    time: Time,
    state: S,
}

/// The stage before the exchange.
struct Combining<K, V, C, W, F: Fold<V>> {
    step: StepIndex,
    clock: Arc<C>,
    windower: W,
    fold: F,
    /// In the order of their first values.
    cells: Vec<Cell<K, F::State>>,
    /// The watermark of the step on this worker.
    known: Rc<Watermark>,
    /// Values from this time on are on time on all workers, as long as these wait for this one: the greatest watermark
    /// that this worker has sent, and at least the watermark with which the step resumed.
    on_time_from: Option<Time>,
    /// Whether the step combines values, and the workers have waited for this one since the start. They do not if it has no
    /// partition, or when its partitions are idle.
    combines: bool,
    out: KeyedOut<K, Part<V, F::State>>,
}

impl<K, V, C, W, F> Combining<K, V, C, W, F>
where
    K: Key,
    V: Exchange,
    C: Timing<V>,
    W: Windower,
    F: Fold<V>,
{
    fn take(&mut self, key: K, value: V, on_time_from: Time, cx: &Cx) {
        let time = self.clock.time(&value, on_time_from);
        if time < on_time_from {
            return self.pass(key, value, cx);
        }
        let inside = |cell: &Cell<K, _>| cell.times.0 <= time && time < cell.times.1;
        let at = match self.cells.iter().position(inside) {
            Some(at) => at,
            None => {
                let Some(times) = self.windower.cell(time) else {
                    return self.pass(key, value, cx);
                };
                if self.cells.len() == MOST_CELLS {
                    self.send(cx);
                }
                let state = self.fold.open();
                self.cells.push(Cell {
                    times,
                    key,
                    time,
                    state,
                });
                self.cells.len() - 1
            }
        };
        let cell = &mut self.cells[at];
        cell.time = time;
        self.fold.add(&mut cell.state, value, &mut |_| {});
    }

    /// Sends a value that may be late. Values stay in their order.
    fn pass(&mut self, key: K, value: V, cx: &Cx) {
        self.send(cx);
        self.out
            .send(key.stable_hash(), key, Part::Value(value), cx);
    }

    /// Sends what the values combine to.
    fn send(&mut self, cx: &Cx) {
        for Cell {
            key, time, state, ..
        } in self.cells.drain(..)
        {
            let part = Part::Combined(time, state);
            self.out.send(key.stable_hash(), key, part, cx);
        }
    }
}

impl<K, V, C, W, F> Push<(K, V)> for Combining<K, V, C, W, F>
where
    K: Key,
    V: Exchange,
    C: Timing<V>,
    W: Windower,
    F: Fold<V>,
{
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if !self.combines {
            for (key, value) in batch.drain(..) {
                self.pass(key, value, cx);
            }
            return Ok(());
        }
        let resumed = self.known.get();
        let on_time_from = *self.on_time_from.get_or_insert(resumed);
        let numbers = cx.numbers(batch.len());
        for (index, (key, value)) in batch.drain(..).enumerate() {
            numbers.at(index, || self.take(key, value, on_time_from, cx));
        }
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.send(cx);
        self.out.flush(cx);
        let EventMark(mark) = cx.mark;
        if cx.mark >= EventMark::IDLE {
            self.combines &= what == Flush::End;
        } else {
            let from = self.on_time_from.unwrap_or(self.known.get());
            self.on_time_from = Some(from.max(mark));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::kit::bench::{Bench, OUT, STEP};
    use crate::kit::keyed::Routed;
    use crate::windowing::logic::Reduce;
    use crate::windowing::{Micros, StreamClock, TumblingWindower};

    type Value = (Time, u32);

    #[test]
    fn values_that_may_be_late_are_sent_as_they_are() {
        let bench = Bench::new(1, TimeDelta::seconds(10), 1 << 30);
        let (edge, wire) = bench.edge::<Routed<(), Part<Value, Option<Value>>>>(OUT);
        let most = || Reduce(|a: Value, b: Value| if b.1 > a.1 { b } else { a });
        let ahead = Ahead {
            clock: Arc::new(StreamClock::new(|value: &Value| Micros(value.0))),
            windower: TumblingWindower::new(TimeDelta::microseconds(10), DateTime::UNIX_EPOCH),
            fold: Arc::new(most),
            combines: true,
        };
        let stage = ahead.stage::<(), Value, _>(STEP, KeyedOut::new(edge));
        let mut stage = stage.downcast::<((), Value)>();
        let (mut cx, ..) = bench.cx();
        let mut sent = |values: &[Value], mark: EventMark| -> Vec<Value> {
            let mut batch = values.iter().map(|value| ((), *value)).collect();
            stage.push(&mut batch, &mut cx).unwrap();
            cx.mark = mark;
            stage.flush(Flush::Activation, &mut cx).unwrap();
            let sent = wire.sent().into_iter().flat_map(|(_, _, items)| items);
            let value = |part: Part<Value, Option<Value>>| match part {
                Part::Value(value) => value,
                Part::Combined(_, state) => state.unwrap(),
            };
            sent.map(|(_, (), part)| value(part)).collect()
        };
        let values = [(1, 5), (3, 9), (12, 1), (4, 7), (19, 2), (5, 9)];
        assert_eq!(sent(&values, EventMark(3)), [(3, 9), (19, 2)]);
        // The first is before the watermark.
        let values = [(2, 6), (5, 1), (2, 4), (6, 2), (7, 3)];
        let expect = [(2, 6), (5, 1), (2, 4), (7, 3)];
        assert_eq!(sent(&values, EventMark::END), expect);
        // Others may be anywhere, since they did not wait.
        let values = [(50, 1), (51, 2)];
        assert_eq!(sent(&values, EventMark(20)), values);
        assert_eq!(sent(&values, EventMark(30)), values);
    }
}
