//! Merging rows, a part at a time.

use super::block::BlockWriter;
use super::error::Error;
use super::rows::{Place, Row, RowId, Rows};
use super::scan::Scan;
use super::sql::Db;
use crate::ids::Epoch;
use crate::key::Slot;
use crate::state::run::{Removed, Run};

/// A merge of all rows of a step with changes of some epochs.
///
/// It proceeds slot by slot. Each new row replaces the old ones in its slots, and an old one is deleted after
/// all of its slots. Whenever the process is killed, the rows are therefore valid.
#[derive(Debug)]
pub(super) struct Merge {
    place: Place,
    /// The first and the last epoch.
    epochs: (Epoch, Epoch),
    removed: Removed,
    scan: Scan,
    /// The old rows that still exist, in descending order of their last slots.
    sources: Vec<(Slot, RowId)>,
    /// The first slot that no new row covers.
    from: Slot,
    block: BlockWriter,
}

/// The progress of a merge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Merged {
    /// The bytes read and written since the last query.
    pub(super) read: u64,
    pub(super) written: u64,
    pub(super) is_done: bool,
}

impl Merge {
    /// Begins a merge of the rows with changes of some epochs: all that begin and end with one of them.
    pub(super) fn begin(
        place: Place,
        rows: &[Row],
        epochs: (Epoch, Epoch),
        removed: Removed,
    ) -> Self {
        let (since, last) = epochs;
        let sources = rows
            .iter()
            .filter(|row| row.begins() >= since && row.epoch <= last);
        let mut ends: Vec<(Slot, RowId)> = sources.clone().map(|row| (row.last, row.id)).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let from = sources.clone().map(|row| row.first).min();
        Self {
            place,
            epochs,
            removed,
            scan: Scan::new(place, sources.copied()),
            sources: ends,
            from: from.unwrap_or(Slot::of(0)),
            block: BlockWriter::default(),
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Continues until about this number of bytes was read.
    pub(super) fn some(&mut self, db: &Db, rows: &mut Rows, bytes: u64) -> Result<Merged, Error> {
        let mut merged = Merged::default();
        while merged.read < bytes {
            let Some((slot, mut runs)) = self.scan.next(db)? else {
                let end = self.sources.first().map_or(self.from, |(last, _)| *last);
                merged.written += self.write(db, rows, end)?;
                merged.is_done = true;
                return Ok(merged);
            };
            merged.read += runs.iter().map(|run| run.len() as u64).sum::<u64>();
            let run = match runs.pop() {
                Some(run)
                    if runs.is_empty() && (self.removed == Removed::Keep || run.removed() == 0) =>
                {
                    run
                }
                last => {
                    runs.extend(last);
                    Run::merge(&runs, self.removed)
                }
            };
            if !run.is_empty() {
                self.block.push(slot, &run);
            }
            if self.block.is_full() {
                merged.written += self.write(db, rows, slot)?;
            }
        }
        Ok(merged)
    }

    /// Writes the gathered runs up to a slot, and deletes the old rows that end there or before.
    fn write(&mut self, db: &Db, rows: &mut Rows, to: Slot) -> Result<u64, Error> {
        let mut bytes = 0;
        if let Some(written) = self.block.finish() {
            bytes = written.bytes.len() as u64;
            rows.write_merged(db, self.place, self.epochs, (self.from, to), &written)?;
        }
        while let Some((_, id)) = self.sources.pop_if(|(last, _)| *last <= to) {
            rows.delete_one(db, self.place, id)?;
        }
        self.from = to.next().unwrap_or(to);
        Ok(bytes)
    }
}
