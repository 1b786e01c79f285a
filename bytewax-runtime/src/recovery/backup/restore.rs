//! Restores the partitions of a worker from the backup.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};

use super::super::draft::{draft_partition, publish_partition, sync_names};
use super::super::error::{Error, ResumeError};
use super::super::layout::{PartitionFile, partition_path};
use super::super::lock::{Lock, LockedPartition};
use super::super::parts::{
    Execution, Meta, PartitionIndex, PartitionState, Progress, StepMeta, StepNumber,
};
use super::super::writer::PartitionWriter;
use super::begin::read_store;
use super::log::{Log, Names};
use super::object::{self, Entry, LogHeader};
use super::upload::{LogEnd, Logs};
use super::{Backup, BackupError, get};
use crate::ids::{Epoch, StepId};

/// The number of objects that are read from the backup concurrently.
const AT_ONCE: usize = 8;

/// The number of bytes that are written to a partition before a commit.
const COMMIT_BYTES: usize = if cfg!(test) { 200 } else { 16 << 20 };

/// The number of epochs in progress at most.
const IN_PROGRESS: u64 = 2;

/// The partitions of a worker of the cluster: every one of a number, by index.
///
/// Every worker thus knows its partitions, wherever they were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) worker: usize,
    pub(crate) workers: usize,
}

impl Share {
    pub(crate) const ALL: Self = Self {
        worker: 0,
        workers: 1,
    };

    pub(crate) fn has(self, index: PartitionIndex) -> bool {
        (index.0 as usize).checked_rem(self.workers) == Some(self.worker)
    }
}

/// The partitions of a worker, and the data to continue the backup.
pub(crate) struct Restored {
    pub(crate) parts: Vec<LockedPartition>,
    pub(crate) logs: Logs,
}

/// Returns the partitions of a worker according to the backup, in a local directory, which is created if it
/// is missing. The files may be missing, too.
pub(crate) fn shared_parts(
    backup: &dyn Backup,
    dir: &Path,
    flow: &str,
    share: Share,
) -> Result<Vec<PartitionFile>, Error> {
    fs::create_dir_all(dir).map_err(Error::io(dir, "making the directory"))?;
    let dir = dir
        .canonicalize()
        .map_err(Error::io(dir, "resolving its name"))?;
    let store = read_store(backup, &Names::new(flow))?;
    let part = |index| PartitionFile {
        file: partition_path(&dir, index),
        meta: store.meta(index),
    };
    let indices = store.count.indices().filter(|&index| share.has(index));
    Ok(indices.map(part).collect())
}

/// Resets partitions to the contents of the backup. Others in their directory are left alone.
pub(crate) fn restore(
    backup: &Arc<dyn Backup>,
    flow: &str,
    parts: Vec<LockedPartition>,
) -> Result<Restored, Error> {
    compare(backup, flow, parts)?.restore()
}

/// The partitions of a worker, which can be reset to their logs.
pub(crate) struct Compared {
    backup: Arc<dyn Backup>,
    names: Names,
    parts: Vec<(LockedPartition, Known)>,
}

/// The log of a partition, and its last object.
struct Known {
    log: Log,
    head: Option<LogHeader>,
}

/// Refuses local partitions that do not belong to the backup, or that have more epochs than it. All workers do
/// this before any changes its partitions, so that the refused ones fit together.
///
/// They are locked before the backup is read, so that writes of another run to both are seen.
pub(crate) fn compare(
    backup: &Arc<dyn Backup>,
    flow: &str,
    parts: Vec<LockedPartition>,
) -> Result<Compared, Error> {
    let names = Names::new(flow);
    let compared = parts.into_iter().map(|part| {
        let known = Known::read(&**backup, &names, part.meta())?;
        known.check(&part)?;
        Ok((part, known))
    });
    Ok(Compared {
        parts: compared.collect::<Result<_, Error>>()?,
        backup: Arc::clone(backup),
        names,
    })
}

impl Compared {
    pub(crate) fn restore(self) -> Result<Restored, Error> {
        let Self {
            backup,
            names,
            parts,
        } = self;
        let mut restored = Vec::new();
        let mut logs = BTreeMap::new();
        for (part, known) in parts {
            let (PartitionFile { file, meta }, lock) = part.into_parts();
            logs.insert(meta.index, LogEnd::new(&known.log));
            let part = Partition {
                backup: &*backup,
                known: &known,
                file,
                meta,
            };
            restored.push(part.restore(lock)?);
        }
        if let Some(dir) = restored.first().and_then(|part| part.file().parent()) {
            sync_names(dir);
        }
        Ok(Restored {
            parts: restored,
            logs: Logs::new(backup, names, logs),
        })
    }
}

impl Known {
    fn read(backup: &dyn Backup, names: &Names, meta: &Meta) -> Result<Self, Error> {
        let log = Log::read(backup, names, meta.index)?;
        let head = log.head().map(|name| {
            let (head, _) = open_in_log(meta, name, &get(backup, name)?)?;
            Ok::<_, BackupError>(head)
        });
        let head = head.transpose()?;
        Ok(Self { log, head })
    }

    /// Checks the local partition, if there is one.
    fn check(&self, part: &LockedPartition) -> Result<(), Error> {
        if !part.file().exists() {
            return Ok(());
        }
        let PartitionState {
            file,
            meta,
            progress,
            ..
        } = part.reader()?.state()?;
        refuse_other(&file, &meta, part.meta())?;
        let backup = self.head.as_ref().map_or(Epoch(0), |head| head.epoch);
        let local = surely_reported(&progress);
        if local > backup {
            let behind = BackupError::Behind {
                file,
                local,
                backup,
            };
            return Err(behind.into());
        }
        Ok(())
    }
}

/// Returns an epoch that is complete in the whole cluster, and so in its backup, by the progress of a partition.
///
/// A partition is written before its log, so its last epochs may not be in the backup. But at most
/// [two epochs](IN_PROGRESS) are in progress, and no epoch is collected before a later one is complete.
fn surely_reported(progress: &Progress) -> Epoch {
    let by_last = progress.durable.0.saturating_sub(IN_PROGRESS);
    let by_oldest = progress.oldest.0.saturating_sub(1);
    Epoch(by_last.max(by_oldest))
}

fn refuse_other(file: &Path, local: &Meta, backup: &Meta) -> Result<(), Error> {
    refuse_other_flow(file, local, &backup.flow)?;
    if local.store != backup.store {
        return Err(BackupError::OtherStore {
            file: file.to_path_buf(),
            local: local.store,
            backup: backup.store,
        }
        .into());
    }
    if local != backup {
        let what = format!("by its name it is partition {}", backup.index);
        return Err(Error::damaged(file, what));
    }
    Ok(())
}

fn refuse_other_flow(file: &Path, meta: &Meta, flow: &str) -> Result<(), ResumeError> {
    if meta.flow == flow {
        return Ok(());
    }
    Err(ResumeError::OtherFlow {
        file: file.to_path_buf(),
        stored: meta.flow.clone(),
        running: flow.to_owned(),
    })
}

/// A partition that is restored from its log.
struct Partition<'a> {
    backup: &'a dyn Backup,
    known: &'a Known,
    file: PathBuf,
    meta: Meta,
}

impl Partition<'_> {
    fn restore(self, mut lock: Lock) -> Result<LockedPartition, Error> {
        if self.file.exists() {
            let mut writer = PartitionWriter::open(&self.file, lock)?;
            let fits = self.rewind(&mut writer)?;
            let part = writer.close();
            if fits {
                return Ok(part);
            }
            lock = part.into_parts().1;
        }
        self.build(lock)
    }

    /// Resets a local partition to its log, or returns that this is impossible.
    ///
    /// A partition is written before its log. It may therefore be ahead by unreported changes, which are
    /// removed. It may also be behind, or of another timeline, if other machines have run the flow in
    /// between.
    fn rewind(&self, writer: &mut PartitionWriter) -> Result<bool, Error> {
        let progress = writer.progress();
        let Some(head) = &self.known.head else {
            let is_whole = progress.oldest == Epoch::FIRST;
            if is_whole {
                writer.rewind(None, Epoch(0))?;
            }
            return Ok(is_whole);
        };
        let last = running(self.known.log.head().unwrap_or_default(), head)?;
        let executions = writer.executions()?;
        let mut later = executions
            .iter()
            .filter(|execution| execution.number > last.number);
        let fits = executions.contains(last)
            && later.all(|execution| execution.resume > head.epoch)
            && progress.execution >= Some(last.number)
            && progress.durable >= head.epoch
            && progress.oldest <= head.epoch.next();
        if fits {
            writer.rewind(Some(last.number), head.epoch)?;
        }
        Ok(fits)
    }

    /// Replays the log.
    fn build(self, lock: Lock) -> Result<LockedPartition, Error> {
        let dir = self.file.parent().unwrap_or(Path::new(""));
        let draft = draft_partition(dir, self.meta.clone())?;
        let mut replay = Replay {
            writer: PartitionWriter::open(&draft.file, lock)?,
            steps: BTreeMap::new(),
            epoch: Epoch(0),
            saved_at: None,
            uncommitted: 0,
        };
        let log = &self.known.log;
        let mut pieces = log.pieces;
        for names in log.live.chunks(AT_ONCE) {
            for (name, bytes) in names.iter().zip(get_all(self.backup, names)?) {
                let (header, entries) = open_in_log(&self.meta, name, &bytes)?;
                if pieces > 0 {
                    pieces -= 1;
                    replay.piece(name, header, entries)?;
                } else {
                    replay.segment(name, header, entries)?;
                }
            }
        }
        replay.commit()?;
        replay.writer.checkpoint()?;
        let (draft, lock) = replay.writer.close().into_parts();
        Ok(LockedPartition::new(publish_partition(draft)?, lock))
    }
}

/// Checks an object of the log of a partition.
pub(super) fn open_in_log<'b>(
    meta: &Meta,
    name: &str,
    bytes: &'b [u8],
) -> Result<(LogHeader, &'b [u8]), BackupError> {
    let (header, entries): (LogHeader, _) = object::open(name, bytes)?;
    if header.meta != *meta || !Names::is_at(name, header.place()) {
        return Err(BackupError::damaged(name, "it belongs to another place"));
    }
    Ok((header, entries))
}

/// Reads some objects concurrently.
pub(super) fn get_all(backup: &dyn Backup, names: &[String]) -> Result<Vec<Vec<u8>>, Error> {
    thread::scope(|scope| {
        let readers: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || get(backup, name)))
            .collect();
        let read = readers.into_iter().zip(names).map(|(reader, name)| {
            let panicked = |_| BackupError::io("reading", name, io::ErrorKind::Other.into());
            Ok(reader.join().map_err(panicked)??)
        });
        read.collect()
    })
}

/// A partition under construction.
struct Replay {
    writer: PartitionWriter,
    steps: BTreeMap<StepId, (StepMeta, StepNumber)>,
    /// All changes of this epoch were written.
    epoch: Epoch,
    saved_at: Option<DateTime<Utc>>,
    uncommitted: usize,
}

impl Replay {
    /// Writes the contents of a piece of a base.
    fn piece(&mut self, name: &str, header: LogHeader, bytes: &[u8]) -> Result<(), Error> {
        let LogHeader { epoch, oldest, .. } = header;
        self.saved_at = header.saved_at;
        let execution = Some(running(name, &header)?.number);
        if self.writer.progress().execution.is_none() {
            let progress = Progress {
                execution,
                durable: Epoch(epoch.0.saturating_sub(1)),
                oldest,
                saved_at: None,
            };
            self.writer.adopt(&header.executions, progress)?;
            self.epoch = epoch;
        }
        if self.writer.progress().execution != execution || self.epoch != epoch {
            return Err(BackupError::damaged(name, "it is a piece of another base").into());
        }
        self.entries(name, header, epoch..=epoch, bytes)?;
        // The epoch is not complete before the last piece.
        self.writer.flush()
    }

    /// Replays an epoch of the writer.
    fn segment(&mut self, name: &str, header: LogHeader, bytes: &[u8]) -> Result<(), Error> {
        let execution = running(name, &header)?;
        if self.writer.progress().execution != Some(execution.number) {
            self.commit()?;
            self.writer.begin_execution(execution)?;
            self.epoch = self.writer.progress().durable;
        }
        let epoch = header.epoch;
        self.saved_at = header.saved_at;
        if epoch <= self.epoch {
            let what = format!("it is of epoch {epoch}, after epoch {}", self.epoch);
            return Err(BackupError::damaged(name, what).into());
        }
        self.entries(name, header, self.epoch.next()..=epoch, bytes)?;
        self.epoch = epoch;
        self.uncommitted += bytes.len();
        if self.uncommitted < COMMIT_BYTES {
            return Ok(());
        }
        self.commit()
    }

    fn entries(
        &mut self,
        name: &str,
        header: LogHeader,
        epochs: RangeInclusive<Epoch>,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let Meta { index, count, .. } = header.meta;
        let steps = header.steps.into_iter();
        let steps: Vec<StepNumber> = steps
            .map(|step| self.step(step.into()))
            .collect::<Result<_, _>>()?;
        let damaged = |what: &str| BackupError::damaged(name, what);
        let number = |step: u32| {
            let number = steps.get(step as usize).copied();
            number.ok_or_else(|| damaged("it has an entry of a step that it does not name"))
        };
        for entry in object::entries(name, bytes) {
            let entry = entry?;
            if !epochs.contains(&entry.epoch()) {
                return Err(damaged("it has an entry of an epoch that it is not of").into());
            }
            match entry {
                Entry::Run {
                    table,
                    step,
                    epoch,
                    slot,
                    run,
                } => {
                    if count.partition_of(slot) != index {
                        return Err(damaged("it has a slot of another partition").into());
                    }
                    let step = number(step)?;
                    self.writer.write(table, step, slot, epoch, run)?;
                }
                Entry::Position {
                    step,
                    epoch,
                    partition,
                    position,
                } => {
                    let step = number(step)?;
                    self.writer
                        .write_position(step, partition, epoch, position)?;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, step: StepMeta) -> Result<StepNumber, Error> {
        if let Some((known, number)) = self.steps.get(&step.id)
            && *known == step
        {
            return Ok(*number);
        }
        let number = self.writer.step(&step)?;
        self.steps.insert(step.id.clone(), (step, number));
        Ok(number)
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.uncommitted = 0;
        if self.epoch > self.writer.progress().durable {
            self.writer.commit_at(self.epoch, self.saved_at)?;
        }
        self.writer.checkpoint_if_due()
    }
}

/// Returns the execution that wrote an object.
pub(super) fn running<'a>(name: &str, header: &'a LogHeader) -> Result<&'a Execution, BackupError> {
    let last = header.executions.last();
    last.ok_or_else(|| BackupError::damaged(name, "it names no execution"))
}
