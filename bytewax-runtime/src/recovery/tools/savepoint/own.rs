//! The part of one process in a savepoint.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Held, Plan, Reply, Step};
use crate::error::RunError;
use crate::recovery::cut::cut;
use crate::recovery::draft::{draft_partition, publish_partition, sync_names};
use crate::recovery::error::Error;
use crate::recovery::layout::{EXTENSION, discover, files_with, list, remove_if_there};
use crate::recovery::parts::{Meta, PartitionIndex, StoreId};
use crate::recovery::reader::PartitionReader;
use crate::recovery::tools::repartition::copy_partition;

/// The part of one process.
pub(crate) struct Own {
    process: usize,
    /// The directory of all savepoints of this process, and the name of this one.
    within: PathBuf,
    place: PathBuf,
    name: String,
    parts: BTreeMap<PartitionIndex, PartitionReader>,
}

impl Own {
    /// Keeps a view of the partitions in these directories.
    pub(crate) fn hold(
        dirs: &[impl AsRef<Path>],
        name: &str,
        process: usize,
    ) -> Result<(Self, Held), Error> {
        let first = dirs.first().map_or(Path::new(""), AsRef::as_ref);
        let within = first.join("savepoints");
        let mut own = Self {
            process,
            place: within.join(name),
            within,
            name: name.to_owned(),
            parts: BTreeMap::new(),
        };
        let mut held = Held::default();
        for part in discover(dirs)? {
            let reader = PartitionReader::open_frozen(&part.file)?;
            reader.check_whole()?;
            held.states.push(reader.state()?);
            own.parts.insert(part.meta.index, reader);
        }
        if own.place.exists() {
            held.published.extend(metas(&own.place)?);
        }
        for drafts in own.all_drafts()? {
            held.drafts.extend(metas(&drafts)?);
        }
        Ok((own, held))
    }

    /// Takes a step after the first.
    pub(crate) fn take(&mut self, step: &Step) -> Reply {
        let taken = match step {
            Step::Copy(plan) => self.copy(plan),
            Step::Publish { store } => self.publish(*store),
            Step::Release {
                unpublished: Some(store),
            } => self.give_up(*store),
            Step::Hold { .. } | Step::Release { .. } => Ok(()),
        };
        taken.map_or_else(Reply::failed, |()| Reply::Done)
    }

    /// The directory of the savepoint.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Copies the partitions that are the part of this process, and removes the drafts of earlier attempts.
    pub(super) fn copy(&mut self, plan: &Plan) -> Result<(), Error> {
        let is_own = |(_, owner): &(_, &usize)| **owner == self.process;
        let mut indices = plan.owners.iter().filter(is_own).peekable();
        if indices.peek().is_none() {
            return Ok(());
        }
        for old in self.all_drafts()? {
            cut();
            if old != self.drafts(plan.store) {
                fs::remove_dir_all(&old)
                    .map_err(Error::io(&old, "removing an unfinished savepoint"))?;
            }
        }
        let drafts = self.drafts(plan.store);
        fs::create_dir_all(&drafts).map_err(Error::io(&drafts, "creating its directory"))?;
        for (index, _) in indices {
            cut();
            let reader = self.parts.get(index).ok_or(Error::Misrouted)?;
            let meta = Meta {
                store: plan.store,
                ..reader.state()?.meta
            };
            let draft = draft_partition(&drafts, meta)?;
            copy_partition(reader, &draft, plan.before, &plan.history)?;
            cut();
            publish_partition(draft)?;
        }
        sync_names(&drafts);
        sync_names(&self.within);
        cut();
        Ok(())
    }

    /// Gives the drafts of a store their names.
    pub(super) fn publish(&self, store: StoreId) -> Result<(), Error> {
        let drafts = self.drafts(store);
        if !drafts.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.place)
            .map_err(Error::io(&self.place, "creating its directory"))?;
        for draft in files_with(&drafts, EXTENSION)? {
            cut();
            let Some(name) = draft.file_name() else {
                continue;
            };
            let file = self.place.join(name);
            match fs::rename(&draft, &file) {
                // Another process has the same directory.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound && file.exists() => {}
                renamed => renamed.map_err(Error::io(&file, "making it"))?,
            }
        }
        sync_names(&self.place);
        sync_names(&self.within);
        cut();
        self.remove(&drafts)
    }

    /// Removes the drafts of a store that is not published.
    pub(super) fn give_up(&self, store: StoreId) -> Result<(), Error> {
        let drafts = self.drafts(store);
        match fs::remove_dir_all(&drafts) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::io(
                &drafts,
                "removing an unfinished savepoint",
            )(cause)),
            _ => Ok(()),
        }
    }

    /// The directory of the drafts of a store. No savepoint has such a name.
    fn drafts(&self, store: StoreId) -> PathBuf {
        self.within.join(format!(".{}.{store}", self.name))
    }

    /// The directories of all drafts for this name.
    fn all_drafts(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        if !self.within.exists() {
            return Ok(found);
        }
        let prefix = format!(".{}.", self.name);
        let listing = || Error::directory(&self.within);
        for entry in fs::read_dir(&self.within).map_err(|cause| listing()(cause))? {
            let entry = entry.map_err(|cause| listing()(cause))?;
            let name = entry.file_name();
            let store = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            if store.is_some_and(is_store) {
                found.push(entry.path());
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes a directory of drafts, but no complete ones.
    fn remove(&self, drafts: &Path) -> Result<(), Error> {
        for entry in fs::read_dir(drafts).map_err(|cause| Error::directory(drafts)(cause))? {
            let file = entry
                .map_err(|cause| Error::directory(drafts)(cause))?
                .path();
            if file.extension().is_none_or(|found| found != EXTENSION) {
                remove_if_there(&file)?;
            }
        }
        // Another process may have drafts in it.
        let _ = fs::remove_dir(drafts);
        sync_names(&self.within);
        Ok(())
    }
}

impl Reply {
    pub(crate) fn failed(error: Error) -> Self {
        Self::Failed(RunError::recovery(error).report())
    }
}

fn metas(dir: &Path) -> Result<Vec<Meta>, Error> {
    Ok(list(&[dir])?.into_iter().map(|part| part.meta).collect())
}

/// Whether this is the identity of a store.
fn is_store(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
