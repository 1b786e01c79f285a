//! Sinks of which all of an epoch is there at once, or nothing.

use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::ids::{Epoch, StepId};
use crate::state::State;

/// A sink to an outside system with transactions: all that is written in an epoch is there at once when the epoch is
/// complete, or nothing of it, and each item once, also after a crash.
///
/// The items of an epoch are written into an open transaction while the epoch runs. The transaction is prepared when the epoch
/// ends, and committed when the epoch is complete on the whole cluster. With a recovery store, the items are also saved in
/// it with the epoch: an outbox. If a run is killed after the epoch was complete and before the transaction was
/// committed, a later run finds the items there, and writes them again if the outside system does not have them. It knows that from a
/// [`Marker`], which is a part of each transaction. So it does not matter whether the system has kept the open transaction.
///
/// Each worker has two writers, since one epoch may begin before the one before is complete. Writers have
/// numbers; a run with fewer workers also [recovers](TransactionalWriter::recover) the writers that a larger one had.
///
/// # Examples
///
/// A table in memory that has transactions:
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
    /// What writes the transactions of one worker, one at a time.
    type Writer: TransactionalWriter<T>;

    /// Opens a writer. Those of one worker are opened before any of them is
    /// [recovered](TransactionalWriter::recover), so that what takes long can be done for all of them together. It has to be the only one of its step and number: one that is still there from an earlier run must not
    /// be able to commit any more.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn open(&self, place: &WriterPlace<'_>) -> Result<Self::Writer, StepError>;
}

/// Which writer of a [`TransactionalSink`] is opened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WriterPlace<'a> {
    /// The step.
    pub step: &'a StepId,
    /// The number of the writer, which no other of the step has.
    pub number: usize,
    /// Whether the flow has a recovery store. Without one, nobody will ask for markers.
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

/// What a transaction says of itself in the outside system: which state of which recovery store it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// A random number that the writer has in the store.
    pub store: u64,
    /// The epoch.
    pub epoch: Epoch,
}

/// One writer of a [`TransactionalSink`].
pub trait TransactionalWriter<T>: 'static {
    /// Ends what an earlier writer of this number has left open, so that nothing of it is there, and gives the marker of the last
    /// transaction of this number that was committed. Called once, before all else.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn recover(&mut self) -> Result<Option<Marker>, StepError>;

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn begin(&mut self, epoch: Epoch) -> Result<(), StepError>;

    /// Writes items, which are never none, into the transaction.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError>;

    /// All items of the transaction were written. When this returns, the outside system has all of them and the marker.
    ///
    /// # Errors
    ///
    /// An error stops the run.
    fn prepare(&mut self, marker: Marker) -> Result<(), StepError>;

    /// Commits the transaction: the epoch is complete.
    ///
    /// # Errors
    ///
    /// An error stops the run. The epoch stays complete, and a later run writes its items.
    fn commit(&mut self, epoch: Epoch) -> Result<(), StepError>;
}
