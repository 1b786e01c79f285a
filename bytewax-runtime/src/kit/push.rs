//! Batches passed from stage to stage inside one timely operator.
//!
//! Between two exchanges, all steps form a tree of stages: each stage takes a batch, writes its results to
//! its own reused buffer, and passes them on with one dynamic call. Nothing runs per item except the user's
//! closure.

use std::any::Any;
use std::sync::Arc;

use super::budget::Portion;
use super::context::Cx;
use super::meter::{OutputMeter, Timed};
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::weight::inline_weight;

/// What has ended, so that everything buffered must be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flush {
    /// The worker turns to other work: batches that are being filled are sent.
    Activation,
    /// No more items of the current epoch: partial results are sent.
    Epoch,
    /// No more items at all: sinks close.
    End,
}

/// A stage of a tree, seen from the stage before it.
pub(crate) trait Push<T>: 'static {
    /// Takes all items of `batch`, leaving it empty.
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError>;

    /// Passes on everything buffered.
    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

pub(crate) type BoxPush<T> = Box<dyn Push<T>>;

/// A stage with an erased item type.
pub(crate) struct AnyPush(Box<dyn Any>);

impl AnyPush {
    pub(crate) fn new<T: 'static>(push: impl Push<T>) -> Self {
        let push: BoxPush<T> = Box::new(push);
        Self(Box::new(push))
    }

    /// Creates the stage before the exchange of a step, which runs on behalf of that step.
    pub(crate) fn before<T: 'static>(step: StepIndex, push: impl Push<T>) -> Self {
        Self::new(Timed::new(step, push))
    }

    pub(crate) fn downcast<T: 'static>(self) -> BoxPush<T> {
        let push = self.0.downcast::<BoxPush<T>>();
        *push.unwrap_or_else(|_| unreachable!("a `Stream<T>` connects stages of one item type"))
    }
}

/// The number of items of type `T` in a batch of 16 KiB, so that the output of one stage is still in the
/// first caches when the next reads it, and when another frees what it allocates.
pub(crate) const fn batch_items<T>() -> usize {
    let items = 16 * 1024 / inline_weight::<T>();
    if items < 64 { 64 } else { items }
}

/// The connection from one stage to the next: a buffer, and the stage that reads it, if any.
pub(crate) struct Next<T> {
    step: StepIndex,
    push: Option<BoxPush<T>>,
    /// The owning stage fills it.
    pub(crate) buffer: Vec<T>,
    /// The number of items that are passed on together, by the results of earlier ones.
    portion: Portion,
    /// With fewer items, the buffer is not a batch yet. It changes only when a batch is sent, so nothing is
    /// computed per item.
    full_at: usize,
    meter: Arc<OutputMeter>,
}

impl<T: 'static> Next<T> {
    pub(crate) fn new(step: StepIndex, push: Option<BoxPush<T>>, meter: &Arc<OutputMeter>) -> Self {
        Self {
            step,
            meter: Arc::clone(meter),
            push,
            buffer: Vec::new(),
            portion: Portion::default(),
            // Unknown before the first batch.
            full_at: 0,
        }
    }

    /// Returns how many more items fit into the buffer.
    pub(crate) fn room(&self, cx: &Cx) -> usize {
        self.batch_items(cx).saturating_sub(self.buffer.len())
    }

    /// Whether the buffer has grown to a batch.
    #[inline]
    pub(crate) fn is_full(&mut self, cx: &Cx) -> bool {
        self.buffer.len() >= self.full_at && self.is_batch(cx)
    }

    /// Kept out of the code that runs per item, which it would slow down.
    #[cold]
    #[inline(never)]
    fn is_batch(&mut self, cx: &Cx) -> bool {
        self.full_at = self.batch_items(cx);
        self.buffer.len() >= self.full_at
    }

    fn batch_items(&self, cx: &Cx) -> usize {
        cx.items_of(&self.portion).min(batch_items::<T>())
    }

    /// Passes the buffer on.
    #[inline]
    pub(crate) fn send(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Some(push) = &mut self.push else {
            self.buffer.clear();
            return Ok(());
        };
        let (items, sent) = (self.buffer.len(), cx.worker.sent());
        self.meter.sent(items);
        if self.meter.tail.is_on() {
            self.meter.tail.note(&self.buffer, &cx.worker.clock);
        }
        push.push(&mut self.buffer, cx)?;
        cx.note_portion(&mut self.portion, items, sent);
        if self.buffer.capacity() == 0 {
            // The reader kept it. A buffer that grows from nothing copies its items several times.
            self.buffer.reserve(items + items / 16);
        }
        self.full_at = self.batch_items(cx);
        cx.enter(self.step);
        Ok(())
    }

    /// Passes the buffer on if it has grown to a batch.
    #[inline]
    pub(crate) fn send_if_full(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.buffer.len() < self.full_at {
            return Ok(());
        }
        self.send_if_batch(cx)
    }

    /// Kept out of the code that runs per item: with more than this one call, the compiler keeps addresses of
    /// functions in registers that the loop over the items needs.
    #[cold]
    #[inline(never)]
    fn send_if_batch(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.is_batch(cx) {
            self.send(cx)?;
        }
        Ok(())
    }

    /// Passes on a batch from elsewhere.
    #[inline]
    pub(crate) fn pass(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        match &mut self.push {
            Some(push) if !batch.is_empty() => {
                self.meter.sent(batch.len());
                if self.meter.tail.is_on() {
                    self.meter.tail.note(batch, &cx.worker.clock);
                }
                push.push(batch, cx)?;
                cx.enter(self.step);
            }
            _ => batch.clear(),
        }
        Ok(())
    }

    /// Returns the meter of the items passed on.
    pub(crate) fn meter(&self) -> &OutputMeter {
        &self.meter
    }

    pub(crate) fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        self.send(cx)?;
        if let Some(push) = &mut self.push {
            push.flush(what, cx)?;
            cx.enter(self.step);
        }
        Ok(())
    }
}

/// Sends each batch to several readers: clones to all but the last, which gets the batch itself.
pub(crate) struct Tee<T> {
    step: StepIndex,
    clones: Vec<BoxPush<T>>,
    last: BoxPush<T>,
    buffer: Vec<T>,
}

impl<T: Clone + 'static> Tee<T> {
    pub(crate) fn new(step: StepIndex, mut readers: Vec<BoxPush<T>>) -> Option<Self> {
        let last = readers.pop()?;
        Some(Self {
            step,
            clones: readers,
            last,
            buffer: Vec::new(),
        })
    }
}

impl<T: Clone + 'static> Push<T> for Tee<T> {
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        for reader in &mut self.clones {
            cx.enter(self.step);
            self.buffer.clear();
            self.buffer.extend_from_slice(batch);
            reader.push(&mut self.buffer, cx)?;
        }
        self.last.push(batch, cx)
    }

    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError> {
        for reader in &mut self.clones {
            reader.flush(what, cx)?;
        }
        self.last.flush(what, cx)
    }
}

/// Replaces a stage that could not be built, when the run has already failed.
pub(crate) struct Discard;

impl<T: 'static> Push<T> for Discard {
    fn push(&mut self, batch: &mut Vec<T>, _: &mut Cx) -> Result<(), RunError> {
        batch.clear();
        Ok(())
    }

    fn flush(&mut self, _: Flush, _: &mut Cx) -> Result<(), RunError> {
        Ok(())
    }
}
