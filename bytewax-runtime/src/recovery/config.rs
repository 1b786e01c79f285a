//! The configuration of a recovery store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "serve")]
use super::backup::savepoint_in_backup;
use super::backup::{Backup, Share, Term, begin, shared_parts, take_term};
use super::error::Error;
use super::layout::{PartitionFile, discover_to_use, existing, init_on_first_use};
use super::parts::PartitionState;
use super::resume::{Resume, check_policy};
#[cfg(feature = "serve")]
use super::tools::{Held, Others, Own, Savepoint, savepoint, while_held};
use crate::kit::{ResumePolicy, SnapshotMode};

/// The default number of partitions of a store: this number, or four per worker.
const PARTITIONS: u32 = 16;

/// The recovery store of a flow, from which the next run resumes.
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
    is_trial: bool,
}

impl RecoveryConfig {
    /// Keeps the state in the recovery partitions in this directory. If there are none, the run creates them.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dirs: vec![dir.into()],
            backup_interval: Duration::ZERO,
            backup: None,
            memory: None,
            snapshot_mode: SnapshotMode::default(),
            resume: ResumePolicy::default(),
            is_trial: false,
        }
    }

    /// Adds another directory that may contain partitions.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dirs.push(dir.into());
        self
    }

    /// Sets how long replaced states are kept, so that copies of partitions made within this time fit
    /// together. The default is not to keep them.
    pub fn backup_interval(mut self, interval: Duration) -> Self {
        self.backup_interval = interval;
        self
    }

    /// Copies each closed epoch to a backup. The directory is then local to this machine and may be lost: a
    /// run restores missing or outdated state from the backup, on any machine and with any number of workers.
    ///
    /// An epoch counts as saved when it is in the backup; only then do sources acknowledge their input. Each
    /// partition is copied separately, as one object per epoch with its changes; from time to time, one
    /// object with the whole state of the partition replaces these objects. The changes of an epoch stay in
    /// memory until they are copied.
    ///
    /// An empty backup starts with the partitions in the directory of the first process, if there are any;
    /// [`ResumePolicy::Require`] refuses that, because a backup on an unmounted volume looks empty. A run also
    /// refuses a backup that ends before the partitions in its directory. Only the first directory is used.
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

    /// Limits the bytes of states in memory in each process, approximately: their tables, and the heap of
    /// keys and states. The least recently used keys are *evicted*, one by one, and restored when an item, a
    /// timer or the end of input needs them. Without a limit, all touched states stay in memory.
    ///
    /// Evicted states are in files beside the first recovery partition of each worker. The files are unlinked
    /// and disappear with the process: the store contains everything that a resume needs. They need about as
    /// much space as the states, and at times twice as much; during a snapshot, also that of the keys that change before
    /// they are written.
    ///
    /// Beyond the limit, memory holds about 13 bytes for each evicted key, 24 more for one with a timer, and
    /// the most used of the evicted states: a twelfth of them, and 56 MiB at most. A limit below the
    /// working set of the items costs speed. A window step that emits early (`fire_early`) and whose keys
    /// share one watermark (`StreamClock`, `EventClock::per_partition`) evicts nothing.
    pub fn state_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Sets when changed states are passed to the store. The default is at the end of the epoch.
    ///
    /// [`Immediate`](SnapshotMode::Immediate) suits long epochs with many keys, which would otherwise write
    /// much at their end; it writes frequently changing keys often.
    pub fn snapshot_mode(mut self, mode: SnapshotMode) -> Self {
        self.snapshot_mode = mode;
        self
    }

    /// Sets whether the run may or must resume from an earlier one. The default is that it may.
    ///
    /// A store or a backup that is missing by mistake, such as one on an unmounted volume, looks like a new one.
    /// [`Require`](ResumePolicy::Require) refuses it, and creates none.
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

    /// Ends the run once it is known whether a store exists and can be resumed.
    pub(crate) fn trial(mut self) -> Self {
        self.is_trial = true;
        self.resume(ResumePolicy::Require)
    }

    pub(crate) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// Returns the directories as arguments of a command.
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

    /// Copies the newest complete epoch to a savepoint, while a run continues: to the backup, if there is one, or to
    /// the first directory of each process that has partitions. This process coordinates the others.
    #[cfg(feature = "serve")]
    pub(crate) fn savepoint(
        &self,
        flow: &str,
        name: &str,
        process: usize,
        others: Others<'_>,
    ) -> Result<Savepoint, Error> {
        match &self.backup {
            Some(backup) => while_held(name, others, || savepoint_in_backup(&**backup, flow, name)),
            None => savepoint(&self.dirs, name, process, others),
        }
    }

    /// Keeps a view of the partitions of this process, for a savepoint that another process coordinates. With a
    /// backup, nothing is read from them.
    #[cfg(feature = "serve")]
    pub(crate) fn hold(&self, name: &str, process: usize) -> Result<(Option<Own>, Held), Error> {
        if self.has_backup() {
            return Ok((None, Held::default()));
        }
        let (own, held) = Own::hold(&self.dirs, name, process)?;
        Ok((Some(own), held))
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

    pub(crate) fn the_backup(&self) -> Option<&Arc<dyn Backup>> {
        self.backup.as_ref()
    }

    /// Whether each worker has its own partitions, restored from a backup.
    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Creates a store where none exists, or starts the backup. One worker of a cluster does this before
    /// others look; without a backup, when none of them has found any partition.
    pub(crate) fn make_on_first_use(&self, flow: &str, workers: usize) -> Result<(), Error> {
        let count = partitions(workers);
        match (&self.backup, self.dirs.first(), self.resume) {
            (Some(backup), Some(dir), policy) => begin(&**backup, dir, flow, policy, count),
            (None, Some(dir), ResumePolicy::Require) => Err(Error::NothingToResume {
                what: format!("no recovery partition is in `{}`", dir.display()),
            }),
            (_, None, ResumePolicy::Require) => Ok(()),
            _ => init_on_first_use(&self.dirs, count, flow),
        }
    }

    /// Returns the partitions that this process finds. Directories may still be missing.
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

    /// Refuses a store that the resume policy does not allow.
    pub(crate) fn check_policy(
        &self,
        resume: &Resume,
        states: &[PartitionState],
    ) -> Result<(), Error> {
        check_policy(self.resume, resume, states)
    }

    /// Returns the partitions of a worker in the backup; `None` without a backup.
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

    /// Takes over the backup, if there is one. One worker does this when the whole cluster has locked its
    /// partitions, before any worker reads them.
    pub(crate) fn take_over(&self, flow: &str) -> Result<Option<Term>, Error> {
        let term = self
            .backup
            .as_ref()
            .map(|backup| take_term(&**backup, flow));
        term.transpose()
    }
}

/// Returns the default number of partitions of a store.
fn partitions(workers: usize) -> u32 {
    let partitions = u32::try_from(4 * workers).unwrap_or(u32::MAX);
    partitions.max(PARTITIONS)
}
