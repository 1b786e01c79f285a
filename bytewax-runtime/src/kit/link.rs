//! The connection between the code of operators and timely: the capability to send, edges, and wake-ups.
//!
//! Each of them has a second form in unit tests, where a test replaces timely. A program has one form, so
//! nothing is decided at run time.

use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::Capability;
use timely::scheduling::{Activator, SyncActivator};

use super::batch::Batch;
#[cfg(test)]
use super::bench;
use super::notes::Note;
use crate::ids::Epoch;

/// The link of an operator to the rest of the cluster.
pub(crate) enum Link {
    Timely {
        /// The capabilities to send items of the current epoch, one per output; the first is for notes.
        capabilities: Vec<Capability<u64>>,
        notes: Output<u64, Vec<Note>>,
    },
    #[cfg(test)]
    Bench(bench::Link),
}

impl Link {
    /// Drops the capabilities to send items of epochs before `to`; keeps that for notes if it is `held`.
    pub(super) fn advance(&mut self, to: Epoch, held: bool) {
        match self {
            Self::Timely { capabilities, .. } => {
                for capability in &mut capabilities[usize::from(held)..] {
                    capability.downgrade(&to.0);
                }
            }
            #[cfg(test)]
            Self::Bench(link) => link.advance(to, held),
        }
    }

    /// Drops the capability to send notes of epochs before `to`.
    pub(super) fn release(&mut self, to: Epoch) {
        match self {
            Self::Timely { capabilities, .. } => capabilities[0].downgrade(&to.0),
            #[cfg(test)]
            Self::Bench(link) => link.release(to),
        }
    }

    /// Drops all capabilities to send.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Timely { capabilities, .. } => capabilities.clear(),
            #[cfg(test)]
            Self::Bench(link) => link.close(),
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        match self {
            Self::Timely {
                capabilities,
                notes,
            } => {
                notes.give(&capabilities[0], &mut vec![note]);
                drop(notes.activate::<Vec<Note>>());
            }
            #[cfg(test)]
            Self::Bench(link) => link.note(note),
        }
    }
}

/// The sending end of an edge.
pub(super) enum Wire<I> {
    Timely {
        /// The output of the operator.
        port: usize,
        output: Output<u64, Batch<I>>,
    },
    #[cfg(test)]
    Bench(bench::Wire<I>),
}

impl<I: 'static> Wire<I> {
    #[inline]
    pub(super) fn send(&mut self, mut batch: Batch<I>, from: &Link) {
        match (self, from) {
            (Self::Timely { port, output }, Link::Timely { capabilities, .. }) => {
                output.give(&capabilities[*port], &mut batch);
            }
            #[cfg(test)]
            (Self::Bench(wire), from) => wire.send(batch, from),
            #[cfg(test)]
            (Self::Timely { .. }, Link::Bench(_)) => unreachable!("a test makes all ends"),
        }
    }

    /// Makes the sent batches visible to the readers.
    pub(super) fn done(&mut self) {
        match self {
            Self::Timely { output, .. } => drop(output.activate::<Batch<I>>()),
            #[cfg(test)]
            Self::Bench(_) => {}
        }
    }
}

/// Wakes an operator of the current worker.
pub(crate) enum Wake {
    Timely(Activator),
    #[cfg(test)]
    Bench(bench::Woken),
}

impl Wake {
    pub(super) fn wake(&self) {
        match self {
            Self::Timely(activator) => activator.activate(),
            #[cfg(test)]
            Self::Bench(woken) => woken.wake(),
        }
    }
}

/// Wakes an operator from any thread.
#[derive(Clone)]
pub(crate) enum RemoteAlarm {
    Timely(SyncActivator),
    #[cfg(test)]
    Bench(bench::Woken),
}

impl RemoteAlarm {
    pub(crate) fn wake(&self) {
        match self {
            Self::Timely(activator) => {
                // It fails only when the worker has ended and needs no wake-up.
                let _ = activator.activate();
            }
            #[cfg(test)]
            Self::Bench(woken) => woken.wake(),
        }
    }
}
