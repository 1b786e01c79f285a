//! Partitions of sources and sinks that are notified of complete epochs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::context::WorkerCx;
use crate::error::{RunError, StepError};
use crate::guard::with_partition;
use crate::ids::{Epoch, StepIndex};

/// A listener that is notified when an epoch is complete on the whole cluster.
pub(crate) trait Listener: 'static {
    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError>;
}

/// All listeners of a worker, in the order in which they were opened.
#[derive(Default)]
pub(crate) struct Listeners {
    all: RefCell<Vec<Listening>>,
    next: Cell<u64>,
}

/// The id of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerId(u64);

struct Listening {
    id: ListenerId,
    step: StepIndex,
    partition: Option<String>,
    listener: Rc<RefCell<dyn Listener>>,
    /// The epoch in which it was opened: it is not notified of earlier ones.
    from: Epoch,
    /// The epoch in which it ended.
    until: Option<Epoch>,
}

impl Listeners {
    /// Adds a partition that was opened in an epoch; it is notified of that and later epochs.
    pub(crate) fn add(
        &self,
        step: StepIndex,
        partition: Option<&str>,
        from: Epoch,
        listener: Rc<RefCell<dyn Listener>>,
    ) -> ListenerId {
        let id = ListenerId(self.next.get());
        self.next.set(id.0 + 1);
        self.all.borrow_mut().push(Listening {
            id,
            step,
            partition: partition.map(ToOwned::to_owned),
            listener,
            from,
            until: None,
        });
        id
    }

    /// Records that a partition ended in an epoch. It is closed when that epoch is complete.
    pub(crate) fn end(&self, id: ListenerId, epoch: Epoch) {
        let mut all = self.all.borrow_mut();
        if let Some(listening) = all.iter_mut().find(|listening| listening.id == id) {
            listening.until = Some(epoch);
        }
    }

    /// Notifies all that an epoch is complete.
    pub(crate) fn completed(&self, epoch: Epoch, cx: &WorkerCx) -> Result<(), RunError> {
        let mut failed = Ok(());
        self.all.borrow_mut().retain(|listening| {
            if failed.is_ok() && listening.from <= epoch {
                cx.enter(listening.step);
                let tell = || listening.listener.borrow_mut().completed(epoch);
                let told = match &listening.partition {
                    Some(partition) => with_partition(partition, tell),
                    None => tell(),
                };
                failed = told.map_err(|error| {
                    let text = format!("it failed when epoch {epoch} was complete");
                    let error = RunError::step(text, error);
                    match &listening.partition {
                        Some(partition) => error.in_partition(partition),
                        None => error,
                    }
                });
            }
            listening.until.is_none_or(|until| until > epoch)
        });
        failed
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.all.borrow_mut().clear();
    }
}
