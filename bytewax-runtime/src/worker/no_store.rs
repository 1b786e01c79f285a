//! The store types of a program without stores, which have no values.

use std::path::Path;
use std::rc::Rc;

use chrono::TimeDelta;

use crate::error::RunError;
use crate::ids::{Epoch, StepId, StepIndex};
use crate::key::Slot;
use crate::kit::{self, Change, RemoteAlarm, SnapshotMode, WorkerCx};
use crate::state::MemoryLimit;
use crate::state::run::Run;
use crate::state::timer::Timer;

/// The configuration of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecoveryConfig {}

/// A store that no program of this kind opens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Store {}

/// The retention of a store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Retention {}

impl Store {
    pub(super) fn begin(self, _: &WorkerCx) -> Result<(), RunError> {
        match self {}
    }

    pub(super) fn durable(self) -> Epoch {
        match self {}
    }

    pub(super) fn resume(self) -> Epoch {
        match self {}
    }

    pub(super) fn save_position(
        self,
        _: StepIndex,
        _: String,
        _: Epoch,
        _: Vec<u8>,
    ) -> Result<(), RunError> {
        match self {}
    }

    pub(super) fn commit(self, _: Epoch) -> Result<(), RunError> {
        match self {}
    }

    pub(super) fn collect(self, _: Epoch) -> Result<(), RunError> {
        match self {}
    }

    pub(super) fn retention(self) -> Retention {
        match self {}
    }

    pub(super) fn wake_on_commit(self, _: RemoteAlarm) {
        match self {}
    }
}

impl Retention {
    pub(super) fn committed(self, _: Epoch, _: TimeDelta) -> Option<Epoch> {
        match self {}
    }
}

impl kit::Store for Store {
    fn snapshot_mode(&self) -> SnapshotMode {
        match *self {}
    }

    fn saves(&self, _: StepIndex) -> bool {
        match *self {}
    }

    fn memory_limit(&self) -> Option<&Rc<MemoryLimit>> {
        match *self {}
    }

    fn slots(&self, _: &StepId) -> Result<Vec<Slot>, RunError> {
        match *self {}
    }

    fn timers(&self, _: &StepId) -> Result<Vec<Timer>, RunError> {
        match *self {}
    }

    fn load(&self, _: &StepId, _: Slot) -> Result<Run, RunError> {
        match *self {}
    }

    fn dir(&self) -> &Path {
        match *self {}
    }

    fn send(&self, _: Change) -> Result<(), RunError> {
        match *self {}
    }

    fn try_send(&self, _: Change) -> Result<Option<Change>, RunError> {
        match *self {}
    }

    fn wake_on_room(&self, _: RemoteAlarm) {
        match *self {}
    }

    fn most_workers(&self) -> usize {
        match *self {}
    }

    fn position(&self, _: &StepId, _: &str) -> Option<&[u8]> {
        match *self {}
    }

    fn positions_of(&self, _: &StepId) -> Vec<&str> {
        match *self {}
    }
}
