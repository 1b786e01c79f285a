//! The segments of earlier runs in the log of a partition.

use super::super::error::Error;
use super::super::parts::{Execution, Meta};
use super::log::{Log, Place};
use super::restore::{open_in_log, running};
use super::{Backup, get};
use crate::ids::Epoch;

/// Segments of earlier runs, in the order of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Earlier {
    segments: Vec<(Place, String)>,
    /// How many must be replaced, so that it is worth a base.
    least: usize,
    /// The execution that wrote the last segment that was looked at.
    execution: Option<Execution>,
}

/// What a look at one segment shows.
pub(super) enum Found {
    /// A base can replace everything up to this segment, which this execution wrote.
    Last { sequence: u64, execution: Execution },
    /// Earlier ones must be looked at.
    Later,
    /// No base is due.
    Nothing,
}

impl Earlier {
    pub(super) fn new(log: &Log) -> Self {
        let segments = log.segments();
        Self {
            segments: segments
                .map(|(place, name)| (place, name.to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Removes those up to a number.
    pub(super) fn remove_up_to(&mut self, sequence: u64) {
        self.segments.retain(|(place, _)| place.sequence > sequence);
    }

    pub(super) fn if_at_least(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    /// Reads the newest segment that was not read yet, in search of the last one that a base of the state at the
    /// start of an epoch can replace.
    ///
    /// All later segments must have later epochs. And no later execution may begin before the epoch: its beginning,
    /// which a restore repeats, would remove what is in the base.
    pub(super) fn look_back(
        &mut self,
        backup: &dyn Backup,
        meta: &Meta,
        before: Epoch,
    ) -> Result<Found, Error> {
        let count = self.segments.len();
        let Some((place, name)) = self.segments.pop().filter(|_| count >= self.least) else {
            return Ok(Found::Nothing);
        };
        let bytes = get(backup, &name)?;
        let (header, _) = open_in_log(meta, &name, &bytes)?;
        let execution = running(&name, &header)?;
        if self
            .execution
            .as_ref()
            .is_some_and(|last| last != execution)
        {
            return Ok(Found::Nothing);
        }
        if execution.resume >= before {
            // So are the others of this run.
            while self
                .segments
                .pop_if(|(other, _)| other.term == place.term)
                .is_some()
            {}
            return Ok(Found::Later);
        }
        if header.epoch < before {
            return Ok(Found::Last {
                sequence: place.sequence,
                execution: execution.clone(),
            });
        }
        self.execution = Some(execution.clone());
        Ok(Found::Later)
    }
}
