//! The positions of the partitions of sources and sinks.

use rusqlite::{Params, Row};
use xxhash_rust::xxh3::xxh3_64;

use super::seal::PositionSum;
use super::{Db, signed};
use crate::ids::Epoch;
use crate::recovery::checksum::Checksum;
use crate::recovery::error::Error;
use crate::recovery::parts::StepNumber;

const READING: &str = "reading positions";
const WRITING: &str = "writing positions";

/// A row of the table.
pub(in crate::recovery) struct PositionRow {
    pub(in crate::recovery) step: StepNumber,
    pub(in crate::recovery) partition: String,
    pub(in crate::recovery) epoch: Epoch,
    pub(in crate::recovery) bytes: Vec<u8>,
}

fn checksum(step: StepNumber, partition: &str, epoch: Epoch, bytes: &[u8]) -> Checksum {
    Checksum::of(
        &[step.0.into(), xxh3_64(partition.as_bytes()), epoch.0],
        bytes,
    )
}

fn read_sum(row: &Row<'_>) -> rusqlite::Result<PositionSum> {
    Ok(PositionSum {
        step: row.get(0)?,
        partition: row.get(1)?,
        epoch: Epoch(row.get(2)?),
        checksum: Checksum(row.get(3)?),
    })
}

impl Db {
    pub(in crate::recovery) fn put_position(
        &self,
        step: StepNumber,
        partition: &str,
        epoch: Epoch,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let sql = "DELETE FROM positions WHERE step = ?1 AND partition = ?2 AND epoch = ?3
            RETURNING step, partition, epoch, checksum";
        self.delete_positions(sql, (step.0, partition, signed(epoch.0)))?;
        let row = PositionSum {
            step: step.0,
            partition: partition.to_owned(),
            epoch,
            checksum: checksum(step, partition, epoch, bytes),
        };
        let sql = "INSERT INTO positions VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = (step.0, partition, signed(epoch.0), row.checksum.0, bytes);
        self.execute(sql, values, WRITING)?;
        self.sums.position_added(&row);
        Ok(())
    }

    /// Deletes rows with a statement that returns them.
    fn delete_positions(&self, sql: &'static str, values: impl Params) -> Result<(), Error> {
        for row in self.select(sql, values, WRITING, read_sum)? {
            self.sums.position_removed(&row);
        }
        Ok(())
    }

    /// All rows in order, without their bytes.
    pub(super) fn position_sums(&self) -> Result<Vec<PositionSum>, Error> {
        let sql = "SELECT step, partition, epoch, checksum FROM positions
            ORDER BY step, partition, epoch";
        self.select(sql, [], READING, read_sum)
    }

    /// All positions before an epoch; those of one partition in ascending order of epochs.
    pub(in crate::recovery) fn positions(&self, before: Epoch) -> Result<Vec<PositionRow>, Error> {
        let sql = "SELECT step, partition, epoch, checksum, position FROM positions
            WHERE epoch < ?1 ORDER BY step, partition, epoch";
        let rows = self.select(sql, [signed(before.0)], READING, |row| {
            let position = PositionRow {
                step: StepNumber(row.get(0)?),
                partition: row.get(1)?,
                epoch: Epoch(row.get(2)?),
                bytes: row.get(4)?,
            };
            Ok((position, Checksum(row.get(3)?)))
        })?;
        let checked = rows.into_iter().map(|(row, sum)| {
            if sum == checksum(row.step, &row.partition, row.epoch, &row.bytes) {
                return Ok(row);
            }
            let (step, partition, epoch) = (row.step.0, row.partition, row.epoch);
            let what = format!(
                "position of partition `{partition}` of step {step}, epoch {epoch}: its checksum \
                 does not fit"
            );
            Err(Error::damaged(&self.file, what))
        });
        checked.collect()
    }

    pub(in crate::recovery) fn truncate_positions(&self, from: Epoch) -> Result<(), Error> {
        let sql = "DELETE FROM positions WHERE epoch >= ?1
            RETURNING step, partition, epoch, checksum";
        self.delete_positions(sql, [signed(from.0)])
    }

    /// Deletes positions that a newer one before `oldest` replaces.
    pub(in crate::recovery) fn collect_positions(&self, oldest: Epoch) -> Result<(), Error> {
        let sql = "DELETE FROM positions WHERE epoch < (
            SELECT max(epoch) FROM positions AS newer
            WHERE newer.step = positions.step AND newer.partition = positions.partition
                AND newer.epoch < ?1)
            RETURNING step, partition, epoch, checksum";
        self.delete_positions(sql, [signed(oldest.0)])
    }

    pub(in crate::recovery) fn clear_positions(&self, step: StepNumber) -> Result<(), Error> {
        let sql = "DELETE FROM positions WHERE step = ?1
            RETURNING step, partition, epoch, checksum";
        self.delete_positions(sql, [step.0])
    }
}
