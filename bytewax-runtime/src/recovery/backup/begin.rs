//! The first object of a backup, which describes the store.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::error::{Error, ResumeError};
use super::super::layout::discover_to_use;
use super::super::lock::{LockedPartition, lock_all};
use super::super::parts::{Meta, PartitionCount, PartitionIndex, Progress, StoreId};
use super::super::resume::{check_complete, check_policy, resume};
use super::super::sql;
use super::compact::Compaction;
use super::log::{Log, Names, Place};
use super::object::{self, Entries};
use super::term::Term;
use super::{Backup, BackupError, get, put_once};
use crate::ids::Epoch;
use crate::kit::ResumePolicy;

/// The common data of all partitions of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoreHeader {
    flow: String,
    store: StoreId,
    pub(super) count: PartitionCount,
}

impl StoreHeader {
    pub(super) fn meta(&self, index: PartitionIndex) -> Meta {
        Meta {
            store: self.store,
            flow: self.flow.clone(),
            index,
            count: self.count,
        }
    }
}

/// Reads the description of the store of a flow from a backup.
pub(super) fn read_store(backup: &dyn Backup, names: &Names) -> Result<StoreHeader, BackupError> {
    let name = names.store();
    let bytes = match get(backup, &name) {
        Err(BackupError::Missing { .. }) if is_empty(backup, names)? => {
            let flow = names.flow().to_owned();
            return Err(BackupError::Empty { flow });
        }
        // Another run may have started the backup in between.
        Err(BackupError::Missing { .. }) => get(backup, &name)?,
        read => read?,
    };
    let (store, _): (StoreHeader, _) = object::open(&name, &bytes)?;
    if PartitionCount::new(store.count.get()).is_none() || store.flow != names.flow() {
        return Err(BackupError::damaged(
            &name,
            "it is of no store of this flow",
        ));
    }
    Ok(store)
}

fn is_empty(backup: &dyn Backup, names: &Names) -> Result<bool, BackupError> {
    let prefix = names.all();
    let listed = backup.list(&prefix);
    let listed = listed.map_err(|cause| BackupError::io("listing", &prefix, cause))?;
    Ok(listed.is_empty())
}

/// Starts the backup of a flow, unless it exists: with the store in a directory, or else with a new one of
/// this number of partitions. One worker of a cluster does this before others look.
///
/// Nothing is started under [`Require`](ResumePolicy::Require): the volume of the backup may not be mounted.
pub(crate) fn begin(
    backup: &dyn Backup,
    dir: &Path,
    flow: &str,
    policy: ResumePolicy,
    count: u32,
) -> Result<(), Error> {
    let names = Names::new(flow);
    // Its faults are reported when it is read.
    let is_missing = || {
        let read = backup.get(&names.store());
        read.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    if !is_missing() {
        return Ok(());
    }
    let parts = match dir.exists() {
        true => lock_all(discover_to_use(&[dir])?)?,
        false => Vec::new(),
    };
    // Another run may have started it before the locks were taken.
    if !is_missing() {
        return Ok(());
    }
    let (store, _locked) = match adopt(backup, &names, dir, parts, policy)? {
        Some(adopted) => adopted,
        None if is_empty(backup, &names)? => {
            if policy == ResumePolicy::Require {
                let what = format!(
                    "the backup holds nothing of flow `{flow}`, and no recovery partition is in `{}`",
                    dir.display()
                );
                return Err(Error::NothingToResume { what });
            }
            let store = StoreHeader {
                flow: flow.to_owned(),
                store: sql::random_store_id()?,
                count: PartitionCount::new(count).ok_or(Error::Count { count })?,
            };
            (store, Vec::new())
        }
        // Another run has started the backup in between.
        None if !is_missing() => return Ok(()),
        None => {
            let name = names.store();
            return Err(BackupError::Missing { name }.into());
        }
    };
    let object = Entries::default().finish(&store);
    match put_once(backup, &names.store(), &object) {
        // Another run has started it in between, from another directory.
        Err(BackupError::Conflict { .. }) => Ok(()),
        put => Ok(put?),
    }
}

/// Writes the state of existing partitions to the backup. It counts when the backup describes its store.
fn adopt(
    backup: &dyn Backup,
    names: &Names,
    dir: &Path,
    parts: Vec<LockedPartition>,
    policy: ResumePolicy,
) -> Result<Option<(StoreHeader, Vec<LockedPartition>)>, Error> {
    let Some(first) = parts.first().map(|part| part.meta().clone()) else {
        return Ok(None);
    };
    let states = parts.iter().map(LockedPartition::state);
    let states = states.collect::<Result<Vec<_>, _>>()?;
    match check_complete(&states, names.flow()) {
        Err(ResumeError::Missing { indices, count }) => {
            return Err(BackupError::Partial {
                flow: names.flow().to_owned(),
                dir: dir.to_path_buf(),
                found: count.get() as usize - indices.len(),
                count: count.get(),
            }
            .into());
        }
        checked => checked?,
    }
    let next = resume(&states)?;
    check_policy(policy, &next, &states)?;
    if policy == ResumePolicy::Require {
        return Err(BackupError::Unbegun {
            flow: names.flow().to_owned(),
            dir: dir.to_path_buf(),
        }
        .into());
    }
    if next.execution.0 > 0 {
        tracing::warn!(
            "recovery: the backup holds nothing of flow `{}`, and begins anew with the partitions in `{}`",
            names.flow(),
            dir.display()
        );
    }
    let before = next.epoch;
    let parts = parts.into_iter().zip(&states);
    let parts = parts.map(|(part, state)| cut_back(part, &state.progress, before));
    let locked: Vec<_> = parts.collect::<Result<_, _>>()?;
    let term = Term::take(backup, names)?;
    for state in states {
        // After all objects of a run that had lost the backup.
        let sequence = Log::free_sequence(backup, names, state.meta.index)?;
        if state.progress.execution.is_some() {
            let term = term.number();
            let place = Place { term, sequence };
            let mut base = Compaction::begin(&state.file, names, place, before)?;
            while !base.do_some(backup)? {}
        } else if sequence > 1 {
            // A new partition has no objects: these are of a run on another machine.
            let name = names.store();
            return Err(BackupError::Missing { name }.into());
        }
    }
    let store = StoreHeader {
        flow: first.flow,
        store: first.store,
        count: first.count,
    };
    Ok(Some((store, locked)))
}

/// Removes what the next execution discards from a partition, so that it is not ahead of the backup.
fn cut_back(
    part: LockedPartition,
    progress: &Progress,
    before: Epoch,
) -> Result<LockedPartition, Error> {
    if progress.durable < before {
        return Ok(part);
    }
    let mut writer = part.writer()?;
    writer.rewind(progress.execution, Epoch(before.0.saturating_sub(1)))?;
    Ok(writer.close())
}
