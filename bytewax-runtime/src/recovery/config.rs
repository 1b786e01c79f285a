//! Where a run keeps its state, and for how long.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::backup::{
    Backup, Restored, Share, Term, Uploads, begin, restore, shared_parts, take_term,
};
use super::error::Error;
use super::layout::{PartitionFile, discover_to_use, existing, init_on_first_use};
use super::lock::LockedPartition;
use super::parts::{ExecutionNumber, PartitionState};
use super::resume::Resume;
use crate::kit::{ResumePolicy, SnapshotMode};

/// The partitions of a store that nobody made by hand: so many, or four for each worker.
const PARTITIONS: u32 = 16;

/// Where the state of a flow is kept, so that the next run goes on where this one ends.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::RecoveryConfig;
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::testing::{
///     RunConfig, TestingItem, TestingSink, TestingSource, cluster_main,
/// };
///
/// let dir = tempfile::tempdir()?;
/// let marks = [TestingItem::Item(1), TestingItem::Item(2), TestingItem::Eof, TestingItem::Item(3)];
/// let out = TestingSink::new();
/// let flow = Dataflow::build("sums", |flow| {
///     let numbers = flow.input(TestingSource::with_marks(marks)).named("numbers");
///     let sums = numbers.key_on(|_| "all".to_owned()).stateful_map(|sum: &mut u64, n| {
///         *sum += n;
///         *sum
///     });
///     sums.named("sums").key_rm().output(out.clone()).named("out");
/// });
/// let config = RunConfig::new().recovery(RecoveryConfig::new(dir.path()));
/// cluster_main(flow.clone(), config.clone())?;
/// assert_eq!(out.take(), [1, 3]);
///
/// // The input goes on after the mark, and the sum where it was.
/// cluster_main(flow, config.workers(2))?;
/// assert_eq!(out.take(), [6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RecoveryConfig {
    dirs: Vec<PathBuf>,
    backup_interval: Duration,
    backup: Option<Arc<dyn Backup>>,
    memory: Option<u64>,
    snapshot_mode: SnapshotMode,
    resume: ResumePolicy,
    announces: bool,
    is_trial: bool,
}

impl RecoveryConfig {
    /// Keeps the state in the recovery partitions in this directory. If there are none, they are made
    /// when the flow runs.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dirs: vec![dir.into()],
            backup_interval: Duration::ZERO,
            backup: None,
            memory: None,
            snapshot_mode: SnapshotMode::default(),
            resume: ResumePolicy::default(),
            announces: false,
            is_trial: false,
        }
    }

    /// Another directory that may hold partitions.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dirs.push(dir.into());
        self
    }

    /// How long states that were replaced are kept, so that copies of partitions that were made within
    /// this time fit together. Nothing unless set.
    pub fn backup_interval(mut self, interval: Duration) -> Self {
        self.backup_interval = interval;
        self
    }

    /// Copies each closed epoch to a backup. The directory is then one of this machine, and may be
    /// lost: what is missing in it, or older than in the backup, is restored from there when the
    /// flow runs, on any machine and with any number of workers.
    ///
    /// An epoch counts as saved when it is in the backup: what a source has acknowledged is there.
    /// Each partition is copied by itself, one object for each epoch with what changed in it; now and
    /// then these objects are replaced by one that holds the whole state of the partition. Until it is
    /// copied, what an epoch has changed is held in memory.
    ///
    /// An empty backup is begun with the partitions in the directory of the first process, if there
    /// are any. Others than the first directory are not looked at.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::RecoveryConfig;
    /// use bytewax_runtime::backup::FileSystemBackup;
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{
    ///     RunConfig, TestingItem, TestingSink, TestingSource, cluster_main,
    /// };
    ///
    /// let backup = tempfile::tempdir()?;
    /// let marks = [TestingItem::Item(1), TestingItem::Eof, TestingItem::Item(2)];
    /// let out = TestingSink::new();
    /// let flow = Dataflow::build("sums", |flow| {
    ///     let numbers = flow.input(TestingSource::with_marks(marks)).named("numbers");
    ///     let sums = numbers.key_on(|_| "all".to_owned()).stateful_map(|sum: &mut u64, n| {
    ///         *sum += n;
    ///         *sum
    ///     });
    ///     sums.named("sums").key_rm().output(out.clone()).named("out");
    /// });
    /// // Each run is on another machine, with a directory of its own.
    /// for workers in [1, 3] {
    ///     let local = tempfile::tempdir()?;
    ///     let recovery = RecoveryConfig::new(local.path())
    ///         .backup(FileSystemBackup::new(backup.path()));
    ///     cluster_main(flow.clone(), RunConfig::new().workers(workers).recovery(recovery))?;
    /// }
    /// assert_eq!(out.take(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backup(self, backup: impl Backup) -> Self {
        self.with_backup(Arc::new(backup))
    }

    pub(crate) fn with_backup(mut self, backup: Arc<dyn Backup>) -> Self {
        self.backup = Some(backup);
        self
    }

    /// How many bytes the states in memory may take in each process, about: their tables, and what keys and
    /// states point to. Keys that were not used for longest are *evicted*, one by one, and restored when
    /// an item, a time or the end of input needs them. Without a limit, all that was touched stays in memory.
    ///
    /// Evicted states lie in files beside the first recovery partition of each worker. The files have no names,
    /// and are gone with the process: what a resume needs is in the store. They need about as much room as the
    /// states, and twice as much at times.
    ///
    /// Beside the limit, memory holds about 13 bytes for each evicted key, 24 more for one that waits for a time,
    /// and of the evicted states those that are used most: a sixteenth of them, and 20 MiB at most. A limit below
    /// what items use again and again costs speed. A window step that emits early (`fire_early`) and whose keys have one
    /// watermark (`StreamClock`, `EventClock::per_partition`) evicts nothing.
    pub fn state_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// When changed states are handed to the store: at the end of the epoch, unless set.
    ///
    /// [`Immediate`](SnapshotMode::Immediate) suits long epochs with many keys, whose end would bring
    /// much to write at once; keys that change often are then written often.
    pub fn snapshot_mode(mut self, mode: SnapshotMode) -> Self {
        self.snapshot_mode = mode;
        self
    }

    /// Whether the run may go on from an earlier one, or must: it may, unless set.
    ///
    /// A store that is missing by mistake, such as one on a volume that was not mounted, looks like a
    /// new one. [`Require`](ResumePolicy::Require) refuses it, and makes none.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{RunConfig, TestingSink, TestingSource, cluster_main};
    /// use bytewax_runtime::{RecoveryConfig, ResumePolicy};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let flow = Dataflow::build("numbers", |flow| {
    ///     let numbers = flow.input(TestingSource::new([1, 2])).named("numbers");
    ///     numbers.output(TestingSink::new()).named("out");
    /// });
    /// let run = |policy| {
    ///     let recovery = RecoveryConfig::new(dir.path()).resume(policy);
    ///     cluster_main(flow.clone(), RunConfig::new().recovery(recovery))
    /// };
    /// assert!(run(ResumePolicy::Require).is_err());
    /// run(ResumePolicy::Never)?;
    /// run(ResumePolicy::Require)?;
    /// assert!(run(ResumePolicy::Never).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(mut self, policy: ResumePolicy) -> Self {
        self.resume = policy;
        self
    }

    /// Has the run tell on standard error what it goes on from.
    pub(crate) fn announced(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Ends the run when it is known whether there is something to resume, and whether it is accepted.
    pub(crate) fn trial(mut self) -> Self {
        self.is_trial = true;
        self.resume(ResumePolicy::Require)
    }

    pub(crate) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The directories, as one types them behind a command.
    pub(crate) fn dirs_as_arguments(&self) -> String {
        let dirs: Vec<String> = self
            .dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .map(
                |dir| match dir.contains(|c: char| c.is_whitespace() || "'\"$`\\".contains(c)) {
                    true => format!("'{}'", dir.replace('\'', "'\\''")),
                    false => dir,
                },
            )
            .collect();
        dirs.join(" ")
    }

    pub(crate) fn announces(&self) -> bool {
        self.announces
    }

    pub(crate) fn mode(&self) -> SnapshotMode {
        self.snapshot_mode
    }

    pub(crate) fn memory(&self) -> Option<u64> {
        self.memory
    }

    pub(crate) fn kept_for(&self) -> Duration {
        self.backup_interval
    }

    /// Whether each worker has partitions of its own, which are restored from a backup.
    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Makes a store where there is none, or begins the backup. One worker of a cluster does this,
    /// before others look; without a backup, when none of them has found any partition.
    pub(crate) fn make_on_first_use(&self, flow: &str, workers: usize) -> Result<(), Error> {
        let new = (self.resume != ResumePolicy::Require).then(|| partitions(workers));
        match (&self.backup, self.dirs.first(), new) {
            (Some(backup), Some(dir), new) => begin(&**backup, dir, flow, new),
            (None, Some(dir), None) => Err(Error::NothingToResume {
                what: format!("no recovery partition is in `{}`", dir.display()),
            }),
            (_, _, Some(count)) => init_on_first_use(&self.dirs, count, flow),
            (_, None, None) => Ok(()),
        }
    }

    /// The partitions that this process finds. Directories may still be missing.
    pub(crate) fn find(&self) -> Result<Vec<PartitionFile>, Error> {
        discover_to_use(&existing(&self.dirs))
    }

    /// Refuses a directory that is missing.
    pub(crate) fn check_directories(&self) -> Result<(), Error> {
        match self.dirs.iter().find(|dir| !dir.exists()) {
            Some(dir) => Err(Error::NoDirectory { dir: dir.clone() }),
            None => Ok(()),
        }
    }

    /// Refuses what the policy on resuming does not allow.
    pub(crate) fn check_policy(
        &self,
        resume: &Resume,
        states: &[PartitionState],
    ) -> Result<(), Error> {
        let last = resume.execution.0.checked_sub(1).map(ExecutionNumber);
        match (self.resume, last, states.first()) {
            (ResumePolicy::Require, None, Some(first)) => {
                let file = first.file.display();
                let what = format!("no run has used the store of `{file}` yet");
                Err(Error::NothingToResume { what })
            }
            (ResumePolicy::Never, Some(execution), Some(first)) => Err(Error::SomethingToResume {
                file: first.file.clone(),
                execution,
            }),
            _ => Ok(()),
        }
    }

    /// The partitions that a worker has by the backup; none without one.
    pub(crate) fn share(
        &self,
        flow: &str,
        worker: usize,
        workers: usize,
    ) -> Result<Vec<PartitionFile>, Error> {
        let share = Share { worker, workers };
        match (&self.backup, self.dirs.first()) {
            (Some(backup), Some(dir)) => shared_parts(&**backup, dir, flow, share),
            _ => Ok(Vec::new()),
        }
    }

    /// Takes over the backup, if there is one. One worker does this when the whole cluster has locked
    /// its partitions, before anybody reads them.
    pub(crate) fn take_over(&self, flow: &str) -> Result<Option<Term>, Error> {
        let term = self
            .backup
            .as_ref()
            .map(|backup| take_term(&**backup, flow));
        term.transpose()
    }

    /// Makes the partitions of a worker what the backup says they are, if the cluster has taken one
    /// over in this term.
    pub(crate) fn restore(
        &self,
        flow: &str,
        parts: Vec<LockedPartition>,
        term: Option<Term>,
    ) -> Result<(Vec<LockedPartition>, Option<Uploads>), Error> {
        let (Some(backup), Some(term)) = (&self.backup, term) else {
            return Ok((parts, None));
        };
        let Restored { parts, logs } = restore(backup, flow, parts)?;
        Ok((parts, Some(logs.in_term(term))))
    }
}

/// How many partitions a store gets that nobody made by hand.
fn partitions(workers: usize) -> u32 {
    let partitions = u32::try_from(4 * workers).unwrap_or(u32::MAX);
    partitions.max(PARTITIONS)
}
