//! Executions, progress and steps.

use chrono::{DateTime, Utc};
use rusqlite::types::Type;

use super::failure::Doing;
use super::{Db, signed};
use crate::ids::{Epoch, StepId};
use crate::recovery::error::Error;
use crate::recovery::parts::{
    Execution, ExecutionNumber, PartitionState, Progress, SavedKind, StepMeta, StepNumber,
};

/// The time in a column.
fn time(column: usize, text: &str) -> rusqlite::Result<DateTime<Utc>> {
    text.parse().map_err(|cause| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
    })
}

impl Db {
    /// Everything that a resume needs to know of this partition.
    pub(in crate::recovery) fn state(&self) -> Result<PartitionState, Error> {
        Ok(PartitionState {
            file: self.file.clone(),
            meta: self.meta()?,
            progress: self.progress()?,
            executions: self.executions()?,
        })
    }

    pub(in crate::recovery) fn progress(&self) -> Result<Progress, Error> {
        let sql = match self.format() {
            1 => "SELECT execution, durable_epoch, oldest_resumable, NULL FROM progress",
            _ => "SELECT execution, durable_epoch, oldest_resumable, saved_at FROM progress",
        };
        let read = self.connection.query_row(sql, [], |row| {
            let saved_at: Option<String> = row.get(3)?;
            Ok(Progress {
                execution: row.get::<_, Option<u64>>(0)?.map(ExecutionNumber),
                durable: Epoch(row.get(1)?),
                oldest: Epoch(row.get(2)?),
                saved_at: saved_at.map(|text| time(3, &text)).transpose()?,
            })
        });
        read.doing(self, "reading how far it got")
    }

    pub(in crate::recovery) fn set_progress(&self, progress: &Progress) -> Result<(), Error> {
        let sql = "UPDATE progress SET execution = ?1, durable_epoch = ?2, oldest_resumable = ?3,
            saved_at = ?4";
        let values = (
            progress.execution.map(|number| signed(number.0)),
            signed(progress.durable.0),
            signed(progress.oldest.0),
            progress.saved_at.map(|at| at.to_rfc3339()),
        );
        self.execute(sql, values, "writing how far it got")
            .map(drop)
    }

    /// The executions, in ascending order.
    pub(in crate::recovery) fn executions(&self) -> Result<Vec<Execution>, Error> {
        let sql = "SELECT number, resume_epoch, workers, processes, started_at
            FROM executions ORDER BY number";
        self.select(sql, [], "reading its executions", |row| {
            let started_at: String = row.get(4)?;
            let started_at = time(4, &started_at)?;
            Ok(Execution {
                number: ExecutionNumber(row.get(0)?),
                resume: Epoch(row.get(1)?),
                workers: row.get(2)?,
                processes: row.get(3)?,
                started_at,
            })
        })
    }

    pub(in crate::recovery) fn add_execution(&self, execution: &Execution) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO executions VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = (
            signed(execution.number.0),
            signed(execution.resume.0),
            execution.workers,
            execution.processes,
            execution.started_at.to_rfc3339(),
        );
        self.execute(sql, values, "writing the execution").map(drop)
    }

    /// Removes executions that no resume can need any more.
    ///
    /// An execution records that partitions of older executions contain nothing useful from its resume epoch
    /// on. Of the executions that began before `oldest`, the newest is enough: any older partition is too
    /// old.
    pub(in crate::recovery) fn forget_executions(&self, oldest: Epoch) -> Result<(), Error> {
        let sql = "DELETE FROM executions WHERE number <
            (SELECT max(number) FROM executions WHERE resume_epoch < ?1)";
        let doing = "removing old executions";
        self.execute(sql, [signed(oldest.0)], doing).map(drop)
    }

    pub(in crate::recovery) fn forget_execution(
        &self,
        number: ExecutionNumber,
    ) -> Result<(), Error> {
        let sql = "DELETE FROM executions WHERE number = ?1";
        self.execute(sql, [signed(number.0)], "removing an execution")
            .map(drop)
    }

    /// Removes the executions after this one, or all of them for `None`.
    pub(in crate::recovery) fn forget_executions_after(
        &self,
        last: Option<ExecutionNumber>,
    ) -> Result<(), Error> {
        let sql = "DELETE FROM executions WHERE number > ?1";
        let last = last.map_or(-1, |last| signed(last.0));
        self.execute(sql, [last], "removing executions").map(drop)
    }

    /// The steps that have or had rows in this partition.
    pub(in crate::recovery) fn steps(&self) -> Result<Vec<(StepNumber, StepMeta)>, Error> {
        let sql =
            "SELECT number, step, kind, schema, version, fingerprint FROM steps ORDER BY step";
        let doing = "reading its steps";
        let rows = self.select(sql, [], doing, |row| {
            let kind: String = row.get(2)?;
            let step: String = row.get(1)?;
            let kind = SavedKind::ALL
                .into_iter()
                .find(|known| known.name() == kind);
            let meta = |kind| -> rusqlite::Result<StepMeta> {
                Ok(StepMeta {
                    id: StepId::new(step.as_str()),
                    kind,
                    schema: row.get(3)?,
                    version: row.get(4)?,
                    fingerprint: row.get::<_, i64>(5)?.cast_unsigned(),
                })
            };
            let meta = kind.map(meta).transpose()?;
            Ok((StepNumber(row.get(0)?), meta, step))
        })?;
        let known = rows.into_iter().map(|(number, meta, step)| {
            let unknown =
                || Error::damaged(&self.file, format!("step `{step}` is of no known kind"));
            Ok((number, meta.ok_or_else(unknown)?))
        });
        known.collect()
    }

    /// Records a step; returns its number in this file.
    pub(in crate::recovery) fn put_step(&self, step: &StepMeta) -> Result<StepNumber, Error> {
        let sql = "INSERT INTO steps (step, kind, schema, version, fingerprint)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (step) DO UPDATE SET kind = excluded.kind, schema = excluded.schema,
                version = excluded.version, fingerprint = excluded.fingerprint
            RETURNING number";
        let values = (
            step.id.as_str(),
            step.kind.name(),
            &step.schema,
            step.version,
            step.fingerprint.cast_signed(),
        );
        let numbers = self.select(sql, values, "writing a step", |row| row.get(0))?;
        let number = numbers.first().copied().map(StepNumber);
        number.ok_or_else(|| Error::damaged(&self.file, "a step could not be noted"))
    }

    pub(in crate::recovery) fn forget_step(&self, step: StepNumber) -> Result<(), Error> {
        let sql = "DELETE FROM steps WHERE number = ?1";
        self.execute(sql, [step.0], "removing a step").map(drop)
    }
}
