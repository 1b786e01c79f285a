//! What can be done with a store while no flow runs on it. Everything returns data; printing is up
//! to the caller.

mod drop_step;
mod dump;
mod migrate;
mod repartition;
mod restore;
mod show;
mod verify;

use std::path::Path;

pub(crate) use drop_step::drop_step;
#[cfg(test)]
pub(crate) use dump::FoundState;
pub(crate) use dump::{Dump, Wanted, dump};
pub(crate) use migrate::{Migrated, MigratedStep, migrate};
pub(crate) use repartition::repartition;
pub(crate) use restore::restore_all;
pub(crate) use show::{PartitionInfo, StepInfo, StoreInfo, show};
pub(crate) use verify::{Report, verify};

use super::error::{Error, ResumeError};
use super::layout::{discover, discover_to_use};
use super::lock::{Lock, LockedPartition, lock_all};
use super::parts::{PartitionState, StepMeta};
use super::reader::PartitionReader;
use super::resume::check_complete;
use crate::ids::Epoch;

/// The partitions of a whole store, open for reading.
struct Parts {
    readers: Vec<PartitionReader>,
    states: Vec<PartitionState>,
}

/// How often a store that a run is changing is looked at, until all partitions fit together.
const LOOKS: usize = 50;

impl Parts {
    /// Locks and opens the store in these directories, which must be complete: for whoever acts upon
    /// what is in it.
    fn lock(dirs: &[impl AsRef<Path>]) -> Result<(Self, Vec<LockedPartition>), Error> {
        let locked = lock_all(discover_to_use(dirs)?)?;
        let opened = locked.iter().map(LockedPartition::reader);
        let readers = opened.collect::<Result<Vec<_>, _>>()?;
        Ok((Self::read(readers)?, locked))
    }

    /// Opens the store in these directories to tell what is in it, also beside a run, which may change
    /// it afterwards: partitions are read as they are now.
    fn look(dirs: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let parts = Self::look_unchecked(dirs)?;
        parts
            .readers
            .iter()
            .try_for_each(PartitionReader::check_whole)?;
        Ok(parts)
    }

    /// Does so for a store of which rows may be lost.
    fn look_unchecked(dirs: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let files = discover(dirs)?;
        let open = || {
            let opened = files
                .iter()
                .map(|part| PartitionReader::open_frozen(&part.file));
            Self::read(opened.collect::<Result<_, _>>()?)
        };
        for _ in 1..LOOKS {
            let parts = open()?;
            // A run may have changed some of them meanwhile.
            if parts.resume_epoch().is_ok() {
                return Ok(parts);
            }
        }
        // They do not fit together, or a run is too fast for an answer.
        if let Some(first) = files.first()
            && let Err(error @ Error::Locked { .. }) = Lock::partition(&first.file)
        {
            return Err(error);
        }
        open()
    }

    fn read(readers: Vec<PartitionReader>) -> Result<Self, Error> {
        let states = readers.iter().map(PartitionReader::state);
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let flow = states.first().map_or("", |state| &state.meta.flow);
        check_complete(&states, flow)?;
        Ok(Self { readers, states })
    }

    /// The first epoch that is not complete everywhere.
    fn resume_epoch(&self) -> Result<Epoch, ResumeError> {
        super::resume::resume(&self.states).map(|resume| resume.epoch)
    }

    /// What is known of a step, or an error that lists the steps there are.
    fn step(&self, id: &str) -> Result<StepMeta, Error> {
        let mut steps = self.readers.iter().flat_map(PartitionReader::steps);
        if let Some(step) = steps.find(|step| step.id == *id) {
            return Ok(step.clone());
        }
        let steps = self.readers.iter().flat_map(PartitionReader::steps);
        let mut known: Vec<String> = steps.map(|step| step.id.to_string()).collect();
        known.sort();
        known.dedup();
        Err(Error::UnknownStep {
            step: id.to_owned(),
            known,
        })
    }
}
