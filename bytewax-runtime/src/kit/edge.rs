//! Edges between timely operators: batches that stay on the worker or go to another.
//!
//! Items are put into one batch per target worker where they are produced, so the exchange only forwards
//! whole batches. The weight of items that were sent and not yet received is counted per edge and sender: an
//! operator whose edge is full waits, so a slow reader bounds memory.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::needs_drop;
use std::rc::Rc;
use std::sync::Arc;
use std::vec::IntoIter;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Timestamp;

use super::batch::Batch;
use super::budget::Budget;
use super::context::{Cx, WorkerCx};
use super::link::Wire;
use super::meter::{EdgeMeter, EdgePlace};
use super::notes::Note;
use super::push::batch_items;
use super::shared::EdgeId;
use crate::ids::{StepIndex, WorkerIndex};
use crate::weight::{Scales, Weigh, inline_weight};

/// At this number of batches of small items in flight on one edge, a worker waits, regardless of memory: more
/// of them would only leave the caches.
const BATCHES_UNDER_WAY: usize = 32;

/// Items that can be sent to another worker, possibly in another process.
///
/// Implemented by every type that implements serde's `Serialize` and `Deserialize` and is `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between workers",
    label = "this type is not `Exchange`",
    note = "derive serde's `Serialize` and `Deserialize` for it"
)]
pub trait Exchange: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Exchange for T {}

/// A lower bound of the event times of the items that a worker has still to send over an edge, in
/// microseconds. It may move back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventMark(pub(crate) i64);

impl EventMark {
    /// No bound is known.
    pub(crate) const NONE: Self = Self(i64::MIN);
    /// The bound of before does not hold any more, and no other is known.
    pub(crate) const GONE: Self = Self(i64::MIN + 1);
    /// No item will follow unless an idle sender wakes up.
    pub(crate) const IDLE: Self = Self(i64::MAX - 1);
    /// No item will follow.
    pub(crate) const END: Self = Self(i64::MAX);
}

/// Sends each batch to its target worker.
struct Forward;

impl<I: 'static> Distributor<Batch<I>> for Forward {
    fn partition<T: Clone, P: timely::communication::Push<Message<T, Batch<I>>>>(
        &mut self,
        batch: &mut Batch<I>,
        time: &T,
        pushers: &mut [P],
    ) {
        let target = batch.target as usize;
        Message::push_at(batch, time.clone(), &mut pushers[target]);
    }

    fn flush<T: Clone, P: timely::communication::Push<Message<T, Batch<I>>>>(
        &mut self,
        _: &T,
        _: &mut [P],
    ) {
    }
}

/// The sending end of an edge.
pub(crate) struct EdgeOut<I> {
    edge: EdgeId,
    meter: Arc<EdgeMeter>,
    worker: Rc<WorkerCx>,
    wire: Wire<I>,
    weigh: Weigh<I>,
    /// The number of items at which a batch is complete.
    pub(super) most_items: usize,
    /// The weight at which a batch is complete.
    pub(super) most_weight: usize,
    /// The minimum weight of an item in flight.
    least_load: u64,
    /// The maximum weight of a batch, at which the edge is full.
    most_load: u64,
    /// The last watermark sent.
    sent_mark: EventMark,
}

impl<I: 'static> EdgeOut<I> {
    pub(super) fn new(place: EdgePlace, worker: Rc<WorkerCx>, wire: Wire<I>) -> Self {
        let edge = place.edge;
        let meter = worker.meter.add_edge(EdgeMeter::new(place));
        worker.edges().add_meter(&meter);
        let Edges { budget, scales, .. } = worker.edges();
        let most_weight = usize::try_from(budget.batch).unwrap_or(usize::MAX);
        let most_items = most_weight.div_ceil(inline_weight::<I>());
        Self {
            edge,
            meter,
            wire,
            weigh: scales.weigh::<I>(),
            most_items: most_items.min(batch_items::<I>()),
            most_weight,
            least_load: budget.under_way / (BATCHES_UNDER_WAY * batch_items::<I>()) as u64,
            most_load: budget.under_way,
            sent_mark: EventMark::NONE,
            worker,
        }
    }

    pub(crate) fn worker(&self) -> &Rc<WorkerCx> {
        &self.worker
    }

    /// Sends `items` to one worker, leaving them empty.
    pub(crate) fn send_all(&mut self, target: WorkerIndex, items: &mut Vec<I>, cx: &Cx) {
        if !items.is_empty() {
            let weight = (self.weigh)(items);
            self.send(target, items, weight, EventMark::NONE, cx);
        }
    }

    pub(super) fn send(
        &mut self,
        target: WorkerIndex,
        items: &mut Vec<I>,
        weight: usize,
        mark: EventMark,
        cx: &Cx,
    ) {
        let load = (items.len() as u64).saturating_mul(self.least_load);
        let load = load.max(weight as u64).min(self.most_load);
        self.worker.sent.set(self.worker.sent.get() + weight as u64);
        self.worker.shared.sent(self.edge, self.worker.index, load);
        if !items.is_empty() {
            self.meter.sent(items.len(), weight as u64);
        }
        let batch = Batch {
            origin: self.worker.index.0 as u32,
            target: target.0 as u32,
            mark,
            load,
            items: std::mem::take(items),
        };
        self.wire.send(batch, &cx.link);
    }

    /// Returns the watermark to send, if it was not sent before.
    pub(super) fn news(&mut self, mark: EventMark) -> EventMark {
        match std::mem::replace(&mut self.sent_mark, mark) {
            sent if sent == mark => EventMark::NONE,
            _ => mark.max(EventMark::GONE),
        }
    }

    /// Sends the watermark of all later items to one worker.
    pub(super) fn say(&mut self, target: WorkerIndex, mark: EventMark, cx: &Cx) {
        if mark != EventMark::NONE {
            self.send(target, &mut Vec::new(), 0, mark, cx);
        }
    }

    /// Notifies the readers that the worker turns to other work.
    pub(crate) fn done(&mut self) {
        self.wire.done();
    }
}

/// Passes each arrived batch to a function, with its epoch.
type Pull<I> = dyn FnMut(&mut dyn FnMut(u64, Batch<I>));

/// The receiving end of an edge.
pub(crate) struct Input<I> {
    edge: EdgeId,
    /// Whether the items stay on the worker.
    is_local: bool,
    pull: Box<Pull<I>>,
}

/// An arrived batch, or the rest of it.
pub(crate) struct Arrived<I> {
    edge: EdgeId,
    input: usize,
    origin: WorkerIndex,
    mark: EventMark,
    /// The weight in flight until the items are processed.
    load: u64,
    items: Items<I>,
}

/// The watermark of a worker for the later items of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SenderMark {
    pub(super) input: usize,
    pub(super) sender: WorkerIndex,
    pub(super) mark: EventMark,
}

enum Items<I> {
    All(Vec<I>),
    Rest(IntoIter<I>),
}

impl<I: 'static> Input<I> {
    pub(super) fn new(
        edge: EdgeId,
        is_local: bool,
        pull: impl FnMut(&mut dyn FnMut(u64, Batch<I>)) + 'static,
    ) -> Self {
        Self {
            edge,
            is_local,
            pull: Box::new(pull),
        }
    }

    pub(super) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Passes on everything that has arrived, with its epoch.
    pub(super) fn pull(&mut self, input: usize, mut take: impl FnMut(u64, Arrived<I>)) {
        let edge = self.edge;
        (self.pull)(&mut |epoch, batch| {
            let arrived = Arrived {
                edge,
                input,
                origin: WorkerIndex(batch.origin as usize),
                mark: batch.mark,
                load: batch.load,
                items: Items::All(batch.items),
            };
            take(epoch, arrived);
        });
    }
}

impl<I> Arrived<I> {
    /// Returns the watermark of the sender, if there is one.
    pub(super) fn mark(&self) -> Option<SenderMark> {
        (self.mark != EventMark::NONE).then_some(SenderMark {
            input: self.input,
            sender: self.origin,
            mark: self.mark,
        })
    }

    /// Returns the number of remaining items.
    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::All(items) => items.len(),
            Items::Rest(items) => items.len(),
        }
    }

    /// Takes all remaining items, which frees room on the edge.
    pub(crate) fn take_all(self, worker: &WorkerCx) -> Vec<I> {
        worker.shared.count_taken(self.edge, self.origin, self.load);
        match self.items {
            Items::All(items) => items,
            Items::Rest(items) => items.collect(),
        }
    }

    /// Takes the first few of the remaining items.
    pub(crate) fn take(&mut self, few: usize, worker: &WorkerCx) -> Vec<I> {
        let share = self.load / (self.len() as u64).max(1) * few as u64;
        self.load -= share;
        worker.shared.count_taken(self.edge, self.origin, share);
        let mut rest = match std::mem::replace(&mut self.items, Items::All(Vec::new())) {
            Items::All(items) => items.into_iter(),
            Items::Rest(items) => items,
        };
        let taken = rest.by_ref().take(few).collect();
        self.items = Items::Rest(rest);
        taken
    }
}

type Connect<'s> = dyn FnOnce(&mut OperatorBuilder<'s, u64>) -> AnyInput + 's;

/// The receiving end of an edge, before the operator that reads it exists.
pub(crate) struct Inlet<'s>(Box<Connect<'s>>);

impl<'s> Inlet<'s> {
    pub(crate) fn connect(self, reader: &mut OperatorBuilder<'s, u64>) -> AnyInput {
        (self.0)(reader)
    }
}

/// A receiving end with an erased item type.
pub(crate) struct AnyInput(Box<dyn Any>);

impl AnyInput {
    pub(super) fn new<I: 'static>(input: Input<I>) -> Self {
        Self(Box::new(input))
    }

    pub(crate) fn downcast<I: 'static>(self) -> Input<I> {
        let input = self.0.downcast::<Input<I>>();
        *input.unwrap_or_else(|_| unreachable!("a step makes both ends of its edges"))
    }
}

/// The source of the outputs for the trees of an operator under construction.
pub(crate) struct Outlet<'a, 's> {
    builder: &'a mut OperatorBuilder<'s, u64>,
    pub(crate) worker: Rc<WorkerCx>,
    /// The source or the head under construction.
    root: StepIndex,
    /// The target input of the next edge.
    reader: (StepIndex, usize),
    edges: Vec<EdgeId>,
    /// Whether an edge sends items with a heap.
    has_heap: bool,
}

/// What all edges of a flow have in common.
pub(crate) struct Edges {
    pub(crate) budget: Budget,
    pub(crate) scales: Scales,
    /// The number of edges created so far.
    made: Cell<u32>,
    /// The meters of the edges.
    meters: RefCell<Vec<Arc<EdgeMeter>>>,
}

impl Edges {
    pub(crate) fn new(budget: Budget, scales: Scales) -> Self {
        Self {
            budget,
            scales,
            made: Cell::new(0),
            meters: RefCell::default(),
        }
    }

    fn add_meter(&self, meter: &Arc<EdgeMeter>) {
        self.meters.borrow_mut().push(Arc::clone(meter));
    }

    /// Returns the meter of an edge.
    pub(super) fn meter(&self, edge: EdgeId) -> Option<Arc<EdgeMeter>> {
        let meters = self.meters.borrow();
        let is_it = |meter: &&Arc<EdgeMeter>| meter.place.edge == edge;
        // They are created in order.
        let meter = meters.get(edge.0 as usize).filter(is_it);
        meter.or_else(|| meters.iter().find(is_it)).map(Arc::clone)
    }

    fn next(&self) -> EdgeId {
        EdgeId(self.made.replace(self.made.get() + 1))
    }
}

impl<'a, 's> Outlet<'a, 's> {
    pub(crate) fn new(
        root: StepIndex,
        builder: &'a mut OperatorBuilder<'s, u64>,
        worker: Rc<WorkerCx>,
    ) -> Self {
        Self {
            builder,
            worker,
            root,
            reader: (root, 0),
            edges: Vec::new(),
            has_heap: false,
        }
    }

    /// Returns the number of items to process together before the weight of results is known: one, if items
    /// may have any size.
    pub(crate) fn first_portion(&self) -> usize {
        if self.has_heap { 1 } else { usize::MAX }
    }

    /// Sets the target input of the next edge.
    pub(crate) fn lead_to(&mut self, step: StepIndex, input: usize) -> &mut Self {
        self.reader = (step, input);
        self
    }

    /// Returns the created edges.
    pub(crate) fn into_edges(self) -> Vec<EdgeId> {
        self.edges
    }

    fn output<I: 'static>(&mut self) -> (EdgeOut<I>, timely::dataflow::Stream<'s, u64, Batch<I>>) {
        let edge = self.worker.edges().next();
        self.edges.push(edge);
        self.has_heap |= needs_drop::<I>();
        let port = self.builder.shape().outputs();
        let (output, stream) = self.builder.new_output::<Batch<I>>();
        let wire = Wire::Timely { port, output };
        let (reader, input) = self.reader;
        let place = EdgePlace {
            edge,
            root: self.root,
            reader,
            input,
        };
        (EdgeOut::new(place, Rc::clone(&self.worker), wire), stream)
    }

    /// Creates an edge that stays on the worker.
    pub(crate) fn local<I: 'static>(&mut self) -> (EdgeOut<I>, Inlet<'s>) {
        let (out, stream) = self.output::<I>();
        let edge = out.edge;
        let inlet = Inlet(Box::new(move |builder| {
            let mut handle = builder.new_input(stream, Pipeline);
            AnyInput::new(Input::<I>::new(edge, true, move |take| {
                handle.for_each(|time, batch| take(*time.time(), std::mem::take(batch)));
            }))
        }));
        (out, inlet)
    }

    /// Creates an edge on which each batch goes to its target worker.
    pub(crate) fn exchange<I: Exchange>(&mut self) -> (EdgeOut<I>, Inlet<'s>) {
        let (out, stream) = self.output::<I>();
        let edge = out.edge;
        let inlet = Inlet(Box::new(move |builder| {
            let mut handle = builder.new_input(stream, DistributorPact(|_peers: usize| Forward));
            AnyInput::new(Input::<I>::new(edge, false, move |take| {
                handle.for_each(|time, batch| take(*time.time(), std::mem::take(batch)));
            }))
        }));
        (out, inlet)
    }
}

/// The stream on which an operator reports its progress.
pub(crate) type ProgressStream<'s> = StreamVec<'s, u64, Note>;

/// Returns the first epoch that may still arrive on any input of an operator; `None` at their end.
pub(crate) fn frontier<T: Timestamp + Copy>(
    frontiers: &[timely::progress::frontier::MutableAntichain<T>],
) -> Option<T> {
    let firsts = frontiers
        .iter()
        .filter_map(|input| input.frontier().first().copied());
    firsts.min()
}
