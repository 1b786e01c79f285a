//! Operations on a store while no flow runs on it. Each returns data; the caller prints it.

mod drop_step;
mod dump;
mod migrate;
mod repartition;
mod restore;
#[cfg(any(test, feature = "serve"))]
mod savepoint;
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
#[cfg(feature = "serve")]
pub(crate) use savepoint::{Held, Others, while_held};
#[cfg(any(test, feature = "serve"))]
pub(crate) use savepoint::{Own, Reply, Savepoint, Step as SavepointStep, savepoint};
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

/// How often to retry reading a store that a run is changing, until all partitions are consistent.
pub(super) const LOOKS: usize = 50;

impl Parts {
    /// Locks and opens the store in these directories, which must be complete. For callers that act on its
    /// contents.
    fn lock(dirs: &[impl AsRef<Path>]) -> Result<(Self, Vec<LockedPartition>), Error> {
        let locked = lock_all(discover_to_use(dirs)?)?;
        let opened = locked.iter().map(LockedPartition::reader);
        let readers = opened.collect::<Result<Vec<_>, _>>()?;
        Ok((Self::read(readers)?, locked))
    }

    /// Opens the store in these directories to report its contents. Works beside a run: partitions are read
    /// as they are now, and the run may change them afterwards.
    fn look(dirs: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let parts = Self::look_unchecked(dirs)?;
        parts
            .readers
            .iter()
            .try_for_each(PartitionReader::check_whole)?;
        Ok(parts)
    }

    /// [`look`](Self::look) for a store that may have lost rows.
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
        // The partitions are inconsistent, or a run changes them too fast.
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

    /// The record of a step, or an error that lists the existing steps.
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
