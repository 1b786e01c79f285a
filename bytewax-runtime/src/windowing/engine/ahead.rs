//! Combines values of the only key before the exchange.
//!
//! All values of the key `()` go to one worker. Of values that have the same windows and are on time wherever they
//! arrive, only what they combine to is sent: once per activation, so nothing is held when the watermark or the epoch
//! advances.

use std::rc::Rc;
use std::sync::Arc;

use crate::error::RunError;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::{AnyPush, Cx, EventMark, Exchange, Flush, Push, Watermark, is_waited_for};
use crate::windowing::clock::Timing;
use crate::windowing::time::Time;
use crate::windowing::windower::Windower;

/// With more cells than this, the combined values are sent.
const MOST_CELLS: usize = 16;

/// How a window step combines values, two at a time, before the exchange.
pub(crate) struct Ahead<C, W, R> {
    pub(super) clock: Arc<C>,
    pub(super) windower: W,
    pub(super) combine: Arc<R>,
}

impl<C, W, R> Ahead<C, W, R> {
    /// Creates the stage before the exchange.
    pub(crate) fn stage<K, V>(&self, step: StepIndex, out: KeyedOut<K, V>) -> AnyPush
    where
        K: Key,
        V: Exchange,
        C: Timing<V>,
        W: Windower,
        R: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let worker = out.worker();
        let root = worker.steps.get(step).roots.first();
        let combining = Combining {
            step,
            clock: Arc::clone(&self.clock),
            windower: self.windower.clone(),
            combine: Arc::clone(&self.combine),
            cells: Vec::new(),
            known: worker.watermark(step),
            on_time_from: None,
            is_waited_for: root.is_none_or(|root| is_waited_for(worker, *root, worker.index)),
            out,
        };
        AnyPush::before::<(K, V)>(step, combining)
    }
}

/// What the values with the same windows combine to.
struct Cell<K, V> {
    /// All times from the first up to the second, exclusive, have these windows.
    times: (Time, Time),
    item: Option<(K, V)>,
}

/// The stage before the exchange.
struct Combining<K, V, C, W, R> {
    step: StepIndex,
    clock: Arc<C>,
    windower: W,
    combine: Arc<R>,
    /// In the order of their first values.
    cells: Vec<Cell<K, V>>,
    /// The watermark of the step on this worker.
    known: Rc<Watermark>,
    /// Values from this time on are on time on all workers, as long as these wait for this one: the greatest watermark
    /// that this worker has sent, and at least the watermark with which the step resumed.
    on_time_from: Option<Time>,
    /// Whether the workers have waited for this one since the start. They do not if it has no partition, or when its
    /// partitions are idle.
    is_waited_for: bool,
    out: KeyedOut<K, V>,
}

impl<K, V, C, W, R> Combining<K, V, C, W, R>
where
    K: Key,
    V: Exchange,
    C: Timing<V>,
    W: Windower,
    R: Fn(V, V) -> V,
{
    fn take(&mut self, key: K, value: V, on_time_from: Time, cx: &Cx) {
        let time = self.clock.time(&value, on_time_from);
        let times = if time < on_time_from {
            None
        } else {
            let inside = |cell: &&mut Cell<K, V>| cell.times.0 <= time && time < cell.times.1;
            if let Some(cell) = self.cells.iter_mut().find(inside) {
                cell.item = match cell.item.take() {
                    Some((key, before)) => Some((key, (self.combine)(before, value))),
                    None => Some((key, value)),
                };
                return;
            }
            self.windower.cell(time)
        };
        match times {
            Some(times) => {
                if self.cells.len() == MOST_CELLS {
                    self.send(cx);
                }
                let item = Some((key, value));
                self.cells.push(Cell { times, item });
            }
            None => {
                // It may be late; values stay in their order.
                self.send(cx);
                self.out.send(key.stable_hash(), key, value, cx);
            }
        }
    }

    /// Sends what the values combine to.
    fn send(&mut self, cx: &Cx) {
        for (key, value) in self.cells.drain(..).filter_map(|cell| cell.item) {
            self.out.send(key.stable_hash(), key, value, cx);
        }
    }
}

impl<K, V, C, W, R> Push<(K, V)> for Combining<K, V, C, W, R>
where
    K: Key,
    V: Exchange,
    C: Timing<V>,
    W: Windower,
    R: Fn(V, V) -> V + Send + Sync + 'static,
{
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if !self.is_waited_for {
            for (key, value) in batch.drain(..) {
                self.out.send(key.stable_hash(), key, value, cx);
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
        if cx.mark == EventMark::END {
            self.is_waited_for &= what == Flush::End;
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
    use crate::windowing::{Micros, StreamClock, TumblingWindower};

    type Value = (Time, u32);

    #[test]
    fn values_that_may_be_late_are_sent_as_they_are() {
        let bench = Bench::new(1, TimeDelta::seconds(10), 1 << 30);
        let (edge, wire) = bench.edge::<Routed<(), Value>>(OUT);
        let ahead = Ahead {
            clock: Arc::new(StreamClock::new(|value: &Value| Micros(value.0))),
            windower: TumblingWindower::new(TimeDelta::microseconds(10), DateTime::UNIX_EPOCH),
            combine: Arc::new(|a: Value, b: Value| if b.1 > a.1 { b } else { a }),
        };
        let stage = ahead.stage(STEP, KeyedOut::new(edge));
        let mut stage = stage.downcast::<((), Value)>();
        let (mut cx, ..) = bench.cx();
        let mut sent = |values: &[Value], mark: EventMark| -> Vec<Value> {
            let mut batch = values.iter().map(|value| ((), *value)).collect();
            stage.push(&mut batch, &mut cx).unwrap();
            cx.mark = mark;
            stage.flush(Flush::Activation, &mut cx).unwrap();
            let sent = wire.sent().into_iter().flat_map(|(_, _, items)| items);
            sent.map(|(_, (), value)| value).collect()
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
