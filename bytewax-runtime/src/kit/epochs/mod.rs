//! The epochs of a worker: the protocol, and the actions on it.

mod protocol;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::BTreeMap;

use tracing::Span;

use super::context::WorkerCx;
use super::listeners::Listeners;
use super::timers::Alarm;
use crate::clock::Monotonic;
use crate::error::RunError;
use crate::ids::Epoch;

pub(crate) use protocol::{Frontier, Pace, Protocol, STOPPED};

/// The epochs of a worker.
#[derive(Default)]
pub(crate) struct Epochs {
    protocol: OnceCell<RefCell<Protocol<Alarm>>>,
    /// The listeners that are notified of complete epochs.
    pub(crate) listeners: Listeners,
    /// Whether the run has stopped after its last epoch.
    stopped: Cell<bool>,
    /// The spans of the epochs that are under way, for the log.
    spans: RefCell<BTreeMap<u64, Span>>,
}

impl Epochs {
    /// Begins an execution.
    pub(crate) fn start(&self, protocol: Protocol<Alarm>) {
        let set = self.protocol.set(RefCell::new(protocol)).is_ok();
        assert!(set, "an execution begins once");
    }

    pub(crate) fn protocol(&self) -> RefMut<'_, Protocol<Alarm>> {
        let protocol = self.protocol.get();
        protocol
            .expect("it is set before the flow is built")
            .borrow_mut()
    }

    /// Opens the span of an epoch.
    pub(crate) fn open_span(&self, Epoch(epoch): Epoch) {
        let span = tracing::debug_span!("epoch", epoch);
        if !span.is_disabled() {
            span.in_scope(|| tracing::trace!("the epoch begins"));
            self.spans.borrow_mut().insert(epoch, span);
        }
    }

    /// Closes the spans of an epoch and of those before.
    fn close_spans(&self, epoch: u64) {
        let mut spans = self.spans.borrow_mut();
        while let Some(first) = spans.first_entry().filter(|first| *first.key() <= epoch) {
            let (number, span) = first.remove_entry();
            if number == epoch {
                span.in_scope(|| tracing::debug!("the epoch is complete"));
            }
        }
    }

    /// Returns the epoch in which the execution begins.
    pub(crate) fn first(&self) -> Epoch {
        self.protocol().first()
    }

    /// Whether the run has stopped after its last epoch.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl WorkerCx {
    /// Makes the sources of this worker join the epoch of others.
    pub(crate) fn join_epoch(&self, now: Monotonic) {
        let mut protocol = self.epochs.protocol();
        if self.shared.is_stopping_cleanly() {
            protocol.stop();
        }
        if protocol.join(self.shared.latest_epoch(), now) {
            self.meter.epochs.begins(protocol.current(), now);
            self.epochs.open_span(protocol.current());
            protocol
                .sources()
                .for_each(|source| self.timers.wake(source));
        }
    }

    /// Starts the next epoch on all workers, if the current one is over.
    pub(crate) fn begin_epoch(&self, now: Monotonic) {
        let mut protocol = self.epochs.protocol();
        if let Some(epoch) = protocol.begin(now) {
            self.shared.begin_epoch(epoch, self.index);
        } else if !(protocol.has_turns() && protocol.join(self.shared.latest_epoch(), now)) {
            return;
        }
        self.meter.epochs.begins(protocol.current(), now);
        self.epochs.open_span(protocol.current());
        for source in protocol.sources() {
            self.timers.wake(source);
        }
    }

    /// Records the progress of the whole cluster, and notifies the listeners.
    pub(crate) fn complete_epochs(&self, frontier: Frontier) -> Result<(), RunError> {
        let complete = {
            let mut protocol = self.epochs.protocol();
            let complete = protocol.complete(frontier);
            if !complete.is_empty() {
                protocol
                    .sources()
                    .for_each(|source| self.timers.wake(source));
            }
            complete
        };
        let now = (!complete.is_empty()).then(|| self.clock.monotonic());
        for epoch in complete {
            if let Some(now) = now {
                let saved = self.meter.saved_bytes.get();
                self.meter.epochs.completes(Epoch(epoch), now, saved);
            }
            self.epochs.close_spans(epoch);
            self.epochs.listeners.completed(Epoch(epoch), self)?;
        }
        if frontier == Frontier::Stopped {
            self.epochs.stopped.set(true);
            self.shared.note_stopped();
        }
        Ok(())
    }
}
