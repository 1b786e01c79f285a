//! Edges between timely operators: batches that stay on the worker or travel to another one.
//!
//! Items are put into one batch a target worker where they are produced, so the exchange itself
//! only forwards whole batches. What was sent and not yet taken is counted for each edge and
//! sender: an operator whose edge is full waits, so a slow reader bounds memory.

use std::any::Any;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::container::Accountable;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Timestamp;

use super::context::{Cx, WorkerCx};
use super::link::Wire;
use super::notes::Note;
use super::push::batch_items;
use super::shared::EdgeId;
use crate::codec;
use crate::ids::WorkerIndex;

/// How many batches one worker may have under way on one edge before it waits.
const BATCHES_UNDER_WAY: usize = 32;

/// Items that may travel to another worker, perhaps in another process.
///
/// Every type that implements serde's `Serialize` and `Deserialize` and is `Send` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between workers",
    label = "this type is not `Exchange`",
    note = "derive serde's `Serialize` and `Deserialize` for it"
)]
pub trait Exchange: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Exchange for T {}

/// Items on their way from one worker to one worker.
pub(crate) struct Batch<I> {
    origin: u32,
    pub(super) target: u32,
    /// What the sender says of the items to come.
    mark: Mark,
    pub(super) items: Vec<I>,
}

/// A bound to the event times of the items that a worker has still to send over an edge, in
/// microseconds. It may go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(crate) i64);

impl Mark {
    /// Nothing is said.
    pub(crate) const NONE: Self = Self(i64::MIN);
}

impl<I> Batch<I> {
    pub(super) fn new(origin: WorkerIndex, target: WorkerIndex, mark: Mark, items: Vec<I>) -> Self {
        Self {
            origin: origin.0 as u32,
            target: target.0 as u32,
            mark,
            items,
        }
    }
}

impl<I> Default for Batch<I> {
    fn default() -> Self {
        Self {
            origin: 0,
            target: 0,
            mark: Mark::NONE,
            items: Vec::new(),
        }
    }
}

impl<I> Accountable for Batch<I> {
    fn record_count(&self) -> i64 {
        // A mark without items counts too, so that no epoch ends before it has arrived.
        let is_mark = self.items.is_empty() && self.mark != Mark::NONE;
        self.items.len() as i64 + i64::from(is_mark)
    }
}

const BATCH_HEADER: usize = 16;

fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

// These three cannot return an error. A panic here is caught around the operator that sends or
// receives, and reported with its step.
impl<I: Exchange> ContainerBytes for Batch<I> {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            let field = bytes
                .get(at..at + N)
                .and_then(|field| field.try_into().ok());
            field.unwrap_or_else(|| panic!("a batch arrived cut off"))
        }
        let items = codec::decode_wire(bytes.get(BATCH_HEADER..).unwrap_or_default());
        Self {
            origin: u32::from_le_bytes(field(&bytes, 0)),
            target: u32::from_le_bytes(field(&bytes, 4)),
            mark: Mark(i64::from_le_bytes(field(&bytes, 8))),
            items: items.unwrap_or_else(|error| {
                let name = std::any::type_name::<I>();
                panic!(
                    "items `{name}` from another process cannot be read: {}",
                    full(&error)
                )
            }),
        }
    }

    fn length_in_bytes(&self) -> usize {
        match codec::wire_len(&self.items) {
            Ok(length) => padded(BATCH_HEADER + length),
            Err(error) => {
                let name = std::any::type_name::<I>();
                panic!(
                    "items `{name}` cannot be sent to another process: {}",
                    full(&error)
                )
            }
        }
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let mut write = || -> Result<(), Box<dyn std::error::Error>> {
            writer.write_all(&self.origin.to_le_bytes())?;
            writer.write_all(&self.target.to_le_bytes())?;
            writer.write_all(&self.mark.0.to_le_bytes())?;
            let length = BATCH_HEADER + codec::encode_wire(&self.items, writer)?;
            writer.write_all(&[0; 8][..padded(length) - length])?;
            Ok(())
        };
        if let Err(error) = write() {
            let name = std::any::type_name::<I>();
            panic!("items `{name}` cannot be sent to another process: {error}");
        }
    }
}

fn full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Sends each batch to the worker that it is made for.
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
    worker: Rc<WorkerCx>,
    wire: Wire<I>,
}

impl<I: 'static> EdgeOut<I> {
    pub(super) fn new(edge: EdgeId, worker: Rc<WorkerCx>, wire: Wire<I>) -> Self {
        Self { edge, worker, wire }
    }

    pub(crate) fn worker(&self) -> &Rc<WorkerCx> {
        &self.worker
    }

    /// Sends `items` to one worker, leaving them empty.
    pub(crate) fn give(&mut self, target: WorkerIndex, items: &mut Vec<I>, cx: &Cx) {
        if !items.is_empty() {
            self.give_marked(target, items, Mark::NONE, cx);
        }
    }

    /// Sends `items`, or none of them, and says what comes behind them.
    pub(crate) fn give_marked(
        &mut self,
        target: WorkerIndex,
        items: &mut Vec<I>,
        mark: Mark,
        cx: &Cx,
    ) {
        self.worker
            .shared
            .sent(self.edge, self.worker.index, items.len());
        let batch = Batch::new(self.worker.index, target, mark, std::mem::take(items));
        self.wire.give(batch, &cx.link);
    }

    /// Lets the readers know that the worker turns to other work.
    pub(crate) fn done(&mut self) {
        self.wire.done();
    }
}

/// Hands each batch that has arrived to a function, with its epoch.
type Pull<I> = dyn FnMut(&mut dyn FnMut(u64, Batch<I>));

/// The receiving end of an edge.
pub(crate) struct Input<I> {
    edge: EdgeId,
    pull: Box<Pull<I>>,
}

/// A batch that has arrived.
pub(crate) struct Arrived<I> {
    edge: EdgeId,
    batch: Batch<I>,
}

impl<I: 'static> Input<I> {
    pub(super) fn new(
        edge: EdgeId,
        pull: impl FnMut(&mut dyn FnMut(u64, Batch<I>)) + 'static,
    ) -> Self {
        Self {
            edge,
            pull: Box::new(pull),
        }
    }

    /// Hands over everything that has arrived, with its epoch.
    pub(crate) fn pull(&mut self, mut take: impl FnMut(u64, Arrived<I>)) {
        let edge = self.edge;
        (self.pull)(&mut |epoch, batch| take(epoch, Arrived { edge, batch }));
    }
}

/// Who sends over an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) worker: WorkerIndex,
}

impl<I> Arrived<I> {
    /// What the sender says of the items to come, if it says anything.
    pub(crate) fn mark(&self) -> Option<(Sender, Mark)> {
        let sender = Sender {
            worker: WorkerIndex(self.batch.origin as usize),
        };
        (self.batch.mark != Mark::NONE).then_some((sender, self.batch.mark))
    }

    /// Takes the items, which makes room on the edge.
    pub(crate) fn take(self, worker: &WorkerCx) -> Vec<I> {
        let origin = WorkerIndex(self.batch.origin as usize);
        let items = self.batch.items;
        worker.shared.taken(self.edge, origin, items.len() as u64);
        items
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

/// A receiving end whose item type only its step knows.
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

/// Where the trees of an operator under construction get their outputs from.
pub(crate) struct Outlet<'a, 's> {
    builder: &'a mut OperatorBuilder<'s, u64>,
    pub(crate) worker: Rc<WorkerCx>,
    limits: &'a RefCell<Vec<i64>>,
    edges: Vec<EdgeId>,
}

impl<'a, 's> Outlet<'a, 's> {
    pub(crate) fn new(
        builder: &'a mut OperatorBuilder<'s, u64>,
        worker: Rc<WorkerCx>,
        limits: &'a RefCell<Vec<i64>>,
    ) -> Self {
        Self {
            builder,
            worker,
            limits,
            edges: Vec::new(),
        }
    }

    /// The edges that were made.
    pub(crate) fn into_edges(self) -> Vec<EdgeId> {
        self.edges
    }

    fn output<I: 'static>(&mut self) -> (EdgeOut<I>, timely::dataflow::Stream<'s, u64, Batch<I>>) {
        let mut limits = self.limits.borrow_mut();
        let edge = EdgeId(limits.len() as u32);
        limits.push((BATCHES_UNDER_WAY * batch_items::<I>()) as i64);
        self.edges.push(edge);
        let port = self.builder.shape().outputs();
        let (output, stream) = self.builder.new_output::<Batch<I>>();
        let wire = Wire::Timely { port, output };
        (EdgeOut::new(edge, Rc::clone(&self.worker), wire), stream)
    }

    /// An edge that stays on the worker.
    pub(crate) fn local<I: 'static>(&mut self) -> (EdgeOut<I>, Inlet<'s>) {
        let (out, stream) = self.output::<I>();
        let edge = out.edge;
        let inlet = Inlet(Box::new(move |builder| {
            let mut handle = builder.new_input(stream, Pipeline);
            AnyInput::new(Input::<I>::new(edge, move |take| {
                handle.for_each(|time, batch| take(*time.time(), std::mem::take(batch)));
            }))
        }));
        (out, inlet)
    }

    /// An edge on which each batch goes to the worker it is made for.
    pub(crate) fn exchange<I: Exchange>(&mut self) -> (EdgeOut<I>, Inlet<'s>) {
        let (out, stream) = self.output::<I>();
        let edge = out.edge;
        let inlet = Inlet(Box::new(move |builder| {
            let mut handle = builder.new_input(stream, DistributorPact(|_peers: usize| Forward));
            AnyInput::new(Input::<I>::new(edge, move |take| {
                handle.for_each(|time, batch| take(*time.time(), std::mem::take(batch)));
            }))
        }));
        (out, inlet)
    }
}

/// The stream on which an operator tells how far it is.
pub(crate) type ProgressStream<'s> = StreamVec<'s, u64, Note>;

/// The first epoch that may still come, of an operator's inputs together; `None` at their end.
pub(crate) fn frontier<T: Timestamp + Copy>(
    frontiers: &[timely::progress::frontier::MutableAntichain<T>],
) -> Option<T> {
    let firsts = frontiers
        .iter()
        .filter_map(|input| input.frontier().first().copied());
    firsts.min()
}
