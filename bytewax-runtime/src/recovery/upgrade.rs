//! Upgrades a partition to the present format.

use super::block::BlockWriter;
use super::error::Error;
use super::rows::Rows;
use super::sql::Db;

/// Writes the rows of formats 1 and 2, one for each slot, as blocks: those of one epoch together.
pub(super) fn upgrade(db: &Db) -> Result<(), Error> {
    let old = Rows::read(db)?;
    let mut new = Rows::default();
    for (place, rows) in old.places() {
        for of_epoch in rows.chunk_by(|a, b| a.epoch == b.epoch) {
            let mut of_epoch = of_epoch.to_vec();
            of_epoch.sort_unstable_by_key(|row| row.first);
            let mut block = BlockWriter::default();
            for (row, next) in of_epoch.iter().zip(1..) {
                let damaged = |what: &str| db.damaged_row(place, row, what);
                let run = db.block(place, row)?.run(row.first);
                let run = run.map_err(|cause| damaged(&cause.to_string()))?;
                let run = run.unwrap_or_default();
                if (u64::from(run.kept()), u64::from(run.removed())) != (row.kept, row.removed) {
                    return Err(damaged("its number of keys does not fit"));
                }
                if !block.accepts(row.first) {
                    return Err(damaged("there are two of them"));
                }
                block.push(row.first, &run);
                if (block.is_full() || next == of_epoch.len())
                    && let Some(written) = block.finish()
                {
                    new.write(db, place, row.epoch, &written)?;
                }
            }
        }
    }
    Ok(())
}
