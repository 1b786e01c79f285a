//! The sending ends of edges that cross workers: they select the target of an item, and complete batches.

use std::mem::needs_drop;
use std::rc::Rc;

use super::context::{Cx, WorkerCx};
use super::edge::{EdgeOut, EventMark, Exchange};
use crate::ids::WorkerIndex;
use crate::weight::{inline_weight, weight};

/// The sending end of an edge on which each item goes to its target worker.
pub(crate) struct Router<I> {
    edge: EdgeOut<I>,
    /// The batches that are being filled, one per worker.
    filling: Vec<Filling<I>>,
}

struct Filling<I> {
    items: Vec<I>,
    /// The number of items of the last batch.
    last: usize,
    /// Their weight, if it does not follow from their number.
    weight: usize,
}

impl<I: Exchange> Router<I> {
    pub(crate) fn new(edge: EdgeOut<I>) -> Self {
        let empty = |_| Filling {
            items: Vec::new(),
            last: 0,
            weight: 0,
        };
        Self {
            filling: (0..edge.worker().count).map(empty).collect(),
            edge,
        }
    }

    /// Returns the number of workers.
    #[inline]
    pub(crate) fn targets(&self) -> usize {
        self.filling.len()
    }

    pub(crate) fn worker(&self) -> &Rc<WorkerCx> {
        self.edge.worker()
    }

    /// Puts an item into the batch for a worker.
    #[inline(always)]
    pub(crate) fn put(&mut self, target: usize, item: I, cx: &Cx) {
        let filling = &mut self.filling[target];
        if filling.items.capacity() == 0 {
            // The reader keeps it. A slow stream has small batches, so they get small buffers.
            let usual = filling.last + filling.last / 4;
            filling.items.reserve(usual.min(self.edge.most_items));
        }
        if needs_drop::<I>() {
            filling.weight += weight(&item);
        }
        filling.items.push(item);
        if filling.items.len() >= self.edge.most_items
            || (needs_drop::<I>() && filling.weight >= self.edge.most_weight)
        {
            self.send(target, EventMark::NONE, cx);
        }
    }

    /// Sends the batch for a worker, with `mark` as the watermark of all later items.
    pub(crate) fn send(&mut self, target: usize, mark: EventMark, cx: &Cx) {
        let Filling {
            items,
            last,
            weight,
        } = &mut self.filling[target];
        // A mark comes without items.
        if !items.is_empty() {
            *last = items.len();
        }
        let weight = if needs_drop::<I>() {
            std::mem::take(weight)
        } else {
            items.len() * inline_weight::<I>()
        };
        self.edge.send(WorkerIndex(target), items, weight, mark, cx);
    }

    /// Sends all batches, because the worker turns to other work, with `mark` as the watermark of all later
    /// items.
    pub(crate) fn flush(&mut self, mark: EventMark, cx: &Cx) {
        let news = self.edge.news(mark);
        for target in 0..self.filling.len() {
            if !self.filling[target].items.is_empty() || news != EventMark::NONE {
                self.send(target, news, cx);
            }
        }
        self.edge.done();
    }
}

/// The sending end of an edge on which whole batches go to the workers in turn.
pub(crate) struct RoundRobin<I> {
    edge: EdgeOut<I>,
    last: usize,
}

impl<I: Exchange> RoundRobin<I> {
    pub(crate) fn new(edge: EdgeOut<I>) -> Self {
        // Each worker starts with its neighbour, so that they do not all send to the same one.
        let last = edge.worker().index.0;
        Self { edge, last }
    }

    /// Sends a batch, or splits it if it is too heavy for one worker.
    pub(crate) fn send_batch(&mut self, batch: &mut Vec<I>, cx: &Cx) {
        let (fits, weight) = self.fits(batch);
        if fits == batch.len() {
            return self.send(batch, weight, cx);
        }
        let mut rest = std::mem::take(batch).into_iter();
        while !rest.as_slice().is_empty() {
            let (fits, weight) = self.fits(rest.as_slice());
            let mut part = rest.by_ref().take(fits).collect();
            self.send(&mut part, weight, cx);
        }
    }

    /// Returns how many of these items form a batch, and their weight.
    fn fits(&self, items: &[I]) -> (usize, usize) {
        let most = self.edge.most_weight;
        if !needs_drop::<I>() {
            let each = inline_weight::<I>();
            let fits = items.len().min(most.div_ceil(each));
            return (fits, fits * each);
        }
        let mut sum = 0;
        for (index, item) in items.iter().enumerate() {
            sum += weight(item);
            if sum >= most {
                return (index + 1, sum);
            }
        }
        (items.len(), sum)
    }

    fn send(&mut self, items: &mut Vec<I>, weight: usize, cx: &Cx) {
        if !items.is_empty() {
            self.last = (self.last + 1) % self.edge.worker().count;
            let target = WorkerIndex(self.last);
            self.edge.send(target, items, weight, EventMark::NONE, cx);
        }
    }

    /// Notifies the readers that the worker turns to other work, with the watermark of later items.
    pub(crate) fn flush(&mut self, cx: &Cx) {
        let news = self.edge.news(cx.mark);
        for target in 0..self.edge.worker().count {
            self.edge.say(WorkerIndex(target), news, cx);
        }
        self.edge.done();
    }
}
