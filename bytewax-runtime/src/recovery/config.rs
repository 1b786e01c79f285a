//! Where a run keeps its state, and for how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::layout::{PartitionFile, discover, init_on_first_use};

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
///     ClusterConfig, TestingItem, TestingSink, TestingSource, cluster_main,
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
/// let config = ClusterConfig::new().recovery(RecoveryConfig::new(dir.path()));
/// cluster_main(flow.clone(), config.clone())?;
/// assert_eq!(out.take(), [1, 3]);
///
/// // The input goes on after the mark, and the sum where it was.
/// cluster_main(flow, config.workers(2))?;
/// assert_eq!(out.take(), [6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RecoveryConfig {
    dirs: Vec<PathBuf>,
    backup_interval: Duration,
}

impl RecoveryConfig {
    /// Keeps the state in the recovery partitions in this directory. If there are none, they are made
    /// when the flow runs.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dirs: vec![dir.into()],
            backup_interval: Duration::ZERO,
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

    pub(crate) fn kept_for(&self) -> Duration {
        self.backup_interval
    }

    /// Makes a store where there is none. One worker of a cluster does this, before others look.
    pub(crate) fn make_on_first_use(&self, flow: &str, workers: usize) -> Result<(), Error> {
        let exists = |dir: &&PathBuf| dir.exists();
        let dirs: Vec<&Path> = self
            .dirs
            .iter()
            .filter(exists)
            .map(PathBuf::as_path)
            .collect();
        if discover(&dirs)?.is_empty()
            && let Some(dir) = self.dirs.first()
        {
            let partitions = u32::try_from(4 * workers).unwrap_or(u32::MAX);
            init_on_first_use(dir, partitions.max(PARTITIONS), flow)?;
        }
        Ok(())
    }

    /// The partitions that this process can reach.
    pub(crate) fn partitions(&self) -> Result<Vec<PartitionFile>, Error> {
        discover(&self.dirs)
    }
}
