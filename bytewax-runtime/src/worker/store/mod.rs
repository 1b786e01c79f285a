//! What a worker has of the recovery store: the partitions of its slots, their writer, and where the
//! execution resumes.

mod check;
mod open;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use timely::scheduling::SyncActivator;

pub(super) use open::{Agreed, Found, found, open};

use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::Slot;
use crate::kit::{Shared, StepStore};
use crate::recovery::{
    Message, PartitionCount, PartitionIndex, PartitionReader, StepPlace, WriterEvent,
    WriterStopped, WriterThread,
};
use crate::state::{self, State};

/// How many messages may wait for the writer.
const QUEUE: usize = 1024;

/// The recovery store, as one worker sees it.
pub(crate) struct Store {
    /// The first epoch of this execution.
    pub(crate) resume: Epoch,
    pub(super) count: PartitionCount,
    /// The partitions of this worker.
    pub(crate) readers: BTreeMap<PartitionIndex, PartitionReader>,
    pub(crate) writer: Option<Writer>,
    /// The places of the steps that save anything.
    places: HashMap<StepIndex, StepPlace>,
    /// The positions of all sources and sinks of the cluster, by partition.
    positions: HashMap<StepId, BTreeMap<String, Vec<u8>>>,
    progress: Arc<WriterProgress>,
    /// How much memory the states on this worker may take, and take, about.
    pub(crate) memory: Option<usize>,
    pub(crate) memory_used: Cell<usize>,
}

pub(crate) struct Writer {
    pub(crate) messages: SyncSender<Message>,
    /// Last, so that it is waited for when the queue's end above is gone.
    _thread: WriterThread,
}

/// How far the writer of a worker has got, told to the worker.
pub(super) struct WriterProgress {
    durable: AtomicU64,
    wake: Mutex<Option<SyncActivator>>,
}

impl WriterProgress {
    fn new(durable: Epoch) -> Arc<Self> {
        Arc::new(Self {
            durable: AtomicU64::new(durable.0),
            wake: Mutex::default(),
        })
    }

    /// What the thread of the writer reports to.
    fn reporter(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
    ) -> impl FnMut(WriterEvent) + Send + 'static {
        let (progress, shared) = (Arc::clone(self), Arc::clone(shared));
        move |event| match event {
            WriterEvent::Committed(epoch) => progress.committed(epoch),
            WriterEvent::Failed(error) => shared.fail(RunError::recovery(error)),
        }
    }

    fn committed(&self, epoch: Epoch) {
        self.durable.fetch_max(epoch.0, Ordering::AcqRel);
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = &*wake {
            // It fails only when the worker is gone, and then nobody waits.
            let _ = wake.activate();
        }
    }
}

impl Store {
    /// The place of a step, if it saves anything.
    pub(super) fn place(&self, step: StepIndex) -> Option<StepPlace> {
        self.places.get(&step).copied()
    }

    /// The saved position of a partition of a source or a sink.
    pub(crate) fn position<P: State>(
        &self,
        step: &StepId,
        partition: &str,
    ) -> Result<Option<P>, RunError> {
        let of_step = self.positions.get(step);
        let position = of_step.and_then(|of_step| of_step.get(partition));
        let position = position.map(|bytes| state::open(bytes));
        position.transpose().map_err(|error| {
            RunError::new(
                crate::RunErrorKind::Recovery,
                "the saved position cannot be read",
            )
            .caused_by(error)
            .in_partition(partition)
        })
    }

    pub(crate) fn has_position(&self, step: &StepId, partition: &str) -> bool {
        let of_step = self.positions.get(step);
        of_step.is_some_and(|of_step| of_step.contains_key(partition))
    }

    /// The partitions of a source or a sink that have a saved position, by name.
    pub(crate) fn positions_of(&self, step: &StepId) -> impl Iterator<Item = &str> + use<'_> {
        let of_step = self.positions.get(step);
        let names = of_step.map(BTreeMap::keys).into_iter().flatten();
        names.map(String::as_str)
    }

    /// Has the writer wake an operator when it has committed an epoch.
    pub(super) fn wake_on_commit(&self, wake: SyncActivator) {
        let mut waker = self
            .progress
            .wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *waker = Some(wake);
    }

    /// The last epoch of which all changes of this worker are durable.
    pub(crate) fn durable(&self) -> Epoch {
        Epoch(self.progress.durable.load(Ordering::Acquire))
    }

    /// Hands a message to the writer; waits while its queue is full.
    pub(crate) fn send(&self, message: Message) -> Result<(), RunError> {
        let Some(writer) = &self.writer else {
            // Without partitions there is nothing to write, and it is done at once.
            if let Message::Commit(epoch) = message {
                self.progress.committed(epoch);
            }
            return Ok(());
        };
        let sent = writer.messages.send(message);
        sent.map_err(|_| RunError::recovery(WriterStopped))
    }

    /// The reader of the partition that has a slot.
    pub(crate) fn reader(&self, slot: Slot) -> Option<&PartitionReader> {
        self.readers.get(&self.count.partition_of(slot))
    }

    /// What a keyed step saves; `None` when it saves nothing.
    pub(crate) fn step(self: &Rc<Self>, id: &StepId, step: StepIndex) -> Option<StepStore> {
        self.place(step)
            .map(|place| StepStore::new(Rc::clone(self), id.clone(), place))
    }
}
