//! Creates a store, so that a kill at any moment leaves one that is complete, can be completed, or does not
//! exist yet.
//!
//! | file | state |
//! | --- | --- |
//! | `part-0.draft` | under construction; ignored |
//! | `part-0.ready` | complete, waits for its name |
//! | `part-0.sqlite3` | a partition |
//!
//! All drafts become ready before the first of them gets its final name. The store exists from the moment
//! when the last one is ready: from then on, each partition has its name or is ready to get it. Everything
//! here happens under the lock of the directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::cut::cut;
use super::error::Error;
use super::layout::{
    PartitionFile, beside, files_with, list, partition_path, read, remove_if_there,
};
use super::lock::Lock;
use super::parts::{Meta, PartitionCount, PartitionIndex};
use super::sql::{self, Db};

const DRAFT: &str = "draft";
const READY: &str = "ready";

/// A store under construction.
pub(super) struct Draft {
    dir: PathBuf,
    _locks: Vec<Lock>,
    parts: Vec<PartitionFile>,
}

impl Draft {
    /// Creates partition files under names that are not partitions, in a directory whose lock is among these.
    /// Removes the leftovers of an earlier attempt.
    pub(super) fn begin(
        dir: &Path,
        locks: Vec<Lock>,
        partitions: u32,
        flow: &str,
    ) -> Result<Self, Error> {
        let count = PartitionCount::new(partitions).ok_or(Error::Count { count: partitions })?;
        Leftovers::remove(dir)?;
        let store = sql::random_store_id()?;
        let draft = |index| {
            cut();
            let flow = flow.to_owned();
            draft_partition(
                dir,
                Meta {
                    store,
                    flow,
                    index,
                    count,
                },
            )
        };
        Ok(Self {
            dir: dir.to_path_buf(),
            _locks: locks,
            parts: count.indices().map(draft).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn parts(&self) -> &[PartitionFile] {
        &self.parts
    }

    /// Gives the files their names. They must not be open.
    pub(super) fn publish(self) -> Result<Vec<PartitionFile>, Error> {
        let ready = self.parts.into_iter().map(make_ready);
        let ready: Vec<_> = ready.collect::<Result<_, _>>()?;
        sync_names(&self.dir);
        let named = ready.into_iter().map(name);
        let named = named.collect::<Result<_, _>>()?;
        sync_names(&self.dir);
        cut();
        Ok(named)
    }
}

/// Creates a partition under a name that is not a partition.
pub(super) fn draft_partition(dir: &Path, meta: Meta) -> Result<PartitionFile, Error> {
    let file = partition_path(dir, meta.index).with_extension(DRAFT);
    remove_database(&file)?;
    Db::create(&file, &meta)?;
    Ok(PartitionFile { file, meta })
}

/// Gives a draft its name and replaces a file with that name. They must not be open.
pub(super) fn publish_partition(draft: PartitionFile) -> Result<PartitionFile, Error> {
    sync(&draft.file)?;
    let file = partition_path(directory(&draft.file), draft.meta.index);
    rename(draft, file)
}

fn make_ready(draft: PartitionFile) -> Result<PartitionFile, Error> {
    cut();
    sync(&draft.file)?;
    let file = draft.file.with_extension(READY);
    rename(draft, file)
}

fn name(ready: PartitionFile) -> Result<PartitionFile, Error> {
    cut();
    let file = partition_path(directory(&ready.file), ready.meta.index);
    rename(ready, file)
}

fn rename(part: PartitionFile, file: PathBuf) -> Result<PartitionFile, Error> {
    let log = beside(&part.file, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        // It was not emptied on closing, and the rename would lose it.
        return Err(Error::damaged(&part.file, "it was not written to the end"));
    }
    for name in [&part.file, &file] {
        remove_companions(name)?;
    }
    cut();
    fs::rename(&part.file, &file).map_err(Error::io(&file, "making it"))?;
    Ok(PartitionFile { file, ..part })
}

fn sync(file: &Path) -> Result<(), Error> {
    let synced = File::open(file).and_then(|file| file.sync_all());
    synced.map_err(Error::io(file, "making it"))
}

/// Makes names survive a power failure. Not all systems can open a directory.
pub(super) fn sync_names(dir: &Path) {
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
}

fn directory(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn remove_database(file: &Path) -> Result<(), Error> {
    remove_companions(file)?;
    remove_if_there(file)
}

fn remove_companions(file: &Path) -> Result<(), Error> {
    let companions = ["-wal", "-shm", "-journal"];
    companions
        .iter()
        .try_for_each(|ending| remove_if_there(&beside(file, ending)))
}

/// The leftovers of an interrupted creation in a directory.
pub(super) struct Leftovers {
    dir: PathBuf,
    drafts: Vec<PathBuf>,
    ready: Vec<PathBuf>,
}

/// A store that lacks only names.
struct HalfMade {
    named: Vec<PartitionFile>,
    ready: Vec<PartitionFile>,
    /// The drafts of an unused store, which are as good as complete.
    drafts: Vec<Meta>,
}

impl Leftovers {
    pub(super) fn of(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            drafts: files_with(dir, DRAFT)?,
            ready: files_with(dir, READY)?,
            dir: dir.to_path_buf(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.ready.is_empty()
    }

    /// Whether a store is under construction, or lacks only names.
    pub(super) fn is_half_made(&self) -> Result<bool, Error> {
        Ok(!self.ready.is_empty() || self.half_made()?.is_some())
    }

    /// Completes a store that lacks only names, and removes ignored files.
    pub(super) fn repair(dir: &Path) -> Result<(), Error> {
        let mut left = Self::of(dir)?;
        if let Some(HalfMade { ready, drafts, .. }) = left.half_made()? {
            for meta in drafts {
                let _lock = Lock::partition(&partition_path(dir, meta.index))?;
                make_ready(draft_partition(dir, meta)?)?;
            }
            sync_names(dir);
            ready
                .into_iter()
                .try_for_each(|part| name(part).map(drop))?;
            // The former drafts get their names now.
            return Self::repair(dir);
        }
        if !list(&[dir])?.is_empty() {
            // Other partitions of their store were removed, and are reported as missing.
            left.ready.clear();
        }
        left.clear()?;
        sync_names(dir);
        Ok(())
    }

    /// Removes everything incomplete, to start again. Refuses a complete store.
    fn remove(dir: &Path) -> Result<(), Error> {
        let left = Self::of(dir)?;
        if let Some(HalfMade { named, .. }) = left.half_made()? {
            // The last one first: the rest can be completed as long as one has its name.
            for part in named.into_iter().rev() {
                cut();
                let ready = partition_path(dir, part.meta.index).with_extension(READY);
                rename(part, ready)?;
            }
            sync_names(dir);
        }
        if let Some(part) = list(&[dir])?.into_iter().next() {
            return Err(Error::AlreadyInitialised { file: part.file });
        }
        Self::of(dir)?.clear()
    }

    /// Removes all of it, unless it is in use.
    fn clear(self) -> Result<(), Error> {
        for file in self.ready.iter().chain(&self.drafts) {
            cut();
            let _lock = Lock::partition(file)?;
            remove_database(file)?;
        }
        Ok(())
    }

    /// Returns whether partitions with names, ready ones and, in an unused store, drafts form a complete
    /// store.
    fn half_made(&self) -> Result<Option<HalfMade>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let ready = self.ready.iter().map(|file| read(file));
        let ready: Vec<PartitionFile> = ready.collect::<Result<_, _>>()?;
        let named = list(&[&self.dir])?;
        let Some(first) = ready.first().or(named.first()) else {
            return Ok(None);
        };
        let Meta { store, count, .. } = first.meta;
        let mut all = named.iter().chain(&ready);
        if all.clone().any(|part| part.meta.store != store) {
            return Ok(None);
        }
        let there: BTreeSet<PartitionIndex> = all.clone().map(|part| part.meta.index).collect();
        let missing = count.indices().filter(|index| !there.contains(index));
        let is_draft = |index: &PartitionIndex| {
            let draft = partition_path(&self.dir, *index).with_extension(DRAFT);
            self.drafts.contains(&draft)
        };
        let (drafts, lost): (Vec<_>, Vec<_>) = missing.partition(is_draft);
        let is_whole = lost.is_empty() && (drafts.is_empty() || all.try_fold(true, is_unused)?);
        let is_half = !ready.is_empty() || !drafts.is_empty();
        let meta = first.meta.clone();
        Ok((is_whole && is_half).then(|| HalfMade {
            named,
            ready,
            drafts: drafts
                .into_iter()
                .map(|index| Meta {
                    index,
                    ..meta.clone()
                })
                .collect(),
        }))
    }
}

/// Whether no execution has begun in any partition.
fn is_unused(so_far: bool, part: &PartitionFile) -> Result<bool, Error> {
    let state = part.state()?;
    Ok(so_far && state.progress.execution.is_none() && state.executions.is_empty())
}
