//! Replaces the objects of a log by their combined result.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use super::super::error::Error;
use super::super::parts::{Execution, Meta, StepMeta};
use super::super::reader::{PartitionReader, Slots};
use super::super::rows::Table;
use super::earlier::{Earlier, Found};
use super::log::{Log, Names, Place};
use super::object::{Entries, LogHeader, StepHeader};
use super::{Backup, BackupError, put_once};
use crate::ids::Epoch;
use crate::key::Slot;
use crate::state::run::Run;

/// The approximate size of one piece of a base.
const PIECE_BYTES: usize = if cfg!(test) { 100 } else { 16 << 20 };

/// The number of objects that are removed at once.
const REMOVED_AT_ONCE: usize = if cfg!(test) { 3 } else { 32 };

/// A base under construction, read from the local partition as of its start.
pub(super) struct Compaction {
    names: Names,
    meta: Meta,
    reader: PartitionReader,
    executions: Vec<Execution>,
    steps: Vec<StepMeta>,
    /// The place of the last object that it replaces.
    place: Place,
    /// It contains the state at the start of this epoch.
    before: Epoch,
    saved_at: Option<DateTime<Utc>>,
    /// The data that is not in a piece yet.
    rest: VecDeque<(Table, u32)>,
    /// The slots of the first of them, once they are read.
    slots: Option<Slots>,
    /// The start of the next piece.
    ahead: Option<Ahead>,
    progress: Progress,
    /// The number of the last object that was replaced, once it is.
    done: Option<Arc<AtomicU64>>,
}

/// The contents of a slot: the number of the step, the slot, and its keys.
type Ahead = (Table, u32, Slot, Run);

enum Progress {
    /// Its place is looked for among segments of earlier runs.
    Search(Earlier),
    /// The number of written pieces.
    Pieces(u32),
    /// All pieces are written, and these objects are replaced.
    Whole(Vec<String>),
}

impl Compaction {
    /// Starts a base of the state at the start of an epoch, without later commits.
    pub(super) fn begin(
        file: &Path,
        names: &Names,
        place: Place,
        before: Epoch,
    ) -> Result<Self, Error> {
        let reader = PartitionReader::open_frozen(file)?;
        let state = reader.state()?;
        let steps: Vec<StepMeta> = reader.steps().cloned().collect();
        let mut rest = VecDeque::new();
        for number in 0..steps.len() as u32 {
            rest.extend(Table::ALL.map(|table| (table, number)));
        }
        Ok(Self {
            names: names.clone(),
            meta: state.meta,
            reader,
            executions: state.executions,
            steps,
            place,
            saved_at: state.progress.saved_at,
            before,
            rest,
            slots: None,
            ahead: None,
            progress: Progress::Pieces(0),
            done: None,
        })
    }

    /// Starts a base of this term that replaces segments of earlier runs. The log must already have a segment of the
    /// term.
    pub(super) fn begin_among(
        file: &Path,
        names: &Names,
        term: u64,
        before: Epoch,
        earlier: Earlier,
        done: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        // Until its place is found.
        let place = Place { term, sequence: 0 };
        Ok(Self {
            progress: Progress::Search(earlier),
            done: Some(done),
            ..Self::begin(file, names, place, before)?
        })
    }

    /// Places the base after the segment with this number, the last of this execution. Returns false if the file does
    /// not know the execution.
    fn put_after(&mut self, sequence: u64, last: &Execution) -> bool {
        self.place.sequence = sequence;
        let found = self.executions.iter().position(|found| found == last);
        // The next segments are of later executions.
        self.executions.truncate(found.map_or(0, |found| found + 1));
        found.is_some()
    }

    /// Writes a piece, or removes some replaced objects. Returns true when all is done.
    pub(super) fn do_some(&mut self, backup: &dyn Backup) -> Result<bool, Error> {
        match &mut self.progress {
            Progress::Search(earlier) => {
                let found = earlier.look_back(backup, &self.meta, self.before)?;
                Ok(match found {
                    Found::Nothing => true,
                    Found::Later => false,
                    Found::Last {
                        sequence,
                        execution,
                    } => {
                        self.progress = Progress::Pieces(0);
                        !self.put_after(sequence, &execution)
                    }
                })
            }
            Progress::Pieces(written) => {
                let piece = *written;
                *written += 1;
                if self.write_piece(backup, piece)? {
                    let log = Log::read(backup, &self.names, self.meta.index)?;
                    if let Some(done) = &self.done {
                        done.store(self.place.sequence, Ordering::Release);
                    }
                    self.progress = Progress::Whole(log.replaced);
                }
                Ok(false)
            }
            Progress::Whole(replaced) => {
                let kept = replaced.len().saturating_sub(REMOVED_AT_ONCE);
                for name in replaced.drain(kept..) {
                    let removed = backup.delete(&name);
                    removed.map_err(|cause| BackupError::io("removing", &name, cause))?;
                }
                Ok(replaced.is_empty())
            }
        }
    }

    /// Writes the next piece; returns whether it is the last.
    fn write_piece(&mut self, backup: &dyn Backup, piece: u32) -> Result<bool, Error> {
        let epoch = Epoch(self.before.0.saturating_sub(1));
        let mut entries = Entries::default();
        if piece == 0 {
            self.positions(epoch, &mut entries)?;
        }
        while entries.len() < PIECE_BYTES
            && let Some((table, number, slot, run)) = self.next_run()?
        {
            entries.run(table, number, epoch, slot, &run);
        }
        self.ahead = self.next_run()?;
        let is_last = self.ahead.is_none();
        let object = entries.finish(&LogHeader {
            meta: self.meta.clone(),
            sequence: self.place.sequence,
            term: self.place.term,
            saved_at: self.saved_at,
            executions: self.executions.clone(),
            epoch,
            oldest: self.before,
            steps: self.steps.iter().map(StepHeader::from).collect(),
        });
        let name = self.names.base(self.meta.index, self.place, piece, is_last);
        put_once(backup, &name, &object)?;
        Ok(is_last)
    }

    /// Returns the next run.
    fn next_run(&mut self) -> Result<Option<Ahead>, Error> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        while let Some(&(table, number)) = self.rest.front() {
            let step = self.steps.get(number as usize).ok_or(Error::Misrouted)?;
            let slots = match &mut self.slots {
                Some(slots) => slots,
                none => none.insert(self.reader.scan(table, &step.id, self.before)?),
            };
            if let Some((slot, run)) = slots.next(&self.reader)? {
                return Ok(Some((table, number, slot, run)));
            }
            self.slots = None;
            self.rest.pop_front();
        }
        Ok(None)
    }

    fn positions(&self, epoch: Epoch, entries: &mut Entries) -> Result<(), Error> {
        for position in self.reader.load_positions(self.before)? {
            let number = self.steps.iter().zip(0..);
            let number = number.filter(|(step, _)| step.id == position.step);
            for (_, number) in number {
                entries.position(number, epoch, &position.partition, &position.bytes);
            }
        }
        Ok(())
    }
}
