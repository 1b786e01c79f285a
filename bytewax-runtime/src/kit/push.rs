//! Batches handed from stage to stage inside one timely operator.
//!
//! Between two exchanges all steps form a tree of stages: each stage takes a batch, makes its own
//! out of it in a buffer that it reuses, and hands that on by one dynamic call. Nothing happens
//! per item but the user's closure.

use std::any::Any;
use std::sync::Arc;

use super::budget::Portion;
use super::context::Cx;
use super::meter::{OutputMeter, Timed};
use crate::error::RunError;
use crate::ids::StepIndex;
use crate::weight::inline_weight;

/// What is over, so that everything kept back must go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flush {
    /// The worker turns to other work: batches that are being filled are sent.
    Activation,
    /// No more items of the present epoch: partial results are sent.
    Epoch,
    /// No more items at all: sinks close.
    End,
}

/// A stage of a tree, seen from the stage before it.
pub(crate) trait Push<T>: 'static {
    /// Takes all items of `batch`, leaving it empty.
    fn push(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError>;

    /// Hands on what is kept back.
    fn flush(&mut self, what: Flush, cx: &mut Cx) -> Result<(), RunError>;
}

pub(crate) type BoxPush<T> = Box<dyn Push<T>>;

/// A stage whose item type only its neighbours know.
pub(crate) struct AnyPush(Box<dyn Any>);

impl AnyPush {
    pub(crate) fn new<T: 'static>(push: impl Push<T>) -> Self {
        let push: BoxPush<T> = Box::new(push);
        Self(Box::new(push))
    }

    /// What stands before the exchange of a step, and works for that.
    pub(crate) fn before<T: 'static>(step: StepIndex, push: impl Push<T>) -> Self {
        Self::new(Timed::new(step, push))
    }

    pub(crate) fn downcast<T: 'static>(self) -> BoxPush<T> {
        let push = self.0.downcast::<BoxPush<T>>();
        *push.unwrap_or_else(|_| unreachable!("a `Stream<T>` connects stages of one item type"))
    }
}

/// How many items of type `T` make a batch: 16 KiB of them, so that what one stage writes is still in
/// the first caches when the next reads it, and what one allocates when another frees it.
pub(crate) const fn batch_items<T>() -> usize {
    let items = 16 * 1024 / inline_weight::<T>();
    if items < 64 { 64 } else { items }
}

/// The way from one stage to the next: a buffer, and the stage that reads it, if any does.
pub(crate) struct Next<T> {
    step: StepIndex,
    push: Option<BoxPush<T>>,
    /// Filled by the stage that owns this.
    pub(crate) buffer: Vec<T>,
    /// How many items are handed on together, by what came of those before.
    portion: Portion,
    /// With fewer items, the buffer is no batch. It changes only when a batch is sent, so that nothing is computed per item.
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
            // Not known before anything runs.
            full_at: 0,
        }
    }

    /// How many more items fit into the buffer.
    pub(crate) fn room(&self, cx: &Cx) -> usize {
        self.batch_items(cx).saturating_sub(self.buffer.len())
    }

    /// Whether the buffer has grown to a batch.
    #[inline]
    pub(crate) fn is_full(&mut self, cx: &Cx) -> bool {
        self.buffer.len() >= self.full_at && self.is_batch(cx)
    }

    /// Apart from the code that is run for each item, which it would make slower.
    #[cold]
    #[inline(never)]
    fn is_batch(&mut self, cx: &Cx) -> bool {
        self.full_at = self.batch_items(cx);
        self.buffer.len() >= self.full_at
    }

    fn batch_items(&self, cx: &Cx) -> usize {
        cx.items_of(&self.portion).min(batch_items::<T>())
    }

    /// Hands on the buffer.
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
        push.push(&mut self.buffer, cx)?;
        cx.note_portion(&mut self.portion, items, sent);
        self.full_at = self.batch_items(cx);
        cx.enter(self.step);
        Ok(())
    }

    /// Hands on the buffer if it has grown to a batch.
    #[inline]
    pub(crate) fn send_if_full(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        if self.is_full(cx) {
            self.send_full(cx)?;
        }
        Ok(())
    }

    /// Apart from the code that is run for each item, which it would make slower.
    #[cold]
    #[inline(never)]
    fn send_full(&mut self, cx: &mut Cx) -> Result<(), RunError> {
        self.send(cx)
    }

    /// Hands on a batch that was made elsewhere.
    #[inline]
    pub(crate) fn pass(&mut self, batch: &mut Vec<T>, cx: &mut Cx) -> Result<(), RunError> {
        match &mut self.push {
            Some(push) if !batch.is_empty() => {
                self.meter.sent(batch.len());
                push.push(batch, cx)?;
                cx.enter(self.step);
            }
            _ => batch.clear(),
        }
        Ok(())
    }

    /// What is counted of the items that are handed on.
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

/// Takes the place of a stage that could not be built: the run has failed already.
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
