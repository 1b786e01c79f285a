//! The first writes of an execution. They happen after every worker has accepted the store and has built the
//! flow, so that a refused run leaves the store unchanged.

use crate::error::RunError;
use crate::ids::StepId;
use crate::kit::WorkerCx;
use crate::recovery::{
    Error, Execution, LockedPartition, PartitionWriter, StepMeta, Uploads, WriterThread,
};

use super::{QUEUE, Store, Writer};

/// The writes at the start of the execution.
pub(super) struct Unbegun {
    /// The partitions of this worker, which stay locked.
    pub(super) parts: Vec<LockedPartition>,
    pub(super) uploads: Option<Uploads>,
    pub(super) execution: Execution,
    /// The steps whose saved state is no longer needed.
    pub(super) dropped: Vec<StepId>,
    /// The steps that save anything.
    pub(super) metas: Vec<StepMeta>,
    /// Messages about the resume: facts that the store lacked and now records, and changed settings.
    pub(super) told: Vec<String>,
}

impl Store {
    /// Opens the partitions of this worker for writing, deletes the state of dropped steps, and records the
    /// execution in them.
    pub(in crate::worker) fn begin(&self, cx: &WorkerCx) -> Result<(), RunError> {
        let Some(unbegun) = self.unbegun.take() else {
            return Ok(());
        };
        if cx.index.0 == 0 {
            for told in &unbegun.told {
                tracing::info!("{told}");
            }
        }
        let writer = match unbegun.parts.is_empty() {
            true => None,
            false => Some(self.open_writer(cx, unbegun)?),
        };
        let set = self.writer.set(writer).is_ok();
        assert!(set, "an execution begins once");
        Ok(())
    }

    fn open_writer(&self, cx: &WorkerCx, unbegun: Unbegun) -> Result<Writer, RunError> {
        let Unbegun {
            parts,
            uploads,
            execution,
            dropped,
            metas,
            ..
        } = unbegun;
        let writers = parts
            .into_iter()
            .map(|part| self.begin_partition(part, &execution, &dropped));
        let writers = writers
            .collect::<Result<_, _>>()
            .map_err(RunError::recovery)?;
        let report = self.progress.reporter(&cx.shared);
        let thread = WriterThread::spawn(writers, &metas, QUEUE, uploads, report);
        let thread = thread.map_err(RunError::recovery)?;
        Ok(Writer {
            messages: thread.sender().map_err(RunError::recovery)?,
            room: thread.room(),
            _thread: thread,
        })
    }

    fn begin_partition(
        &self,
        part: LockedPartition,
        execution: &Execution,
        dropped: &[StepId],
    ) -> Result<PartitionWriter, Error> {
        let reader = self.readers.get(&part.meta().index);
        let meter = self.meters.get(&part.meta().index).cloned();
        let mut writer = part.writer()?.counted_by(meter);
        for step in dropped {
            if let Some(number) = reader.and_then(|reader| reader.number(step)) {
                writer.drop_step(number)?;
            }
        }
        writer.begin_execution(execution)?;
        Ok(writer)
    }
}
