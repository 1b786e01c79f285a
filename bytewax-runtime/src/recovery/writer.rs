//! Writes a partition.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::block::{BLOCK_BYTES, BlockWriter, Written};
use super::collect;
use super::error::Error;
use super::identity::Identity;
use super::layout::{PartitionFile, beside};
use super::lock::{Lock, LockedPartition};
use super::merge::Merge;
use super::parts::{Execution, ExecutionNumber, Meta, Progress, StepMeta, StepNumber};
use super::rows::{Place, Rows, Table};
use super::sql::Db;
use crate::ids::{Epoch, StepId};
use crate::key::Slot;
use crate::kit::meter::StoreMeter;
use crate::state::run::{Removed, Run};

/// The most pages that one step of a collection returns.
const VACUUM_PAGES: u64 = 256;

/// The size from which the log is moved into the file.
const LOG_BYTES: u64 = 16 << 20;

/// The cost of a small row in the log: a page of each of the two tables.
const ROW_BYTES: u64 = 2 * 8192;

/// The changes of a step in an epoch, before they become a block.
#[derive(Default)]
struct Changes {
    runs: BTreeMap<Slot, Run>,
    bytes: usize,
}

impl Changes {
    fn add(&mut self, slot: Slot, run: Run) {
        let run = match self.runs.remove(&slot) {
            None => run,
            Some(older) => {
                self.bytes -= older.len();
                Run::merge(&[older, run], Removed::Keep)
            }
        };
        self.bytes += run.len();
        self.runs.insert(slot, run);
    }

    fn block(self) -> Option<Written> {
        let mut block = BlockWriter::default();
        for (slot, run) in self.runs {
            block.push(slot, &run);
        }
        block.finish()
    }
}

/// The one writer of a partition.
///
/// Changes gather in a transaction that [`commit`](Self::commit) ends; uncommitted changes are lost with the
/// process. The writer is unusable after an error.
pub(crate) struct PartitionWriter {
    db: Db,
    /// The file, and the state that belongs to it while it is open.
    identity: Identity,
    meta: Meta,
    progress: Progress,
    rows: Rows,
    /// Changes that are not written yet, by epoch.
    changes: BTreeMap<(Place, Epoch), Changes>,
    /// The rest of the collection in progress.
    uncollected: VecDeque<Place>,
    merge: Option<Merge>,
    vacuuming: bool,
    /// The approximate number of bytes committed to the log since it was last moved into the file.
    log: u64,
    /// The meters of the partition, if enabled.
    meter: Option<Arc<StoreMeter>>,
    /// Last, so that it is released after the connection is closed.
    lock: Lock,
}

impl PartitionWriter {
    /// Opens the partition of this lock; see [`LockedPartition::writer`].
    pub(super) fn open(file: &Path, lock: Lock) -> Result<Self, Error> {
        let db = Db::open_to_write(file)?;
        // Reading has already opened the log and its index.
        let rows = Rows::read(&db)?;
        let own = ["", "-wal", "-shm"].map(|ending| beside(file, ending));
        Ok(Self {
            identity: Identity::of(own.into_iter().chain([file.with_extension("lock")]))?,
            meta: db.meta()?,
            progress: db.progress()?,
            rows,
            changes: BTreeMap::new(),
            uncollected: VecDeque::new(),
            merge: None,
            vacuuming: false,
            log: 0,
            db,
            meter: None,
            lock,
        })
    }

    /// Measures how long commits take.
    pub(crate) fn counted_by(mut self, meter: Option<Arc<StoreMeter>>) -> Self {
        self.meter = meter;
        self
    }

    /// Closes the partition. It stays locked.
    pub(super) fn close(self) -> LockedPartition {
        let Self { db, meta, lock, .. } = self;
        let file = db.file().to_path_buf();
        drop(db);
        LockedPartition::new(PartitionFile { file, meta }, lock)
    }

    pub(crate) fn file(&self) -> &Path {
        self.db.file()
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The progress of the partition after the next commit.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Begins an execution: records it and removes everything that earlier ones wrote from its first epoch
    /// on. Durable when it returns.
    ///
    /// Removes the last execution if it completed no epoch here: the new one begins with the same epoch or an
    /// earlier one, and so replaces it.
    pub(crate) fn begin_execution(&mut self, execution: &Execution) -> Result<(), Error> {
        self.db.begin()?;
        for void in self.db.executions()? {
            if self.progress.is_void(&void) {
                self.db.forget_execution(void.number)?;
            }
        }
        self.truncate_from(execution.resume)?;
        self.db.add_execution(execution)?;
        self.progress.execution = Some(execution.number);
        self.save()
    }

    /// Checks whether the file is still the one at its path.
    pub(super) fn check_identity(&self) -> Result<(), Error> {
        self.identity.check()
    }

    /// Removes all rows of this epoch and later ones, with the next commit.
    pub(crate) fn truncate_from(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.db.begin()?;
        self.changes.retain(|(_, of), _| *of < epoch);
        self.rows.delete(&self.db, |_, row| row.epoch >= epoch)?;
        self.db.truncate_positions(epoch)?;
        self.progress.durable = Epoch(epoch.0.saturating_sub(1)).min(self.progress.durable);
        Ok(())
    }

    /// Records a step, with the next commit; returns the number for its rows.
    pub(crate) fn step(&mut self, step: &StepMeta) -> Result<StepNumber, Error> {
        self.db.begin()?;
        self.db.put_step(step)
    }

    /// Whether a step has or had rows here.
    pub(super) fn has_step(&self, step: &StepId) -> Result<bool, Error> {
        let steps = self.db.steps()?;
        Ok(steps.iter().any(|(_, meta)| meta.id == *step))
    }

    /// Writes the changes of a slot in an epoch. Earlier changes of the same slot and epoch stay, except
    /// those of the same keys.
    pub(crate) fn write(
        &mut self,
        table: Table,
        step: StepNumber,
        slot: Slot,
        epoch: Epoch,
        run: Run,
    ) -> Result<(), Error> {
        debug_assert!(
            epoch > self.progress.durable,
            "a committed epoch is written to"
        );
        if run.is_empty() {
            return Ok(());
        }
        let at = (Place { table, step }, epoch);
        let changes = self.changes.entry(at).or_default();
        changes.add(slot, run);
        if changes.bytes >= BLOCK_BYTES {
            self.write_block(at)?;
        }
        Ok(())
    }

    /// Writes the gathered changes of an epoch as a block.
    fn write_block(&mut self, at: (Place, Epoch)) -> Result<(), Error> {
        let changes = self.changes.remove(&at);
        let Some(written) = changes.and_then(Changes::block) else {
            return Ok(());
        };
        let (place, epoch) = at;
        self.db.begin()?;
        self.log += written.bytes.len() as u64 + ROW_BYTES;
        self.rows.write(&self.db, place, epoch, &written)
    }

    fn write_blocks(&mut self) -> Result<(), Error> {
        let all: Vec<(Place, Epoch)> = self.changes.keys().copied().collect();
        all.into_iter().try_for_each(|at| self.write_block(at))
    }

    /// Commits all writes, and checks that the file is still at its path.
    fn save(&mut self) -> Result<(), Error> {
        self.db.begin()?;
        self.write_blocks()?;
        self.db.set_progress(&self.progress)?;
        self.log += ROW_BYTES;
        self.db.commit()?;
        self.identity.check()
    }

    /// Writes the position of a partition of a source or a sink at the end of an epoch.
    pub(crate) fn write_position(
        &mut self,
        step: StepNumber,
        partition: &str,
        epoch: Epoch,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.db.begin()?;
        self.db.put_position(step, partition, epoch, bytes)
    }

    /// Commits all writes, together with the mark that this epoch is complete.
    pub(crate) fn commit(&mut self, epoch: Epoch) -> Result<(), Error> {
        let began = Instant::now();
        self.commit_at(epoch, Some(Utc::now()))?;
        if let Some(meter) = &self.meter {
            let took = u64::try_from(began.elapsed().as_nanos());
            meter.write.observe(took.unwrap_or(u64::MAX), 1);
        }
        Ok(())
    }

    /// [`commit`](Self::commit) for an epoch that was completed at another time.
    pub(super) fn commit_at(
        &mut self,
        epoch: Epoch,
        at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.progress.durable = self.progress.durable.max(epoch);
        self.progress.saved_at = at;
        self.save()
    }

    /// Commits all writes, but completes no epoch.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if self.db.is_idle() && self.changes.is_empty() {
            return self.identity.check();
        }
        self.save()
    }

    /// Moves committed data from the log into the file when the log is large. Durability does not need this,
    /// so call it after a commit was reported; without it the log grows.
    pub(crate) fn checkpoint_if_due(&mut self) -> Result<(), Error> {
        if self.log < LOG_BYTES {
            Ok(())
        } else {
            self.checkpoint()
        }
    }

    /// Moves committed data from the log into the file.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Error> {
        self.log = 0;
        self.db.checkpoint()
    }

    /// Gives up resuming before an epoch, which every partition of the store must have reached, and begins to
    /// remove what is no longer needed. Takes effect with the next commit.
    pub(crate) fn begin_collect(&mut self, oldest: Epoch) -> Result<(), Error> {
        let oldest = oldest.min(self.progress.durable.next());
        if oldest <= self.progress.oldest {
            return Ok(());
        }
        self.db.begin()?;
        self.progress.oldest = oldest;
        self.db.collect_positions(oldest)?;
        self.db.forget_executions(oldest)?;
        let due = self
            .rows
            .places()
            .filter(|(_, rows)| collect::plan(rows, oldest).is_some());
        self.uncollected = due.map(|(place, _)| place).collect();
        self.vacuuming = true;
        Ok(())
    }

    /// Whether a collection is unfinished.
    pub(crate) fn collecting(&self) -> bool {
        self.vacuuming
    }

    /// Runs one step of a collection: merges rows of about this many bytes, or returns a few pages.
    pub(crate) fn collect_some(&mut self, bytes: u64) -> Result<(), Error> {
        if !self.vacuuming {
            return Ok(());
        }
        self.db.begin()?;
        let mut done = 0;
        while done < bytes {
            let Some(mut merge) = self.merge.take().or_else(|| self.next_merge()) else {
                return self.vacuum_some();
            };
            let merged = merge.some(&self.db, &mut self.rows, bytes - done)?;
            done += merged.read.max(1);
            self.log += merged.written * 9 / 8;
            if !merged.is_done {
                self.merge = Some(merge);
            }
        }
        Ok(())
    }

    /// The next merge that is due.
    fn next_merge(&mut self) -> Option<Merge> {
        loop {
            let place = self.uncollected.pop_front()?;
            let rows = self.rows.of(place);
            if let Some((since, last, removed)) = collect::plan(rows, self.progress.oldest) {
                return Some(Merge::begin(place, rows, (since, last), removed));
            }
        }
    }

    #[cfg(test)]
    /// Runs a whole collection at once, and commits it.
    pub(crate) fn collect(&mut self, oldest: Epoch) -> Result<(), Error> {
        self.begin_collect(oldest)?;
        while self.collecting() {
            self.collect_some(u64::MAX)?;
        }
        self.flush()?;
        self.checkpoint()
    }

    fn vacuum_some(&mut self) -> Result<(), Error> {
        let surplus = self.db.pages()?.surplus();
        if surplus > 0 {
            self.db.vacuum(surplus.min(VACUUM_PAGES))?;
            self.log += VACUUM_PAGES * ROW_BYTES;
        }
        self.vacuuming = surplus > VACUUM_PAGES;
        Ok(())
    }

    /// Removes everything of a step. Durable when it returns.
    pub(crate) fn drop_step(&mut self, step: StepNumber) -> Result<(), Error> {
        self.db.begin()?;
        self.merge.take_if(|merge| merge.place().step == step);
        self.uncollected.retain(|place| place.step != step);
        self.changes.retain(|(place, _), _| place.step != step);
        self.rows.delete(&self.db, |place, _| place.step == step)?;
        self.db.clear_positions(step)?;
        self.db.forget_step(step)?;
        self.vacuuming = true;
        while self.vacuuming {
            self.vacuum_some()?;
        }
        self.flush()?;
        self.checkpoint()
    }

    /// Stops the growth of the file, as a full disk does.
    #[cfg(test)]
    pub(super) fn limit_pages(&self) {
        self.db.limit_pages();
    }

    /// Returns to the end of an epoch of an execution, or to the very beginning, and removes later
    /// executions. Durable when it returns.
    pub(super) fn rewind(
        &mut self,
        execution: Option<ExecutionNumber>,
        durable: Epoch,
    ) -> Result<(), Error> {
        self.db.begin()?;
        self.truncate_from(durable.next())?;
        self.db.forget_executions_after(execution)?;
        self.progress.execution = execution;
        self.save()
    }

    /// The approximate size of its runs in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.rows.places().flat_map(|(_, rows)| rows);
        rows.map(|row| row.bytes).sum()
    }

    /// The recorded executions, in ascending order.
    pub(super) fn executions(&self) -> Result<Vec<Execution>, Error> {
        self.db.executions()
    }

    /// Copies the history of another store, whose states at the start of an epoch were copied. Durable when
    /// it returns.
    pub(super) fn adopt(
        &mut self,
        executions: &[Execution],
        progress: Progress,
    ) -> Result<(), Error> {
        self.db.begin()?;
        executions
            .iter()
            .try_for_each(|execution| self.db.add_execution(execution))?;
        self.progress = progress;
        self.save()?;
        self.checkpoint()
    }
}
