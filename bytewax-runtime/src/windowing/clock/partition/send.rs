//! The stage before the exchange, which tracks each partition.

use std::rc::Rc;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::Monotonic;
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::KeyedOut;
use crate::kit::meter::PartitionMeter;
use crate::kit::{Cx, EventMark, Exchange, Flush, Push, Watermark};
use crate::windowing::clock::{Getter, PartitionClock, bound};
use crate::windowing::time::{END, FIRST, Time};

const IDLE: Time = EventMark::IDLE.0;

/// Sends the values of a keyed stream, and its watermarks.
///
/// A batch is cut before a value that is late for its own worker, so that it arrives after the watermark that
/// makes it late: lateness does not depend on batches.
pub(crate) struct TimedRoute<K, V, G> {
    step: StepIndex,
    clock: Arc<PartitionClock<G>>,
    out: KeyedOut<K, V>,
    partitions: Vec<Partition>,
    meters: Vec<Arc<PartitionMeter>>,
    /// The bound of all partitions except the current one.
    others: Time,
    /// The last watermark sent to each worker.
    sent: Vec<Time>,
    /// The watermark of the step on this worker.
    known: Rc<Watermark>,
}

/// The progress of a partition.
#[derive(Clone, Copy)]
struct Partition {
    newest: Time,
    /// The bound of its later values; [`IDLE`] if none are waited for, [`END`] if there are none.
    bound: Time,
    /// When it becomes idle without new values.
    idle_at: Option<Monotonic>,
}

impl<K: Key, V: Exchange, G: Getter<V>> TimedRoute<K, V, G> {
    pub(crate) fn new(step: StepIndex, clock: Arc<PartitionClock<G>>, out: KeyedOut<K, V>) -> Self {
        Self {
            known: out.worker().watermark(step),
            step,
            clock,
            sent: vec![EventMark::NONE.0; out.targets()],
            out,
            partitions: Vec::new(),
            meters: Vec::new(),
            others: END,
        }
    }

    /// Learns the partitions, at the first event and when some were added.
    fn begin(&mut self, cx: &Cx) {
        if self.partitions.len() != cx.partitions.len() {
            let begun = Partition {
                newest: Time::MIN,
                bound: FIRST,
                idle_at: self.idle_at(cx),
            };
            self.partitions.resize(cx.partitions.len(), begun);
            self.add_meters(cx);
        }
    }

    /// Counts partitions that are new.
    fn add_meters(&mut self, cx: &Cx) {
        let (worker, known) = (&cx.worker, self.meters.len());
        let root = worker.steps.get(self.step).roots.first();
        let assigned = worker.assignments.get().zip(root);
        let assigned = assigned.and_then(|(all, root)| all.get(root));
        let mut names = match assigned {
            Some(assigned) => assigned.of(worker.index),
            None => vec![format!("worker-{}", worker.index)],
        };
        names.extend(cx.partitions.added_from(names.len()).iter().cloned());
        for name in names.iter().take(self.partitions.len()).skip(known) {
            let meter = Arc::new(PartitionMeter::new(name));
            worker.meter.step(self.step).add_partition(&meter);
            self.meters.push(meter);
        }
    }

    /// Updates the progress of the partitions.
    fn count(&self, cx: &Cx) {
        let partitions = self.partitions.iter().zip(&self.meters);
        for (index, (partition, meter)) in partitions.enumerate() {
            if partition.newest > Time::MIN {
                meter.newest.set(partition.newest);
            }
            if cx.partitions.has_ended(index) {
                meter.end();
            } else {
                match partition.bound {
                    IDLE.. => meter.bound.clear(),
                    FIRST => meter.bound.set(PartitionMeter::NOTHING_CAME),
                    bound => meter.bound.set(bound),
                }
            }
        }
    }

    fn idle_at(&self, cx: &Cx) -> Option<Monotonic> {
        let after = TimeDelta::microseconds(self.clock.idle_after?);
        Some(cx.worker.clock.monotonic().after(after))
    }

    /// The bound of all partitions.
    fn bound(&self) -> Time {
        let bounds = self.partitions.iter().map(|partition| partition.bound);
        bounds.min().unwrap_or(END)
    }

    /// Stops waiting for partitions that have ended or are idle, and pauses partitions that are too far
    /// ahead.
    fn look_after(&mut self, cx: &mut Cx) {
        let now = self.clock.idle_after.map(|_| cx.worker.clock.monotonic());
        let mut wake = None;
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            let is_idle = partition
                .idle_at
                .zip(now)
                .is_some_and(|(at, now)| at <= now && cx.partitions.is_quiet(index));
            let has_ended = cx.partitions.has_ended(index);
            if is_idle || has_ended {
                partition.bound = if has_ended { END } else { IDLE };
                partition.idle_at = None;
            }
            wake = wake.into_iter().chain(partition.idle_at).min();
            if let Some(lead) = self.clock.max_lead {
                let limit = self.known.get().max(FIRST).saturating_add(self.clock.wait);
                if partition.newest > limit.saturating_add(lead) {
                    cx.partitions.hold(index);
                    self.known.wait(cx.alarm);
                }
            }
        }
        if let Some(wake) = wake {
            cx.worker.timers.wake_by(cx.alarm, wake);
        }
    }
}

impl<K: Key, V: Exchange, G: Getter<V>> Push<(K, V)> for TimedRoute<K, V, G> {
    fn push(&mut self, batch: &mut Vec<(K, V)>, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        if batch.is_empty() {
            return Ok(());
        }
        self.begin(cx);
        let current = cx.partitions.current;
        let others = self.partitions.iter().enumerate();
        let others = others.filter(|(index, _)| *index != current);
        self.others = others.map(|(_, other)| other.bound).min().unwrap_or(END);
        let Partition { mut newest, .. } = self.partitions[current];
        let mut mark = bound(newest, self.clock.wait)
            .unwrap_or(FIRST)
            .min(self.others);
        for (key, value) in batch.drain(..) {
            let time = self.clock.getter.time(&value);
            if time > newest {
                newest = time;
                mark = bound(newest, self.clock.wait)
                    .unwrap_or(FIRST)
                    .min(self.others);
            }
            let hash = key.stable_hash();
            let target = self.out.target(hash);
            if time < mark && self.sent[target] < mark {
                self.sent[target] = mark;
                self.out.give_marked(target, EventMark(mark), cx);
            }
            self.out.put(target, hash, key, value, cx);
        }
        let idle_at = self.idle_at(cx);
        self.partitions[current] = Partition {
            newest,
            bound: bound(newest, self.clock.wait).unwrap_or(FIRST),
            idle_at,
        };
        Ok(())
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        cx.enter(self.step);
        self.begin(cx);
        self.look_after(cx);
        self.count(cx);
        let mark = if what == Flush::End {
            END
        } else {
            self.bound()
        };
        if what >= Flush::Epoch
            && let Some(probe) = &self.clock.probe
        {
            let bounds = self.partitions.iter().map(|partition| partition.bound);
            let slowest = bounds.enumerate().min_by_key(|(_, bound)| *bound);
            probe.report_sender(cx.worker.index, slowest);
        }
        for target in 0..self.sent.len() {
            if self.sent[target] == mark {
                continue;
            }
            self.sent[target] = mark;
            self.out.give_marked(target, EventMark(mark), cx);
        }
        self.out.flush_unmarked(cx);
        Ok(())
    }
}
