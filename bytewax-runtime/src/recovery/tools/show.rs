//! Summarises a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Parts;
use crate::ids::{Epoch, StepId};
use crate::recovery::error::{Error, ResumeError};
use crate::recovery::parts::{Execution, Meta, PartitionIndex, Progress, StepMeta};
use crate::recovery::reader::{PartitionReader, newest_positions};
use crate::recovery::resume::{Resume, resume};
use crate::recovery::rows::{Row, Table};

/// The contents of a store.
#[derive(Debug)]
pub(crate) struct StoreInfo {
    /// The header of the first partition.
    pub(crate) meta: Meta,
    pub(crate) partitions: Vec<PartitionInfo>,
    /// The recorded executions, the oldest first.
    pub(crate) executions: Vec<Execution>,
    /// The epoch with which the next execution would begin.
    pub(crate) resume: Result<Resume, ResumeError>,
    pub(crate) steps: Vec<StepInfo>,
}

/// One partition of a store.
#[derive(Debug)]
pub(crate) struct PartitionInfo {
    pub(crate) index: PartitionIndex,
    pub(crate) file: PathBuf,
    pub(crate) progress: Progress,
    /// The size of the file without its log, and its free part.
    pub(crate) bytes: u64,
    pub(crate) free: u64,
}

/// The contents of a store for one step.
#[derive(Debug)]
pub(crate) struct StepInfo {
    pub(crate) meta: StepMeta,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The keys with a state.
    pub(crate) keys: u64,
    /// The partitions of a source or a sink that have a position.
    pub(crate) positions: u64,
}

/// Summarises the store in some directories, as the next execution would find it. Reads states only where
/// several epochs of a slot were not merged yet.
pub(crate) fn show(dirs: &[impl AsRef<Path>]) -> Result<StoreInfo, Error> {
    let parts = Parts::look(dirs)?;
    let resume = resume(&parts.states);
    // A store that cannot be resumed is shown as it is.
    let before = resume.as_ref().map_or(Epoch(u64::MAX), |next| next.epoch);
    let mut partitions = Vec::new();
    let mut executions = BTreeMap::new();
    let mut steps: BTreeMap<StepId, StepInfo> = BTreeMap::new();
    let mut positions = Vec::new();
    for (reader, state) in parts.readers.iter().zip(&parts.states) {
        let pages = reader.db().pages()?;
        partitions.push(PartitionInfo {
            index: state.meta.index,
            file: state.file.clone(),
            progress: state.progress,
            bytes: pages.all * pages.size,
            free: pages.free * pages.size,
        });
        for execution in &state.executions {
            executions.insert(execution.number, execution.clone());
        }
        count_rows(reader, before, &mut steps)?;
        positions.extend(reader.load_positions(before)?);
    }
    for position in newest_positions(positions) {
        if let Some(step) = steps.get_mut(&position.step) {
            step.positions += 1;
        }
    }
    let meta = parts.states.first().map(|state| state.meta.clone());
    Ok(StoreInfo {
        meta: meta.ok_or(ResumeError::NoPartitions)?,
        partitions,
        executions: executions.into_values().collect(),
        resume,
        steps: steps.into_values().collect(),
    })
}

/// Adds the rows of one partition to the totals of each step.
fn count_rows(
    reader: &PartitionReader,
    before: Epoch,
    steps: &mut BTreeMap<StepId, StepInfo>,
) -> Result<(), Error> {
    let mut by_number = BTreeMap::new();
    for meta in reader.steps() {
        by_number.extend(reader.number(&meta.id).map(|number| (number, &meta.id)));
        steps.entry(meta.id.clone()).or_insert_with(|| StepInfo {
            meta: meta.clone(),
            rows: 0,
            bytes: 0,
            keys: 0,
            positions: 0,
        });
    }
    for (place, rows) in reader.all_rows()?.places() {
        let id = by_number.get(&place.step).copied();
        let Some((id, info)) = id.and_then(|id| Some((id, steps.get_mut(id)?))) else {
            continue;
        };
        info.rows += rows.len() as u64;
        info.bytes += rows.iter().map(|row| row.bytes).sum::<u64>();
        if place.table == Table::Snaps {
            info.keys += match known_keys(rows, before) {
                Some(keys) => keys,
                None => {
                    let mut keys = 0;
                    reader.each_slot(place.table, id, before, |_, run| {
                        keys += u64::from(run.kept());
                        Ok::<_, Error>(())
                    })?;
                    keys
                }
            };
        }
    }
    Ok(())
}

/// The number of keys with a state at the start of an epoch, if no lookup is needed.
fn known_keys(rows: &[Row], before: Epoch) -> Option<u64> {
    let mut rows: Vec<&Row> = rows.iter().filter(|row| row.epoch < before).collect();
    rows.sort_unstable_by_key(|row| row.first);
    let are_apart = rows.is_sorted_by(|a, b| a.last < b.first);
    are_apart.then(|| rows.iter().map(|row| row.kept).sum())
}
