//! Writing a partition.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::collect;
use super::error::Error;
use super::identity::Identity;
use super::layout::{PartitionFile, beside};
use super::lock::{Lock, LockedPartition};
use super::parts::{Execution, ExecutionNumber, Meta, Progress, StepMeta, StepNumber};
use super::sql::{Db, RowSize, SlotRow, Table};
use crate::ids::Epoch;
use crate::key::Slot;
use crate::state::run::{Removed, Run};

/// The most pages that one step of a collection gives back.
const VACUUM_PAGES: u64 = 256;

/// The size of the log from which on it is moved into the file.
const LOG_BYTES: u64 = 16 << 20;

/// What a small row costs in the log: a page of the table and one of its index.
const ROW_BYTES: u64 = 2 * 8192;

/// The one writer of a partition.
///
/// Changes gather in a transaction that [`commit`](Self::commit) ends; what is not committed is
/// gone with the process. After an error the writer is of no more use.
pub(crate) struct PartitionWriter {
    db: Db,
    /// The file, and all that belongs to it while it is open.
    identity: Identity,
    meta: Meta,
    progress: Progress,
    /// The rows of each slot, from the oldest to the newest.
    rows: BTreeMap<SlotRow, Vec<RowSize>>,
    /// The slots that the collection under way has not looked at yet.
    uncollected: VecDeque<SlotRow>,
    vacuuming: bool,
    /// About how many bytes were committed to the log since it was moved into the file.
    log: u64,
    /// Last, so that it is released when the connection is closed.
    lock: Lock,
}

impl PartitionWriter {
    /// Opens a partition of which this is the lock; see [`LockedPartition::writer`].
    pub(super) fn open(file: &Path, lock: Lock) -> Result<Self, Error> {
        let db = Db::open_to_write(file)?;
        let (meta, progress) = (db.meta()?, db.progress()?);
        // Reading has opened the log and its index.
        let own = ["", "-wal", "-shm"].map(|ending| beside(file, ending));
        let mut writer = Self {
            identity: Identity::of(own.into_iter().chain([file.with_extension("lock")]))?,
            meta,
            progress,
            rows: BTreeMap::new(),
            uncollected: VecDeque::new(),
            vacuuming: false,
            log: 0,
            db,
            lock,
        };
        writer.read_sizes()?;
        Ok(writer)
    }

    /// Closes the partition. It stays locked.
    pub(super) fn close(self) -> LockedPartition {
        let Self { db, meta, lock, .. } = self;
        let file = db.file().to_path_buf();
        drop(db);
        LockedPartition::new(PartitionFile { file, meta }, lock)
    }

    fn read_sizes(&mut self) -> Result<(), Error> {
        self.rows.clear();
        for table in Table::ALL {
            for (at, size) in self.db.sizes(table)? {
                self.rows.entry(at).or_default().push(size);
            }
        }
        Ok(())
    }

    pub(crate) fn file(&self) -> &Path {
        self.db.file()
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// How far the partition will have got with the next commit.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Begins an execution: notes it and removes all that earlier ones wrote from its first epoch
    /// on. Durable when it returns.
    ///
    /// The last one is forgotten if it has completed no epoch here: the new one begins with the same
    /// epoch or an earlier one, and so tells more.
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
        self.db.set_progress(&self.progress)?;
        self.make_durable()
    }

    /// Commits the open transaction, and makes sure that what is committed can be found again.
    fn make_durable(&self) -> Result<(), Error> {
        self.db.commit()?;
        self.identity.check()
    }

    /// Finds out whether the file is still the one behind its name.
    pub(super) fn check_identity(&self) -> Result<(), Error> {
        self.identity.check()
    }

    /// Removes all rows of this epoch and those after, with the next commit.
    pub(crate) fn truncate_from(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.db.begin()?;
        self.db.truncate_runs(epoch)?;
        self.db.truncate_positions(epoch)?;
        self.progress.durable = Epoch(epoch.0.saturating_sub(1)).min(self.progress.durable);
        self.db.set_progress(&self.progress)?;
        for rows in self.rows.values_mut() {
            rows.truncate(rows.partition_point(|row| row.epoch < epoch));
        }
        self.rows.retain(|_, rows| !rows.is_empty());
        Ok(())
    }

    /// Notes a step, with the next commit; the number to write its rows under.
    pub(crate) fn step(&mut self, step: &StepMeta) -> Result<StepNumber, Error> {
        self.db.begin()?;
        self.db.put_step(step)
    }

    /// Writes the states that changed in an epoch. What was written before for the same slot and
    /// epoch stays, but for keys that come again.
    pub(crate) fn write_snaps(
        &mut self,
        step: StepNumber,
        slot: Slot,
        epoch: Epoch,
        run: Run,
    ) -> Result<(), Error> {
        let table = Table::Snaps;
        self.write(SlotRow { table, step, slot }, epoch, run)
    }

    /// Writes the timers that changed in an epoch, in the same way.
    pub(crate) fn write_timers(
        &mut self,
        step: StepNumber,
        slot: Slot,
        epoch: Epoch,
        run: Run,
    ) -> Result<(), Error> {
        let table = Table::Timers;
        self.write(SlotRow { table, step, slot }, epoch, run)
    }

    fn write(&mut self, at: SlotRow, epoch: Epoch, run: Run) -> Result<(), Error> {
        debug_assert!(
            epoch > self.progress.durable,
            "a committed epoch is written to"
        );
        if run.is_empty() {
            return Ok(());
        }
        self.db.begin()?;
        self.log += run.len() as u64 + ROW_BYTES;
        let rows = self.rows.entry(at).or_default();
        let place = rows.partition_point(|row| row.epoch < epoch);
        if rows.get(place).is_some_and(|row| row.epoch == epoch) {
            let mut runs = take_runs(self.db.runs(at, epoch, epoch)?);
            runs.push(run);
            let run = Run::merge(&runs, Removed::Keep);
            rows[place] = RowSize::of(epoch, &run);
            return self.db.update_run(at, epoch, &run);
        }
        rows.insert(place, RowSize::of(epoch, &run));
        self.db.insert_run(at, epoch, &run)
    }

    /// Writes where a partition of a source or a sink is at the end of an epoch.
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

    /// Makes all that was written durable, together with the mark that this epoch is complete.
    pub(crate) fn commit(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.commit_at(epoch, Some(Utc::now()))
    }

    /// Does so for an epoch that was completed at another time.
    pub(super) fn commit_at(
        &mut self,
        epoch: Epoch,
        at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.db.begin()?;
        self.progress.durable = self.progress.durable.max(epoch);
        self.progress.saved_at = at;
        self.db.set_progress(&self.progress)?;
        self.log += ROW_BYTES;
        self.make_durable()
    }

    /// Makes all that was written durable, but completes no epoch.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.make_durable()
    }

    /// Moves what was committed from the log into the file when it is much. Durability does not need
    /// it, so it is for after a commit was reported; without it the log grows.
    pub(crate) fn checkpoint_if_due(&mut self) -> Result<(), Error> {
        if self.log < LOG_BYTES {
            Ok(())
        } else {
            self.checkpoint()
        }
    }

    /// Moves what was committed from the log into the file.
    pub(crate) fn checkpoint(&mut self) -> Result<(), Error> {
        self.log = 0;
        self.db.checkpoint()
    }

    /// Gives up resuming before an epoch, which every partition of the store must have reached,
    /// and begins to remove what is not needed any more. Takes effect with the next commit.
    pub(crate) fn begin_collect(&mut self, oldest: Epoch) -> Result<(), Error> {
        let oldest = oldest.min(self.progress.durable.next());
        if oldest <= self.progress.oldest {
            return Ok(());
        }
        self.db.begin()?;
        self.progress.oldest = oldest;
        self.db.set_progress(&self.progress)?;
        self.db.collect_positions(oldest)?;
        self.db.forget_executions(oldest)?;
        let due = self
            .rows
            .iter()
            .filter(|(_, rows)| collect::plan(rows, oldest).is_some());
        self.uncollected = due.map(|(&at, _)| at).collect();
        self.vacuuming = true;
        Ok(())
    }

    /// Whether a collection has more to do.
    pub(crate) fn collecting(&self) -> bool {
        self.vacuuming
    }

    /// Does a part of a collection: merges rows of about this many bytes (of one slot at least), or
    /// gives a few pages back.
    pub(crate) fn collect_some(&mut self, bytes: u64) -> Result<(), Error> {
        if !self.vacuuming {
            return Ok(());
        }
        self.db.begin()?;
        let mut done = 0;
        while done < bytes {
            let Some(at) = self.uncollected.pop_front() else {
                return self.vacuum_some();
            };
            done += self.merge(at)?;
        }
        Ok(())
    }

    #[cfg(test)]
    /// Does all of a collection at once, and makes it durable.
    pub(crate) fn collect(&mut self, oldest: Epoch) -> Result<(), Error> {
        self.begin_collect(oldest)?;
        while self.collecting() {
            self.collect_some(u64::MAX)?;
        }
        self.flush()?;
        self.checkpoint()
    }

    /// Merges rows of a slot if it is time; the bytes that were read.
    fn merge(&mut self, at: SlotRow) -> Result<u64, Error> {
        let Some(rows) = self.rows.get_mut(&at) else {
            return Ok(0);
        };
        let Some(part) = collect::plan(rows, self.progress.oldest) else {
            return Ok(0);
        };
        let (first, last) = (rows[part.start].epoch, rows[part.end - 1].epoch);
        let bytes = rows[part.clone()].iter().map(|row| row.bytes).sum();
        let removed = if part.start == 0 {
            Removed::Forget
        } else {
            Removed::Keep
        };
        let runs = take_runs(self.db.runs(at, first, last)?);
        let merged = Run::merge(&runs, removed);
        self.db.delete_runs(at, first, last)?;
        self.log += merged.len() as u64 + ROW_BYTES;
        if merged.is_empty() {
            rows.drain(part);
        } else {
            // The newest of their epochs: a resume there or later finds the row, and a resume
            // before it was given up.
            self.db.insert_run(at, last, &merged)?;
            rows.splice(part, [RowSize::of(last, &merged)]);
        }
        if rows.is_empty() {
            self.rows.remove(&at);
        }
        Ok(bytes)
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

    /// Removes all that is kept for a step. Durable when it returns.
    pub(crate) fn drop_step(&mut self, step: StepNumber) -> Result<(), Error> {
        const ROWS: u32 = 1024;
        for table in Table::ALL {
            loop {
                self.db.begin()?;
                let cleared = self.db.clear_runs(table, step, ROWS)?;
                self.db.commit()?;
                if cleared == 0 {
                    break;
                }
            }
        }
        self.db.begin()?;
        self.db.clear_positions(step)?;
        self.db.forget_step(step)?;
        self.rows.retain(|at, _| at.step != step);
        self.vacuuming = true;
        while self.vacuuming {
            self.vacuum_some()?;
        }
        self.flush()?;
        self.checkpoint()
    }

    /// Lets the file grow no more, as on a full disk.
    #[cfg(test)]
    pub(super) fn limit_pages(&self) {
        self.db.limit_pages();
    }

    /// Goes back to the end of an epoch of an execution, or to the very beginning, and forgets the
    /// executions after it. Durable when it returns.
    pub(super) fn rewind(
        &mut self,
        execution: Option<ExecutionNumber>,
        durable: Epoch,
    ) -> Result<(), Error> {
        self.db.begin()?;
        self.truncate_from(durable.next())?;
        self.db.forget_executions_after(execution)?;
        self.progress.execution = execution;
        self.db.set_progress(&self.progress)?;
        self.make_durable()
    }

    /// About how many bytes its runs have.
    pub(super) fn bytes(&self) -> u64 {
        self.rows.values().flatten().map(|row| row.bytes).sum()
    }

    /// The executions that it remembers, in ascending order.
    pub(super) fn executions(&self) -> Result<Vec<Execution>, Error> {
        self.db.executions()
    }

    /// Takes over the history of another store, of which the states at the start of an epoch were
    /// copied. Durable when it returns.
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
        self.db.set_progress(&self.progress)?;
        self.make_durable()?;
        self.checkpoint()
    }
}

fn take_runs(rows: Vec<(Epoch, Run)>) -> Vec<Run> {
    rows.into_iter().map(|(_, run)| run).collect()
}
