//! A summary of a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Parts;
use crate::ids::StepId;
use crate::recovery::error::{Error, ResumeError};
use crate::recovery::parts::{Execution, Meta, PartitionIndex, Progress, StepMeta};
use crate::recovery::resume::{Resume, resume};
use crate::recovery::sql::Table;

/// What is in a store.
#[derive(Debug)]
pub(crate) struct StoreInfo {
    /// What the first partition says of the store.
    pub(crate) meta: Meta,
    pub(crate) partitions: Vec<PartitionInfo>,
    /// The executions that are still remembered, the oldest first.
    pub(crate) executions: Vec<Execution>,
    /// Where the next execution would begin.
    pub(crate) resume: Result<Resume, ResumeError>,
    pub(crate) steps: Vec<StepInfo>,
}

/// One partition of a store.
#[derive(Debug)]
pub(crate) struct PartitionInfo {
    pub(crate) index: PartitionIndex,
    pub(crate) file: PathBuf,
    pub(crate) progress: Progress,
    /// The size of the file without its log, and what of it is free.
    pub(crate) bytes: u64,
    pub(crate) free: u64,
}

/// What a store holds for one step.
#[derive(Debug)]
pub(crate) struct StepInfo {
    pub(crate) meta: StepMeta,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The states in all rows: a key that changed in several epochs is counted several times until
    /// its rows are merged.
    pub(crate) states: u64,
    /// The partitions of a source or a sink that have a position.
    pub(crate) positions: u64,
}

/// Summarises the store in some directories. Reads no states.
pub(crate) fn show(dirs: &[impl AsRef<Path>]) -> Result<StoreInfo, Error> {
    let parts = Parts::open(dirs)?;
    let mut partitions = Vec::new();
    let mut executions = BTreeMap::new();
    let mut steps: BTreeMap<StepId, StepInfo> = BTreeMap::new();
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
        let mut by_number = BTreeMap::new();
        for meta in reader.steps() {
            by_number.extend(reader.number(&meta.id).map(|number| (number, &meta.id)));
            steps.entry(meta.id.clone()).or_insert_with(|| StepInfo {
                meta: meta.clone(),
                rows: 0,
                bytes: 0,
                states: 0,
                positions: 0,
            });
        }
        for table in Table::ALL {
            for (at, size) in reader.db().sizes(table)? {
                let id = by_number.get(&at.step);
                let Some(step) = id.and_then(|&id| steps.get_mut(id)) else {
                    continue;
                };
                step.rows += 1;
                step.bytes += size.bytes;
                if table == Table::Snaps {
                    step.states += u64::from(size.kept);
                }
            }
        }
        for position in reader.load_positions(crate::Epoch(u64::MAX))? {
            if let Some(step) = steps.get_mut(&position.step) {
                step.positions += 1;
            }
        }
    }
    let meta = parts.states.first().map(|state| state.meta.clone());
    Ok(StoreInfo {
        meta: meta.ok_or(ResumeError::NoPartitions)?,
        partitions,
        executions: executions.into_values().collect(),
        resume: resume(&parts.states),
        steps: steps.into_values().collect(),
    })
}
