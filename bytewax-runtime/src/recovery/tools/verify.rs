//! Reads a whole store to find damage.

use std::path::Path;

use super::Parts;
use crate::ids::Epoch;
use crate::recovery::error::Error;
use crate::recovery::parts::{Meta, StepNumber};
use crate::recovery::reader::PartitionReader;
use crate::recovery::rows::{Place, Row, Table};
use crate::state::timer::decode_due;

/// The result of a check of a whole store.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows that were read.
    pub(crate) rows: u64,
    /// The damage found; empty for a sound store.
    pub(crate) problems: Vec<Error>,
}

/// Reads every row of the store in some directories. Checks that each row decodes, matches its checksum and
/// is in the right partition, that no row is missing, and that the partitions agree.
pub(crate) fn verify(dirs: &[impl AsRef<Path>]) -> Result<Report, Error> {
    let parts = Parts::look_unchecked(dirs)?;
    let mut report = Report::default();
    if let Err(refused) = parts.resume_epoch() {
        report.problems.push(refused.into());
    }
    for reader in &parts.readers {
        let check = Check {
            reader,
            report: &mut report,
        };
        if let Err(problem) = check.partition() {
            report.problems.push(problem);
        }
    }
    Ok(report)
}

struct Check<'a> {
    reader: &'a PartitionReader,
    report: &'a mut Report,
}

impl Check<'_> {
    fn problem(&mut self, what: impl Into<String>) {
        let problem = Error::damaged(self.reader.file(), what);
        self.report.problems.push(problem);
    }

    /// Checks one partition; an error ends the check of it.
    fn partition(mut self) -> Result<(), Error> {
        let db = self.reader.db();
        let complaints = db.integrity()?;
        if !complaints.is_empty() {
            self.problem(complaints.join("; "));
        }
        let meta = db.meta()?;
        let steps: Vec<StepNumber> = db.steps()?.into_iter().map(|(number, _)| number).collect();
        for (place, rows) in self.reader.all_rows()?.places() {
            if !steps.contains(&place.step) {
                self.problem("rows of a step that it does not list");
            }
            for row in rows {
                self.report.rows += 1;
                if let Err(problem) = self.row(place, row, &meta) {
                    self.report.problems.push(problem);
                }
            }
        }
        self.report.rows += db.positions(Epoch(u64::MAX))?.len() as u64;
        db.check_whole()
    }

    /// Checks a row and the contents of its block.
    fn row(&self, place: Place, row: &Row, meta: &Meta) -> Result<(), Error> {
        let db = self.reader.db();
        let damaged = |what: &str| db.damaged_row(place, row, what);
        let block = db.block(place, row)?;
        let (mut kept, mut removed) = (0, 0);
        for slot in block.slots() {
            let run = block
                .run(slot)
                .map_err(|cause| damaged(&cause.to_string()))?;
            let run = run.unwrap_or_default();
            kept += u64::from(run.kept());
            removed += u64::from(run.removed());
            let mut states = run.iter().filter_map(|entry| entry.state);
            if place.table == Table::Timers && states.any(|due| decode_due(due).is_none()) {
                return Err(damaged("a timer has no time"));
            }
            if meta.count.partition_of(slot) != meta.index {
                return Err(damaged(&format!(
                    "slot {slot} belongs to another partition"
                )));
            }
        }
        if (kept, removed) != (row.kept, row.removed) {
            return Err(damaged("its number of keys does not fit"));
        }
        Ok(())
    }
}
