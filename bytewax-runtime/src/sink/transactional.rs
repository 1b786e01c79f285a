//! Sinks that write an epoch atomically.

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::ids::{Epoch, StepId};
use crate::state::State;

/// A sink to an external system with transactions: it writes each epoch atomically when the epoch is
/// complete, and each item exactly once, even after a crash.
///
/// During an epoch, items are written to an open transaction. It is prepared when the epoch ends, and
/// committed when the epoch is complete on the whole cluster. With a recovery store, the items are also saved
/// in the store with the epoch: an outbox. If a run is killed after the epoch was complete and before the
/// transaction was committed, a later run finds the items there, and writes them again if the external system
/// does not have them. It knows this from a [`Marker`] in each transaction, so the system need not keep open
/// transactions.
///
/// Each worker has two writers, because one epoch can start before the previous one is complete. Writers are
/// numbered; a run with fewer workers also [recovers](TransactionalWriter::recover) the writers of a larger
/// one.
///
/// # Examples
///
/// A table in memory with transactions:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use bytewax_runtime::prelude::*;
/// use bytewax_runtime::sink::{Marker, TransactionalSink, TransactionalWriter, WriterPlace};
/// use bytewax_runtime::testing::{TestingSource, run_main};
/// use bytewax_runtime::{Epoch, StepError};
///
/// #[derive(Clone, Default)]
/// struct Table(Arc<Mutex<Vec<u64>>>);
///
/// /// A real one would keep the marker in a row of its own.
/// struct Writer {
///     table: Table,
///     open: Vec<u64>,
/// }
///
/// impl TransactionalSink<u64> for Table {
///     type Writer = Writer;
///
///     fn open(&self, _: &WriterPlace<'_>) -> Result<Writer, StepError> {
///         Ok(Writer { table: self.clone(), open: Vec::new() })
///     }
/// }
///
/// impl TransactionalWriter<u64> for Writer {
///     fn recover(&mut self) -> Result<Option<Marker>, StepError> {
///         Ok(None) // Nothing outlives the program.
///     }
///
///     fn begin(&mut self, _: Epoch) -> Result<(), StepError> {
///         Ok(())
///     }
///
///     fn write_batch(&mut self, items: Vec<u64>) -> Result<(), StepError> {
///         self.open.extend(items);
///         Ok(())
///     }
///
///     fn prepare(&mut self, _: Marker) -> Result<(), StepError> {
///         Ok(())
///     }
///
///     fn commit(&mut self, _: Epoch) -> Result<(), StepError> {
///         self.table.0.lock().unwrap().append(&mut self.open);
///         Ok(())
///     }
/// }
///
/// let table = Table::default();
/// let flow = Dataflow::build("numbers", |flow| {
///     let numbers = flow.input(TestingSource::new([1, 2, 3])).named("numbers");
///     numbers.output(table.clone()).named("table");
/// });
/// run_main(flow).unwrap();
/// assert_eq!(*table.0.lock().unwrap(), [1, 2, 3]);
/// ```
pub trait TransactionalSink<T: State>: Send + Sync + 'static {
    /// A writer of the transactions of one worker, one at a time.
    type Writer: TransactionalWriter<T>;

    /// Opens a writer. All writers of a worker are opened before any is
    /// [recovered](TransactionalWriter::recover), so that slow work can be done for all of them together. A
    /// writer must be the only one of its step and number: a writer of an earlier run that still exists must
    /// no longer be able to commit.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(&self, place: &WriterPlace<'_>) -> Result<Self::Writer, StepError>;
}

/// The identity of a writer of a [`TransactionalSink`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WriterPlace<'a> {
    /// The step.
    pub step: &'a StepId,
    /// The number of the writer, unique within the step.
    pub number: usize,
    /// Whether the flow has a recovery store. Without one, nothing reads markers.
    pub is_saved: bool,
}

impl<'a> WriterPlace<'a> {
    pub(crate) fn new(step: &'a StepId, number: usize, is_saved: bool) -> Self {
        Self {
            step,
            number,
            is_saved,
        }
    }
}

/// The identity of a transaction in the external system: the recovery store and the epoch of its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// A random number of the writer in the store.
    pub store: u64,
    /// The epoch.
    pub epoch: Epoch,
}

/// One writer of a [`TransactionalSink`].
pub trait TransactionalWriter<T>: 'static {
    /// Ends the open transactions of an earlier writer of this number, so that none of their items become
    /// visible, and returns the marker of the last committed transaction of this number. Called once, before
    /// all else.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn recover(&mut self) -> Result<Option<Marker>, StepError>;

    /// Starts a transaction.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn begin(&mut self, epoch: Epoch) -> Result<(), StepError>;

    /// Writes items to the transaction. The list is never empty.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// Prepares the transaction after its last item. When it returns, the external system has all items and
    /// the marker.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn prepare(&mut self, marker: Marker) -> Result<(), StepError>;

    /// Commits the transaction when the epoch is complete.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete, and a later run writes its items.
    fn commit(&mut self, epoch: Epoch) -> Result<(), StepError>;
}
