//! Writes the logs while the flow runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use chrono::Utc;

use super::super::error::Error;
use super::super::parts::{Execution, Meta, PartitionIndex, StepMeta};
use super::super::rows::Table;
use super::super::thread::{Report, WriterEvent};
use super::super::writer::PartitionWriter;
use super::Backup;
use super::compact::Compaction;
use super::earlier::Earlier;
use super::fence::Fence;
use super::log::{Log, Names, Place};
use super::object::{Entries, LogHeader};
use super::term::Term;
use crate::ids::Epoch;
use crate::key::Slot;
use crate::logged::Logged;
use crate::state::run::Run;

/// The minimum weight of an object in the decision to compact, for the time of a request.
const LEAST_WEIGHT: u64 = 64 << 10;

/// The number of small segments that may exist beside a small base.
const FEW_SEGMENTS: u64 = if cfg!(test) { 4 } else { 64 };

/// The number of epochs that wait for their upload.
const QUEUE: usize = 2;

/// The logs of a worker, as found.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    backup: Arc<dyn Backup>,
    names: Names,
    ends: BTreeMap<PartitionIndex, LogEnd>,
}

impl Logs {
    pub(super) fn new(
        backup: Arc<dyn Backup>,
        names: Names,
        ends: BTreeMap<PartitionIndex, LogEnd>,
    ) -> Self {
        Self {
            backup,
            names,
            ends,
        }
    }

    /// Continues them in a term, which was taken before the logs were read.
    pub(crate) fn in_term(self, term: Term) -> Uploads {
        Uploads { logs: self, term }
    }
}

/// The logs of a worker, to be continued.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    logs: Logs,
    term: Term,
}

/// The end of the log of a partition.
#[derive(Clone, Debug)]
pub(super) struct LogEnd {
    /// The number of the next object.
    next: u64,
    /// The term of the last one.
    after: u64,
    /// The segments after the newest base.
    earlier: Earlier,
}

impl LogEnd {
    pub(super) fn new(log: &Log) -> Self {
        Self {
            next: log.last.map_or(1, |last| last.sequence + 1),
            after: log.last.map_or(0, |last| last.term),
            earlier: Earlier::new(log),
        }
    }
}

/// The reason why nothing more is written.
#[derive(Debug)]
pub(in crate::recovery) enum Stopped {
    Error(Error),
    /// The error was reported by another thread.
    Reported,
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Collects the writes to the partitions of a writer thread, and uploads them on its own thread, so that
/// writing and uploading overlap.
pub(in crate::recovery) struct Uploader {
    names: Names,
    term: u64,
    steps: Vec<StepMeta>,
    /// In the order of the partitions of the writer thread.
    parts: Vec<PartitionLog>,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct PartitionLog {
    meta: Meta,
    execution: Execution,
    log: LogEnd,
    /// The changes that are in no segment yet.
    changes: BTreeMap<Epoch, Changes>,
    /// The segments of this execution.
    segments: VecDeque<Segment>,
    /// The number of the last segment of earlier runs that this run has replaced. A base in progress shares it, and
    /// sets it when it is whole.
    replaced: Arc<AtomicU64>,
}

#[derive(Default)]
struct Changes {
    entries: Entries,
    /// The places of the steps, in order of their numbers in the entries.
    steps: Vec<usize>,
}

impl Changes {
    fn step(&mut self, place: usize) -> u32 {
        let known = self.steps.iter().position(|&step| step == place);
        let number = known.unwrap_or_else(|| {
            self.steps.push(place);
            self.steps.len() - 1
        });
        number as u32
    }
}

struct Segment {
    epoch: Epoch,
    sequence: u64,
    weight: u64,
}

/// A job of the thread.
enum Job {
    Epoch {
        epoch: Epoch,
        /// The new segments, by partition.
        segments: Vec<Vec<(String, Vec<u8>)>>,
    },
    /// Runs when there is time.
    Compact(Box<Compaction>),
}

impl Uploader {
    /// Starts the thread, for partitions on which an execution has begun.
    pub(in crate::recovery) fn start<'a>(
        uploads: Uploads,
        writers: impl Iterator<Item = &'a PartitionWriter>,
        steps: &[StepMeta],
        report: Report,
    ) -> Result<Self, Error> {
        let Uploads { logs, term } = uploads;
        let Logs {
            backup,
            names,
            mut ends,
        } = logs;
        let fence = Fence::new(backup, names.clone(), term.clone());
        let (jobs, inbox) = sync_channel(QUEUE);
        let named = thread::Builder::new().name("bytewax-backup".to_owned());
        let logged = Logged::here();
        let thread = named.spawn(move || logged.run(|| run(&fence, &inbox, &report)));
        let mut uploader = Self {
            names,
            term: term.number(),
            steps: steps.to_vec(),
            parts: Vec::new(),
            jobs: Some(jobs),
            thread: Some(thread.map_err(Error::Thread)?),
        };
        for writer in writers {
            let meta = writer.meta().clone();
            let execution = writer.executions()?.pop();
            let part = PartitionLog {
                log: ends.remove(&meta.index).ok_or(Error::Misrouted)?,
                execution: execution.ok_or(Error::Misrouted)?,
                meta,
                changes: BTreeMap::new(),
                segments: VecDeque::new(),
                replaced: Arc::default(),
            };
            uploader.parts.push(part);
        }
        Ok(uploader)
    }

    pub(in crate::recovery) fn run(
        &mut self,
        part: usize,
        table: Table,
        step: usize,
        slot: Slot,
        epoch: Epoch,
        run: &Run,
    ) {
        if let Some(part) = self.parts.get_mut(part) {
            let changes = part.changes.entry(epoch).or_default();
            let step = changes.step(step);
            changes.entries.run(table, step, epoch, slot, run);
        }
    }

    pub(in crate::recovery) fn position(
        &mut self,
        part: usize,
        step: usize,
        partition: &str,
        epoch: Epoch,
        position: &[u8],
    ) {
        if let Some(part) = self.parts.get_mut(part) {
            let changes = part.changes.entry(epoch).or_default();
            let step = changes.step(step);
            changes.entries.position(step, epoch, partition, position);
        }
    }

    /// Uploads all changes of an epoch and those before it; then the epoch is reported as
    /// committed.
    pub(in crate::recovery) fn commit(&mut self, epoch: Epoch) -> Result<(), Stopped> {
        let Self {
            parts,
            names,
            term,
            steps,
            ..
        } = self;
        let segments = parts
            .iter_mut()
            .map(|part| part.segments(names, *term, steps, epoch))
            .collect();
        self.send(Job::Epoch { epoch, segments })
    }

    /// No resume before this epoch is needed any more: replaces segments before it by a base, if it is time.
    /// Nothing that is kept for the epoch may have been collected yet.
    pub(in crate::recovery) fn collect(
        &mut self,
        part: usize,
        writer: &PartitionWriter,
        oldest: Epoch,
    ) -> Result<(), Stopped> {
        let Some(part) = self.parts.get_mut(part) else {
            return Ok(());
        };
        // The file has no states of older epochs.
        let oldest = oldest.max(writer.progress().oldest);
        let least = (FEW_SEGMENTS * LEAST_WEIGHT).max(writer.bytes());
        let Some(base) = part.base(&self.names, self.term, least, writer, oldest)? else {
            return Ok(());
        };
        // It is read from the file with this name.
        writer.check_identity()?;
        self.send(Job::Compact(Box::new(base)))
    }

    fn send(&self, job: Job) -> Result<(), Stopped> {
        let jobs = self.jobs.as_ref().ok_or(Stopped::Reported)?;
        jobs.send(job).map_err(|_| Stopped::Reported)
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // The thread reports its errors; a panic was printed by its hook.
            let _ = thread.join();
        }
    }
}

impl PartitionLog {
    /// Begins a base that replaces the segments before an epoch, if they have this weight.
    fn base(
        &mut self,
        names: &Names,
        term: u64,
        least: u64,
        writer: &PartitionWriter,
        oldest: Epoch,
    ) -> Result<Option<Compaction>, Error> {
        let Self { log, replaced, .. } = self;
        log.earlier.remove_up_to(replaced.load(Ordering::Acquire));
        let earlier = log.earlier.len() as u64 * LEAST_WEIGHT;
        // Every epoch with changes has a segment, so the next one has changes from `oldest` on only.
        let is_before = |segment: &&Segment| segment.epoch < oldest;
        let own = self.segments.iter().take_while(is_before);
        let (count, weight) = own.fold((0, earlier), |(count, weight), segment| {
            (count + 1, weight + segment.weight)
        });
        if weight < least {
            return Ok(None);
        }
        let file = writer.file();
        if let Some(last) = self.segments.drain(..count).next_back() {
            log.earlier = Earlier::default();
            let place = Place {
                term,
                sequence: last.sequence,
            };
            return Compaction::begin(file, names, place, oldest).map(Some);
        }
        // Until the log has a segment of this term, a base of it would be the head. One base is made at a time.
        if log.after != term || Arc::strong_count(replaced) > 1 {
            return Ok(None);
        }
        let least = usize::try_from(least.div_ceil(LEAST_WEIGHT)).unwrap_or(usize::MAX);
        let earlier = log.earlier.clone().if_at_least(least);
        let done = Arc::clone(replaced);
        Compaction::begin_among(file, names, term, oldest, earlier, done).map(Some)
    }

    /// Makes the segments up to an epoch, one for each epoch with changes; the last one says that
    /// the epoch is complete.
    fn segments(
        &mut self,
        names: &Names,
        term: u64,
        steps: &[StepMeta],
        epoch: Epoch,
    ) -> Vec<(String, Vec<u8>)> {
        self.changes.entry(epoch).or_default();
        let later = self.changes.split_off(&epoch.next());
        let changes = std::mem::replace(&mut self.changes, later);
        changes
            .into_iter()
            .map(|(epoch, changes)| self.segment(names, term, steps, epoch, &changes))
            .collect()
    }

    fn segment(
        &mut self,
        names: &Names,
        term: u64,
        steps: &[StepMeta],
        epoch: Epoch,
        changes: &Changes,
    ) -> (String, Vec<u8>) {
        let sequence = self.log.next;
        self.log.next += 1;
        let after = std::mem::replace(&mut self.log.after, term);
        let named = changes.steps.iter().filter_map(|&place| steps.get(place));
        let object = changes.entries.finish(&LogHeader {
            meta: self.meta.clone(),
            sequence,
            term,
            saved_at: Some(Utc::now()),
            executions: vec![self.execution.clone()],
            epoch,
            oldest: Epoch::FIRST,
            steps: named.map(Into::into).collect(),
        });
        let weight = LEAST_WEIGHT.max(object.len() as u64);
        self.segments.push_back(Segment {
            epoch,
            sequence,
            weight,
        });
        let place = Place { term, sequence };
        (names.segment(self.meta.index, place, after), object)
    }
}

fn run(fence: &Fence, inbox: &Receiver<Job>, report: &Report) {
    if let Err(error) = work(fence, inbox, report) {
        // Returning drops the queue's end, which notifies the writer thread.
        report.send(WriterEvent::Failed(error));
    }
}

fn work(fence: &Fence, inbox: &Receiver<Job>, report: &Report) -> Result<(), Error> {
    let mut compactions: VecDeque<Box<Compaction>> = VecDeque::new();
    loop {
        let job = match compactions.front_mut() {
            None => {
                let Ok(job) = inbox.recv() else { break };
                job
            }
            Some(first) => {
                // Also a part of it after each epoch, or it would never finish.
                if fence.compact(first)? {
                    compactions.pop_front();
                }
                match inbox.try_recv() {
                    Ok(job) => job,
                    Err(TryRecvError::Empty) => continue,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
        };
        match job {
            Job::Epoch { epoch, segments } => {
                fence.upload(&segments)?;
                report.send(WriterEvent::Committed(epoch));
            }
            Job::Compact(compaction) => compactions.push_back(compaction),
        }
    }
    for mut compaction in compactions {
        while !fence.compact(&mut compaction)? {}
    }
    Ok(())
}
