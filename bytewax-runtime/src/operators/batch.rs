//! `batch`.

use std::time::Duration;

use crate::clock::Monotonic;
use crate::error::RunError;
use crate::flow::{OutputSpec, StepKind, Stream};
use crate::kit::{Cx, EventMark, Exchange, Flush, Next, Outputs, Plan, Push, StagePlan};
use crate::weight::weight;

/// The limits of [`Stream::batch`]: a batch is emitted as soon as it reaches one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Batching {
    items: usize,
    bytes: usize,
    time: Option<Duration>,
}

impl Batching {
    /// Limits the number of items in a batch. A number of 0 counts as 1.
    pub const fn items(most: usize) -> Self {
        Self {
            items: if most == 0 { 1 } else { most },
            bytes: usize::MAX,
            time: None,
        }
    }

    /// Limits the memory of the items in a batch, as far as it can be determined.
    pub const fn bytes(mut self, most: usize) -> Self {
        self.bytes = most;
        self
    }

    /// Limits the time since the first item of a batch arrived.
    pub const fn time(mut self, most: Duration) -> Self {
        self.time = Some(most);
        self
    }
}

impl<T: Exchange> Stream<T> {
    /// Groups items into batches, in their order, on their worker: for calls and writes that accept many
    /// items at once.
    ///
    /// A batch is emitted when it reaches one of the limits of [`Batching`], and at the end of each epoch.
    /// Therefore nothing needs to be saved, and a batch never takes longer than the snapshot interval. For
    /// batches per key that may take longer than an epoch, see [`collect`](Stream::collect).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::operators::Batching;
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let out = run_items(1..=5, |numbers| numbers.batch(Batching::items(2)));
    /// assert_eq!(out, [vec![1, 2], vec![3, 4], vec![5]]);
    /// ```
    ///
    /// # State
    ///
    /// The items of one batch on each worker, until the end of the epoch. Nothing is saved.
    #[track_caller]
    #[must_use]
    pub fn batch(self, limits: Batching) -> Stream<Vec<T>> {
        let plan = StagePlan::new::<T, _>(move |_, outputs: &mut Outputs| {
            Ok(Batcher {
                limits,
                held: Vec::new(),
                bytes: 0,
                since: None,
                mark: EventMark::NONE,
                next: outputs.next(0),
            })
        });
        let outputs = vec![OutputSpec::DOWN];
        let (flow, step) = self.then("batch", StepKind::Stateless, outputs, Plan::Stage(plan));
        Stream::from_port(&flow, step, 0)
    }
}

struct Batcher<T: 'static> {
    limits: Batching,
    held: Vec<T>,
    bytes: usize,
    /// When its first item arrived, if there is a limit of time.
    since: Option<Monotonic>,
    /// The last watermark.
    mark: EventMark,
    next: Next<Vec<T>>,
}

impl<T: 'static> Batcher<T> {
    fn emit(&mut self) {
        self.bytes = 0;
        self.since = None;
        let batch = std::mem::take(&mut self.held);
        self.next.buffer.push(batch);
    }

    /// Emits a batch whose time is over, or wakes the operator at that time.
    fn emit_by_time(&mut self, cx: &Cx) {
        let Some(time) = self.limits.time.filter(|_| !self.held.is_empty()) else {
            return;
        };
        let now = cx.worker.clock.monotonic();
        let due = self.since.get_or_insert(now).after_std(time);
        if due <= now {
            self.emit();
        } else {
            cx.worker.timers.wake_by(cx.alarm, due);
        }
    }
}

impl<T: Exchange> Push<T> for Batcher<T> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        for item in batch.drain(..) {
            if self.limits.bytes < usize::MAX {
                self.bytes = self.bytes.saturating_add(weight(&item));
            }
            self.held.push(item);
            if self.held.len() >= self.limits.items || self.bytes >= self.limits.bytes {
                self.emit();
                self.next.send_if_full(cx)?;
            }
        }
        self.emit_by_time(cx);
        self.next.send(cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        if what >= Flush::Epoch && !self.held.is_empty() {
            self.emit();
        }
        self.emit_by_time(cx);
        // Held items may be older than later ones.
        let mark = cx.mark;
        if self.held.is_empty() {
            self.mark = mark;
        } else {
            cx.mark = self.mark;
        }
        let sent = self.next.send(cx);
        let flushed = sent.and_then(|()| self.next.flush(what, cx));
        cx.mark = mark;
        flushed
    }
}
