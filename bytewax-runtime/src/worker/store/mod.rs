//! The part of the recovery store on one worker: the partitions of its slots, their writer, and the resume
//! epoch.

mod begin;
mod check;
mod exchanged;
mod numbered;
mod open;
mod orphans;
mod samples;
mod take;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use crate::recovery::RecoveryConfig;
pub(super) use crate::recovery::Retention;
pub(crate) use open::check_locked;
pub(super) use open::{Agreed, Found, found, open};
pub(super) use take::take;

use self::begin::Unbegun;
use crate::clock::WorkerClock;
use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::Slot;
use crate::kit::meter::StoreMeter;
use crate::kit::{self, Change, RemoteAlarm, Shared, SnapshotMode};
use crate::recovery::{
    Message, PartitionCount, PartitionIndex, PartitionReader, Room, StepPlace, WriterEvent,
    WriterStopped, WriterThread,
};
use crate::state::MemoryLimit;
use crate::state::run::Run;
use crate::state::timer::Timer;

/// The maximum number of messages that wait for the writer.
const QUEUE: usize = 16;

/// The recovery store, as one worker sees it.
pub(crate) struct Store {
    /// The first epoch of this execution.
    resume: Epoch,
    pub(super) count: PartitionCount,
    /// The partitions of this worker.
    readers: BTreeMap<PartitionIndex, PartitionReader>,
    /// The writes before the first epoch; taken when they are done.
    unbegun: Cell<Option<Unbegun>>,
    /// Set when the execution begins; `None` on a worker without partitions.
    writer: OnceCell<Option<Writer>>,
    /// The places of the steps that save data.
    places: HashMap<StepIndex, StepPlace>,
    /// The positions of all sources and sinks of the cluster, by partition.
    positions: HashMap<StepId, BTreeMap<String, Vec<u8>>>,
    progress: Arc<WriterProgress>,
    clock: WorkerClock,
    /// The meters of the partitions of this worker.
    meters: StoreMeters,
    /// The limit of the states in the memory of this worker.
    memory: Option<Rc<MemoryLimit>>,
    snapshot_mode: SnapshotMode,
    /// How long replaced states are kept.
    kept_for: Duration,
    /// The earlier executions: the first epoch of each, and its time.
    earlier: Vec<(Epoch, DateTime<Utc>)>,
    /// The maximum number of workers of any of them.
    most_workers: usize,
    started_at: DateTime<Utc>,
}

type StoreMeters = BTreeMap<PartitionIndex, Arc<StoreMeter>>;

struct Writer {
    messages: SyncSender<Message>,
    room: Arc<Room>,
    /// Last, so that it is joined after the queue's end above is dropped.
    _thread: WriterThread,
}

/// The progress of the writer of a worker, reported to the worker.
pub(super) struct WriterProgress {
    durable: AtomicU64,
    wake: Mutex<Option<RemoteAlarm>>,
}

impl WriterProgress {
    fn new(durable: Epoch) -> Arc<Self> {
        Arc::new(Self {
            durable: AtomicU64::new(durable.0),
            wake: Mutex::default(),
        })
    }

    /// Creates the reporter of the writer thread.
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
            wake.wake();
        }
    }
}

impl Store {
    /// Returns the place of a step, if it saves data.
    fn place(&self, step: StepIndex) -> Option<StepPlace> {
        self.places.get(&step).copied()
    }

    /// Saves the position of a partition with an epoch, if its step saves positions.
    pub(super) fn save_position(
        &self,
        step: StepIndex,
        partition: String,
        epoch: Epoch,
        bytes: Vec<u8>,
    ) -> Result<(), RunError> {
        match self.place(step) {
            Some(step) => self.write(Message::Position {
                step,
                partition,
                epoch,
                bytes,
            }),
            None => Ok(()),
        }
    }

    /// Commits an epoch, after all its changes were sent.
    pub(super) fn commit(&self, epoch: Epoch) -> Result<(), RunError> {
        self.write(Message::Commit(epoch))
    }

    /// Removes data that no resume from this epoch on needs.
    pub(super) fn collect(&self, oldest: Epoch) -> Result<(), RunError> {
        self.write(Message::Collect(oldest))
    }

    /// Returns the last epoch whose changes on this worker are all durable.
    pub(super) fn durable(&self) -> Epoch {
        Epoch(self.progress.durable.load(Ordering::Acquire))
    }

    /// The first epoch of this execution.
    pub(super) fn resume(&self) -> Epoch {
        self.resume
    }

    /// Returns how long replaced states are kept, by the time since this execution began.
    pub(super) fn retention(&self) -> Retention {
        Retention::new(self.kept_for, &self.earlier, self.resume, self.started_at)
    }

    /// Makes the writer wake an operator after each commit of an epoch.
    pub(super) fn wake_on_commit(&self, wake: RemoteAlarm) {
        let mut waker = self
            .progress
            .wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *waker = Some(wake);
    }

    fn writer(&self) -> Option<&Writer> {
        let writer = self.writer.get();
        writer
            .expect("nothing runs before the execution begins")
            .as_ref()
    }

    /// Sends a message to the writer; waits while its queue is full.
    fn write(&self, message: Message) -> Result<(), RunError> {
        let Some(writer) = self.writer() else {
            // Without partitions there is nothing to write, so it is done immediately.
            if let Message::Commit(epoch) = message {
                self.progress.committed(epoch);
            }
            return Ok(());
        };
        let sent = writer.messages.send(message);
        sent.map_err(|_| RunError::recovery(WriterStopped))
    }

    /// Returns the reader of the partition with a slot.
    fn reader(&self, slot: Slot) -> Option<&PartitionReader> {
        self.readers.get(&self.count.partition_of(slot))
    }

    /// Converts a change into a message; `None` if the step saves nothing.
    fn message(&self, change: Change) -> Option<Message> {
        let step = self.place(change.step)?;
        let Change {
            table, epoch, runs, ..
        } = change;
        Some(Message::Changes {
            step,
            table,
            epoch,
            runs,
        })
    }
}

impl kit::Store for Store {
    fn snapshot_mode(&self) -> SnapshotMode {
        self.snapshot_mode
    }

    fn saves(&self, step: StepIndex) -> bool {
        self.places.contains_key(&step)
    }

    fn memory_limit(&self) -> Option<&Rc<MemoryLimit>> {
        self.memory.as_ref()
    }

    fn dir(&self) -> &Path {
        let first = self.readers.values().next();
        let dir = first.and_then(|reader| reader.file().parent());
        // A worker without partitions has no keys.
        dir.unwrap_or(Path::new("."))
    }

    fn slots(&self, step: &StepId) -> Result<Vec<Slot>, RunError> {
        let mut slots = Vec::new();
        for reader in self.readers.values() {
            slots.extend(
                reader
                    .slots(step, self.resume)
                    .map_err(RunError::recovery)?,
            );
        }
        Ok(slots)
    }

    fn timers(&self, step: &StepId) -> Result<Vec<Timer>, RunError> {
        let mut timers = Vec::new();
        for reader in self.readers.values() {
            let found = reader.load_timers(step, self.resume);
            timers.extend(found.map_err(RunError::recovery)?);
        }
        Ok(timers)
    }

    fn load(&self, step: &StepId, slot: Slot) -> Result<Run, RunError> {
        let began = self.clock.monotonic();
        let run = self
            .reader(slot)
            .map(|reader| reader.load_again(step, slot));
        if let Some(meter) = self.meters.get(&self.count.partition_of(slot)) {
            let took = self.clock.monotonic().nanos_since(began);
            meter.load.observe(took, 1);
        }
        run.unwrap_or_else(|| Ok(Run::default()))
            .map_err(RunError::recovery)
    }

    fn send(&self, change: Change) -> Result<(), RunError> {
        match self.message(change) {
            Some(message) => self.write(message),
            None => Ok(()),
        }
    }

    fn try_send(&self, change: Change) -> Result<Option<Change>, RunError> {
        let step = change.step;
        let (Some(writer), Some(message)) = (self.writer(), self.message(change)) else {
            return Ok(None);
        };
        match writer.messages.try_send(message) {
            Ok(()) => Ok(None),
            Err(TrySendError::Disconnected(_)) => Err(RunError::recovery(WriterStopped)),
            Err(TrySendError::Full(Message::Changes {
                table, epoch, runs, ..
            })) => Ok(Some(Change {
                step,
                table,
                epoch,
                runs,
            })),
            Err(TrySendError::Full(_)) => unreachable!("it is a change"),
        }
    }

    fn wake_on_room(&self, alarm: RemoteAlarm) {
        if let Some(writer) = self.writer() {
            writer.room.wait(move || alarm.wake());
        }
    }

    fn most_workers(&self) -> usize {
        self.most_workers
    }

    fn position(&self, step: &StepId, partition: &str) -> Option<&[u8]> {
        let position = self.positions.get(step)?.get(partition)?;
        Some(position)
    }

    fn positions_of(&self, step: &StepId) -> Vec<&str> {
        let of_step = self.positions.get(step);
        let names = of_step.map(BTreeMap::keys).into_iter().flatten();
        names.map(String::as_str).collect()
    }
}
