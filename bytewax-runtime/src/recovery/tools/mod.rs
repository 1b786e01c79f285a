//! What can be done with a store while no flow runs on it. Everything returns data; printing is up
//! to the caller.

mod drop_step;
mod dump;
mod repartition;
mod restore;
mod show;
mod verify;

use std::path::Path;

pub(crate) use drop_step::drop_step;
#[cfg(test)]
pub(crate) use dump::FoundState;
pub(crate) use dump::{Dump, Wanted, dump};
pub(crate) use repartition::repartition;
pub(crate) use restore::restore_all;
pub(crate) use show::{PartitionInfo, StepInfo, StoreInfo, show};
pub(crate) use verify::{Report, verify};

use super::error::{Error, ResumeError};
use super::layout::discover;
use super::parts::{PartitionState, StepMeta};
use super::reader::PartitionReader;
use super::resume::check_complete;
use crate::ids::Epoch;

/// The partitions of a whole store, open for reading.
struct Parts {
    readers: Vec<PartitionReader>,
    states: Vec<PartitionState>,
}

impl Parts {
    /// Opens the store in these directories, which must be complete.
    fn open(dirs: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let files = discover(dirs)?;
        let opened = files.iter().map(|part| PartitionReader::open(&part.file));
        let readers = opened.collect::<Result<Vec<_>, _>>()?;
        let states = readers
            .iter()
            .map(PartitionReader::state)
            .collect::<Result<Vec<_>, _>>()?;
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
