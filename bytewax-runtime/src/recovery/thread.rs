//! The thread that writes the partitions of a worker or a process, so that computing and writing
//! overlap.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::backup::{Stopped, Uploader, Uploads};
use super::error::Error;
use super::parts::{PartitionIndex, StepMeta, StepNumber};
use super::rows::Table;
use super::writer::PartitionWriter;
use crate::ids::Epoch;
use crate::key::{Slot, position_slot};
use crate::logged::Logged;
use crate::state::run::Run;

/// How many bytes one step of a collection merges, while changes may be waiting.
const COLLECT_BYTES: u64 = 1 << 20;

/// A step, as an index into the list that the thread was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepPlace(pub(crate) usize);

/// A message to the thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// Changes in some slots.
    Changes {
        step: StepPlace,
        table: Table,
        epoch: Epoch,
        runs: Vec<(Slot, Run)>,
    },
    /// The position of a partition of a source or a sink.
    Position {
        step: StepPlace,
        partition: String,
        epoch: Epoch,
        bytes: Vec<u8>,
    },
    /// Every worker with changes for these partitions has sent all of this epoch.
    Commit(Epoch),
    /// Every partition of the store has committed the epoch before this one, and no resume before this one is
    /// needed any more.
    Collect(Epoch),
}

/// A report of the thread.
#[derive(Debug)]
pub(crate) enum WriterEvent {
    /// All partitions of the thread are durable up to this epoch, in the backup if there is one.
    Committed(Epoch),
    /// The thread writes nothing more.
    Failed(Error),
}

/// The receiver of events, shared by several threads.
#[derive(Clone)]
pub(super) struct Report(Arc<Mutex<dyn FnMut(WriterEvent) + Send>>);

impl Report {
    pub(super) fn send(&self, event: WriterEvent) {
        let mut report = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        report(event);
    }
}

/// The writer thread has failed, and has reported the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recovery store cannot be written any more")]
pub(crate) struct WriterStopped;

/// Notifies senders that found the queue full once it has room again.
#[derive(Default)]
pub(crate) struct Room {
    is_awaited: AtomicBool,
    waiting: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Room {
    /// Calls `notify` when the thread removes a message from the queue. It may already have removed one; so
    /// try to send once more after this call.
    pub(crate) fn wait(&self, notify: impl FnOnce() + Send + 'static) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(Box::new(notify));
        drop(waiting);
        self.is_awaited.store(true, Ordering::SeqCst);
    }

    fn notify(&self) {
        if self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.drain(..).for_each(|notify| notify());
        }
    }
}

/// Owns some partitions and writes them, one epoch after the other.
///
/// Dropping it writes all messages sent before.
pub(crate) struct WriterThread {
    messages: Option<SyncSender<Message>>,
    room: Arc<Room>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// Starts the thread. Every slot and position that is sent must belong to one of `writers`;
    /// `steps` are all steps with rows; at most `queue` messages wait. With a backup, an epoch is
    /// committed when it is there too.
    pub(crate) fn spawn(
        writers: Vec<PartitionWriter>,
        steps: &[StepMeta],
        queue: usize,
        uploads: Option<Uploads>,
        report: impl FnMut(WriterEvent) + Send + 'static,
    ) -> Result<Self, Error> {
        let (messages, inbox) = sync_channel(queue);
        let report = Report(Arc::new(Mutex::new(report)));
        let mut writing = Writing::new(writers, steps, uploads, report)?;
        let room = Arc::clone(&writing.room);
        let named = thread::Builder::new().name("bytewax-recovery".to_owned());
        let logged = Logged::here();
        let thread = named
            .spawn(move || logged.run(|| writing.run(&inbox)))
            .map_err(Error::Thread)?;
        Ok(Self {
            messages: Some(messages),
            room,
            thread: Some(thread),
        })
    }

    #[cfg(test)]
    /// Sends a message; blocks while the queue is full.
    pub(crate) fn send(&self, message: Message) -> Result<(), WriterStopped> {
        let messages = self.messages.as_ref().ok_or(WriterStopped)?;
        messages.send(message).map_err(|_| WriterStopped)
    }

    /// The senders that wait for room in the queue.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    /// Another sender of the queue. The thread ends when all senders are dropped.
    pub(crate) fn sender(&self) -> Result<SyncSender<Message>, WriterStopped> {
        self.messages.clone().ok_or(WriterStopped)
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        drop(self.messages.take());
        if let Some(thread) = self.thread.take() {
            // The thread reports its errors; the panic hook has printed a panic.
            let _ = thread.join();
        }
    }
}

/// A partition with the numbers of its steps, by index.
struct OpenPartition {
    writer: PartitionWriter,
    numbers: Vec<StepNumber>,
}

impl OpenPartition {
    fn number(&self, step: StepPlace) -> Result<StepNumber, Error> {
        self.numbers.get(step.0).copied().ok_or(Error::Misrouted)
    }
}

struct Writing {
    parts: Vec<OpenPartition>,
    /// For each partition of the store its index in `parts`.
    places: Vec<Option<usize>>,
    /// Step ids by index.
    steps: Vec<StepMeta>,
    /// Bytes written since the last step of a collection.
    backlog: u64,
    uploader: Option<Uploader>,
    report: Report,
    room: Arc<Room>,
}

impl Writing {
    fn new(
        writers: Vec<PartitionWriter>,
        steps: &[StepMeta],
        uploads: Option<Uploads>,
        report: Report,
    ) -> Result<Self, Error> {
        let start = |uploads| Uploader::start(uploads, writers.iter(), steps, report.clone());
        let uploader = uploads.map(start).transpose()?;
        let count = writers
            .first()
            .map_or(0, |writer| writer.meta().count.get());
        let mut places = vec![None; count as usize];
        let mut parts = Vec::with_capacity(writers.len());
        for mut writer in writers {
            let numbers: Result<_, _> = steps.iter().map(|step| writer.step(step)).collect();
            let PartitionIndex(index) = writer.meta().index;
            if let Some(place) = places.get_mut(index as usize) {
                *place = Some(parts.len());
            }
            parts.push(OpenPartition {
                numbers: numbers?,
                writer,
            });
        }
        Ok(Self {
            parts,
            places,
            steps: steps.to_vec(),
            backlog: 0,
            uploader,
            report,
            room: Arc::default(),
        })
    }

    fn run(&mut self, inbox: &Receiver<Message>) {
        if let Err(Stopped::Error(error)) = self.work(inbox) {
            self.report.send(WriterEvent::Failed(error));
        }
        // Waits until all is uploaded. Returning drops the receiver, so senders learn of an error.
        self.uploader = None;
    }

    fn work(&mut self, inbox: &Receiver<Message>) -> Result<(), Stopped> {
        loop {
            let message = if self.collecting() {
                match inbox.try_recv() {
                    Ok(message) => message,
                    Err(TryRecvError::Empty) => {
                        self.collect_some()?;
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => break,
                }
            } else {
                let Ok(message) = inbox.recv() else { break };
                message
            };
            self.room.notify();
            self.handle(message)?;
            // A queue that is never empty must not make the store grow without limit.
            if self.backlog > COLLECT_BYTES / 2 {
                self.collect_some()?;
            }
        }
        while self.collecting() {
            self.collect_some()?;
        }
        for part in &mut self.parts {
            part.writer.flush()?;
            part.writer.checkpoint()?;
        }
        Ok(())
    }

    fn handle(&mut self, message: Message) -> Result<(), Stopped> {
        match message {
            Message::Changes {
                step,
                table,
                epoch,
                runs,
            } => {
                let mut runs = runs.into_iter();
                Ok(runs.try_for_each(|(slot, run)| self.write(table, step, slot, epoch, run))?)
            }
            Message::Position {
                step,
                partition,
                epoch,
                bytes,
            } => Ok(self.write_position(step, &partition, epoch, &bytes)?),
            Message::Commit(epoch) => self.commit(epoch),
            Message::Collect(oldest) => self.collect(oldest),
        }
    }

    fn write(
        &mut self,
        table: Table,
        step: StepPlace,
        slot: Slot,
        epoch: Epoch,
        run: Run,
    ) -> Result<(), Error> {
        self.backlog += run.len() as u64;
        let place = self.place(slot)?;
        if let Some(uploader) = &mut self.uploader {
            uploader.run(place, table, step.0, slot, epoch, &run);
        }
        let part = &mut self.parts[place];
        let step = part.number(step)?;
        part.writer.write(table, step, slot, epoch, run)
    }

    fn write_position(
        &mut self,
        step: StepPlace,
        partition: &str,
        epoch: Epoch,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let id = &self.steps.get(step.0).ok_or(Error::Misrouted)?.id;
        let place = self.place(position_slot(id, partition))?;
        if let Some(uploader) = &mut self.uploader {
            uploader.position(place, step.0, partition, epoch, bytes);
        }
        let part = &mut self.parts[place];
        let step = part.number(step)?;
        part.writer.write_position(step, partition, epoch, bytes)
    }

    fn commit(&mut self, epoch: Epoch) -> Result<(), Stopped> {
        for part in &mut self.parts {
            part.writer.commit(epoch)?;
        }
        match &mut self.uploader {
            Some(uploader) => uploader.commit(epoch)?,
            None => self.report.send(WriterEvent::Committed(epoch)),
        }
        for part in &mut self.parts {
            part.writer.checkpoint_if_due()?;
        }
        Ok(())
    }

    fn collect(&mut self, oldest: Epoch) -> Result<(), Stopped> {
        for (place, part) in self.parts.iter_mut().enumerate() {
            if let Some(uploader) = &mut self.uploader {
                uploader.collect(place, &part.writer, oldest)?;
            }
            part.writer.begin_collect(oldest)?;
        }
        Ok(())
    }

    /// The index of the partition of a slot.
    fn place(&self, slot: Slot) -> Result<usize, Error> {
        let index = slot.index().checked_rem(self.places.len());
        let place = index.and_then(|index| self.places[index]);
        place.ok_or(Error::Misrouted)
    }

    fn collecting(&self) -> bool {
        self.parts.iter().any(|part| part.writer.collecting())
    }

    fn collect_some(&mut self) -> Result<(), Error> {
        self.backlog = 0;
        let part = self.parts.iter_mut().find(|part| part.writer.collecting());
        part.map_or(Ok(()), |part| part.writer.collect_some(COLLECT_BYTES))
    }
}
