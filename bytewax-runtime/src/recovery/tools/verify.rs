//! Reading all of a store to find damage.

use std::path::Path;

use super::Parts;
use crate::ids::Epoch;
use crate::recovery::error::Error;
use crate::recovery::parts::StepNumber;
use crate::recovery::reader::PartitionReader;
use crate::recovery::sql::{SlotRow, Table};
use crate::state::timer::decode_due;

/// What a check of a whole store found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows that were read.
    pub(crate) rows: u64,
    /// What is wrong; empty for a sound store.
    pub(crate) problems: Vec<Error>,
}

/// Reads every row of the store in some directories and checks that it decodes, that checksums
/// hold, that it is where it belongs, that no row is
/// missing, and that the partitions agree.
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

    /// Checks one partition; an error is one that ends the check of it.
    fn partition(mut self) -> Result<(), Error> {
        let db = self.reader.db();
        let complaints = db.integrity()?;
        if !complaints.is_empty() {
            self.problem(complaints.join("; "));
        }
        let meta = db.meta()?;
        let steps: Vec<StepNumber> = db.steps()?.into_iter().map(|(number, _)| number).collect();
        for table in Table::ALL {
            for (at, size) in db.sizes(table)? {
                self.report.rows += 1;
                if meta.count.partition_of(at.slot) != meta.index {
                    self.problem(format!("slot {} belongs to another partition", at.slot));
                }
                if !steps.contains(&at.step) {
                    self.problem("rows of a step that it does not list");
                }
                self.row(at, size.epoch);
            }
        }
        self.report.rows += db.positions(Epoch(u64::MAX))?.len() as u64;
        db.check_whole()
    }

    fn row(&mut self, at: SlotRow, epoch: Epoch) {
        let runs = match self.reader.db().runs(at, epoch, epoch) {
            Ok(runs) => runs,
            Err(problem) => return self.report.problems.push(problem),
        };
        let mut entries = runs.iter().flat_map(|(_, run)| run.iter());
        let no_time = |state| decode_due(state).is_none();
        if at.table == Table::Timers && entries.any(|entry| entry.state.is_some_and(no_time)) {
            self.problem("a timer has no time");
        }
    }
}
