//! The first object of a backup: what it says of the store.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::layout::discover;
use super::super::lock::Lock;
use super::super::parts::{Meta, PartitionCount, PartitionIndex, StoreId};
use super::super::reader::PartitionReader;
use super::super::resume::{check_complete, resume};
use super::super::sql;
use super::compact::Compaction;
use super::log::{Log, Names};
use super::object::{self, Entries};
use super::{Backup, BackupError, get, put_once};

/// What all partitions of a store have in common.
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

/// What a backup says of the store of a flow.
pub(super) fn read_store(backup: &dyn Backup, names: &Names) -> Result<StoreHeader, BackupError> {
    let name = names.store();
    let bytes = match get(backup, &name) {
        Err(BackupError::Missing { .. }) if is_empty(backup, names)? => {
            let flow = names.flow().to_owned();
            return Err(BackupError::Empty { flow });
        }
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

/// Begins the backup of a flow, unless it was: with the store that is in a directory, or else with one
/// of so many partitions. One worker of a cluster does this, before others look.
pub(crate) fn begin(backup: &dyn Backup, dir: &Path, flow: &str, count: u32) -> Result<(), Error> {
    let names = Names::new(flow);
    match backup.get(&names.store()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // What is wrong with it is told when it is read.
        _ => return Ok(()),
    }
    let store = match adopt(backup, &names, dir)? {
        Some(store) => store,
        None if is_empty(backup, &names)? => StoreHeader {
            flow: flow.to_owned(),
            store: sql::random_store_id()?,
            count: PartitionCount::new(count).ok_or(Error::Count { count })?,
        },
        None => {
            let name = names.store();
            return Err(BackupError::Missing { name }.into());
        }
    };
    Ok(put_once(
        backup,
        &names.store(),
        &Entries::default().finish(&store),
    )?)
}

/// Writes the state in the partitions in a directory to the backup, if there are any. It counts when
/// the backup says of which store it is.
fn adopt(backup: &dyn Backup, names: &Names, dir: &Path) -> Result<Option<StoreHeader>, Error> {
    if !dir.exists() {
        return Ok(None);
    }
    let parts = discover(&[dir])?;
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    let locks = parts.iter().map(|part| Lock::partition(&part.file));
    let _locks = locks.collect::<Result<Vec<_>, _>>()?;
    let states = parts
        .iter()
        .map(|part| PartitionReader::open(&part.file)?.state());
    let states = states.collect::<Result<Vec<_>, _>>()?;
    check_complete(&states, names.flow())?;
    let before = resume(&states)?.epoch;
    for state in states {
        // A new partition is one without objects.
        if state.progress.execution.is_some() {
            let log = Log::read(backup, names, state.meta.index)?;
            let mut base = Compaction::begin(&state.file, names, log.next, before)?;
            while !base.do_some(backup)? {}
        }
    }
    Ok(Some(StoreHeader {
        flow: first.meta.flow.clone(),
        store: first.meta.store,
        count: first.meta.count,
    }))
}
